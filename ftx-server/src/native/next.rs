//! What a connection does next: what its client has said, or an offer whose turn has come.

use std::time::Duration;

use ftx_io::{Frames, Incoming, StreamError};

use super::NativeError;
use super::conversation::Conversation;
use super::lease::Lease;
use super::life::EVERY;
use crate::dedicated::{Placement, Yield};
use crate::store::Store;

/// How long a client may pause before its connection goes back to the reactor.
const PAUSE: Duration = Duration::from_millis(50);

/// What is to be done next.
pub(super) enum Next {
    Incoming(Incoming),
    /// The turn of an offer has come.
    Turn(u32, Option<Lease>),
}

/// What came of waiting.
enum Came {
    Something,
    /// Nothing, for so long.
    Nothing(Duration),
    /// The client has left.
    End,
    Turn(u32, Option<Lease>),
}

impl<S: Store> Conversation<S> {
    /// What comes next, or why nothing does.
    pub(super) async fn next(
        &mut self,
        frames: &mut Frames,
        placement: Placement<'_>,
    ) -> Result<Result<Next, Yield>, NativeError> {
        let mut came = self.wait(frames, PAUSE).await?;
        if matches!(came, Came::Nothing(_)) {
            (self.busy, self.stays) = (false, false);
            self.spare = Vec::new();
            self.close_file();
            frames.shrink_buffers();
            if matches!(placement, Placement::Dedicated) {
                return Ok(Err(Yield::Idle));
            }
            came = self.wait_long(frames).await?;
        }
        match came {
            Came::Something => {}
            Came::Nothing(limit) => return Err(NativeError::Idle(limit)),
            Came::End => return Ok(Err(Yield::Closed)),
            Came::Turn(request, lease) => return Ok(Ok(Next::Turn(request, lease))),
        }
        let next = frames.reader().next(self.stall()).await?;
        Ok(next.map(Next::Incoming).ok_or(Yield::Closed))
    }

    /// Waits for as long as a client may idle. One that stands in line does not, and is told so.
    async fn wait_long(&mut self, frames: &mut Frames) -> Result<Came, NativeError> {
        if self.waiting.is_empty() {
            return self.wait_idle(frames).await;
        }
        loop {
            match self.wait(frames, EVERY).await? {
                Came::Nothing(_) => self.tell_waiting(frames)?,
                came => return Ok(came),
            }
        }
    }

    /// Waits for a client that idles. What was read for the next page of a listing is kept for as long as
    /// a transfer may stand still.
    async fn wait_idle(&mut self, frames: &mut Frames) -> Result<Came, NativeError> {
        if self.paused.is_some() {
            match self.wait(frames, self.context.timeouts.stall).await? {
                Came::Nothing(_) => self.paused = None,
                came => return Ok(came),
            }
        }
        self.wait(frames, self.context.timeouts.idle).await
    }

    /// Waits until something comes, at most for `limit`.
    async fn wait(&self, frames: &mut Frames, limit: Duration) -> Result<Came, NativeError> {
        let over = async {
            self.context.stop.cancelled().await;
            // Other connections of the client may bring its upload to an end.
            self.session.quiet().await;
        };
        let mut reader = frames.reader();
        tokio::select! {
            biased;
            (request, lease) = self.waiting.turn() => Ok(Came::Turn(request, lease)),
            came = reader.wait(self.guard(limit)) => match came {
                Err(StreamError::Timeout(limit)) => Ok(Came::Nothing(limit)),
                came => Ok(if came? { Came::Something } else { Came::End }),
            },
            () = over => Err(NativeError::Over),
        }
    }
}
