//! How long and how many.

use std::thread;
use std::time::{Duration, Instant};

use ftx_core::Status;
use ftx_core::dialect::MAGIC;
use ftx_core::legacy::wire::LegacyReply;
use ftx_server::Limit;

use crate::client::{Client, ask_download, ask_upload, encoded};
use crate::running::Running;
use crate::{MIB, content, wait_until};

/// For who does nothing in time.
const SHORT: Duration = Duration::from_millis(300);

/// For who must do something in time, on a busy machine too.
const ENOUGH: Duration = Duration::from_secs(2);

/// Far more than both, on a busy machine too, and less than the default.
const LATE: Duration = Duration::from_secs(20);

#[test]
fn a_silent_client_is_closed() {
    let server = Running::with(|config| config.timeouts.handshake = SHORT);
    let start = Instant::now();
    let after = server.client().closed_after(start);
    assert!((SHORT / 2..LATE).contains(&after), "{after:?}");
    wait_until("it is counted", || server.monitor.snapshot().refused == 1);
}

#[test]
fn a_client_that_sends_half_a_message_is_closed() {
    let server = Running::with(|config| config.timeouts.handshake = SHORT);
    for cut in [1, 7, 8, 20] {
        let start = Instant::now();
        let mut client = server.client();
        client.send_bytes(&encoded(&[ask_upload("a.bin")])[..cut]);
        let after = client.closed_after(start);
        assert!((SHORT / 2..LATE).contains(&after), "{cut} bytes: {after:?}");
    }
}

/// The limit is for the whole first message, however busily its bytes drip.
#[test]
fn a_client_that_drips_its_first_message_is_closed() {
    let server = Running::with(|config| {
        config.timeouts.handshake = SHORT;
        config.timeouts.stall = SHORT;
    });
    // So long that it drips for ten times as long as it may.
    let request = encoded(&[ask_upload(&"x".repeat(150))]);
    let mut client = server.client();
    let is_closed = request.chunks(1).any(|byte| {
        !client.try_send_bytes(byte) || client.is_closed_within(Duration::from_millis(10))
    });
    assert!(is_closed, "it was served");
}

#[test]
fn a_client_that_idles_between_two_files_is_closed_quietly() {
    let server = Running::with(|config| config.timeouts.idle = ENOUGH);
    let mut client = server.client();
    let start = Instant::now();
    client.upload("a.bin", b"hello");
    let after = client.closed_after(start);
    assert!((ENOUGH / 2..LATE).contains(&after), "{after:?}");
    wait_until("it is gone", || server.active() == 0);
    let snapshot = server.monitor.snapshot();
    assert_eq!(snapshot.errors, 0);
    assert!(snapshot.limits.contains(&(Limit::IdleTimeout, 1)), "{:?}", snapshot.limits);
}

#[test]
fn a_client_that_stalls_in_a_later_message_is_closed() {
    let server = Running::with(|config| config.timeouts.stall = SHORT);
    let mut client = server.client();
    client.upload("a.bin", b"hello");
    client.send_bytes(&encoded(&[ask_upload("b.bin")])[..8]);
    let start = Instant::now();
    let after = client.closed_after(start);
    assert!((SHORT / 2..LATE).contains(&after), "{after:?}");
}

#[test]
fn many_small_files_do_not_change_how_long_one_may_idle() {
    let server = Running::with(|config| config.timeouts.idle = 2 * ENOUGH);
    let mut client = server.client();
    for round in 0..3 {
        for file in 0..10 {
            client.upload(&format!("{file}.bin"), &content(file, 1000));
        }
        assert!(client.is_silent_for(SHORT), "closed in round {round}");
    }
    let start = Instant::now();
    client.upload("last.bin", b"x");
    let after = client.closed_after(start);
    assert!((ENOUGH..LATE).contains(&after), "{after:?}");
}

#[test]
fn an_upload_that_stands_still_is_closed_and_kept() {
    let server = Running::with(|config| config.timeouts.stall = ENOUGH);
    let bytes = content(1, 2 * MIB);
    let mut client = server.client();
    client.begin_upload("a.bin", bytes.len());
    let start = Instant::now();
    client.send_bytes(&bytes[..MIB]);
    let after = client.closed_after(start);
    assert!((ENOUGH / 2..LATE).contains(&after), "{after:?}");
    assert!(!server.exists("a.bin"));
    assert_eq!(server.client().offered("a.bin").0, MIB - 1);
}

