//! TLS of the client: whether a connection uses it, and whom it trusts.

mod known_hosts;
mod policy;
mod prepared;
mod trust;

use std::net::IpAddr;

use ftx_io::{ErrorChain, Fingerprint, TlsHandshakeError, Transport};
use rustls::pki_types::ServerName;
use tracing::debug;

use self::policy::{Policy, TrustChoice, policy};
use crate::{ClientConfig, ServerAddr, TransferError};

pub(crate) use self::known_hosts::KnownHostsError;
pub(crate) use self::prepared::ClientTls;
pub(crate) use self::trust::{refuses_certificate, trust_error};

/// A connection after TLS, or without it.
pub(crate) enum Secured {
    /// The connection to use.
    Ready(Transport),
    /// The server does not speak TLS, and the settings allow that: connect again, in plain.
    NoTls,
}

impl ClientTls {
    /// Starts TLS on a new connection, if the settings require it for this server.
    ///
    /// # Errors
    /// The settings refuse this server in plain, or it is not trusted, or the handshake failed.
    pub(crate) async fn secure(
        &self,
        transport: Transport,
        server: &ServerAddr,
        peer: IpAddr,
        config: &ClientConfig,
    ) -> Result<Secured, TransferError> {
        let known = self.known_key(server, peer, config)?;
        let has_token = config.token.is_some();
        let (trust, may_be_plain) = match policy(config, known, peer.is_loopback()) {
            Policy::Plain => return Ok(Secured::Ready(transport)),
            Policy::Refused if has_token => return Err(TransferError::plain_token(server)),
            Policy::Refused => return Err(TransferError::plain_refused(server)),
            Policy::Tls { trust, may_be_plain } => (trust, may_be_plain),
        };
        if may_be_plain && self.is_original() {
            return Ok(Secured::Ready(transport));
        }
        let name = ServerName::try_from(server.host().to_owned())
            .unwrap_or_else(|_| ServerName::IpAddress(peer.into()));
        match transport.connect_tls(self.settings(trust, config)?, name).await {
            Ok(transport) => {
                if trust == TrustChoice::AnyNew {
                    self.remember(&transport, server, config)?;
                }
                Ok(Secured::Ready(transport))
            }
            Err(TlsHandshakeError::OriginalServer) if may_be_plain => {
                self.set_original();
                Ok(Secured::NoTls)
            }
            // Perhaps it has TLS and is about to end: the next connection asks again.
            Err(TlsHandshakeError::Closed) if may_be_plain => Ok(Secured::NoTls),
            Err(error) => Err(TransferError::tls(server, error, has_token)),
        }
    }

    /// Remembers the key of a server that was trusted as a new one.
    fn remember(
        &self,
        transport: &Transport,
        server: &ServerAddr,
        config: &ClientConfig,
    ) -> Result<(), TransferError> {
        let shown = transport.peer_certificates();
        let Some(shown) = shown.first() else { return Ok(()) };
        let key = Fingerprint::of_certificate(shown).map_err(TransferError::tls_settings)?;
        match &config.known_hosts {
            Some(path) => known_hosts::add(path, server, key).map_err(TransferError::known_hosts),
            None => {
                self.set_accepted(key);
                Ok(())
            }
        }
    }

    /// The key by which the server is known from an earlier connection. The file is read for each
    /// connection, so that a changed line counts at once.
    ///
    /// # Errors
    /// The file of known servers cannot be used. A server on this machine counts as unknown then.
    fn known_key(
        &self,
        server: &ServerAddr,
        peer: IpAddr,
        config: &ClientConfig,
    ) -> Result<Option<Fingerprint>, TransferError> {
        let Some(path) = &config.known_hosts else { return Ok(self.accepted()) };
        match known_hosts::look_up(path, server) {
            Err(error) if peer.is_loopback() => {
                debug!(error = %ErrorChain(&error), "no server on this machine is known");
                Ok(None)
            }
            known => known.map_err(TransferError::known_hosts),
        }
    }
}
