//! The first messages of a connection.

use ftx_core::native::wire::{PREFACE_BYTES, Request, ServerPreface, Token, VERSIONS, WAITING};
use ftx_io::{BufferedStream, IoLimits};

use crate::{ClientConfig, TransferError};

/// Program and version, sent in the `Hello`.
const AGENT: &str = concat!("ftx-client/", env!("CARGO_PKG_VERSION"));

/// The session that a connection asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SessionRequest {
    /// A new one in place of the client's last session, whose waiting requests must not begin.
    New { replaces: Option<Token> },
    /// The session of another connection.
    Join(Token),
}

/// The first message of a connection.
pub(super) fn hello(session: SessionRequest, auth: Option<String>) -> Request {
    let (session, replaces) = match session {
        SessionRequest::New { replaces } => (None, replaces),
        SessionRequest::Join(token) => (Some(token), None),
    };
    Request::Hello {
        versions: VERSIONS.to_vec(),
        features: vec![WAITING.to_owned()],
        agent: AGENT.to_owned(),
        session,
        auth,
        replaces,
    }
}

/// The proof that the client may use the server, for each of its connections. The settings hold none so
/// far.
pub(super) fn credentials(_: &ClientConfig) -> Option<String> {
    None
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
