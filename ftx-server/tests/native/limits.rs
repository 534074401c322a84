//! How long and how many.

use std::time::{Duration, Instant};

use ftx_core::native::Reason;
use ftx_core::native::blocks::BlockRange;
use ftx_core::native::wire::{GetScope, Reply, Request};
use ftx_io::MinSpeed;
use ftx_server::Limit;
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::{get, new_id};
use crate::frame::{Frame, block_frame, put_frame};
use crate::resume::staged;
use crate::running::Running;
use crate::{MIB, content, wait_until};

with_each_carrier!(
    a_client_that_drips_is_closed_and_its_upload_kept,
    a_client_that_stalls_within_a_frame_is_closed,
    an_unread_download_is_closed_and_frees_everything,
    a_client_that_does_not_read_its_answers_is_closed,
    unread_small_blocks_are_not_held,
    a_slow_reader_gets_its_file,
    uploads_of_a_stalled_connection_are_free_again,
    a_stalled_reader_delays_no_other_client,
);

/// For who does nothing in time.
const SHORT: Duration = Duration::from_millis(300);

/// For who must do something in time, on a busy machine too.
const ENOUGH: Duration = Duration::from_secs(2);

/// Far more than both, on a busy machine too, and less than the default.
const LATE: Duration = Duration::from_secs(20);

#[test]
fn a_client_that_idles_between_two_files_is_closed_quietly() {
    let server = Running::with(|config| config.timeouts.idle = ENOUGH);
    let mut client = server.client().greet(None);
    client.put("a", b"hello");
    assert_eq!(client.goodbye(), Reason::TimedOut);
    wait_until("it is gone", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().errors, 0);
}

fn a_client_that_stalls_within_a_frame_is_closed(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.stall = SHORT);
    let file = content(1, 2 * MIB);
    let frames = [
        Request::Stat { name: "a".to_owned() }.encode(1).unwrap(),
        put_frame(2, "a", b"hello"),
        put_frame(3, "a", &content(1, 300_000)),
        block_frame(4, &file, 0),
    ];
    let stalled: Vec<_> = frames
        .iter()
        .flat_map(|frame| [1, 11, 14, frame.len() - 1].map(|cut| &frame[..cut]))
        .map(|bytes| {
            let mut client = server.client().greet(None);
            let start = Instant::now();
            // Who is held up before all of it is on its way is closed just the same.
            client.try_send_bytes(bytes);
            (client, start, bytes.len())
        })
        .collect();
    for (mut client, start, cut) in stalled {
        let after = client.closed_after(start);
        assert!((SHORT / 2..LATE).contains(&after), "{cut} bytes: {after:?}");
    }
    wait_until("all are gone", || server.active() == 0);
    assert!(!server.exists("a"));
}

/// The server's own heartbeats meanwhile are no sign of the client.
#[test]
fn a_stalled_client_is_closed_despite_heartbeats() {
    let server = Running::with(|config| config.timeouts.stall = Duration::from_millis(1500));
    let mut client = server.client().greet(None);
    let frame = block_frame(1, &content(1, MIB), 0);
    let start = Instant::now();
    client.try_send_bytes(&frame[..frame.len() / 2]);
    let after = client.closed_after(start);
    assert!((Duration::from_secs(1)..LATE).contains(&after), "{after:?}");
}

/// The least speed that the tests ask for.
const MIN_SPEED: MinSpeed = MinSpeed { bytes_per_second: 2000, window: Duration::from_millis(300) };

/// How often clients were too slow.
fn too_slow(server: &Running) -> u64 {
    let limits = server.monitor.snapshot().limits;
    limits.iter().find(|(met, _)| *met == Limit::MinSpeed).map_or(0, |&(_, count)| count)
}

/// It moves a byte often enough, but too few of them.
fn a_client_that_drips_is_closed_and_its_upload_kept(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.limits.min_speed = Some(MIN_SPEED));
    let file = content(1, 3 * MIB);
    for (name, position) in [("a", 3), ("b", 500)] {
        let mut client = server.client().greet(None);
        let id = client.begin(name, &file, 1).id;
        client.send_blocks(id, &file, [0]);
        let before = too_slow(&server);
        let frame = block_frame(id, &file, 1);
        client.send_bytes(&frame[..position]);
        let is_closed = frame[position..].chunks(1).take(2000).any(|byte| {
            !client.try_send_bytes(byte) || client.is_closed_within(Duration::from_millis(10))
        });
        assert!(is_closed, "{position}: it was served");
        wait_until("it is counted", || too_slow(&server) == before + 1);
        assert_eq!(server.client().greet(None).upload(name, &file, 1).0, [1, 2]);
    }
}

#[test]
fn a_client_that_is_fast_enough_is_not_closed() {
    let server = Running::with(|config| config.limits.min_speed = Some(MIN_SPEED));
    let mut client = server.client().greet(None);
    let file = content(1, 300_000);
    let frame = put_frame(1, "a", &file);
    let start = Instant::now();
    for chunk in frame.chunks(10_000) {
        // A slow client is one that pauses.
        std::thread::sleep(Duration::from_millis(25));
        client.send_bytes(chunk);
    }
    assert!(start.elapsed() > 2 * MIN_SPEED.window);
    assert!(matches!(client.frame(), Frame::Reply(1, Reply::Done { .. })));
    // Requests that come now and then are no slow message.
    for name in ["b", "c", "d"] {
        client.put(name, b"small");
        assert!(client.is_silent_for(MIN_SPEED.window));
    }
    assert_eq!(too_slow(&server), 0);
}

