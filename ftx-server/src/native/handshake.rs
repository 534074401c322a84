//! The handshake: the client's preface and `Hello`, and the server's answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::native::wire::{
    CLIENT_PREFACE, MAX_REQUEST_BYTES, PREFACE_BYTES, Reply, Request, Token, VERSION, VERSIONS,
    WAITING, ZSTD, ZSTD_ALWAYS, check_client_preface, common_version, server_preface,
};
use ftx_core::native::{Reason, StepError};
use ftx_io::{
    BufferedStream, Compression, Fingerprint, Frames, Incoming, LineHint, ReadError, StreamError,
};
use tracing::{Span, debug, field};

use super::connection::NativeConnection;
use super::error::NativeError;
use super::goodbye::say_goodbye;
use super::request::decode;
use super::shared::NativeShared;
use crate::auth::{Credentials, Identity, Principal};
use crate::context::Context;
use crate::handshake_deadline::HandshakeDeadline;
use crate::limits::LimitHit;
use crate::store::Store;

/// The program and its version, as clients see them.
const AGENT: &str = concat!("ftx-server/", env!("CARGO_PKG_VERSION"));

/// The most bytes of blocks that a connection's client may have in flight without a reply, unless the
/// store's durable units need more. A client uses as much of it as its line needs. They are read one piece
/// at a time, so this costs no memory here.
const MAX_WINDOW_BYTES: u64 = 64 * 1024 * 1024;

/// Requests that a connection's client may have in flight without a reply. Those that wait lie in the
/// system's buffers, so this costs no memory here.
const MAX_REQUESTS: u32 = 16 * 1024;

/// How long a client waits for the end of the session that it replaces; clients wait 30 s for a welcome.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(10);

/// Versions of a client that an error names.
const MAX_NAMED_VERSIONS: usize = 8;

/// The parts of a client's `Hello` that matter here.
struct ClientHello {
    versions: Vec<u32>,
    session: Option<Token>,
    agent: String,
    auth: Option<String>,
    replaces: Option<Token>,
    understands_waiting: bool,
    /// When the client wants the connection to be compressed.
    compression: Compression,
}

/// Reads the client's preface and `Hello`, and answers them. `None` if the client left before.
pub(super) async fn accept<S: Store>(
    mut stream: BufferedStream,
    peer: SocketAddr,
    context: &Arc<Context<S>>,
    shared: &NativeShared<S::Staging>,
    deadline: HandshakeDeadline,
) -> Result<Option<(Frames, NativeConnection<S>)>, NativeError> {
    if !read_preface(&mut stream, context, deadline).await? {
        return Ok(None);
    }
    let certificate = client_certificate(&stream);
    let is_private =
        stream.transport().is_encrypted() || context.access.current().admits_plain(peer.ip());
    let mut frames = Frames::new(stream, MAX_REQUEST_BYTES);
    let hello = async {
        if !is_private {
            return Err(plain_from_elsewhere());
        }
        let Some(hello) = read_hello(&mut frames, context, deadline).await? else {
            return Ok(None);
        };
        let credentials = Credentials::new(hello.auth.as_deref(), peer);
        let credentials = credentials.with_certificate(certificate);
        let identity = context.authenticator.authenticate(credentials).map_err(|refusal| {
            NativeError::Rejected { reason: refusal.reason, message: refusal.message }
        })?;
        if let Some(token) = hello.replaces {
            end_replaced(shared, token, &identity.principal).await?;
        }
        Ok(Some((hello, identity)))
    };
    let mut compression = Compression::Never;
    let answered = match hello.await {
        Ok(Some((mut hello, identity))) => {
            if context.compression == Compression::Never {
                hello.compression = Compression::Never;
            }
            compression = hello.compression;
            welcome(&mut frames, context, shared, hello, identity)
        }
        Ok(None) => return Ok(None),
        Err(error) => {
            frames.queue(&server_preface(VERSION));
            Err(error)
        }
    };
    match answered {
        Ok(connection) => {
            frames.set_rate_limits(context.rate_limits(connection.session.principal()));
            frames.writer().flush(context.stall()).await?;
            if compression != Compression::Never {
                let is_local = peer.ip().to_canonical().is_loopback();
                let hint = LineHint { is_local, round_trip: None };
                frames.enable_compression(compression, hint);
            }
            Ok(Some((frames, connection)))
        }
        Err(error) => {
            say_goodbye(&mut frames, &error).await;
            Err(error)
        }
    }
}

/// Tells a client that a limit keeps it out, once it has said its `Hello`.
pub(super) async fn refuse<S: Store>(
    mut stream: BufferedStream,
    context: &Context<S>,
    hit: LimitHit,
    deadline: HandshakeDeadline,
) -> Result<(), NativeError> {
    if !read_preface(&mut stream, context, deadline).await? {
        return Ok(());
    }
    let mut frames = Frames::new(stream, MAX_REQUEST_BYTES);
    if read_hello(&mut frames, context, deadline).await?.is_some() {
        frames.queue(&server_preface(VERSION));
        let (reason, message) = (Reason::TooManyRequests, hit.to_string());
        say_goodbye(&mut frames, &NativeError::Rejected { reason, message }).await;
    }
    Ok(())
}

/// Reads the client's preface; `false` if the client left before.
async fn read_preface<S: Store>(
    stream: &mut BufferedStream,
    context: &Context<S>,
    deadline: HandshakeDeadline,
) -> Result<bool, NativeError> {
    loop {
        if let Some(preface) = stream.buffered().first_chunk::<PREFACE_BYTES>() {
            check_client_preface(*preface)?;
            stream.consume(CLIENT_PREFACE.len());
            return Ok(true);
        }
        match stream.fill(context.guard(deadline.left())).await {
            Ok(true) => {}
            Ok(false) | Err(StreamError::Closed) => return Ok(false),
            Err(error) => return Err(deadline.name_limit(error).into()),
        }
    }
}

