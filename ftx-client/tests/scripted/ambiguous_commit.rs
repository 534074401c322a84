//! Uploads that the server published while the connection broke before its reply.

use std::fs::File;
use std::thread;
use std::time::Duration;

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, TransferError, Transferred};
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, Digest};
use ftx_core::native::wire::{Overwrite, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::native_peer::{NativePeer, SESSION};
use crate::server::listen;
use crate::{config, name};

with_each_carrier!(a_file_that_was_published_is_done,);

const SMALL: u64 = 100;
const LARGE: u64 = 2 * BLOCK_BYTES;

/// Uploads a file of zeros over a connection that breaks after the commit. The server refuses the second
/// attempt because of an existing file, which is the uploaded one.
fn upload(
    carrier: Carrier,
    size: u64,
    overwrite: Overwrite,
    reason: Reason,
) -> Result<Transferred, TransferError> {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(size).unwrap();
    let (listener, address) = listen(carrier);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        if size == LARGE {
            let id = peer.offered(size);
            peer.published(id, 0..2);
        } else {
            peer.frame().unwrap();
        }
        drop(peer);
        let (mut peer, replaces) = NativePeer::accept_replacing(&listener);
        assert_eq!(replaces, Some(SESSION));
        let (header, _) = peer.frame().unwrap();
        peer.reply(header.request, &Reply::failed(reason, "it is there"));
        let (id, request) = peer.request()?;
        let Request::Check { name: asked, size: sent, digest, .. } = request else {
            panic!("{request:?}")
        };
        assert_eq!((asked.as_str(), sent), (name().as_str(), size));
        peer.reply(id, &Reply::Done { digest, unchanged: true });
        assert!(peer.request().is_none());
        Some(())
    });
    let mut config = config(carrier);
    (config.dialect, config.overwrite) = (DialectChoice::Native, overwrite);
    (config.retries, config.min_backoff) = (1, Duration::from_millis(1));
    let mut client = BlockingClient::new(address, config).unwrap();
    let result = client.upload(&path, &name());
    drop(client);
    server.join().unwrap();
    result
}

fn a_file_that_was_published_is_done(carrier: Carrier) {
    let before = Digest([9; 32]);
    for size in [SMALL, LARGE] {
        for (overwrite, reason) in [
            (Overwrite::Fail, Reason::AlreadyExists),
            (Overwrite::IfUnchanged(before), Reason::PreconditionFailed),
        ] {
            let done = upload(carrier, size, overwrite, reason);
            assert!(matches!(done, Ok(Transferred { moved, .. }) if moved == size), "{done:?}");
        }
    }
}
