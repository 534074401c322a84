//! Drives connections in the native dialect.
//!
//! A connection's requests are handled in their order, one at a time, and answered in that order; the
//! client reads while it writes, so neither waits for the other. What a file is made of is decided by
//! the machines in [`ftx_core::native`]; here bytes are moved, and the store is asked.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `greeting` | how a connection begins |
//! | `session` | what the connections of one client share |
//! | `conversation`, `next` | one connection's requests, in their order |
//! | `lease`, `waiting` | runs that upload the same source take turns |
//! | `upload`, `download`, `small` | the requests that move files |
//! | `ask` | the requests that don't |
//! | `receive` | bytes of files on their way in |
//! | `life` | signs of life for a client that waits |

mod ask;
mod conversation;
mod download;
mod greeting;
pub(crate) mod lease;
mod life;
mod list;
mod next;
mod receive;
mod recent;
pub(crate) mod session;
mod small;
mod upload;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use ftx_core::native::wire::{FrameError, FrameHeader, Reply, Request};
use ftx_core::native::{Reason, StepError};
use ftx_io::{
    BufferedStream, ErrorChain, Frames, IoLimits, ReadError, StreamError, spawn_blocking,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::context::Context;
use crate::dedicated::{self, DedicatedThreads, ThreadPanicked};
use crate::handshake_deadline::HandshakeDeadline;
use crate::store::Store;

/// Bytes of blocks that a connection's client may have on their way unanswered. They are taken from
/// the connection one piece at a time, so this costs no memory here.
const WINDOW: u64 = 8 * 1024 * 1024;

/// Requests that a connection's client may have unanswered. Those that are not handled yet lie in
/// the system's buffers, so this costs no memory here.
const REQUESTS: u32 = 16 * 1024;

/// Uploads that a connection may have open at the same time: each one takes some descriptors.
const UPLOADS: usize = 64;

/// Threads of one worker that may be dedicated to connections of this dialect: the streams of one
/// client at least, since each of them keeps its thread busy.
pub(crate) const DEDICATED_THREADS: usize = 4;

/// How long a connection that is told to go has to hear that.
const FAREWELL: Duration = Duration::from_secs(1);

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
    /// The client has asked for nothing for too long.
    #[error("nothing was asked for within {}", humantime::format_duration(*.0))]
    Idle(Duration),
    /// The server ends, and nothing is under way.
    #[error("the server is shutting down; connect again later")]
    Over,
    #[error(transparent)]
    Panicked(#[from] ThreadPanicked),
    /// The client was told why.
    #[error("{message}")]
    Refused { reason: Reason, message: String },
    #[error("the client broke the protocol")]
    Step(#[from] StepError),
    #[error(transparent)]
    Wire(#[from] StreamError),
}

impl From<ReadError> for NativeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Frame(error) => error.into(),
            ReadError::Stream(error) => error.into(),
            other => StreamError::from(std::io::Error::other(other)).into(),
        }
    }
}

impl From<std::io::Error> for NativeError {
    fn from(error: std::io::Error) -> Self {
        StreamError::from(error).into()
    }
}

impl NativeError {
    /// What the client is told before the connection closes, if it can still hear it.
    fn goodbye(&self) -> Option<Reply> {
        let reason = match self {
            Self::Frame(error) => error.reason(),
            Self::Idle(_) => Reason::TimedOut,
            Self::Over => Reason::ShuttingDown,
            Self::Panicked(_) => Reason::Internal,
            Self::Refused { reason, .. } => *reason,
            Self::Step(error) => error.reason(),
            Self::Wire(StreamError::Stopped) => Reason::ShuttingDown,
            Self::Wire(StreamError::Late(_) | StreamError::Timeout(_)) => Reason::TimedOut,
            Self::Cut { .. } | Self::Wire(_) => return None,
        };
        Some(Reply::goodbye(reason, ErrorChain(self).to_string()))
    }

    /// Whether this is an ordinary end of a connection on which nothing is under way.
    fn is_ordinary(&self) -> bool {
        matches!(self, Self::Idle(_) | Self::Over | Self::Wire(StreamError::Closed))
    }
}

/// Serves a native client until it leaves or something fails. What it was uploading is kept.
pub(crate) async fn serve<S: Store>(
    wire: BufferedStream,
    context: &Arc<Context<S>>,
    deadline: HandshakeDeadline,
    threads: &DedicatedThreads,
) -> Result<(), NativeError> {
    let greeted = tokio::select! {
        biased;
        greeted = greeting::greet(wire, context, deadline) => greeted?,
        () = context.stop.cancelled() => return Ok(()),
    };
    let Some((frames, conversation)) = greeted else { return Ok(()) };
    dedicated::serve(conversation, frames, threads).await
}

/// Runs what would hold up the other connections of a reactor thread.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NativeError> {
    spawn_blocking(work).await.map_err(|_| ThreadPanicked.into())
}

/// Tells a client why its connection is closed, if it can still hear it.
async fn say_goodbye(frames: &mut Frames, error: &NativeError) {
    let Some(goodbye) = error.goodbye() else { return };
    debug!(error = %ErrorChain(error), "says goodbye");
    // The grace of a shutdown may be over, so this has a moment of its own.
    let moment = CancellationToken::new();
    let guard = IoLimits { limit: FAREWELL, stop: &moment };
    let told = async {
        if !frames.is_desynced() {
            frames.queue(&goodbye.encode(0)?);
            frames.writer().flush(guard).await?;
            frames.shut_down(guard).await?;
        }
        Ok::<_, NativeError>(())
    };
    // Who is not there any more does not hear it.
    let _ = tokio::time::timeout(FAREWELL, told).await;
}

fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Request, NativeError> {
    let request = Request::decode(header, payload)?;
    debug!(id = header.request, ?request, "received");
    Ok(request)
}
