//! Connections that a limit keeps out: their clients hear which one.

use std::num::NonZeroU32;

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, server_preface};
use ftx_server::{AddressLimit, Limit};

use crate::frame::Frame;
use crate::identities::{client, refused, say_hello, welcomed};
use crate::proxied::{behind_a_proxy, header_of};
use crate::running::Running;
use crate::{DEADLINE, wait_until};

/// More than the clients that are told at a time.
const FLOOD_CONNECTIONS: usize = 100;

fn most(count: u32) -> AddressLimit {
    AddressLimit::for_all(NonZeroU32::new(count))
}

/// How often a limit was met.
fn met(server: &Running, limit: Limit) -> u64 {
    let limits = server.monitor.snapshot().limits;
    limits.iter().find(|(met, _)| *met == limit).map_or(0, |&(_, count)| count)
}

fn assert_kept_out(server: &Running, limit: Limit) {
    let before = met(server, limit);
    let (reason, message) = refused(client(server, None, None, None));
    assert_eq!(reason, Reason::TooManyRequests);
    assert!(message.contains(limit.key()), "{message}");
    assert_eq!(met(server, limit), before + 1);
}

#[test]
fn a_connection_too_many_is_told_so() {
    let server = Running::with(|config| config.limits.connections = 2);
    let [one, _two] = [(); 2].map(|()| welcomed(client(&server, None, None, None)));
    assert_kept_out(&server, Limit::Connections);
    wait_until("it is gone", || server.active() == 2);
    drop(one);
    wait_until("another one is gone", || server.active() == 1);
    welcomed(client(&server, None, None, None));
}

#[test]
fn an_address_with_too_many_connections_is_told_so() {
    let server = Running::with(|config| config.limits.connections_per_address = most(2));
    let [one, mut two] = [(); 2].map(|()| welcomed(client(&server, None, None, None)));
    assert_kept_out(&server, Limit::ConnectionsPerAddress);
    two.put("a", b"others go on");
    drop(one);
    wait_until("one is gone", || server.active() == 1);
    welcomed(client(&server, None, None, None));
}

#[test]
fn an_address_with_too_many_new_connections_is_told_so() {
    // Far more than the test makes in a second.
    let wide = Running::with(|config| config.limits.new_connections_per_address = most(10_000));
    let narrow = Running::with(|config| config.limits.new_connections_per_address = most(1));
    for _ in 0..10 {
        welcomed(client(&wide, None, None, None));
    }
    assert_eq!(met(&wide, Limit::NewConnectionsPerAddress), 0);
    // At some time two come within a second.
    wait_until("one is kept out", || {
        let mut client = client(&narrow, None, None, None);
        assert_eq!(client.preface(), server_preface(1));
        match client.frame() {
            Frame::Reply(0, Reply::Goodbye { reason, message }) => {
                assert_eq!(Reason::from_code(reason), Reason::TooManyRequests);
                assert!(message.contains(Limit::NewConnectionsPerAddress.key()), "{message}");
                true
            }
            _ => false,
        }
    });
    assert!(met(&narrow, Limit::NewConnectionsPerAddress) > 0);
}

#[test]
fn clients_behind_a_proxy_count_by_their_own_address() {
    let server = Running::with(|config| {
        config.limits.connections_per_address = most(1);
        config.access.replace(behind_a_proxy());
    });
    let through_proxy = |address: &str| {
        let mut connection = server.client();
        connection.send_bytes(&header_of(address));
        say_hello(&mut connection, None, None, None);
        connection
    };
    let _one = welcomed(through_proxy("192.0.2.1:1000"));
    let _other = welcomed(through_proxy("192.0.2.2:1000"));
    let (reason, message) = refused(through_proxy("192.0.2.1:1001"));
    assert_eq!(reason, Reason::TooManyRequests);
    assert!(message.contains("and 192.0.2.1 has"), "{message}");
}

/// Connections that say nothing do not keep the others from hearing why.
#[test]
fn a_flood_is_closed_at_once() {
    let server = Running::with(|config| config.limits.connections = 1);
    let _served = welcomed(client(&server, None, None, None));
    let mut flood: Vec<_> = (0..FLOOD_CONNECTIONS).map(|_| server.client()).collect();
    wait_until("all were seen", || met(&server, Limit::Connections) == FLOOD_CONNECTIONS as u64);
    assert!(flood.last_mut().unwrap().is_closed_within(DEADLINE));
    assert!(server.active() < FLOOD_CONNECTIONS);
    drop(flood);
    wait_until("it is over", || server.active() == 1);
    assert_kept_out(&server, Limit::Connections);
}