/// The key of the certificate that the client showed. The handshake has verified the certificate, so it can
/// be read.
fn client_certificate(stream: &BufferedStream) -> Option<Fingerprint> {
    let shown = stream.transport().peer_certificates();
    Fingerprint::of_certificate(shown.first()?).ok()
}

/// Reads the client's `Hello`; `None` if the client left before.
async fn read_hello<S: Store>(
    frames: &mut Frames,
    context: &Context<S>,
    deadline: HandshakeDeadline,
) -> Result<Option<ClientHello>, NativeError> {
    let late = || deadline.name_limit(StreamError::Timeout(deadline.left()));
    let mut reader = frames.reader();
    // The deadline covers the whole message: a client may send it byte by byte.
    let next = tokio::time::timeout(deadline.left(), reader.next(context.stall())).await;
    let (header, payload) = match next {
        Ok(Ok(Some(Incoming::Control { header, payload }))) => (header, payload),
        Ok(Ok(Some(Incoming::Block { .. } | Incoming::File { .. }))) => return Err(no_hello()),
        Ok(Ok(None) | Err(ReadError::Stream(StreamError::Closed))) => return Ok(None),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(late().into()),
    };
    match decode(&header, &payload)? {
        Request::Hello { versions, features, agent, session, auth, replaces } => {
            let names = |feature| features.iter().any(|named| named == feature);
            let understands_waiting = names(WAITING);
            let compression = match (names(ZSTD), names(ZSTD_ALWAYS)) {
                (false, _) => Compression::Never,
                (true, false) => Compression::Auto,
                (true, true) => Compression::Always,
            };
            Ok(Some(ClientHello {
                versions,
                session,
                agent,
                auth,
                replaces,
                understands_waiting,
                compression,
            }))
        }
        _ => Err(no_hello()),
    }
}

/// Ends the client's former session.
async fn end_replaced<U>(
    shared: &NativeShared<U>,
    token: Token,
    principal: &Principal,
) -> Result<(), NativeError> {
    let ended = shared.sessions.end(token, principal);
    tokio::time::timeout(REPLACE_TIMEOUT, ended).await.map_err(|_| {
        let message = "a connection that you had before is still at work; connect again".to_owned();
        NativeError::Rejected { reason: Reason::Busy, message }
    })
}

/// Queues the `Welcome`.
///
/// # Errors
/// The client gets a `Goodbye` instead.
fn welcome<S: Store>(
    frames: &mut Frames,
    context: &Arc<Context<S>>,
    shared: &NativeShared<S::Staging>,
    hello: ClientHello,
    identity: Identity,
) -> Result<NativeConnection<S>, NativeError> {
    let ClientHello { versions, session, agent, understands_waiting, compression, .. } = hello;
    let version = common_version(&versions);
    frames.queue(&server_preface(version.unwrap_or(VERSION)));
    let Some(version) = version else {
        let message = format!(
            "versions {} of FTX are spoken there and {VERSIONS:?} here; update one side",
            name_versions(&versions)
        );
        return Err(NativeError::Rejected { reason: Reason::NoCommonVersion, message });
    };
    let Identity { principal, ended } = identity;
    let session = match session {
        Some(token) => shared.sessions.join(token, &principal)?,
        None => shared.sessions.begin(principal, &context.abort)?,
    };
    if let Principal::User(name) = session.principal() {
        Span::current().record("user", field::debug(name));
    }
    debug!(agent, version, principal = %session.principal(), "native client");
    let welcome = Reply::Welcome {
        version,
        features: common_features(understands_waiting, compression),
        agent: AGENT.to_owned(),
        session: session.token(),
        window: MAX_WINDOW_BYTES.max(context.store.granule().min_window_bytes()),
        requests: MAX_REQUESTS,
    };
    frames.queue(&welcome.encode(0)?);
    let (context, leases) = (Arc::clone(context), shared.leases.clone());
    Ok(NativeConnection::new(context, leases, session, ended, understands_waiting))
}

/// The known features that the client has named.
fn common_features(understands_waiting: bool, compression: Compression) -> Vec<String> {
    let waiting = understands_waiting.then_some(WAITING);
    let zstd = (compression != Compression::Never).then_some(ZSTD);
    let always = (compression == Compression::Always).then_some(ZSTD_ALWAYS);
    [waiting, zstd, always].into_iter().flatten().map(str::to_owned).collect()
}

/// The client must not prove who it is where others can listen.
fn plain_from_elsewhere() -> NativeError {
    let message = "this server serves other machines only with TLS; connect with TLS, and trust the \
                   fingerprint that the server prints at its start";
    NativeError::Rejected { reason: Reason::Unauthorised, message: message.to_owned() }
}

/// The versions as an error names them. A client may claim thousands, and the log gets them too.
fn name_versions(versions: &[u32]) -> String {
    match versions.split_at_checked(MAX_NAMED_VERSIONS) {
        Some((first, rest)) if !rest.is_empty() => {
            let first: Vec<_> = first.iter().map(u32::to_string).collect();
            format!("[{}, and {} more]", first.join(", "), rest.len())
        }
        _ => format!("{versions:?}"),
    }
}

fn no_hello() -> NativeError {
    StepError::OutOfStep { what: "a request before the Hello" }.into()
}
