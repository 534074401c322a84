//! Servers that refuse or close during an upload.

use std::error::Error as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use ftx_client::blocking::BlockingClient;
use ftx_client::{Reason, Status, TransferError, Transferred};
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_tests::{Carrier, with_each_carrier};

use crate::server::{Peer, listen};
use crate::{SOON, config, name};

with_each_carrier!(
    a_server_that_closes_is_noticed_while_nothing_more_can_be_sent,
    a_server_that_closes_later_is_noticed_too,
    a_refusal_that_comes_early_counts_when_all_is_sent,
    a_refusal_is_the_reason_if_the_server_closes_after_it,
    a_confirmation_that_comes_early_does_not_make_up_for_closing,
);

/// Bytes; more than sockets hold.
const LEN: u64 = 256 << 20;

/// Uploads `len` bytes to a server that accepts the upload and then runs `then`. Panics if the client
/// does not end soon.
fn upload(
    carrier: Carrier,
    len: u64,
    then: impl FnOnce(&mut Peer) + Send + 'static,
) -> Result<Transferred, TransferError> {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    std::fs::File::create(&path).unwrap().set_len(len).unwrap();
    let (listener, address) = listen(carrier);
    let (tell, told) = mpsc::channel();
    // The thread stays behind if the test fails.
    thread::spawn(move || tell.send(upload_file(carrier, &path, address)));
    let mut peer = Peer::accept(&listener);
    assert!(matches!(peer.request(), LegacyRequest::UploadHeader { .. }));
    peer.reply(&LegacyReply::UploadHeader {
        status: Status::Ok,
        pos: 0,
        md5: QString::NULL,
        extended: true,
        published: false,
    });
    assert_eq!(peer.request(), LegacyRequest::UploadPos { pos: 0, len: len.cast_signed() });
    peer.reply(&LegacyReply::UploadPos { status: Status::Ok });
    then(&mut peer);
    told.recv_timeout(SOON).expect("it is still sending to a server that is gone")
}

fn upload_file(
    carrier: Carrier,
    path: &Path,
    address: ftx_client::ServerAddr,
) -> Result<Transferred, TransferError> {
    BlockingClient::new(address, config(carrier)).unwrap().upload(path, &name())
}

fn refusal() -> LegacyReply {
    LegacyReply::UploadTail { status: Status::WriteError, md5: QString::NULL }
}

fn is_refused(result: &Result<Transferred, TransferError>) -> bool {
    matches!(result, Err(error) if error.is_refusal() && error.status() == Status::WriteError)
}

fn is_closed(result: &Result<Transferred, TransferError>) -> bool {
    // A connection that failed has a cause.
    matches!(result, Err(error) if error.reason() == Reason::ConnectionLost && error.source().is_none())
}

fn a_server_that_closes_is_noticed_while_nothing_more_can_be_sent(carrier: Carrier) {
    let result = upload(carrier, LEN, |peer| peer.shut_write());
    assert!(is_closed(&result), "{result:?}");
}

fn a_server_that_closes_later_is_noticed_too(carrier: Carrier) {
    let result = upload(carrier, LEN, |peer| {
        peer.body(20 << 20);
        peer.shut_write();
    });
    assert!(is_closed(&result), "{result:?}");
}

/// The announced bytes come before the next message, even if a reply has arrived meanwhile.
fn a_refusal_that_comes_early_counts_when_all_is_sent(carrier: Carrier) {
    for len in [1000, 30 << 20] {
        let result = upload(carrier, len, move |peer| {
            peer.reply(&refusal());
            assert_eq!(peer.body(usize::try_from(len).unwrap()).len() as u64, len);
        });
        assert!(is_refused(&result), "{result:?}");
    }
}

fn a_refusal_is_the_reason_if_the_server_closes_after_it(carrier: Carrier) {
    let result = upload(carrier, LEN, |peer| {
        peer.reply(&refusal());
        peer.shut_write();
    });
    assert!(is_refused(&result), "{result:?}");
}

/// Before all bytes have arrived, only a refusal counts.
fn a_confirmation_that_comes_early_does_not_make_up_for_closing(carrier: Carrier) {
    let result = upload(carrier, LEN, |peer| {
        peer.reply(&LegacyReply::UploadTail { status: Status::Ok, md5: QString::NULL });
        peer.shut_write();
    });
    assert!(is_closed(&result), "{result:?}");
}
