//! Networks in CIDR notation.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::reader::TableReader;

/// The networks of a key; those that are none are errors.
pub(super) fn read(table: &TableReader<'_>, key: &str) -> Option<Vec<IpNet>> {
    let texts = table.texts(key)?;
    let networks = texts.iter().filter_map(|text| match parse(text) {
        Ok(network) => Some(network),
        Err(message) => {
            table.findings.add(&text.span, message);
            None
        }
    });
    Some(networks.collect())
}

/// This machine.
pub(super) fn loopback() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert([127, 0, 0, 0].into(), 8);
    let v6 = Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128);
    vec![v4.into(), v6.into()]
}

/// Only the network's own address is accepted. In `10.1.2.3/8` somebody means one of two things.
fn parse(text: &str) -> Result<IpNet, String> {
    let Ok(network) = text.parse::<IpNet>() else {
        return Err(match text.parse::<IpAddr>() {
            Ok(address) => format!(
                "{text:?} is an address, not a network; write \"{}\" for this address alone",
                IpNet::from(address)
            ),
            Err(_) => format!(
                "{text:?} is not a network; write its address and the length of its prefix, such as \"10.0.0.0/8\""
            ),
        });
    };
    if network != network.trunc() {
        return Err(format!(
            "{text:?} is not the address of a network; write \"{}\" for the network, or \"{}\" for this address alone",
            network.trunc(),
            IpNet::from(network.addr())
        ));
    }
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some() => {
            Err(format!("{text:?} stands for IPv4 addresses; write them as such"))
        }
        network => Ok(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_by_its_own_address() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "::1/128"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        for (text, advice) in [
            ("10.1.2.3", "\"10.1.2.3/32\""),
            ("::1", "\"::1/128\""),
            ("10.1.2.3/8", "\"10.0.0.0/8\" for the network, or \"10.1.2.3/32\""),
            ("10.0.0.0/33", "\"10.0.0.0/8\""),
            ("localhost", "\"10.0.0.0/8\""),
            ("::ffff:10.0.0.0/104", "IPv4"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("{text:?}")) && error.contains(advice), "{error}");
        }
    }

    #[test]
    fn loopback_is_both_families() {
        let texts: Vec<_> = loopback().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.0/8", "::1/128"]);
    }
}
