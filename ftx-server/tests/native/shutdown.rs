//! Connections of a stopping server.

use std::time::{Duration, Instant};

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, GetScope, Request};

use crate::client::{get, new_id};
use crate::frame::block_frame;
use crate::running::Running;
use crate::{MIB, content, wait_until};

/// The grace, and the slack of a busy machine.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn idle_connections_get_a_goodbye_and_end_at_once() {
    let server = Running::with(|config| config.timeouts.grace = Duration::from_secs(60));
    let mut idle = server.client().greet(None);
    let mut used = server.client().greet(None);
    used.put("a", b"hello");
    let mut half = server.client();
    half.send_bytes(&CLIENT_PREFACE);
    wait_until("it is served", || server.active() == 3);
    let monitor = server.monitor.clone();
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
    assert_eq!(idle.goodbye(), Reason::ShuttingDown);
    assert_eq!(used.goodbye(), Reason::ShuttingDown);
    assert!(half.is_closed_within(SOON));
    assert_eq!(monitor.snapshot().errors, 0);
}

/// Over all of its connections.
#[test]
fn an_upload_may_come_to_its_end_within_the_grace() {
    let mut server = Running::with(|config| config.timeouts.grace = Duration::from_secs(60));
    let file = content(1, 3 * MIB);
    let mut first = server.client().greet(None);
    let mut second = server.client().greet(Some(first.session()));
    let id = first.begin("a", &file, 1).id;
    first.send_blocks(id, &file, [0]);
    server.ask_to_stop();
    assert!(second.is_silent_for(Duration::from_millis(100)));
    second.send_blocks(id, &file, [1]);
    first.send_blocks(id, &file, [2]);
    // The other one waits for its end by now.
    assert!(second.is_silent_for(Duration::from_millis(200)));
    first.commit(id, &file);
    let (took, root) = server.stop();
    assert!(took < SOON, "{took:?}");
    assert!(std::fs::read(root.path().join("a")).unwrap() == file);
}

#[test]
fn uploads_are_suspended_after_the_grace_and_resume_later() {
    let server = Running::threads(2);
    let file = content(1, 3 * MIB);
    let mut clients: Vec<_> = (0..6).map(|_| server.client().greet(None)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let id = client.begin(&format!("{n}"), &file, 1).id;
        client.send_blocks(id, &file, [1]);
        if n % 2 == 0 {
            client.send_bytes(&block_frame(id, &file, 0)[..300_000]);
        }
    }
    let (took, root) = server.stop();
    assert!(took < SOON, "{took:?}");
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.goodbye(), Reason::ShuttingDown, "{n}");
    }
    let server = Running::in_root(root, |_| {});
    let mut client = server.client().greet(None);
    for n in 0..6 {
        assert_eq!(client.upload(&format!("{n}"), &file, 9).0, [0, 2]);
    }
}

/// A goodbye is no bytes of a file.
#[test]
fn a_download_is_cut_off_after_the_grace_and_nothing_false_is_said() {
    let mut server = Running::start();
    let file = content(1, 64 * MIB);
    std::fs::write(server.path().join("big"), &file).unwrap();
    let mut client = server.client().greet(None);
    client.send(new_id(), &get("big", None, GetScope::Whole));
    wait_until("it is under way", || server.monitor.snapshot().bytes_out > 0);
    let start = Instant::now();
    server.ask_to_stop();
    // Read only after the grace: an earlier read would let the server send more.
    wait_until("it is cut off", || server.active() == 0);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    let rest = client.rest();
    // Found, and then nothing but frames of blocks, the last of them incomplete.
    let found = 12 + u32::from_le_bytes(*rest.first_chunk().unwrap()) as usize;
    let mut blocks = &rest[found..];
    let mut index = 0;
    while blocks.len() > 20 {
        let bytes = crate::block(&file, index);
        let here = bytes.len().min(blocks.len() - 20);
        assert!(blocks[20..][..here] == bytes[..here], "block {index}");
        blocks = &blocks[blocks.len().min(20 + MIB + 32)..];
        index += 1;
    }
    assert!(index < 64, "all of it was sent");
}

#[test]
fn hashing_does_not_keep_it_beyond_the_grace() {
    let server = Running::start();
    // They take no space, and far longer than the grace to hash.
    for name in ["one", "two", "three"] {
        let file = std::fs::File::create(server.path().join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
    }
    let mut clients: Vec<_> = (0..3).map(|_| server.client().greet(None)).collect();
    clients[0].send(new_id(), &Request::Digest { name: "one".to_owned() });
    clients[1].send(new_id(), &get("two", None, GetScope::Manifest));
    let size = 5 * MIB;
    let offer = crate::client::offer(
        "three",
        size,
        ftx_core::native::wire::Overwrite::IfUnchanged(crate::digest(b"")),
        1,
    );
    clients[2].send(new_id(), &offer);
    for name in ["one", "two", "three"] {
        server.wait_until_open(name);
    }
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
}
