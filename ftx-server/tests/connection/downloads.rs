//! Files that change while they are sent: the client gets one version, or the connection ends.

use std::fs;
use std::os::unix::fs::FileExt as _;

use ftx_core::Status;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};

use crate::client::{CONTENT, Client, TAIL, ask_download};
use crate::running::Running;
use crate::{DEADLINE, MIB, content, md5};

/// More than fits into the buffers between the two sides.
const LEN: usize = 48 * MIB;

/// Asks for a file that is there, and takes its first bytes.
fn begun(server: &Running, bytes: &[u8]) -> Client {
    fs::write(server.path().join("a.bin"), bytes).unwrap();
    let mut client = server.client();
    let header = client.ask(&ask_download("a.bin"));
    assert!(matches!(header, LegacyReply::DownloadHeader { status: Status::Ok, .. }), "{header:?}");
    client.send(&CONTENT);
    assert!(client.file_bytes(MIB) == bytes[..MIB]);
    client
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    let server = Running::start();
    let old = content(1, LEN);
    let mut client = begun(&server, &old);
    server.client().upload("a.bin", &content(2, 300_000));
    assert!(client.file_bytes(LEN - MIB) == old[MIB..]);
    assert_eq!(client.ask(&TAIL), LegacyReply::DownloadTail { status: Status::Ok });
    assert!(client.download("a.bin") == content(2, 300_000));
}

#[test]
fn a_file_that_is_removed_is_sent_as_it_was() {
    let server = Running::start();
    let old = content(1, LEN);
    let mut client = begun(&server, &old);
    fs::remove_file(server.path().join("a.bin")).unwrap();
    assert!(client.file_bytes(LEN - MIB) == old[MIB..]);
    assert_eq!(client.ask(&TAIL), LegacyReply::DownloadTail { status: Status::Ok });
}

#[test]
fn a_file_that_is_cut_ends_the_connection() {
    let server = Running::start();
    let mut client = begun(&server, &content(1, LEN));
    let file = fs::OpenOptions::new().write(true).open(server.path().join("a.bin")).unwrap();
    file.set_len(10 * MIB as u64).unwrap();
    assert!(client.is_closed_within(DEADLINE));
    assert_eq!(server.monitor.snapshot().downloads, 0);
}

/// Its size is right, and yet it is neither the old file nor the new one.
#[test]
fn a_file_that_is_written_to_is_not_sent_to_its_end() {
    let server = Running::start();
    let mut client = begun(&server, &content(1, LEN));
    let file = fs::OpenOptions::new().write(true).open(server.path().join("a.bin")).unwrap();
    file.write_all_at(&content(2, MIB), (LEN - 2 * MIB) as u64).unwrap();
    file.write_all_at(&content(2, MIB), 0).unwrap();
    drop(file);
    assert!(client.is_closed_within(DEADLINE), "old and new bytes were sent as one file");
    assert_eq!(server.monitor.snapshot().downloads, 0);
}

#[test]
fn bytes_that_the_client_has_are_not_sent_again() {
    let server = Running::start();
    let bytes = content(1, MIB);
    fs::write(server.path().join("a.bin"), &bytes).unwrap();
    for (held, extended, expected) in
        [(MIB, false, (MIB, 0)), (MIB / 2, false, (0, MIB)), (MIB / 2, true, (MIB / 2, MIB / 2))]
    {
        let reply = server.client().ask(&LegacyRequest::DownloadHeader {
            name: QString::from("a.bin"),
            pos: i64::try_from(held).unwrap(),
            md5: QString::from(md5(&bytes[..held]).as_str()),
            extended,
        });
        let LegacyReply::DownloadHeader { status: Status::Ok, pos, len, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!((pos, len), (expected.0 as i64, expected.1 as i64), "{held} {extended}");
    }
}
