//! Several clients that upload to one name.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, Request};

use crate::client::done;
use crate::frame::{block_frame, put_frame};
use crate::resume::staged;
use crate::running::Running;
use crate::{MIB, content, digest, wait_until};

const LEN: usize = 4 * MIB + 5;

#[test]
fn two_clients_have_a_staging_each_and_the_last_commit_wins() {
    let server = Running::start();
    let (one, other) = (content(1, LEN), content(2, LEN));
    let mut first = server.client().greet(None);
    let mut second = server.client().greet(None);
    let first_id = first.begin("a.bin", &one, 1).id;
    first.send_blocks(first_id, &one, 0..3);
    let offered = second.begin("a.bin", &other, 2);
    assert!(offered.have.is_empty(), "{offered:?}");
    assert_eq!(staged(server.path()), 4);
    second.send_blocks(offered.id, &other, 0..5);
    first.send_blocks(first_id, &one, 3..5);
    first.commit(first_id, &one);
    assert!(server.read("a.bin") == one);
    second.commit(offered.id, &other);
    assert!(server.read("a.bin") == other);
    assert_eq!(staged(server.path()), 0);
}

#[test]
fn many_concurrent_clients_leave_one_intact_file() {
    let server = Running::threads(2);
    let files: Vec<_> = (0..4).map(|seed| content(seed, LEN)).collect();
    std::thread::scope(|scope| {
        for (writer, file) in files.iter().enumerate() {
            let server = &server;
            let writer = u8::try_from(writer).unwrap();
            scope.spawn(move || {
                let mut client = server.client().greet(None);
                for _ in 0..3 {
                    client.upload("a.bin", file, writer);
                }
            });
        }
    });
    let found = server.read("a.bin");
    assert!(files.contains(&found));
    assert_eq!(staged(server.path()), 0);
    assert_eq!(server.monitor.snapshot().uploads, 12);
}

#[test]
fn a_client_that_comes_back_takes_its_upload_over_at_once() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut lost = server.client().greet(None);
    let old = lost.begin("a.bin", &file, 1).id;
    lost.send_blocks(old, &file, [0, 2]);
    let hanging = block_frame(old, &file, 1);
    lost.send_bytes(&hanging[..500_000]);
    wait_until("half of it is received", || {
        server.monitor.snapshot().bytes_in > 2 * MIB as u64 + 300_000
    });
    let mut back = server.client().greet(None);
    let offered = back.begin("a.bin", &file, 1);
    assert_eq!(offered.have.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(offered.resumed, 2 * MIB as u64);
    // Data that the old connection still sends is dropped.
    lost.send_bytes(&hanging[500_000..]);
    assert_eq!(lost.failure(old), Reason::TakenOver);
    lost.send_bytes(&block_frame(old, &content(9, LEN), 3));
    back.send_blocks(offered.id, &file, [1, 3, 4]);
    back.commit(offered.id, &file);
    assert!(server.read("a.bin") == file);
    assert_eq!(lost.ask(&Request::Ping { payload: 1 }), Reply::Pong { payload: 1 });
}

#[test]
fn a_commit_after_a_takeover_does_nothing() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut lost = server.client().greet(None);
    let old = lost.begin("a.bin", &file, 1).id;
    lost.send_blocks(old, &file, 0..5);
    let mut back = server.client().greet(None);
    let offered = back.begin("a.bin", &file, 1);
    assert_eq!(offered.resumed, LEN as u64);
    lost.send(old, &Request::Commit { digest: digest(&file) });
    assert_eq!(lost.failure(old), Reason::TakenOver);
    assert!(!server.exists("a.bin"));
    back.commit(offered.id, &file);
    assert!(server.read("a.bin") == file);
}

/// Files of one frame have no writer by which one could be taken for another.
#[test]
fn large_small_files_of_one_name_do_not_disturb_each_other() {
    let server = Running::start();
    let (one, other) = (content(1, MIB), content(2, MIB));
    let (mut first, mut second) = (server.client().greet(None), server.client().greet(None));
    let ids = [crate::client::new_id(), crate::client::new_id()];
    let frame = put_frame(ids[0], "a.bin", &one);
    first.send_bytes(&frame[..600_000]);
    wait_until("half of it is received", || server.monitor.snapshot().bytes_in > 400_000);
    second.send_bytes(&put_frame(ids[1], "a.bin", &other));
    assert_eq!(second.reply_to(ids[1]), done(&other));
    assert!(server.read("a.bin") == other);
    first.send_bytes(&frame[600_000..]);
    assert_eq!(first.reply_to(ids[0]), done(&one));
    assert!(server.read("a.bin") == one);
}

#[test]
fn an_upload_that_waits_is_not_disturbed_by_a_smaller_one() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, 0..3);
    server.client().greet(None).put("a.bin", b"small");
    client.send_blocks(id, &file, 3..5);
    client.commit(id, &file);
    assert!(server.read("a.bin") == file);
}