/// It reads often enough, but too little.
#[test]
fn a_slow_reader_is_closed_and_a_faster_one_is_not() {
    const TOO_FAST: MinSpeed = MinSpeed { bytes_per_second: 1 << 40, ..MIN_SPEED };
    for (min, is_too_slow) in [(TOO_FAST, true), (MIN_SPEED, false)] {
        let server = Running::with(|config| config.limits.min_speed = Some(min));
        let file = std::fs::File::create(server.path().join("big")).unwrap();
        file.set_len(64 << 20).unwrap();
        let mut client = server.client().greet(None);
        client.send(new_id(), &get("big", None, GetScope::Whole));
        let received = client.read_at_a_pace(Duration::from_millis(5));
        assert_eq!(received < 64 << 20, is_too_slow, "{received} bytes");
        wait_until("it is counted", || too_slow(&server) == u64::from(is_too_slow));
    }
}

/// Before its first block and between two, a client may take its time: it hashes its own file.
#[test]
fn an_upload_may_pause_between_blocks() {
    let server = Running::with(|config| config.timeouts.stall = ENOUGH);
    let mut client = server.client().greet(None);
    let file = content(1, 2 * MIB);
    let id = client.begin("a", &file, 1).id;
    assert!(client.is_silent_for(ENOUGH + SHORT));
    client.send_blocks(id, &file, [0]);
    assert!(client.is_silent_for(ENOUGH + SHORT));
    client.send_blocks(id, &file, [1]);
    client.commit(id, &file);
}

#[test]
fn an_upload_that_stands_still_in_a_block_is_closed_and_kept() {
    let server = Running::with(|config| config.timeouts.stall = ENOUGH);
    let file = content(1, 3 * MIB);
    let mut client = server.client().greet(None);
    let id = client.begin("a", &file, 1).id;
    client.send_blocks(id, &file, [0, 2]);
    let start = Instant::now();
    client.send_bytes(&block_frame(id, &file, 1)[..500_000]);
    let after = client.closed_after(start);
    assert!((ENOUGH / 2..LATE).contains(&after), "{after:?}");
    wait_until("it is gone", || server.active() == 0);
    assert_eq!(server.client().greet(None).upload("a", &file, 2).0, [1]);
}

fn an_unread_download_is_closed_and_frees_everything(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.stall = SHORT);
    let file = std::fs::File::create(server.path().join("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut client = server.client().greet(None);
    client.send(new_id(), &get("big", None, GetScope::Whole));
    wait_until("it is closed", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().downloads, 0);
    assert!(server.monitor.snapshot().errors > 0);
    drop(client);
}

/// Who does not read its answers is not read from, and closed in the end.
fn a_client_that_does_not_read_its_answers_is_closed(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.stall = SHORT);
    let mut client = server.client().greet(None);
    let name = "x".repeat(250);
    let frames: Vec<_> =
        (0..500).map(|_| Request::Stat { name: name.clone() }.encode(new_id()).unwrap()).collect();
    let frames = frames.concat();
    while client.try_send_bytes(&frames) {}
    wait_until("it is closed", || server.active() == 0);
}

/// A request of a few KiB asks for 32 MiB in blocks so small that each is put behind the one before:
/// no more of them are held than the line takes.
fn unread_small_blocks_are_not_held(carrier: Carrier) {
    const ASKED: usize = 2000;
    let server = Running::over_with(carrier, |config| config.timeouts.stall = SHORT);
    let file = content(1, 16 * 1024);
    std::fs::write(server.path().join("a"), &file).unwrap();
    let ranges = vec![BlockRange { first: 0, count: 1 }; ASKED];
    let mut client = server.client().greet(None);
    client.send(new_id(), &get("a", None, GetScope::Blocks(ranges)));
    wait_until("it is closed", || {
        let now = server.monitor.snapshot();
        now.bytes_out > 0 && now.active.iter().sum::<usize>() == 0
    });
    let out = server.monitor.snapshot().bytes_out;
    assert!(out < (ASKED * file.len()) as u64 / 2, "{out} bytes");
}

fn a_slow_reader_gets_its_file(carrier: Carrier) {
    let server = Running::over(carrier);
    let file = content(1, 3 * MIB + 7);
    std::fs::write(server.path().join("a"), &file).unwrap();
    let mut client = server.client().greet(None);
    client.read_slowly();
    assert!(client.download("a") == file);
}

fn uploads_of_a_stalled_connection_are_free_again(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.stall = SHORT);
    let file = content(1, 2 * MIB);
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    for _ in 0..5 {
        let mut client = server.client().greet(None);
        let id = client.begin("a", &file, 1).id;
        client.try_send_bytes(&block_frame(id, &file, 1)[..500_000]);
        assert!(client.is_closed_within(LATE));
    }
    wait_until("all are gone", || server.active() == 0);
    wait_until("nothing is left", || staged(server.path()) == 0);
    // Other tests of this process open and close some, too.
    wait_until("descriptors are closed", || {
        std::fs::read_dir("/proc/self/fd").unwrap().count() < before + 100
    });
}

fn a_stalled_reader_delays_no_other_client(carrier: Carrier) {
    let server = Running::over(carrier);
    let file = std::fs::File::create(server.path().join("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut stuck = server.client().greet(None);
    stuck.send(new_id(), &get("big", None, GetScope::Whole));
    wait_until("it is under way", || server.monitor.snapshot().bytes_out > 0);
    let mut client = server.client().greet(None);
    let start = Instant::now();
    for n in 0..50 {
        client.put(&format!("{n}"), &content(n, 1000));
    }
    assert!(start.elapsed() < LATE, "{:?}", start.elapsed());
}
