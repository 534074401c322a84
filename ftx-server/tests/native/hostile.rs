//! Clients that mean no good.

use std::time::Duration;

use ftx_core::native::Reason;
use ftx_core::native::blocks::Cv;
use ftx_core::native::wire::{Overwrite, Reply, Request};
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::{new_id, offer};
use crate::frame::{Frame, block_frame, put_frame, raw_block};
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

with_each_carrier!(
    an_invalid_frame_is_answered_with_a_goodbye,
    valid_requests_before_an_invalid_one_count,
    blocks_of_unknown_requests_are_dropped,
    more_requests_than_are_allowed_are_answered_or_refused,
    no_client_holds_more_uploads_open_than_allowed,
    bytes_that_come_one_at_a_time_are_the_same,
    a_stream_can_be_cut_at_every_byte,
    a_file_frame_that_ends_early_stores_nothing,
);

fn header(len: u32, request: u32, kind: u8, rest: [u8; 3]) -> Vec<u8> {
    [&len.to_le_bytes()[..], &request.to_le_bytes(), &[kind], &rest].concat()
}

fn an_invalid_frame_is_answered_with_a_goodbye(carrier: Carrier) {
    let server = Running::over(carrier);
    let cases = [
        (header(u32::MAX, 1, 1, [0; 3]), Reason::Malformed),
        (header(1 << 20, 1, 1, [0; 3]), Reason::LimitExceeded),
        (header((1 << 16) + 1, 1, 1, [0; 3]), Reason::LimitExceeded),
        (header(u32::MAX, 1, 2, [0; 3]), Reason::Malformed),
        (header(1 << 21, 1, 2, [0; 3]), Reason::Malformed),
        (header(40, 1, 2, [0; 3]), Reason::Malformed),
        (header(1 << 21, 1, 3, [0; 3]), Reason::Malformed),
        (header(10, 1, 0, [0; 3]), Reason::Malformed),
        (header(10, 1, 4, [0; 3]), Reason::Malformed),
        (header(10, 1, 255, [0; 3]), Reason::Malformed),
        (header(10, 1, 1, [0, 0, 1]), Reason::Malformed),
        (header(0, 1, 1, [0; 3]), Reason::Malformed),
        // Blocks and files belong to a request.
        (header(100, 0, 2, [0; 3]), Reason::Malformed),
        (header(100, 0, 3, [0; 3]), Reason::Malformed),
        // The head of a file that reaches beyond its frame, and one that is too long.
        ([header(100, 1, 3, [0; 3]), vec![0xff; 4]].concat(), Reason::Malformed),
        ([header(100, 1, 3, [0; 3]), vec![80, 0, 0, 0]].concat(), Reason::Malformed),
        ([header(40_000, 1, 3, [0; 3]), vec![0, 0x41, 0, 0]].concat(), Reason::Malformed),
        // A head that is none, a message that is none, and one with a byte too many.
        ([header(46, 1, 3, [0; 3]), vec![10, 0, 0, 0], vec![0xff; 10]].concat(), Reason::Malformed),
        ([header(4, 1, 1, [0; 3]), vec![10, 0, 0, 0]].concat(), Reason::Malformed),
        ([header(13, 1, 1, [0; 3]), vec![9, 0, 0, 0], vec![0; 9]].concat(), Reason::Malformed),
        // A text of 2^63 bytes.
        ([header(12, 1, 1, [0; 3]), vec![5, 0, 0, 0], vec![0xff; 8]].concat(), Reason::Malformed),
        // An Offer with the id of the connection.
        (
            [header(13, 0, 1, [0; 3]), vec![5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 102]].concat(),
            Reason::Malformed,
        ),
    ];
    for (bytes, reason) in cases {
        let mut client = server.client().greet(None);
        client.send_bytes(&bytes);
        assert_eq!(client.goodbye(), reason, "{bytes:?}");
    }
    wait_until("all are gone", || server.active() == 0);
    server.client().greet(None).put("a", b"hello");
}

/// Earlier answers arrive before the goodbye.
fn valid_requests_before_an_invalid_one_count(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    let id = new_id();
    client.send_bytes(&[put_frame(id, "a", b"hello"), vec![0xff; 12]].concat());
    assert_eq!(client.reply_to(id), crate::client::done(b"hello"));
    assert_eq!(client.goodbye(), Reason::Malformed);
    assert_eq!(server.read("a"), b"hello");
}

fn blocks_of_unknown_requests_are_dropped(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    for len in [1, 1000, MIB] {
        client.send_bytes(&raw_block(new_id(), u64::MAX, &content(1, len), Cv([0; 32])));
    }
    assert_eq!(client.ask(&Request::Ping { payload: 1 }), Reply::Pong { payload: 1 });
    assert_eq!(server.monitor.snapshot().errors, 0);
}

