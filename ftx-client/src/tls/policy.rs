//! Decides whether a connection uses TLS, and by what the server is trusted.

use ftx_io::Fingerprint;

use super::trust::PinSource;
use crate::{ClientConfig, TlsChoice};

/// The treatment of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Without TLS.
    Plain,
    /// Only TLS would do, and the settings exclude it.
    Refused,
    /// With TLS.
    Tls {
        /// What the server is trusted by.
        trust: TrustChoice,
        /// A server without TLS may be spoken to in plain.
        may_be_plain: bool,
    },
}

/// What a server is trusted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrustChoice {
    /// The fingerprint of its key.
    Pinned(Fingerprint, PinSource),
    /// The issuers in the file of the settings.
    GivenIssuers,
    /// The issuers that the system trusts.
    SystemIssuers,
    /// Its first connection: its key is stored.
    AnyNew,
}

/// Decides about a connection to a server with this known key.
pub(super) fn policy(
    config: &ClientConfig,
    known: Option<Fingerprint>,
    is_loopback: bool,
) -> Policy {
    let trust = match (config.fingerprint, known) {
        (Some(fingerprint), _) => TrustChoice::Pinned(fingerprint, PinSource::Given),
        (None, Some(known)) => TrustChoice::Pinned(known, PinSource::KnownHosts),
        (None, None) if config.ca.is_some() => TrustChoice::GivenIssuers,
        (None, None) if config.accept_new => TrustChoice::AnyNew,
        (None, None) => TrustChoice::SystemIssuers,
    };
    // Anyone who reads a token can use it.
    let may_be_plain = is_loopback || (config.insecure && config.token.is_none());
    // A plain connection would let an attacker pose as a server whose key or issuer is known.
    let is_pinned = matches!(trust, TrustChoice::Pinned(..) | TrustChoice::GivenIssuers);
    match config.tls {
        TlsChoice::Require => Policy::Tls { trust, may_be_plain: false },
        TlsChoice::Auto if is_pinned => Policy::Tls { trust, may_be_plain: false },
        TlsChoice::Auto if is_loopback => Policy::Plain,
        TlsChoice::Auto => Policy::Tls { trust, may_be_plain },
        TlsChoice::Off if may_be_plain => Policy::Plain,
        TlsChoice::Off => Policy::Refused,
    }
}

#[cfg(test)]
mod tests {
    use ftx_core::{AccessToken, TokenId};

    use super::*;

    fn fingerprint(digit: char) -> Fingerprint {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    fn config(tls: TlsChoice) -> ClientConfig {
        ClientConfig { tls, ..ClientConfig::default() }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_plain_by_itself() {
        let required = Policy::Tls { trust: TrustChoice::SystemIssuers, may_be_plain: false };
        assert_eq!(policy(&config(TlsChoice::Auto), None, true), Policy::Plain);
        assert_eq!(policy(&config(TlsChoice::Auto), None, false), required);
        assert_eq!(policy(&config(TlsChoice::Off), None, true), Policy::Plain);
        assert_eq!(policy(&config(TlsChoice::Off), None, false), Policy::Refused);
        for is_loopback in [true, false] {
            assert_eq!(policy(&config(TlsChoice::Require), None, is_loopback), required);
        }
    }

    #[test]
    fn plain_connections_to_other_machines_have_to_be_allowed() {
        let mut config = config(TlsChoice::Auto);
        config.insecure = true;
        let tried = Policy::Tls { trust: TrustChoice::SystemIssuers, may_be_plain: true };
        assert_eq!(policy(&config, None, false), tried);
        config.tls = TlsChoice::Off;
        assert_eq!(policy(&config, None, false), Policy::Plain);
        config.tls = TlsChoice::Require;
        let required = Policy::Tls { trust: TrustChoice::SystemIssuers, may_be_plain: false };
        assert_eq!(policy(&config, None, false), required);
    }

    #[test]
    fn a_token_crosses_no_plain_connection_to_another_machine() {
        for insecure in [false, true] {
            let of = |tls, is_loopback| {
                let token = Some(AccessToken::new(TokenId([0; 4]), [0; AccessToken::SECRET_BYTES]));
                policy(&ClientConfig { insecure, token, ..config(tls) }, None, is_loopback)
            };
            let required = Policy::Tls { trust: TrustChoice::SystemIssuers, may_be_plain: false };
            assert_eq!(of(TlsChoice::Auto, false), required);
            assert_eq!(of(TlsChoice::Require, false), required);
            assert_eq!(of(TlsChoice::Off, false), Policy::Refused);
            assert_eq!(of(TlsChoice::Auto, true), Policy::Plain);
            assert_eq!(of(TlsChoice::Off, true), Policy::Plain);
        }
    }

    /// Otherwise an attacker in between could strip TLS off.
    #[test]
    fn a_server_whose_key_or_issuer_is_known_must_use_tls() {
        let (given, known) = (fingerprint('1'), fingerprint('2'));
        let mut config = config(TlsChoice::Auto);
        (config.insecure, config.accept_new) = (true, true);
        for is_loopback in [true, false] {
            let by = |trust| Policy::Tls { trust, may_be_plain: false };
            let pinned = TrustChoice::Pinned(known, PinSource::KnownHosts);
            assert_eq!(policy(&config, Some(known), is_loopback), by(pinned));
            let mut with_ca = config.clone();
            with_ca.ca = Some("ca.pem".into());
            assert_eq!(policy(&with_ca, None, is_loopback), by(TrustChoice::GivenIssuers));
            assert_eq!(policy(&with_ca, Some(known), is_loopback), by(pinned));
            with_ca.fingerprint = Some(given);
            let pinned = TrustChoice::Pinned(given, PinSource::Given);
            assert_eq!(policy(&with_ca, Some(known), is_loopback), by(pinned));
        }
        let first = Policy::Tls { trust: TrustChoice::AnyNew, may_be_plain: true };
        assert_eq!(policy(&config, None, false), first);
    }
}
