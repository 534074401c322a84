//! Bad handshakes of TLS, and what begins inside it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_core::legacy::wire::{LegacyRequest, QString};
use ftx_core::native::wire::CLIENT_PREFACE;
use ftx_server::{Access, AccessPolicy, TokenAuthenticator};
use ftx_tests::{Carrier, client_hello};

use crate::proxied::header_of;
use crate::running::Running;
use crate::wait_until;

/// For clients that do nothing in time.
const SHORT: Duration = Duration::from_millis(300);

/// Far more than [`SHORT`], on a busy machine too, and less than the default.
const LATE: Duration = Duration::from_secs(20);

fn is_closed(socket: &TcpStream, limit: Duration) -> bool {
    let start = Instant::now();
    let mut socket = socket;
    socket.set_read_timeout(Some(limit)).unwrap();
    loop {
        match socket.read(&mut [0; 4096]) {
            Ok(1..) if start.elapsed() < limit => {}
            Ok(0) => return true,
            Ok(_) => return false,
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn a_handshake_that_is_not_finished_in_time_is_closed() {
    let server = Running::over_with(Carrier::Tls, |config| config.timeouts.handshake = SHORT);
    let hello = client_hello();
    let begun: Vec<_> = [2, 5, 6, hello.len() / 2, hello.len() - 1, hello.len()]
        .map(|cut| {
            let mut socket = TcpStream::connect(server.addr).unwrap();
            let start = Instant::now();
            socket.write_all(&hello[..cut]).unwrap();
            (socket, start, cut)
        })
        .into();
    for (socket, start, cut) in begun {
        assert!(is_closed(&socket, LATE), "{cut}");
        let after = start.elapsed();
        assert!((SHORT / 2..LATE).contains(&after), "{cut} bytes: {after:?}");
    }
    wait_until("all are gone", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().refused, 6);
}

/// The limit is for the whole handshake, however busily its bytes drip.
#[test]
fn a_client_hello_that_drips_is_closed() {
    let server = Running::over_with(Carrier::Tls, |config| config.timeouts.handshake = SHORT);
    let mut socket = TcpStream::connect(server.addr).unwrap();
    let is_closed = client_hello().chunks(1).any(|byte| {
        socket.write_all(byte).is_err() || is_closed(&socket, Duration::from_millis(10))
    });
    assert!(is_closed, "its hello is taken");
    wait_until("it is gone", || server.active() == 0);
}

#[test]
fn a_bad_handshake_ends_at_once() {
    let server = Running::over(Carrier::Tls);
    let hello = client_hello();
    let endless = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &vec![0; 0x3ffc]].concat();
    let cases = [
        // Not a client's message, a damaged one, and one that is longer than any.
        [&hello[..5], &[2], &hello[6..]].concat(),
        [&hello[..9], &vec![0xff; hello.len() - 9]].concat(),
        endless,
        // The client's second flight in plain.
        [&hello[..], &[23, 3, 3, 0, 20], &[0; 20]].concat(),
        [&hello[..], &CLIENT_PREFACE].concat(),
        [&hello[..], &hello].concat(),
    ];
    for bytes in cases {
        let mut socket = TcpStream::connect(server.addr).unwrap();
        // The server may be gone before all is sent.
        let _ = socket.write_all(&bytes);
        assert!(is_closed(&socket, LATE), "{:x?}", &bytes[..9]);
    }
    wait_until("all are gone", || server.active() == 0);
    assert_eq!(server.monitor.snapshot().refused, 6);
    server.client().greet(None).put("a", b"hello");
}

/// Only FTX/1 and, where it is allowed, the legacy dialect.
#[test]
fn nothing_else_begins_inside_tls() {
    let server = Running::over(Carrier::Tls);
    let first = [
        client_hello(),
        header_of("198.51.100.7:4711"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 12],
    ];
    for (refused, bytes) in (1..).zip(first) {
        let mut client = server.client();
        client.send_bytes(&bytes);
        assert!(client.is_closed_within(LATE), "{bytes:x?}");
        wait_until("it is gone", || server.active() == 0);
        assert_eq!(server.monitor.snapshot().refused, refused);
    }
}

/// TLS proves nothing about a client that shows no certificate: a legacy client gets inside it what it gets
/// outside.
#[test]
fn legacy_clients_are_refused_inside_tls_as_outside() {
    let state = tempfile::tempdir().unwrap();
    for carrier in [Carrier::Plain, Carrier::Tls] {
        let access = Access::new(AccessPolicy::default());
        let (authenticator, _) = TokenAuthenticator::start(access.clone(), state.path()).unwrap();
        let server = Running::over_with(carrier, |config| {
            config.access = access;
            config.authenticator = Arc::new(authenticator);
        });
        let name = QString::from("a");
        let mut bytes = ftx_tests::encoded(&LegacyRequest::UploadHeader { name, extended: false });
        bytes.extend(ftx_tests::encoded(&LegacyRequest::UploadPos { pos: 0, len: 5 }));
        bytes.extend(b"hello");
        let mut client = server.client();
        client.send_bytes(&bytes);
        assert_eq!(client.rest(), b"", "{carrier:?}");
        wait_until("it is gone", || server.active() == 0);
        assert!(!server.exists("a"));
        assert_eq!(server.monitor.snapshot().refused, 1);
    }
}
