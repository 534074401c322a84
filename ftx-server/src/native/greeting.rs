//! How a connection begins.

use std::sync::Arc;
use std::time::Duration;

use ftx_core::native::wire::{
    CLIENT_PREFACE, MAX_REQUEST_BYTES, PREFACE_LEN, Reply, Request, Token, VERSION, VERSIONS,
    WAITING, check_client_preface, common_version, server_preface,
};
use ftx_core::native::{Reason, StepError};
use ftx_io::{BufferedStream, Frames, Incoming, ReadError, StreamError};
use tracing::debug;

use super::conversation::Conversation;
use super::{AGENT, NativeError, REQUESTS, WINDOW, decode, say_goodbye};
use crate::context::Context;
use crate::handshake_deadline::HandshakeDeadline;
use crate::store::Store;

/// How long a client waits until its former session has ended; clients wait 30 s for a welcome.
const REPLACING: Duration = Duration::from_secs(10);

/// What a client's `Hello` says that matters here.
struct Heard {
    versions: Vec<u32>,
    session: Option<Token>,
    agent: String,
    replaces: Option<Token>,
    understands_waiting: bool,
}

/// Hears the client's preface and hello, and answers them. `None` if it left before.
pub(super) async fn greet<S: Store>(
    mut wire: BufferedStream,
    context: &Arc<Context<S>>,
    deadline: HandshakeDeadline,
) -> Result<Option<(Frames, Conversation<S>)>, NativeError> {
    let preface = loop {
        if let Some(preface) = wire.buffered().first_chunk::<PREFACE_LEN>() {
            break *preface;
        }
        match wire.fill(context.guard(deadline.left())).await {
            Ok(true) => {}
            Ok(false) | Err(StreamError::Closed) => return Ok(None),
            Err(error) => return Err(deadline.name_limit(error).into()),
        }
    };
    check_client_preface(preface)?;
    wire.consume(CLIENT_PREFACE.len());
    let mut frames = Frames::new(wire, MAX_REQUEST_BYTES);
    let heard = async {
        let heard = hear(&mut frames, context, deadline).await?;
        if let Some(token) = heard.as_ref().and_then(|heard| heard.replaces) {
            replace(context, token).await?;
        }
        Ok(heard)
    };
    let answered = match heard.await {
        Ok(Some(heard)) => answer(&mut frames, context, heard),
        Ok(None) => return Ok(None),
        Err(error) => {
            frames.queue(&server_preface(VERSION));
            Err(error)
        }
    };
    match answered {
        Ok(conversation) => {
            frames.writer().flush(context.stall()).await?;
            Ok(Some((frames, conversation)))
        }
        Err(error) => {
            say_goodbye(&mut frames, &error).await;
            Err(error)
        }
    }
}

/// The client's `Hello`; `None` if it left before.
async fn hear<S: Store>(
    frames: &mut Frames,
    context: &Context<S>,
    deadline: HandshakeDeadline,
) -> Result<Option<Heard>, NativeError> {
    let late = || deadline.name_limit(StreamError::Timeout(deadline.left()));
    let mut reader = frames.reader();
    // Around it all: each of its bytes may be soon after the one before.
    let next = tokio::time::timeout(deadline.left(), reader.next(context.stall())).await;
    let (header, payload) = match next {
        Ok(Ok(Some(Incoming::Control { header, payload }))) => (header, payload),
        Ok(Ok(Some(Incoming::Block { .. } | Incoming::File { .. }))) => return Err(no_hello()),
        Ok(Ok(None) | Err(ReadError::Stream(StreamError::Closed))) => return Ok(None),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(late().into()),
    };
    match decode(&header, &payload)? {
        Request::Hello { versions, features, agent, session, replaces, .. } => {
            let understands_waiting = features.iter().any(|feature| feature == WAITING);
            Ok(Some(Heard { versions, session, agent, replaces, understands_waiting }))
        }
        _ => Err(no_hello()),
    }
}

/// Ends the session that the client had before.
async fn replace<S: Store>(context: &Context<S>, token: Token) -> Result<(), NativeError> {
    let ended = context.sessions.end(token);
    tokio::time::timeout(REPLACING, ended).await.map_err(|_| {
        let message = "a connection that you had before is still at work; connect again".to_owned();
        NativeError::Refused { reason: Reason::Busy, message }
    })
}

/// Queues the answer to a `Hello`, unless that is a goodbye.
fn answer<S: Store>(
    frames: &mut Frames,
    context: &Arc<Context<S>>,
    heard: Heard,
) -> Result<Conversation<S>, NativeError> {
    let Heard { versions, session, agent, understands_waiting, .. } = heard;
    let version = common_version(&versions);
    frames.queue(&server_preface(version.unwrap_or(VERSION)));
    let Some(version) = version else {
        let message = format!(
            "versions {} of FTX are spoken there and {VERSIONS:?} here; update one side",
            some_of(&versions)
        );
        return Err(NativeError::Refused { reason: Reason::NoCommonVersion, message });
    };
    let Some(session) = context.sessions.join(session, &context.abort) else {
        let message = "the session has ended; connect without its token".to_owned();
        return Err(NativeError::Refused { reason: Reason::OutOfStep, message });
    };
    debug!(agent, version, "native client");
    let welcome = Reply::Welcome {
        version,
        // Of those that are known here, the ones that the client has named.
        features: if understands_waiting { vec![WAITING.to_owned()] } else { Vec::new() },
        agent: AGENT.to_owned(),
        session: session.token(),
        window: WINDOW,
        requests: REQUESTS,
    };
    frames.queue(&welcome.encode(0)?);
    let mut conversation = Conversation::new(Arc::clone(context), session);
    conversation.understands_waiting = understands_waiting;
    Ok(conversation)
}

/// Versions of a client that are named at most when none of them is spoken here.
const NAMED: usize = 8;

/// The versions as they are told. There may be thousands, and anybody may say them; they are for the
/// log, too.
fn some_of(versions: &[u32]) -> String {
    match versions.split_at_checked(NAMED) {
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
