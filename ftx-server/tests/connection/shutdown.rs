//! How a server ends.

use std::thread;
use std::time::Duration;

use ftx_core::legacy::wire::{LegacyRequest, QString};
use ftx_tests::RawSocket;

use crate::client::{STORED, begin};
use crate::running::Running;
use crate::{MIB, content, md5, wait_until};

/// More than ending takes on a busy machine when nothing has to be waited for.
const SOON: Duration = Duration::from_secs(10);

const LONG: Duration = Duration::from_secs(60);

#[test]
fn idle_connections_do_not_keep_it() {
    let server = Running::with(|config| config.timeouts.grace = LONG);
    let _silent = server.client();
    let mut idle = server.client();
    idle.upload("a.bin", b"hello");
    let mut halfway = server.client();
    halfway.send_bytes(&[0, 0, 0, 0, 0, 0, 0, 100, 0, 0]);
    let mut express = server.client();
    for file in 0..20 {
        express.upload(&format!("{file}.bin"), b"hello");
    }
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
    assert!(idle.is_closed_within(SOON));
}

#[test]
fn a_running_upload_may_end_within_the_grace() {
    let mut server = Running::with(|config| config.timeouts.grace = LONG);
    let bytes = content(1, 2 * MIB);
    let mut client = server.client();
    client.begin_upload("a.bin", bytes.len());
    client.send_bytes(&bytes[..MIB]);
    server.ask_to_stop();
    let addr = server.addr;
    wait_until("no connection is accepted any more", || {
        std::net::TcpStream::connect(addr).is_err()
    });
    client.send_bytes(&bytes[MIB..]);
    assert_eq!(client.reply(), STORED);
    assert!(client.is_closed_within(SOON), "it is kept when it has ended");
    assert!(server.read("a.bin") == bytes);
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_stalled_upload_is_suspended_after_the_grace_and_can_be_resumed() {
    let server = Running::with(|config| config.timeouts.grace = Duration::from_millis(300));
    let bytes = content(1, 6 * MIB);
    let mut client = server.client();
    client.begin_upload("a.bin", bytes.len());
    client.send_bytes(&bytes[..5 * MIB]);
    wait_until("all of it is received", || server.monitor.snapshot().bytes_in == 5 * MIB as u64);
    let (took, root) = server.stop();
    assert!(took < SOON, "{took:?}");
    assert!(took >= Duration::from_millis(300), "no grace was given: {took:?}");
    assert!(client.is_closed_within(SOON));

    let server = Running::in_root(root, |_| {});
    assert!(!server.exists("a.bin"));
    let mut client = server.client();
    let (len, digest) = client.offered("a.bin");
    assert_eq!(len, 5 * MIB - 1);
    assert_eq!(digest, md5(&bytes[..len]));
    client.ask(&begin(len, bytes.len() - len));
    client.send_bytes(&bytes[len..]);
    assert_eq!(client.reply(), STORED);
    assert!(server.read("a.bin") == bytes);
}

/// As above, on a thread to itself, and with a client that always has the next bytes ready.
#[test]
fn a_large_upload_after_many_small_ones_is_suspended_after_the_grace_too() {
    let server = Running::start();
    let len = 2 << 30;
    let mut client = server.client();
    for file in 0..8 {
        client.upload(&format!("{file}.bin"), b"small");
    }
    client.begin_upload("large.bin", len);
    let sending = thread::spawn(move || {
        let piece = content(1, MIB);
        let sent = (0..len / MIB).take_while(|_| client.try_send_bytes(&piece)).count();
        sent < len / MIB
    });
    wait_until("it is under way", || server.monitor.snapshot().bytes_in > 10_000_000);
    let (took, root) = server.stop();
    assert!(sending.join().unwrap(), "all of it was taken, in {took:?}");
    assert!(!root.path().join("large.bin").exists());
    assert!(took < SOON, "{took:?}");
}

#[test]
fn an_unread_download_does_not_keep_it_beyond_the_grace() {
    let server = Running::start();
    let file = std::fs::File::create(server.path().join("big")).unwrap();
    file.set_len(256 << 20).unwrap();
    let mut client = server.client();
    client.ask(&crate::client::ask_download("big"));
    client.send(&crate::client::CONTENT);
    wait_until("it is under way", || server.monitor.snapshot().bytes_out > 0);
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
}

/// A request for a name may wait as long as its client does, but a stopping server must not.
#[test]
fn an_answer_that_takes_long_to_find_does_not_keep_it_beyond_the_grace() {
    let server = Running::start();
    let file = std::fs::File::create(server.path().join("huge")).unwrap();
    // It takes no space, and is hashed for 20 seconds before that is given up.
    file.set_len(1 << 40).unwrap();
    drop(file);
    let mut client = server.client();
    client.send(&LegacyRequest::UploadHeader { name: QString::from("huge"), extended: true });
    server.wait_until_open("huge");
    let (took, _root) = server.stop();
    assert!(took < SOON, "{took:?}");
    assert_eq!(RawSocket::reply(&mut client), None, "it was waited for");
}

#[test]
fn a_server_with_several_threads_ends_all_of_them() {
    let mut server = Running::threads(3);
    let bytes = content(1, MIB);
    let mut clients: Vec<_> = (0..9).map(|_| server.client()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.begin_upload(&format!("{index}.bin"), bytes.len());
        client.send_bytes(&bytes[..500_000]);
    }
    wait_until("all of it is received", || server.monitor.snapshot().bytes_in == 9 * 500_000);
    server.ask_to_stop();
    let (took, root) = server.stop();
    assert!(took < SOON, "{took:?}");
    let server = Running::in_root(root, |_| {});
    for index in 0..9 {
        let (len, digest) = server.client().offered(&format!("{index}.bin"));
        assert_eq!(len, 499_999);
        assert_eq!(digest, md5(&bytes[..len]));
    }
}
