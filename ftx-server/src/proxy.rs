//! The PROXY protocol, version 2: a balancer sends the address of its client in front of the client's bytes.
//!
//! Only the connections of trusted proxies begin so, and all of them do. From anybody else a header is an
//! unknown dialect, since it would let a client choose its address. Version 1 is a line of text without a
//! length; it is refused.

use std::net::SocketAddr;

use ftx_io::{BufferedStream, StreamError};
use ppp::v2::{Addresses, Command, Header, ParseError, Protocol};
use tracing::{Span, field, info_span};

use crate::access::{AccessPolicy, contains};
use crate::context::Context;
use crate::handshake_deadline::HandshakeDeadline;
use crate::store::Store;

/// The other end of a new TCP connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Client(SocketAddr),
    /// A trusted proxy, which names its client first.
    Proxy(SocketAddr),
}

/// Why a trusted proxy's connection names no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("it does not begin with a header of the PROXY protocol, version 2")]
    NoHeader,
    #[error("its PROXY protocol header cannot be used: {0}")]
    Header(ParseError),
    #[error("its PROXY protocol header has no IP address of a client")]
    NoAddress,
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// What the first bytes of a proxy's connection mean.
#[derive(Debug, PartialEq)]
enum Begun {
    /// More bytes are needed.
    Incomplete,
    /// A header of this length. The proxy speaks for itself if it names no client.
    Header { len: usize, client: Option<SocketAddr> },
}

impl Origin {
    /// The origin of a connection from this address.
    pub(crate) fn new(peer: SocketAddr, policy: &AccessPolicy) -> Self {
        match contains(&policy.trusted_proxies, peer.ip()) {
            true => Self::Proxy(peer),
            false => Self::Client(peer),
        }
    }

    /// The span of a connection's log lines.
    pub(crate) fn span(self, thread: usize) -> Span {
        match self {
            Self::Client(peer) => info_span!("connection", %peer, user = field::Empty, thread),
            Self::Proxy(proxy) => {
                info_span!("connection", peer = field::Empty, %proxy, user = field::Empty, thread)
            }
        }
    }

    /// The address of the client, from the header of a proxy if there is one. `None` if the connection was
    /// closed without a byte.
    pub(crate) async fn client<S: Store>(
        self,
        stream: &mut BufferedStream,
        context: &Context<S>,
        deadline: HandshakeDeadline,
    ) -> Result<Option<SocketAddr>, ProxyError> {
        let proxy = match self {
            Self::Client(peer) => return Ok(Some(peer)),
            Self::Proxy(proxy) => proxy,
        };
        loop {
            let filled = stream.fill(context.guard(deadline.left())).await;
            if !filled.map_err(|error| deadline.name_limit(error))? {
                return Ok(None);
            }
            if let Begun::Header { len, client } = parse(stream.buffered())? {
                stream.consume(len);
                let client = client.unwrap_or(proxy);
                Span::current().record("peer", field::display(client));
                return Ok(Some(client));
            }
        }
    }
}

/// Parses the first bytes of a proxy's connection.
fn parse(first: &[u8]) -> Result<Begun, ProxyError> {
    let header = match Header::try_from(first) {
        Ok(header) => header,
        Err(ParseError::Incomplete(_) | ParseError::Partial(..)) => return Ok(Begun::Incomplete),
        Err(ParseError::Prefix) => return Err(ProxyError::NoHeader),
        Err(error) => return Err(ProxyError::Header(error)),
    };
    let client = match (header.command, header.protocol, header.addresses) {
        // A health check of the proxy itself.
        (Command::Local, ..) => None,
        (Command::Proxy, Protocol::Stream, Addresses::IPv4(ip)) => {
            Some(SocketAddr::new(ip.source_address.into(), ip.source_port))
        }
        (Command::Proxy, Protocol::Stream, Addresses::IPv6(ip)) => {
            Some(SocketAddr::new(ip.source_address.into(), ip.source_port))
        }
        // The client must not pass for the proxy, which may be this machine.
        (Command::Proxy, ..) => return Err(ProxyError::NoAddress),
    };
    Ok(Begun::Header { len: header.header.len(), client })
}

#[cfg(test)]
mod tests {
    use ppp::v2::{Builder, Version};

    use super::*;

    fn header(client: &str, command: Command, protocol: Protocol) -> Vec<u8> {
        let client: SocketAddr = client.parse().unwrap();
        let server = SocketAddr::new(client.ip(), 7411);
        Builder::with_addresses(Version::Two | command, protocol, (client, server))
            .write_tlv(ppp::v2::Type::NoOp, &[7; 300])
            .unwrap()
            .build()
            .unwrap()
    }

    #[test]
    fn a_header_names_the_client_once_it_is_complete() {
        for client in ["192.0.2.7:4711", "[2001:db8::7]:4711"] {
            let header = header(client, Command::Proxy, Protocol::Stream);
            for len in 0..header.len() {
                assert_eq!(parse(&header[..len]).unwrap(), Begun::Incomplete, "{len}");
            }
            let client = Some(client.parse().unwrap());
            let expected = Begun::Header { len: header.len(), client };
            assert_eq!(parse(&header).unwrap(), expected);
            assert_eq!(parse(&[&header[..], b"more"].concat()).unwrap(), expected);
        }
    }

    #[test]
    fn a_proxy_may_speak_for_itself() {
        let unspecified = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        let expected = Begun::Header { len: 16, client: None };
        assert_eq!(parse(&unspecified).unwrap(), expected);
        let local = header("192.0.2.7:4711", Command::Local, Protocol::Stream);
        assert_eq!(parse(&local).unwrap(), Begun::Header { len: local.len(), client: None });
    }

    #[test]
    fn anything_else_is_refused_at_the_first_wrong_byte() {
        let good = header("192.0.2.7:4711", Command::Proxy, Protocol::Stream);
        for at in 0..12 {
            let mut bytes = good[..=at].to_vec();
            bytes[at] ^= 1;
            assert!(matches!(parse(&bytes), Err(ProxyError::NoHeader)), "{at}");
        }
        for first in [&b"PROXY TCP4 192.0.2.7"[..], b"\x16\x03\x01", b"\x89FTX"] {
            assert!(matches!(parse(first), Err(ProxyError::NoHeader)), "{first:?}");
        }
        // Version, command, family, protocol, and a length without room for the addresses.
        for (at, byte) in [(12, 0x11), (12, 0x2f), (13, 0x41), (13, 0x1f), (15, 3)] {
            let mut bytes = good.clone();
            bytes[14] = 0;
            bytes[at] = byte;
            assert!(matches!(parse(&bytes), Err(ProxyError::Header(_))), "{at} {byte}");
        }
    }

    #[test]
    fn a_client_without_an_ip_address_does_not_pass_for_the_proxy() {
        let datagram = header("192.0.2.7:4711", Command::Proxy, Protocol::Datagram);
        let unspecified = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0";
        let unix = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat();
        for bytes in [&datagram[..], unspecified, &unix] {
            assert!(matches!(parse(bytes), Err(ProxyError::NoAddress)), "{bytes:?}");
        }
    }
}
