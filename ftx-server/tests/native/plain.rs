//! Plain connections of other machines, which a proxy in front of the server stands for.

use std::net::SocketAddr;
use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, Reply, server_preface};
use ftx_server::store::Refusal;
use ftx_server::{Access, Authenticator, Credentials, Identity};

use crate::client::{Client, hello};
use crate::frame::Frame;
use crate::proxied::{behind_a_proxy, header_of};
use crate::running::Running;

/// Nobody's credentials are looked at.
#[derive(Debug)]
struct Unasked;

impl Authenticator for Unasked {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        panic!("{credentials:?}")
    }

    fn legacy(&self, peer: SocketAddr) -> Result<Identity, Refusal> {
        panic!("{peer}")
    }
}

fn client(server: &Running, address: &str) -> Client {
    let mut client = server.client();
    let hello = hello(None).encode(0).unwrap();
    client.send_bytes(&[&header_of(address), &CLIENT_PREFACE[..], &hello].concat());
    client
}

#[test]
fn other_machines_are_told_to_use_tls_before_their_credentials_are_looked_at() {
    let server = Running::with(|config| {
        let mut policy = behind_a_proxy();
        policy.allows_plain = false;
        config.access = Access::new(policy);
        config.authenticator = Arc::new(Unasked);
    });
    let mut client = client(&server, "198.51.100.7:4711");
    assert_eq!(client.preface(), server_preface(1));
    match client.frame() {
        Frame::Reply(0, Reply::Goodbye { reason, message }) => {
            assert_eq!(Reason::from_code(reason), Reason::Unauthorised);
            assert!(message.contains("TLS"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn this_machine_and_whom_the_policy_allows_do_without_tls() {
    for (address, allows_plain) in [("127.0.0.1:4711", false), ("198.51.100.7:4711", true)] {
        let server = Running::with(|config| {
            let mut policy = behind_a_proxy();
            policy.allows_plain = allows_plain;
            config.access = Access::new(policy);
        });
        client(&server, address).hear_welcome();
    }
}
