//! Clients that lost their connections and reconnect: requests sent on a lost connection must not be
//! carried out after the requests on the new one.

use ftx_core::native::blocks::BlockRange;
use ftx_core::native::wire::{GetScope, Reply, Request, Token};

use crate::client::{Client, get, new_id};
use crate::frame::put_frame;
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

const LEN: usize = 4 * MIB + 5;

/// Has the server send so much that is not read that it comes to nothing else.
fn hang(server: &Running, client: &mut Client) {
    std::fs::write(server.path().join("large"), vec![7; 64 * MIB]).unwrap();
    client.send(new_id(), &get("large", None, GetScope::Whole));
    wait_until("it is sent", || server.monitor.snapshot().bytes_out > 0);
}

/// The content of the file after the client stored it anew, having `sent` bytes on an earlier connection
/// that hung and was lost.
fn stored_after(sent: &[u8]) -> Vec<u8> {
    let server = Running::start();
    let mut lost = server.client().greet(None);
    lost.put("a", b"old");
    hang(&server, &mut lost);
    lost.send_bytes(sent);
    let mut back = server.client().greet_again(lost.session());
    back.put("a", b"new");
    lost.rest();
    wait_until("it is gone", || server.active() == 1);
    server.read("a")
}

#[test]
fn a_file_that_lies_unread_is_not_stored_over_a_newer_one() {
    assert_eq!(stored_after(&put_frame(new_id(), "a", b"stale")), b"new");
}

#[test]
fn a_removal_that_lies_unread_takes_no_newer_file_away() {
    let remove = Request::Remove { name: "a".to_owned() };
    assert_eq!(stored_after(&remove.encode(new_id()).unwrap()), b"new");
}

/// The stuck bytes are small blocks, which are sent together.
#[test]
fn a_session_that_hangs_in_small_blocks_is_replaced_at_once() {
    let server = Running::start();
    std::fs::write(server.path().join("small"), vec![7; 16 * 1024]).unwrap();
    let mut lost = server.client().greet(None);
    let ranges = vec![BlockRange { first: 0, count: 1 }; 2000];
    for _ in 0..2 {
        lost.send(new_id(), &get("small", None, GetScope::Blocks(ranges.clone())));
    }
    wait_until("it is sent", || server.monitor.snapshot().bytes_out > 0);
    let mut back = server.client().greet_again(lost.session());
    back.put("a", b"new");
    wait_until("it is gone", || server.active() == 1);
}

/// All its connections end, and its uploads are detached: another client could resume one.
#[test]
fn a_session_that_is_replaced_has_ended_before_the_welcome() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut lost = server.client().greet(None);
    let further = server.client().greet(Some(lost.session()));
    let id = lost.begin("a", &file, 1).id;
    lost.send_blocks(id, &file, 0..3);
    let mut back = server.client().greet_again(lost.session());
    wait_until("they are closed", || server.active() == 1);
    let offered = back.begin("a", &file, 2);
    assert_eq!(offered.have.len(), 3);
    back.send_blocks(offered.id, &file, 3..5);
    back.commit(offered.id, &file);
    for mut client in [lost, further] {
        assert!(client.is_closed_within(DEADLINE));
    }
    assert!(server.read("a") == file);
}

#[test]
fn there_need_be_no_such_session() {
    let server = Running::start();
    let lost = server.client().greet(None);
    let token = lost.session();
    drop(lost);
    wait_until("it is gone", || server.active() == 0);
    for token in [token, Token([9; 16])] {
        let mut back = server.client().greet_again(token);
        assert!(back.session() != token);
        assert!(matches!(back.ask(&Request::Ping { payload: 5 }), Reply::Pong { payload: 5 }));
    }
}
