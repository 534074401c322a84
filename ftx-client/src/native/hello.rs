//! The first messages of a connection.

use std::time::Duration;

use ftx_core::native::wire::{
    PREFACE_BYTES, Request, ServerPreface, Token, VERSIONS, WAITING, ZSTD, ZSTD_ALWAYS,
};
use ftx_io::{BufferedStream, Compression, IoLimits, deadline_after};
use tokio::time::{Instant, timeout_at};

use super::channel::{Channel, Handshake};
use crate::connect::{Endpoint, Place};
use crate::{Cancel, ClientConfig, TransferError};

/// Program and version, sent in the `Hello`.
const AGENT: &str = concat!("ftx-client/", env!("CARGO_PKG_VERSION"));

/// The session that a connection asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SessionRequest {
    /// A new one.
    New {
        /// The client's last session, whose waiting requests must not begin.
        replaces: Option<Token>,
        /// The number of its connections, if the server is distant.
        streams: usize,
    },
    /// The session of another connection.
    Join(Token),
}

/// Connects, and finds out which dialect the server speaks, both within `limit`.
///
/// # Errors
/// There is no connection, or the server does not answer as it should in time.
pub(crate) async fn greet(
    endpoint: &Endpoint,
    config: &ClientConfig,
    cancel: &Cancel,
    session: SessionRequest,
    limit: Duration,
) -> Result<Handshake, TransferError> {
    let deadline = Instant::from_std(deadline_after(limit));
    let place = match session {
        SessionRequest::New { streams, .. } => Place::First { streams },
        SessionRequest::Join(_) => Place::Further,
    };
    // A session that does not begin has no further connections.
    let guard = matches!(place, Place::First { .. }).then(|| endpoint.early_guard());
    let stream = endpoint.connect(place, config, limit, cancel).await?;
    let handshake = Channel::handshake(stream, config, cancel, session);
    let handshake = timeout_at(deadline, handshake).await;
    let handshake = handshake.map_err(|_| TransferError::silent_for(limit))??;
    if let (Handshake::Native(_), Some(guard)) = (&handshake, guard) {
        guard.keep();
    }
    Ok(handshake)
}

/// The first message of a connection.
pub(super) fn hello(session: SessionRequest, config: &ClientConfig) -> Request {
    let (session, replaces) = match session {
        SessionRequest::New { replaces, .. } => (None, replaces),
        SessionRequest::Join(token) => (Some(token), None),
    };
    Request::Hello {
        versions: VERSIONS.to_vec(),
        features: features(config.compress).into_iter().map(str::to_owned).collect(),
        agent: AGENT.to_owned(),
        session,
        auth: credentials(config),
        replaces,
    }
}

fn features(compress: Compression) -> Vec<&'static str> {
    match compress {
        Compression::Never => vec![WAITING],
        Compression::Auto => vec![WAITING, ZSTD],
        Compression::Always | Compression::Level(_) => vec![WAITING, ZSTD, ZSTD_ALWAYS],
    }
}

/// The proof that the client may use the server, for each of its connections. TLS proves a certificate.
fn credentials(config: &ClientConfig) -> Option<String> {
    config.token.as_ref().map(ToString::to_string)
}

/// Reads the first bytes of a server.
pub(super) async fn read_preface(
    stream: &mut BufferedStream,
    limits: IoLimits<'_>,
) -> Result<ServerPreface, TransferError> {
    loop {
        if let Some(preface) = stream.buffered().first_chunk::<PREFACE_BYTES>() {
            let preface = ServerPreface::decode(*preface).map_err(TransferError::handshake)?;
            stream.consume(PREFACE_BYTES);
            return Ok(preface);
        }
        if !stream.fill(limits).await? {
            return Err(TransferError::closed());
        }
    }
}
