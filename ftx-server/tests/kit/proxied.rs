//! The header that a balancer sends in front of its client's bytes.

use std::net::SocketAddr;

use ftx_server::AccessPolicy;

/// The PROXY protocol's header, version 2, for a client of this IPv4 address.
pub(crate) fn header_of(client: &str) -> Vec<u8> {
    let SocketAddr::V4(client) = client.parse().unwrap() else { panic!("{client}") };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client.ip().octets());
    header.extend([192, 0, 2, 1]);
    header.extend(client.port().to_be_bytes());
    header.extend([0, 80]);
    header
}

/// A policy that trusts the proxies of this machine.
pub(crate) fn behind_a_proxy() -> AccessPolicy {
    let mut policy = AccessPolicy::open();
    policy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    policy
}
