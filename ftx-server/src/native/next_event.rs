//! The wait for a connection's next event: a message of the client, or the turn of a waiting offer.

use std::time::Duration;

use ftx_io::{Frames, Incoming, StreamError};

use super::connection::NativeConnection;
use super::error::NativeError;
use super::granules;
use super::heartbeat::HEARTBEAT_INTERVAL;
use super::offers;
use super::source_lease::SourceLease;
use crate::dedicated::{Placement, Yield};
use crate::store::Store;

/// How long a client may pause before its connection leaves its dedicated thread.
const NATIVE_CLIENT_PAUSE: Duration = Duration::from_millis(50);

/// The next event of a connection.
pub(super) enum NextEvent {
    Incoming(Incoming),
    /// The turn of a waiting offer has come; without a lease if a newer offer has replaced it.
    Turn(u32, Option<SourceLease>),
    /// No event, for this reason.
    Yield(Yield),
}

/// The result of a wait.
enum Woken {
    /// By bytes of the client.
    Readable,
    /// By the time limit, which was this.
    Timeout(Duration),
    /// The client has left.
    End,
    Turn(u32, Option<SourceLease>),
}

/// Waits for the next event.
pub(super) async fn next_event<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
    placement: Placement<'_>,
) -> Result<NextEvent, NativeError> {
    if connection.session.over.is_cancelled() {
        // Requests that were received before are not served either: there may be thousands of them.
        return Err(StreamError::Stopped.into());
    }
    let mut woken = wait(connection, frames, NATIVE_CLIENT_PAUSE).await?;
    if matches!(woken, Woken::Timeout(_)) {
        (connection.is_busy, connection.stays) = (false, false);
        connection.spare = Vec::new();
        connection.close_file();
        frames.shrink_buffers();
        if matches!(placement, Placement::Dedicated) {
            return Ok(NextEvent::Yield(Yield::Idle));
        }
        woken = wait_long(connection, frames).await?;
    }
    match woken {
        Woken::Readable => {}
        Woken::Timeout(limit) => return Err(NativeError::Idle(limit)),
        Woken::End => return Ok(NextEvent::Yield(Yield::Closed)),
        Woken::Turn(request, lease) => return Ok(NextEvent::Turn(request, lease)),
    }
    let next = frames.reader().next(connection.stall()).await?;
    Ok(next.map_or(NextEvent::Yield(Yield::Closed), NextEvent::Incoming))
}

/// Waits for as long as a client may be idle. One with a waiting offer is not idle, and gets heartbeats.
async fn wait_long<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
) -> Result<Woken, NativeError> {
    if connection.waiting.is_empty() && granules::is_within(connection) {
        // It occupies memory for which others wait.
        return match wait(connection, frames, connection.context.timeouts.stall).await? {
            Woken::Timeout(limit) => Err(StreamError::Timeout(limit).into()),
            woken => Ok(woken),
        };
    }
    if connection.waiting.is_empty() {
        return wait_idle(connection, frames).await;
    }
    loop {
        match wait(connection, frames, HEARTBEAT_INTERVAL).await? {
            Woken::Timeout(_) => offers::report_waiting(connection, frames)?,
            woken => return Ok(woken),
        }
    }
}

/// Waits for an idle client. The state of a paused listing is kept for as long as a transfer may stand
/// still.
async fn wait_idle<S: Store>(
    connection: &mut NativeConnection<S>,
    frames: &mut Frames,
) -> Result<Woken, NativeError> {
    if connection.paused.is_some() {
        match wait(connection, frames, connection.context.timeouts.stall).await? {
            Woken::Timeout(_) => connection.paused = None,
            woken => return Ok(woken),
        }
    }
    wait(connection, frames, connection.context.timeouts.idle).await
}

/// Waits for the client's bytes or an offer's turn, at most for `limit`.
async fn wait<S: Store>(
    connection: &NativeConnection<S>,
    frames: &mut Frames,
    limit: Duration,
) -> Result<Woken, NativeError> {
    let over = async {
        connection.context.stop.cancelled().await;
        // Other connections of the client may still finish its uploads.
        connection.session.without_uploads().await;
    };
    let mut reader = frames.reader();
    tokio::select! {
        biased;
        (request, lease) = connection.waiting.turn() => Ok(Woken::Turn(request, lease)),
        readable = reader.wait(connection.limits(limit)) => match readable {
            Err(StreamError::Timeout(limit)) => Ok(Woken::Timeout(limit)),
            readable => Ok(if readable? { Woken::Readable } else { Woken::End }),
        },
        () = over => Err(NativeError::ShuttingDown),
    }
}
