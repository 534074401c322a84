//! Drives connections in the native dialect.
//!
//! A connection's requests are handled in their order, one at a time, and answered in that order; the
//! client reads while it writes, so neither waits for the other. What a file is made of is decided by
//! the machines in [`ftx_core::native`]; here bytes are moved, and the store is asked.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `session` | what the connections of one client share |
//! | `conversation` | one connection's requests, in their order |
//! | `upload`, `download`, `small` | the requests that move files |
//! | `ask` | the requests that don't |

mod ask;
mod conversation;
mod download;
mod session;
mod small;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use ftx_core::native::wire::{
    CLIENT_PREFACE, FrameHeader, MAX_REQUEST, PREFACE_LEN, Reply, Request, VERSION, VERSIONS,
    WireError as FrameError, check_client_preface, common_version, server_preface,
};
use ftx_core::native::{Reason, StepError};
use ftx_io::{Frames, Incoming, ReadError, Wire, WireError, dedicate_thread};
use tokio::runtime::Builder;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use tracing::{Span, debug};

use self::conversation::{Conversation, Place, Stop};
pub(crate) use self::session::Sessions;
use crate::connection::{Context, Hello};
use crate::express::Places;
use crate::store::BlockStore;

/// Bytes of blocks that a connection's client may have on their way unanswered. They are taken from
/// the connection one piece at a time, so this costs no memory here.
const WINDOW: u64 = 32 * 1024 * 1024;

/// Requests that a connection's client may have unanswered. Those that are not handled yet lie in
/// the system's buffers, so this costs no memory here.
const REQUESTS: u32 = 16 * 1024;

/// How often a client is told that its request is being worked on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Program and version, as clients are told.
const AGENT: &str = concat!("ftx-server/", env!("CARGO_PKG_VERSION"));

/// Why a connection ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NativeError {
    /// A file could not be read in the middle of a block.
    #[error("a download was broken off: {message}")]
    Cut { reason: Reason, message: String },
    #[error("the client's message cannot be understood")]
    Frame(#[from] FrameError),
    /// The thread that the connection was on is gone; its panic has been printed.
    #[error("a thread failed")]
    Panicked,
    /// The client was told why.
    #[error("{message}")]
    Refused { reason: Reason, message: String },
    #[error("the client broke the protocol")]
    Step(#[from] StepError),
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl From<ReadError> for NativeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Wire(error) => error.into(),
            other => WireError::from(std::io::Error::other(other)).into(),
        }
    }
}

impl From<std::io::Error> for NativeError {
    fn from(error: std::io::Error) -> Self {
        WireError::from(error).into()
    }
}

impl NativeError {
    /// What the client is told before the connection closes, if it can still hear it.
    fn goodbye(&self) -> Option<Reply> {
        let reason = match self {
            Self::Frame(error) => error.reason(),
            Self::Panicked => Reason::Internal,
            Self::Refused { reason, .. } => *reason,
            Self::Step(error) => error.reason(),
            Self::Wire(WireError::Stopped) => Reason::ShuttingDown,
            Self::Wire(WireError::Timeout(_)) => Reason::TimedOut,
            // The client waits for the rest of a block.
            Self::Cut { .. } | Self::Wire(_) => return None,
        };
        Some(Reply::goodbye(reason, ftx_io::Chain(self).to_string()))
    }
}

/// Serves a native client until it leaves or something fails. What it was uploading is kept.
pub(crate) async fn serve<S: BlockStore>(
    wire: Wire,
    context: &Arc<Context<S>>,
    hello: Hello,
    places: Places,
) -> Result<(), NativeError> {
    let greeted = greet(wire, context, hello).await?;
    let Some((mut frames, mut conversation)) = greeted else { return Ok(()) };
    loop {
        let stop = conversation.run(&mut frames, Place::Reactor(&places)).await?;
        match stop {
            Stop::Left => return Ok(()),
            Stop::Quiet => {}
            Stop::Busy(permit) => match on_own_thread(frames, conversation, permit).await? {
                Some(back) => (frames, conversation) = back,
                None => return Ok(()),
            },
        }
    }
}

