//! A client comes back while the server still believes in its old connection.

use ftx_core::Status;
use ftx_core::legacy::wire::LegacyReply;
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, RawSocket, Server, wait_until};
use tempfile::tempdir;

const MIB: usize = 1 << 20;
const LEN: usize = 4 * MIB;

/// Asks as an old client would, resumes from the offer, and sends up to `until`.
fn begin(server: &Server, whole: &[u8], until: usize) -> (RawSocket, usize) {
    let mut socket = RawSocket::connect(server.addr());
    let reply = socket.upload_header("a.bin");
    let Some(LegacyReply::UploadHeader { status: Status::Ok, pos, md5, .. }) = reply else {
        panic!("{reply:?}")
    };
    let from = usize::try_from(pos).unwrap();
    if from > 0 {
        assert_eq!(md5.to_text(), Some(content(1, pos.cast_unsigned()).md5()));
    }
    let left = i64::try_from(whole.len() - from).unwrap();
    assert_eq!(socket.upload_pos(pos, left), Some(LegacyReply::UploadPos { status: Status::Ok }));
    socket.send_bytes(&whole[from..until.max(from)]);
    (socket, from)
}

/// Starts at 0, whatever is offered.
fn begin_anew(server: &Server, whole: &[u8]) -> RawSocket {
    let mut socket = RawSocket::connect(server.addr());
    let _ = socket.upload_header("a.bin");
    let len = i64::try_from(whole.len()).unwrap();
    assert_eq!(socket.upload_pos(0, len), Some(LegacyReply::UploadPos { status: Status::Ok }));
    socket
}

fn assert_published(mut socket: RawSocket, server: &Server) {
    let tail = socket.reply();
    assert!(matches!(tail, Some(LegacyReply::UploadTail { status: Status::Ok, .. })), "{tail:?}");
    assert_content(&server.file("a.bin"), content(1, LEN as u64));
}

#[test]
fn a_first_upload_that_hangs_does_not_keep_the_next_from_ending() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let whole = content(1, LEN as u64).bytes();
    let (hanging, _) = begin(&server, &whole, 2 * MIB);
    let (next, _) = begin(&server, &whole, LEN);
    assert_published(next, &server);
    drop(hanging);
    assert_content(&server.file("a.bin"), content(1, LEN as u64));
}

#[test]
fn a_resumed_upload_that_hangs_does_not_keep_the_next_from_ending() {
    let root = tempdir().unwrap();
    let mut server = Server::start(root.path());
    let whole = content(1, LEN as u64).bytes();
    drop(begin(&server, &whole, MIB));
    wait_until("the first is gone", DEADLINE, || server.monitor().active == [0]);
    let (hanging, from) = begin(&server, &whole, 2 * MIB);
    // All but the last byte is offered: there is always one to send.
    assert_eq!(from, MIB - 1);
    let (next, _) = begin(&server, &whole, LEN);
    assert_published(next, &server);
    drop(hanging);
    assert_content(&server.file("a.bin"), content(1, LEN as u64));
}

#[test]
fn a_client_that_reconnects_early_is_offered_its_sent_bytes() {
    for older in [None, Some(1000)] {
        let root = tempdir().unwrap();
        if let Some(len) = older {
            write_file(&root.path().join("a.bin"), content(9, len));
        }
        let mut server = Server::start(root.path());
        let whole = content(1, 32 * MIB as u64).bytes();
        let mut hanging = begin_anew(&server, &whole);
        hanging.send_bytes(&whole[..24 * MIB]);
        let arrived = format!("bytes_in={} ", 24 * MIB);
        wait_until("all has arrived", DEADLINE, || server.monitor().total.contains(&arrived));
        let offered = RawSocket::connect(server.addr()).upload_header("a.bin");
        let Some(LegacyReply::UploadHeader { pos, .. }) = offered else { panic!("{offered:?}") };
        assert!(pos >= 16 << 20, "offered {pos} bytes, older version: {older:?}");
    }
}

/// Both were offered the same bytes before either went on from them.
#[test]
fn two_that_were_offered_the_same_bytes_do_not_spoil_them() {
    let root = tempdir().unwrap();
    let mut server = Server::start(root.path());
    let whole = content(1, LEN as u64).bytes();
    drop(begin(&server, &whole, MIB));
    wait_until("the first is gone", DEADLINE, || server.monitor().active == [0]);
    let mut slow = RawSocket::connect(server.addr());
    let offered = slow.upload_header("a.bin");
    assert!(
        matches!(offered, Some(LegacyReply::UploadHeader { pos: 0xf_ffff, .. })),
        "{offered:?}"
    );
    let (quick, _) = begin(&server, &whole, LEN);
    assert_published(quick, &server);
    // The offered data is gone. The upload may be refused; it must not store anything else.
    let left = i64::try_from(LEN - (MIB - 1)).unwrap();
    if slow.upload_pos(0xf_ffff, left) == Some(LegacyReply::UploadPos { status: Status::Ok }) {
        slow.send_bytes(&whole[MIB - 1..]);
        let _ = slow.reply();
    }
    assert_content(&server.file("a.bin"), content(1, LEN as u64));
}
