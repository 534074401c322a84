//! Prefaces, `Hello` and `Welcome`.

use std::time::{Duration, Instant};

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, Reply, Request, Token, server_preface};
use ftx_tests::{Carrier, with_each_carrier};

use crate::client::{hello, new_id};
use crate::frame::Frame;
use crate::running::Running;
use crate::wait_until;

with_each_carrier!(
    without_a_version_in_common_both_sides_versions_are_named,
    a_greeting_can_come_in_any_pieces,
    requests_can_follow_the_hello_at_once,
    a_client_that_leaves_during_its_greeting_is_no_error,
    a_client_that_stalls_within_its_greeting_is_closed,
    a_client_that_drips_its_hello_is_closed,
    an_invalid_hello_is_answered_and_closed,
    a_preface_of_another_kind_is_closed,
    a_second_hello_is_out_of_step,
);

const SHORT: Duration = Duration::from_millis(300);

/// Far more than [`SHORT`], on a busy machine too, and less than the default.
const LATE: Duration = Duration::from_secs(20);

fn first_bytes(request: &Request) -> Vec<u8> {
    [&CLIENT_PREFACE[..], &request.encode(0).unwrap()].concat()
}

fn hello_of(versions: &[u32]) -> Request {
    match hello(None) {
        Request::Hello { features, agent, session, auth, replaces, .. } => {
            Request::Hello { versions: versions.to_vec(), features, agent, session, auth, replaces }
        }
        other => other,
    }
}

#[test]
fn each_client_has_a_session_of_its_own_until_it_joins_another() {
    let server = Running::start();
    let one = server.client().greet(None);
    let other = server.client().greet(None);
    assert!(one.session() != other.session());
    assert!(one.terms.unwrap().window >= 1 << 20);
    assert!(one.terms.unwrap().requests >= 1);
    let joined = server.client().greet(Some(one.session()));
    assert!(joined.session() == one.session());
}

#[test]
fn a_session_ends_with_its_last_connection() {
    let server = Running::start();
    let one = server.client().greet(None);
    let token = one.session();
    let other = server.client().greet(Some(token));
    drop(one);
    wait_until("one is gone", || server.active() == 1);
    let third = server.client().greet(Some(token));
    assert!(third.session() == token);
    drop((other, third));
    wait_until("all are gone", || server.active() == 0);
    is_refused(&server, token);
}

#[test]
fn an_unknown_session_is_refused() {
    is_refused(&Running::start(), Token([7; 16]));
}

fn is_refused(server: &Running, session: Token) {
    let mut client = server.client();
    client.send_bytes(&first_bytes(&hello(Some(session))));
    assert_eq!(client.preface(), server_preface(1));
    assert_eq!(client.goodbye(), Reason::OutOfStep);
}

#[test]
fn a_version_in_common_is_found_among_others() {
    let server = Running::start();
    let mut client = server.client();
    client.send_bytes(&first_bytes(&hello_of(&[9, 1, 7])));
    client.hear_welcome();
    client.put("a.bin", b"hello");
}

