//! Addresses of servers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The port of a server that is named without one.
pub const DEFAULT_PORT: u16 = 7411;

/// The most bytes of a host name.
const MAX_HOST_BYTES: usize = 253;

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
/// assert!("example.org:0".parse::<ServerAddr>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddr {
    host: String,
    port: u16,
}

/// A text or a host and port that name no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no server address; write HOST, HOST:PORT or [IPV6]:PORT, with a port from 1 on"
)]
pub struct ParseServerAddrError {
    text: String,
}

impl ServerAddr {
    /// An address of its parts; `host` is a name or an IP address without brackets.
    ///
    /// # Errors
    /// The host is neither, or the port is 0.
    pub fn new(host: impl Into<String>, port: u16) -> Result<Self, ParseServerAddrError> {
        let address = Self { host: host.into(), port };
        if port == 0 || !is_host(&address.host) {
            return Err(ParseServerAddrError { text: address.to_string() });
        }
        Ok(address)
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
            return Self::new(text, DEFAULT_PORT);
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
        Self::new(host, port).map_err(|_| refused())
    }
}

/// Whether a text is an IP address or has the form of a host name. The resolver would search for any
/// other text, which takes time and finds nothing.
fn is_host(text: &str) -> bool {
    if text.contains(':') {
        // An address of one link has a zone.
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let labels = text.strip_suffix('.').unwrap_or(text).split('.');
    text.len() <= MAX_HOST_BYTES && labels.clone().all(is_label) && !is_malformed_ipv4(labels)
}

/// Whether these are the parts of an IPv4 address, but too many of them or too large ones.
fn is_malformed_ipv4<'a>(parts: impl Iterator<Item = &'a str> + Clone) -> bool {
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let count = parts.clone().count();
    let text = || parts.clone().collect::<Vec<_>>().join(".");
    count >= 4 && parts.clone().all(is_number) && text().parse::<Ipv4Addr>().is_err()
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
            ("files.example.:80", "files.example.", 80),
            ("my_host-2:80", "my_host-2", 80),
            ("bücher.example", "bücher.example", 7411),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("127.1", "127.1", 7411),
            ("1.2.3.4.example", "1.2.3.4.example", 7411),
            ("::1", "::1", 7411),
            ("[::1]", "::1", 7411),
            ("[::1]:65535", "::1", 65535),
        ] {
            let address = text.parse::<ServerAddr>().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((address.host(), address.port()), (host, port));
        }
    }

    #[test]
    fn an_invalid_address_is_refused_by_name() {
        let long = "x".repeat(254);
        for text in [
            "",
            ":80",
            "host:",
            "host:99999",
            "host:0",
            "[::1]:0",
            "[::1",
            "[::1]x",
            "[host]:1",
            "a b",
            "h:1:2",
            "http://host",
            "host/path",
            "me@host",
            "a..b",
            ".",
            "1.2.3.256",
            "1.2.3.4.5",
            "a\n",
            "a\0",
            &long,
        ] {
            let error = text.parse::<ServerAddr>().unwrap_err();
            assert!(error.to_string().contains(&format!("'{text}'")), "{error}");
        }
    }

    #[test]
    fn invalid_parts_are_refused_by_name() {
        for (host, port, named) in [
            ("host", 0, "'host:0'"),
            ("", 1, "':1'"),
            ("[::1]", 1, "'[[::1]]:1'"),
            ("host:1", 1, "'[host:1]:1'"),
        ] {
            let error = ServerAddr::new(host, port).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        assert_eq!(ServerAddr::new("fe80::1%eth0", 1).unwrap().host(), "fe80::1%eth0");
    }

    #[test]
    fn display_parses_back() {
        for text in ["[::1]:80", "host:1"] {
            assert_eq!(text.parse::<ServerAddr>().unwrap().to_string(), text);
        }
    }
}
