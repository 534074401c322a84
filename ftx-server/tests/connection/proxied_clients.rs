//! Clients behind a proxy that names their addresses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftx_core::native::Reason;
use ftx_server::store::Refusal;
use ftx_server::{Access, Authenticator, Credentials, Identity, Principal};

use crate::DEADLINE;
use crate::client::{ask_upload, encoded};
use crate::proxied::{behind_a_proxy, header_of};
use crate::running::{Running, wait_until};

const CLIENT: &str = "198.51.100.7:4711";

/// Serves everybody but one client, and notes all addresses.
#[derive(Debug, Default)]
struct ByAddress {
    seen: Mutex<Vec<SocketAddr>>,
}

impl Authenticator for ByAddress {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        self.legacy(credentials.peer)
    }

    fn legacy(&self, peer: SocketAddr) -> Result<Identity, Refusal> {
        self.seen.lock().unwrap().push(peer);
        if peer == "198.51.100.8:1".parse().unwrap() {
            return Err(Refusal::new(Reason::Unauthorised, "not from there"));
        }
        Ok(Identity::permanent(Principal::Legacy))
    }
}

fn server() -> (Running, Arc<ByAddress>) {
    let authenticator = Arc::new(ByAddress::default());
    let server = Running::with(|config| {
        config.access = Access::new(behind_a_proxy());
        config.authenticator = Arc::clone(&authenticator) as _;
    });
    (server, authenticator)
}

fn assert_refused(server: &Running, first: &[u8]) {
    let refused = server.monitor.snapshot().refused;
    let mut client = server.client();
    client.send_bytes(first);
    assert!(client.is_closed_within(DEADLINE), "{first:?}");
    wait_until("it is counted", || server.monitor.snapshot().refused == refused + 1);
}

#[test]
fn the_client_has_the_address_that_the_proxy_names() {
    let (server, authenticator) = server();
    let request = encoded(&[ask_upload("a")]);
    let together = [header_of(CLIENT), request].concat();
    for pieces in [together.len(), 1, 7] {
        let mut client = server.client();
        together.chunks(pieces).for_each(|piece| client.send_bytes(piece));
        client.reply();
    }
    let client: SocketAddr = CLIENT.parse().unwrap();
    assert_eq!(*authenticator.seen.lock().unwrap(), [client; 3]);
    let mut other = server.client();
    other.send_bytes(&header_of("198.51.100.8:1"));
    assert_eq!(other.upload_header("a"), None);
}

#[test]
fn a_health_check_is_the_proxy_itself() {
    let (server, authenticator) = server();
    let mut client = server.client();
    client.send_bytes(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
    assert!(client.upload_header("a").is_some());
    let seen = authenticator.seen.lock().unwrap().clone();
    assert!(seen.len() == 1 && seen[0].ip().is_loopback(), "{seen:?}");
    // One that says nothing is no failure.
    drop(server.client());
    drop(client);
    wait_until("both have come and gone", || {
        server.active() == 0 && server.monitor.snapshot().connections == 2
    });
    assert_eq!(server.monitor.snapshot().refused, 0);
}

#[test]
fn a_proxy_that_names_no_client_is_refused() {
    let (server, authenticator) = server();
    let request = encoded(&[ask_upload("a")]);
    let unspecified = [&b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0"[..], &request].concat();
    for first in [&request[..], b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n", &unspecified] {
        assert_refused(&server, first);
    }
    assert!(authenticator.seen.lock().unwrap().is_empty());
}

#[test]
fn from_anybody_else_a_header_is_an_unknown_dialect() {
    assert_refused(&Running::start(), &header_of(CLIENT));
    // Nor does a proxy name another one.
    let (server, _) = server();
    assert_refused(&server, &[header_of(CLIENT), header_of("198.51.100.9:1")].concat());
}

#[test]
fn a_header_has_the_time_of_the_first_message() {
    let server = Running::with(|config| {
        config.access = Access::new(behind_a_proxy());
        config.timeouts.handshake = Duration::from_millis(200);
    });
    let header = header_of(CLIENT);
    assert_refused(&server, &header[..header.len() - 1]);
}