/// Serves a busy client on a thread to itself until it pauses; `None` when it has left.
async fn on_own_thread<S: BlockStore>(
    frames: Frames,
    mut conversation: Conversation<S>,
    permit: OwnedSemaphorePermit,
) -> Result<Option<(Frames, Conversation<S>)>, NativeError> {
    let parked = frames.park()?;
    let span = Span::current();
    let moved = spawn_blocking(move || -> Result<_, NativeError> {
        let _entered = span.enter();
        let _permit = permit;
        let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(4).build()?;
        dedicate_thread(|| {
            runtime.block_on(async {
                let mut frames = parked.resume()?;
                match conversation.run(&mut frames, Place::Own).await? {
                    Stop::Left => Ok(None),
                    Stop::Quiet | Stop::Busy(_) => Ok(Some((frames.park()?, conversation))),
                }
            })
        })
    });
    match moved.await.map_err(|_| NativeError::Panicked)?? {
        Some((parked, conversation)) => Ok(Some((parked.resume()?, conversation))),
        None => Ok(None),
    }
}

/// Hears the client's preface and hello, and answers them. `None` if it was told to go.
async fn greet<S: BlockStore>(
    mut wire: Wire,
    context: &Arc<Context<S>>,
    hello: Hello,
) -> Result<Option<(Frames, Conversation<S>)>, NativeError> {
    let preface = loop {
        if let Some(preface) = wire.buffered().first_chunk::<PREFACE_LEN>() {
            break *preface;
        }
        let filled = wire.fill(context.guard(hello.left())).await;
        if !filled.map_err(|error| hello.name_limit(error))? {
            return Ok(None);
        }
    };
    check_client_preface(preface)?;
    wire.consume(CLIENT_PREFACE.len());
    let mut frames = Frames::new(wire, MAX_REQUEST);
    match first_request(&mut frames, context, hello).await {
        Ok(Some((versions, session, agent))) => {
            let Some(version) = common_version(&versions) else {
                frames.queue(&server_preface(VERSION));
                let message = format!(
                    "versions {versions:?} of FTX are spoken there and {VERSIONS:?} here; update one side"
                );
                return Err(part(&mut frames, context, Reason::NoCommonVersion, message).await);
            };
            frames.queue(&server_preface(version));
            let Some(session) = context.sessions.join(session) else {
                let message = "the session has ended; connect without its token".to_owned();
                return Err(part(&mut frames, context, Reason::OutOfStep, message).await);
            };
            debug!(agent, version, "native client");
            let welcome = Reply::Welcome {
                version,
                features: Vec::new(),
                agent: AGENT.to_owned(),
                session: session.token(),
                window: WINDOW,
                requests: REQUESTS,
            };
            frames.queue(&welcome.encode(0)?);
            frames.writer().flush(context.stall()).await?;
            let conversation = Conversation::new(Arc::clone(context), session);
            Ok(Some((frames, conversation)))
        }
        Ok(None) => Ok(None),
        Err(error) => {
            frames.queue(&server_preface(VERSION));
            if let Some(goodbye) = error.goodbye() {
                frames.queue(&goodbye.encode(0)?);
            }
            frames.writer().flush(context.stall()).await?;
            Err(error)
        }
    }
}

/// Tells a client why its connection is closed.
async fn part<S: BlockStore>(
    frames: &mut Frames,
    context: &Context<S>,
    reason: Reason,
    message: String,
) -> NativeError {
    let told = async {
        frames.queue(&Reply::goodbye(reason, message.clone()).encode(0)?);
        frames.writer().flush(context.stall()).await.map_err(NativeError::from)
    };
    match told.await {
        Ok(()) => NativeError::Refused { reason, message },
        Err(error) => error,
    }
}

type Hi = (Vec<u32>, Option<ftx_core::native::wire::Token>, String);

async fn first_request<S: BlockStore>(
    frames: &mut Frames,
    context: &Context<S>,
    hello: Hello,
) -> Result<Option<Hi>, NativeError> {
    let next = frames.reader().next(context.guard(hello.left())).await;
    let (header, payload) = match next {
        Ok(Some(Incoming::Control { header, payload })) => (header, payload),
        Ok(Some(Incoming::Block { .. } | Incoming::File { .. })) => return Err(no_hello()),
        Ok(None) => return Ok(None),
        Err(ReadError::Wire(error)) => return Err(hello.name_limit(error).into()),
        Err(error) => return Err(error.into()),
    };
    match decode(&header, &payload)? {
        Request::Hello { versions, session, agent, .. } => Ok(Some((versions, session, agent))),
        _ => Err(no_hello()),
    }
}

fn no_hello() -> NativeError {
    StepError::OutOfStep { what: "a request before the Hello" }.into()
}

fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Request, NativeError> {
    let request = Request::decode(header, payload)?;
    debug!(id = header.request, ?request, "received");
    Ok(request)
}