fn without_a_version_in_common_both_sides_versions_are_named(carrier: Carrier) {
    let server = Running::over(carrier);
    for versions in [&[9, 7][..], &[]] {
        let mut client = server.client();
        client.send_bytes(&first_bytes(&hello_of(versions)));
        assert_eq!(client.preface(), server_preface(1));
        match client.frame() {
            Frame::Reply(0, Reply::Goodbye { reason, message }) => {
                assert_eq!(reason, Reason::NoCommonVersion.code());
                assert!(message.contains(&format!("{versions:?}")), "{message}");
                assert!(message.contains("[1]"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert!(client.is_closed_within(LATE));
    }
}

fn a_greeting_can_come_in_any_pieces(carrier: Carrier) {
    let server = Running::over(carrier);
    let bytes = first_bytes(&hello(None));
    for cut in 1..bytes.len() {
        let mut client = server.client();
        client.send_bytes(&bytes[..cut]);
        client.send_bytes(&bytes[cut..]);
        client.hear_welcome();
    }
    let mut client = server.client();
    for byte in bytes.chunks(1) {
        client.send_bytes(byte);
    }
    client.hear_welcome();
}

/// Data behind the hello in the same write is received, too.
fn requests_can_follow_the_hello_at_once(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client();
    let id = new_id();
    let ping = Request::Ping { payload: 5 }.encode(id).unwrap();
    client.send_bytes(&[first_bytes(&hello(None)), ping].concat());
    client.hear_welcome();
    assert_eq!(client.reply_to(id), Reply::Pong { payload: 5 });
}

fn a_client_that_leaves_during_its_greeting_is_no_error(carrier: Carrier) {
    let server = Running::over(carrier);
    let bytes = first_bytes(&hello(None));
    for cut in [3, 8, 11, 12] {
        let mut client = server.client();
        client.send_bytes(&bytes[..cut]);
        drop(client);
    }
    wait_until("all are gone", || {
        server.monitor.snapshot().connections == 4 && server.active() == 0
    });
    server.client().greet(None);
}

fn a_client_that_stalls_within_its_greeting_is_closed(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.handshake = SHORT);
    let bytes = first_bytes(&hello(None));
    let stalled = [8, 11, 12, 13, 24, bytes.len() - 1].map(|cut| {
        let start = Instant::now();
        let mut client = server.client();
        client.send_bytes(&bytes[..cut]);
        (client, start, cut)
    });
    for (mut client, start, cut) in stalled {
        let after = client.closed_after(start);
        assert!((SHORT / 2..LATE).contains(&after), "{cut} bytes: {after:?}");
    }
    wait_until("all are gone", || server.active() == 0);
}

/// The limit is for the whole handshake, however busily its bytes drip.
fn a_client_that_drips_its_hello_is_closed(carrier: Carrier) {
    let server = Running::over_with(carrier, |config| config.timeouts.handshake = SHORT);
    let long = Request::Hello {
        versions: vec![1],
        features: vec!["x".repeat(1000)],
        agent: String::new(),
        session: None,
        auth: None,
        replaces: None,
    };
    let mut client = server.client();
    let is_closed = first_bytes(&long).chunks(1).any(|byte| {
        !client.try_send_bytes(byte) || client.is_closed_within(Duration::from_millis(10))
    });
    assert!(is_closed, "it was served");
}

fn an_invalid_hello_is_answered_and_closed(carrier: Carrier) {
    let server = Running::over(carrier);
    let ping = Request::Ping { payload: 0 }.encode(0).unwrap();
    let offer = crate::client::offer("a", 5, ftx_core::native::wire::Overwrite::Replace, 1);
    let cases = [
        (vec![0xff; 12], Reason::Malformed),
        ([4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff].to_vec(), Reason::Malformed),
        // Of 1 MiB: more than a client may say at once.
        ([0, 0, 0x10, 0, 0, 0, 0, 0, 1, 0, 0, 0].to_vec(), Reason::LimitExceeded),
        (ping, Reason::OutOfStep),
        (offer.encode(1).unwrap(), Reason::OutOfStep),
        (crate::frame::put_frame(1, "a", b"x"), Reason::OutOfStep),
    ];
    for (bytes, reason) in cases {
        let mut client = server.client();
        client.send_bytes(&[&CLIENT_PREFACE[..], &bytes].concat());
        assert_eq!(client.preface(), server_preface(1));
        assert_eq!(client.goodbye(), reason, "{bytes:?}");
    }
    wait_until("all are gone", || server.active() == 0);
    assert!(!server.exists("a"));
}

fn a_preface_of_another_kind_is_closed(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client();
    let mut bytes = first_bytes(&hello(None));
    bytes[11] = 1;
    client.send_bytes(&bytes);
    assert!(client.is_closed_within(LATE));
}

/// The shortened list is logged, too.
#[test]
fn of_many_unknown_versions_a_few_are_named() {
    let server = Running::start();
    for (count, named) in [(1, "[1000000]"), (16_000, "1000007, and 15992 more]")] {
        let versions: Vec<_> = (1_000_000..).take(count).collect();
        let mut client = server.client();
        client.send_bytes(&first_bytes(&hello_of(&versions)));
        client.preface();
        match client.frame() {
            Frame::Reply(0, Reply::Goodbye { message, .. }) => {
                assert!(message.contains(named) && message.len() < 300, "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
}

fn a_second_hello_is_out_of_step(carrier: Carrier) {
    let server = Running::over(carrier);
    let mut client = server.client().greet(None);
    client.send(0, &hello(None));
    assert_eq!(client.goodbye(), Reason::OutOfStep);
}
