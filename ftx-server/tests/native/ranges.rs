//! Downloads of some blocks.

use ftx_core::native::Reason;
use ftx_core::native::blocks::BlockRange;
use ftx_core::native::wire::{GetScope, MAX_GET_RANGES, Reply, Request};

use crate::client::{Client, get, new_id};
use crate::frame::Frame;
use crate::running::Running;
use crate::{MIB, block, content, cv};

const LEN: usize = 5 * MIB + 9;

/// Ranges that are asked for, and the blocks that come.
type Case<'a> = (&'a [(u64, u64)], &'a [u64]);

fn served() -> (Running, Vec<u8>) {
    let server = Running::start();
    let file = content(1, LEN);
    std::fs::write(server.path().join("a"), &file).unwrap();
    (server, file)
}

fn ranges(of: &[(u64, u64)]) -> GetScope {
    GetScope::Blocks(of.iter().map(|&(first, count)| BlockRange { first, count }).collect())
}

/// The blocks sent for the scope `what`; each is as it should be.
fn blocks(client: &mut Client, file: &[u8], what: GetScope) -> Vec<u64> {
    let id = new_id();
    client.send(id, &get("a", None, what));
    assert!(matches!(client.reply_to(id), Reply::Found { size, .. } if size == file.len() as u64));
    let mut sent = Vec::new();
    loop {
        match client.frame() {
            Frame::Block { request, index, bytes, cv: claimed } if request == id => {
                assert!(bytes == block(file, index) && claimed == cv(file, index), "{index}");
                sent.push(index);
            }
            Frame::Reply(request, Reply::End { digest: None }) if request == id => return sent,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn blocks_come_as_they_were_asked_for() {
    let (server, file) = served();
    let mut client = server.client().greet(None);
    let cases: [Case<'_>; 5] = [
        (&[], &[]),
        (&[(0, 6)], &[0, 1, 2, 3, 4, 5]),
        (&[(5, 1), (1, 2), (0, 1)], &[5, 1, 2, 0]),
        (&[(2, 1), (2, 1), (1, 3)], &[2, 2, 1, 2, 3]),
        (&[(3, 0)], &[]),
    ];
    for (asked, sent) in cases {
        assert_eq!(blocks(&mut client, &file, ranges(asked)), sent);
    }
}

/// A client that asks before it knows the size gets the blocks that exist.
#[test]
fn ranges_beyond_the_end_have_no_blocks_there() {
    let (server, file) = served();
    let mut client = server.client().greet(None);
    let cases: [Case<'_>; 4] = [
        (&[(4, 100)], &[4, 5]),
        (&[(6, 1), (7, 1), (u64::MAX, u64::MAX)], &[]),
        (&[(5, u64::MAX), (0, 1)], &[5, 0]),
        (&[(u64::MAX, 1)], &[]),
    ];
    for (asked, sent) in cases {
        assert_eq!(blocks(&mut client, &file, ranges(asked)), sent);
    }
}

#[test]
fn as_many_ranges_as_are_allowed() {
    let (server, file) = served();
    let mut client = server.client().greet(None);
    let asked: Vec<_> = (0..MAX_GET_RANGES as u64).map(|n| (5, n % 2)).collect();
    assert_eq!(blocks(&mut client, &file, ranges(&asked)).len(), MAX_GET_RANGES / 2);
    // One more than a peer of ours would send.
    let mut payload = Request::Digest { name: "a".to_owned() }.encode(1).unwrap()[12..].to_vec();
    payload[0] = 4;
    payload.push(0);
    payload.extend(2_u32.to_le_bytes());
    payload.extend((MAX_GET_RANGES as u64 + 1).to_le_bytes());
    payload.extend(vec![0; 16 * (MAX_GET_RANGES + 1)]);
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let header = [&len[..], &[9, 0, 0, 0, 1, 0, 0, 0]].concat();
    client.send_bytes(&[header, payload].concat());
    assert_eq!(client.goodbye(), Reason::LimitExceeded);
}

#[test]
fn several_connections_share_a_file() {
    let (server, file) = served();
    std::thread::scope(|scope| {
        for first in 0..3 {
            let (server, file) = (&server, &file);
            scope.spawn(move || {
                let mut client = server.client().greet(None);
                for _ in 0..5 {
                    let sent = blocks(&mut client, file, ranges(&[(2 * first, 2)]));
                    assert_eq!(sent, [2 * first, 2 * first + 1]);
                }
            });
        }
    });
}