fn more_requests_than_are_allowed_are_answered_or_refused(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    let mut reader = client.reader();
    let ids: Vec<_> = (0..2000).map(|_| new_id()).collect();
    let frames: Vec<_> =
        ids.iter().map(|id| Request::Stat { name: "a".to_owned() }.encode(*id).unwrap()).collect();
    client.send_bytes(&frames.concat());
    for id in ids {
        assert!(matches!(reader.failure(id), Reason::NotFound | Reason::TooManyRequests));
    }
}

fn no_client_holds_more_uploads_open_than_allowed(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    let mut open = Vec::new();
    let refused = loop {
        let request = offer(&open.len().to_string(), 5, Overwrite::Replace, 1);
        match client.offer(&request) {
            Ok(offered) => open.push(offered.id),
            Err(reason) => break reason,
        }
        assert!(open.len() < client.terms.unwrap().requests as usize);
    };
    assert_eq!(refused, Reason::TooManyRequests);
    assert!(open.len() >= 16);
    // One less, and there is room for one more.
    client.send(open[0], &Request::Abandon { discard: true });
    assert_eq!(client.failure(open[0]), Reason::Cancelled);
    client.offer(&offer("one-more", 5, Overwrite::Replace, 1)).unwrap();
    drop(client);
    wait_until("it is gone", || server.active() == 0);
    assert_eq!(crate::resume::staged(server.path()), 0);
}

fn bytes_that_come_one_at_a_time_are_the_same(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    let file = content(1, MIB + 3);
    let id = client.begin("a", &file, 1).id;
    client.send_blocks(id, &file, [0]);
    let put = new_id();
    let frames = [
        block_frame(id, &file, 1),
        put_frame(put, "b", b"hello"),
        Request::Commit { digest: crate::digest(&file) }.encode(id).unwrap(),
    ];
    for byte in frames.concat().chunks(1) {
        client.send_bytes(byte);
    }
    assert_eq!(client.reply_to(id), Reply::Stored { index: 1 });
    assert_eq!(client.reply_to(put), crate::client::done(b"hello"));
    assert_eq!(client.reply_to(id), crate::client::done(&file));
    assert!(server.read("a") == file);
}

fn a_stream_can_be_cut_at_every_byte(carrier: Carrier) {
    let server = Running::over(carrier);
    let file = content(1, 100);
    let stream = |id: u32, put: u32| {
        [
            offer("a", file.len(), Overwrite::Replace, 1).encode(id).unwrap(),
            block_frame(id, &file, 0),
            put_frame(put, "b", &file),
            Request::Commit { digest: crate::digest(&file) }.encode(id).unwrap(),
        ]
        .concat()
    };
    let len = stream(new_id(), new_id()).len();
    for cut in (0..=len).step_by(3) {
        let mut client = server.client().greet(None);
        client.send_bytes(&stream(new_id(), new_id())[..cut]);
        client.shut_write();
        assert!(client.is_closed_within(DEADLINE));
        for name in ["a", "b"] {
            assert!(!server.exists(name) || server.read(name) == file, "{cut}");
        }
    }
    wait_until("all are gone", || server.active() == 0);
    let mut client = server.client().greet(None);
    client.upload("a", &content(2, 5), 1);
    assert!(client.is_silent_for(Duration::from_millis(1)));
}

fn a_file_frame_that_ends_early_stores_nothing(carrier: Carrier) {
    let server = Running::over(carrier);
    for len in [1000, 300_000] {
        let frame = put_frame(new_id(), "a", &content(1, len));
        let mut client = server.client().greet(None);
        client.send_bytes(&frame[..frame.len() - 1]);
        drop(client);
        wait_until("it is gone", || server.active() == 0);
        assert!(!server.exists("a"));
        assert_eq!(crate::resume::staged(server.path()), 0);
    }
}

#[test]
fn a_deep_tree_is_listed_with_few_descriptors() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let deep = format!("{}f", "d/".repeat(600));
    client.put(&deep, b"x");
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let request = Request::List { name: String::new(), recursive: true, after: None, limit: 5000 };
    let id = new_id();
    client.send(id, &request);
    let mut most = 0;
    let entries = loop {
        most = most.max(std::fs::read_dir("/proc/self/fd").unwrap().count());
        if client.is_silent_for(Duration::from_micros(1)) {
            continue;
        }
        match client.frame() {
            Frame::Reply(_, Reply::Entries { entries, .. }) => break entries,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(entries.len(), 601);
    // Other tests of this process have some, too.
    assert!(most < before + 300, "{before} before, {most} meanwhile");
}
