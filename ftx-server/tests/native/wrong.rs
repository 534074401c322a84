//! Uploads that fail.

use ftx_core::native::Reason;
use ftx_core::native::blocks::{Cv, Digest};
use ftx_core::native::wire::{Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::Client;
use crate::frame::{block_frame, raw_block};
use crate::resume::staged;
use crate::running::Running;
use crate::{MIB, block, content, digest};

with_each_carrier!(
    a_commit_too_early,
    another_digest,
    a_block_that_is_not_as_it_was_sent,
    a_block_that_is_there_is_taken_once_if_it_is_the_same,
    a_block_that_is_there_with_other_bytes,
    a_block_that_the_file_does_not_have,
    blocks_of_an_upload_that_failed_are_dropped_on_every_connection,
    an_id_that_is_in_use,
);

const LEN: usize = 3 * MIB + 5;

/// A server that has blocks 0 and 1 of a file, and the client of it.
fn begun(carrier: Carrier) -> (Running, Client, Vec<u8>, u32) {
    let server = Running::over(carrier);
    let file = content(1, LEN);
    let mut client = server.client().greet(None);
    let id = client.begin("a.bin", &file, 1).id;
    client.send_blocks(id, &file, 0..2);
    (server, client, file, id)
}

/// After a failure the connection works as before, no file is published, and the blocks that had arrived
/// are kept.
fn assert_still_served(server: &Running, client: &mut Client, file: &[u8]) {
    assert!(!server.exists("a.bin"));
    assert_eq!(server.monitor.snapshot().uploads, 0);
    assert_eq!(staged(server.path()), 2);
    assert_eq!(client.upload("a.bin", file, 1), (vec![2, 3], false));
    assert!(server.read("a.bin") == file);
}

fn a_commit_too_early(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    client.send(id, &Request::Commit { digest: digest(&file) });
    assert_eq!(client.failure(id), Reason::OutOfStep);
    assert_still_served(&server, &mut client, &file);
}

fn another_digest(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    client.send_blocks(id, &file, 2..4);
    client.send(id, &Request::Commit { digest: Digest([7; 32]) });
    assert_eq!(client.failure(id), Reason::DigestMismatch);
    assert!(!server.exists("a.bin"));
    assert_eq!(client.upload("a.bin", &file, 1), (vec![], false));
    assert!(server.read("a.bin") == file);
}

fn a_block_that_is_not_as_it_was_sent(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    client.send_bytes(&raw_block(id, 2, block(&file, 2), Cv([7; 32])));
    assert_eq!(client.failure(id), Reason::BlockMismatch);
    assert_still_served(&server, &mut client, &file);
}

fn a_block_that_is_there_is_taken_once_if_it_is_the_same(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    client.send_blocks(id, &file, [1, 0, 1]);
    client.send_blocks(id, &file, 2..4);
    client.commit(id, &file);
    assert!(server.read("a.bin") == file);
}

fn a_block_that_is_there_with_other_bytes(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    client.send_bytes(&block_frame(id, &content(2, LEN), 1));
    assert_eq!(client.failure(id), Reason::BlockMismatch);
    assert_still_served(&server, &mut client, &file);
}

fn a_block_that_the_file_does_not_have(carrier: Carrier) {
    let of_another_length = [(2, MIB - 1), (2, 1), (3, 4), (3, 6), (3, MIB)];
    let beyond_the_end = [(4, MIB), (1 << 40, 1), (u64::MAX, MIB)];
    for (index, len) in of_another_length.into_iter().chain(beyond_the_end) {
        let (server, mut client, file, id) = begun(carrier);
        client.send_bytes(&raw_block(id, index, &file[..len], Cv([7; 32])));
        assert_eq!(client.goodbye(), Reason::Malformed, "block {index} of {len} bytes");
        assert_still_served(&server, &mut server.client().greet(None), &file);
    }
}

fn blocks_of_an_upload_that_failed_are_dropped_on_every_connection(carrier: Carrier) {
    let (server, mut client, file, id) = begun(carrier);
    let mut other = server.client().greet(Some(client.session()));
    other.send_bytes(&block_frame(id, &file, 3));
    assert_eq!(other.reply_to(id), Reply::Stored { index: 3 });
    // It fails while the other one is in the middle of a block.
    let frame = block_frame(id, &file, 2);
    other.send_bytes(&frame[..700_000]);
    crate::wait_until("half of it is received", || {
        server.monitor.snapshot().bytes_in > 2 * MIB as u64 + 600_000
    });
    client.send_bytes(&raw_block(id, 3, block(&file, 3), Cv([7; 32])));
    assert_eq!(client.failure(id), Reason::BlockMismatch);
    other.send_bytes(&frame[700_000..]);
    other.send_bytes(&block_frame(id, &file, 2));
    assert_eq!(other.ask(&Request::Ping { payload: 3 }), Reply::Pong { payload: 3 });
    assert_eq!(client.upload("a.bin", &file, 1).0, [2]);
}

#[test]
fn a_commit_of_no_upload() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let id = crate::client::new_id();
    client.send(id, &Request::Commit { digest: digest(b"") });
    client.failure(id);
    client.put("a.bin", b"hello");
}

#[test]
fn no_room_is_said_before_the_bytes_come() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for size in [1 << 60, i64::MAX as usize, usize::MAX] {
        let request =
            crate::client::offer("a.bin", size, ftx_core::native::wire::Overwrite::Replace, 1);
        assert_eq!(client.offer(&request).unwrap_err(), Reason::NoSpace, "{size}");
        assert_eq!(staged(server.path()), 0);
    }
    client.upload("a.bin", &content(1, MIB + 1), 1);
}

fn an_id_that_is_in_use(carrier: Carrier) {
    let (_server, mut client, file, id) = begun(carrier);
    let request =
        crate::client::offer("b.bin", file.len(), ftx_core::native::wire::Overwrite::Replace, 1);
    client.send(id, &request);
    assert_eq!(client.goodbye(), Reason::OutOfStep);
}
