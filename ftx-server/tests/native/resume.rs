//! Interrupted uploads that are resumed.

use std::path::Path;

use ftx_core::native::Reason;
use ftx_core::native::wire::Request;

use crate::frame::block_frame;
use crate::running::Running;
use crate::{MIB, content, wait_until};

const LEN: usize = 6 * MIB + 12_345;

/// Files that uploads of blocks left in the server's own directory.
pub(crate) fn staged(root: &Path) -> usize {
    std::fs::read_dir(root.join(".ftx/blocks")).unwrap().count()
}

#[test]
fn after_a_lost_connection_the_missing_blocks_are_sent() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, [1, 4, 6]);
    client.send_bytes(&block_frame(id, &file, 2)[..700_000]);
    drop(client);
    wait_until("it is gone", || server.active() == 0);
    let mut client = server.client().greet(None);
    assert_eq!(client.upload("a.bin", &file, 1), (vec![0, 2, 3, 5], false));
    assert!(server.read("a.bin") == file);
    assert_eq!(staged(server.path()), 0);
}

#[test]
fn after_a_restart_the_missing_blocks_are_sent() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, [1, 4, 6]);
    drop(client);
    let (_, root) = server.stop();
    let server = Running::in_root(root, |_| {});
    let mut client = server.client().greet(None);
    // Another client may resume, too, when the staging has no writer.
    assert_eq!(client.upload("a.bin", &file, 2), (vec![0, 2, 3, 5], false));
    assert!(server.read("a.bin") == file);
}

#[test]
fn a_new_version_is_sent_over_an_interrupted_one_and_the_published_one() {
    let server = Running::start();
    let old = content(1, LEN);
    let mut client = server.client().greet(None);
    client.upload("a.bin", &old, 1);
    let mut new = old.clone();
    new[..3 * MIB].copy_from_slice(&content(2, 3 * MIB));
    let id = client.begin("a.bin", &new, 1).id;
    client.send_blocks(id, &new, [0]);
    drop(client);
    wait_until("it is gone", || server.active() == 0);
    let mut client = server.client().greet(None);
    // Of both that are held, and in the third version another block differs.
    new[5 * MIB] ^= 1;
    let offered = client.begin("a.bin", &new, 1);
    assert_eq!((offered.have.len(), offered.resumed), (7, MIB as u64));
    client.send_blocks(offered.id, &new, [1, 2, 5]);
    client.commit(offered.id, &new);
    assert!(server.read("a.bin") == new);
}

#[test]
fn a_staged_block_of_another_version_is_replaced() {
    let server = Running::start();
    let old = content(1, 3 * MIB);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &old, 1).id;
    client.send_blocks(id, &old, 0..3);
    client.send(id, &Request::Abandon { discard: false });
    client.reply_to(id);
    let new = content(2, 3 * MIB);
    assert_eq!(client.upload("a.bin", &new, 1).0, [0, 1, 2]);
    assert!(server.read("a.bin") == new);
}

#[test]
fn an_abandoned_upload_is_kept_or_discarded() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    for discard in [true, false] {
        let offered = client.begin("a.bin", &file, 1);
        assert!(offered.have.is_empty());
        client.send_blocks(offered.id, &file, 0..3);
        client.send(offered.id, &Request::Abandon { discard });
        assert_eq!(client.failure(offered.id), Reason::Cancelled);
        assert_eq!(staged(server.path()), if discard { 0 } else { 2 });
        // Data still in flight is dropped.
        client.send_bytes(&block_frame(offered.id, &file, 3));
    }
    assert_eq!(client.upload("a.bin", &file, 1).0, [3, 4, 5, 6]);
    let snapshot = server.monitor.snapshot();
    assert_eq!((snapshot.uploads, snapshot.errors), (1, 0));
}

#[test]
fn an_upload_without_a_block_leaves_nothing() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    client.begin("a.bin", &file, 1);
    drop(client);
    wait_until("it is gone", || server.active() == 0);
    assert_eq!(staged(server.path()), 0);
}

#[test]
fn publishing_in_either_dialect_discards_the_stagings_of_both() {
    let server = Running::start();
    let file = content(1, 2 * MIB);
    let staging = server.path().join(".ftx/staging");
    let left = || std::fs::read_dir(&staging).unwrap().count() + staged(server.path());
    let interrupt = || {
        let mut client = server.client().greet(None);
        let id = client.begin("a.bin", &file, 1).id;
        client.send_blocks(id, &file, [0]);
        client.send(id, &Request::Abandon { discard: false });
        client.reply_to(id);
        let mut legacy = legacy(&server);
        legacy.upload_header("a.bin").unwrap();
        legacy.upload_pos(0, 2 * MIB as i64).unwrap();
        legacy.send_bytes(&file[..MIB]);
        drop((client, legacy));
        wait_until("both are gone", || server.active() == 0 && left() == 4);
        // The staged bytes are verified before this is answered.
        self::legacy(&server).upload_header("a.bin").unwrap();
    };
    interrupt();
    server.client().greet(None).upload("a.bin", &content(2, 2 * MIB), 9);
    assert_eq!(left(), 0);
    interrupt();
    server.client().greet(None).put("a.bin", b"small");
    assert_eq!(left(), 0);
    interrupt();
    let mut legacy = legacy(&server);
    legacy.upload_header("a.bin").unwrap();
    legacy.upload_pos(0, 5).unwrap();
    legacy.send_bytes(b"hello");
    legacy.reply().unwrap();
    assert_eq!(left(), 0);
}

fn legacy(server: &Running) -> ftx_tests::RawSocket {
    ftx_tests::RawSocket::connect(server.addr)
}
