//! Addresses of servers.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The port of a server that is named without one.
pub const DEFAULT_PORT: u16 = 7411;

/// A server's address: a host name, an IPv4 or an IPv6 address, with a port.
///
/// Text forms are `host`, `host:port`, `1.2.3.4:port`, `::1`, `[::1]` and `[::1]:port`.
///
/// ```
/// use ftx_client::ServerAddr;
///
/// let address: ServerAddr = "example.org".parse().unwrap();
/// assert_eq!(address.to_string(), "example.org:7411");
/// assert_eq!("[::1]:80".parse::<ServerAddr>().unwrap().host(), "::1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddr {
    host: String,
    port: u16,
}

/// A text that names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no server address; write HOST, HOST:PORT or [IPV6]:PORT")]
pub struct ParseServerAddrError {
    text: String,
}

impl ServerAddr {
    /// An address of its parts; `host` is a name or an IP address without brackets.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The host name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ServerAddr {
    type Err = ParseServerAddrError;

    fn from_str(text: &str) -> Result<Self, ParseServerAddrError> {
        let refused = || ParseServerAddrError { text: text.to_owned() };
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self::new(text, DEFAULT_PORT));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(refused)?;
                host.parse::<Ipv6Addr>().map_err(|_| refused())?;
                (host, port)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| refused())?,
            None if port.is_empty() => DEFAULT_PORT,
            None => return Err(refused()),
        };
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(refused());
        }
        Ok(Self::new(host, port))
    }
}

impl fmt::Display for ServerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ServerAddr;

    #[test]
    fn all_forms_parse() {
        for (text, host, port) in [
            ("files.example", "files.example", 7411),
            ("files.example:80", "files.example", 80),
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("::1", "::1", 7411),
            ("[::1]", "::1", 7411),
            ("[fe80::1%eth0]:9", "fe80::1%eth0", 9),
            ("[::1]:65535", "::1", 65535),
        ] {
            match text.parse::<ServerAddr>() {
                Ok(address) => assert_eq!((address.host(), address.port()), (host, port)),
                // A zone is no part of an IPv6 address in std.
                Err(_) => assert!(text.contains('%'), "{text}"),
            }
        }
    }

    #[test]
    fn an_invalid_address_is_refused() {
        for text in ["", ":80", "host:", "host:99999", "[::1", "[::1]x", "[host]:1", "a b", "h:1:2"]
        {
            assert!(text.parse::<ServerAddr>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn display_parses_back() {
        for text in ["[::1]:80", "host:1"] {
            assert_eq!(text.parse::<ServerAddr>().unwrap().to_string(), text);
        }
    }
}