#[test]
fn an_unread_download_is_closed() {
    let server = Running::with(|config| config.timeouts.stall = SHORT);
    let file = std::fs::File::create(server.path().join("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut client = server.client();
    let header = client.ask(&ask_download("big"));
    assert!(matches!(header, LegacyReply::DownloadHeader { status: Status::Ok, .. }));
    client.send(&crate::client::CONTENT);
    wait_until("it is closed", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().downloads, 0);
    assert!(server.monitor.snapshot().errors > 0);
}

#[test]
fn an_upload_that_drips_is_not_closed() {
    let server = Running::with(|config| config.timeouts.stall = ENOUGH);
    let mut client = server.client();
    client.begin_upload("a.bin", 12);
    for byte in b"hello, world".chunks(1) {
        thread::sleep(ENOUGH / 8);
        client.send_bytes(byte);
    }
    assert_eq!(client.reply(), crate::client::STORED);
}

#[test]
fn an_unknown_dialect_is_closed_at_once() {
    let server = Running::start();
    let beginnings: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0xff; 8],
        &[0; 8],
        b"\0\0\0\0\0\0\0\x66",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        &[0x16, 0x03, 0x01, 0x02, 0x00],
    ];
    for (index, bytes) in beginnings.iter().enumerate() {
        let mut client = server.client();
        client.send_bytes(bytes);
        assert!(client.is_closed_within(LATE), "{bytes:x?} is not closed");
        let refused = index as u64 + 1;
        wait_until("it is counted", || server.monitor.snapshot().refused == refused);
    }
    wait_until("all are gone", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().errors, 0);
}

#[test]
fn the_native_dialect_in_the_middle_is_closed_without_an_answer() {
    let server = Running::start();
    let mut client = server.client();
    client.upload("a.bin", b"x");
    client.send_bytes(&[MAGIC.as_slice(), &[0; 4]].concat());
    assert!(client.is_closed_within(LATE));
}

#[test]
fn connections_are_spread_over_the_threads() {
    let server = Running::threads(3);
    let mut clients: Vec<Client> = Vec::new();
    for count in 1..=9 {
        clients.push(server.client());
        wait_until("it is accepted", || server.active() == count);
        let active = server.monitor.snapshot().active;
        let (min, max) = (active.iter().min().unwrap(), active.iter().max().unwrap());
        assert!(max - min <= 1, "{active:?}");
    }
    // Where three leave, the next three go.
    drop(clients.drain(..3));
    wait_until("they are gone", || server.active() == 6);
    for count in 7..=9 {
        clients.push(server.client());
        wait_until("it is accepted", || server.active() == count);
    }
    assert_eq!(server.monitor.snapshot().active, [3, 3, 3]);
    for client in &mut clients {
        client.offered("a.bin");
    }
    drop(clients);
    wait_until("all are gone", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().connections, 12);
}

#[test]
fn a_connection_too_many_is_closed_and_a_later_one_is_not() {
    let server = Running::with(|config| config.limits.connections = 3);
    let mut clients: Vec<_> = (0..3).map(|_| server.client()).collect();
    wait_until("they are accepted", || server.active() == 3);
    let mut another = server.client();
    another.send(&ask_upload("c.bin"));
    assert!(another.is_closed_within(LATE));
    assert_eq!(server.monitor.snapshot().refused, 1);
    wait_until("it is gone", || server.active() == 3);
    clients.pop();
    wait_until("one is gone", || server.active() == 2);
    server.client().upload("a.bin", b"x");
    clients[0].upload("b.bin", b"x");
}

#[test]
fn transfers_are_counted() {
    let server = Running::start();
    let mut client = server.client();
    client.upload("a.bin", &content(1, 300_000));
    client.upload("b.bin", &content(2, 1000));
    client.download("a.bin");
    let snapshot = server.monitor.snapshot();
    let counts = (snapshot.uploads, snapshot.downloads, snapshot.bytes_in, snapshot.bytes_out);
    assert_eq!(counts, (2, 1, 301_000, 300_000));
    assert_eq!((snapshot.connections, snapshot.refused, snapshot.errors), (1, 0, 0));
}
