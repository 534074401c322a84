//! One connection, from its first bytes to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_core::dialect::{Dialect, Sniff, sniff};
use ftx_io::{Chain, Guard, Wire, WireError};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::Timeouts;
use crate::legacy;
use crate::monitor::Monitor;
use crate::store::Store;

/// What all connections of a server share.
pub(crate) struct Context<S> {
    pub(crate) store: S,
    pub(crate) monitor: Monitor,
    pub(crate) timeouts: Timeouts,
    /// Places for connections that have a thread to themselves for a while.
    pub(crate) express: Arc<Semaphore>,
    /// Set when the server is to stop: connections that idle close.
    pub(crate) stop: CancellationToken,
    /// Set when the grace after that is over: transfers are suspended.
    pub(crate) abort: CancellationToken,
}

impl<S> Context<S> {
    /// Ends a wait after `limit`, or when the grace of a shutdown is over.
    pub(crate) fn guard(&self, limit: Duration) -> Guard<'_> {
        Guard { limit, stop: &self.abort }
    }

    /// The guard of bytes that are to move now.
    pub(crate) fn stall(&self) -> Guard<'_> {
        self.guard(self.timeouts.stall)
    }
}

/// Serves one client until it leaves.
pub(crate) async fn serve<S: Store>(stream: TcpStream, context: Arc<Context<S>>) {
    let mut wire = match Wire::new(stream) {
        Ok(wire) => wire,
        Err(error) => {
            debug!(%error, "gone before it was served");
            return;
        }
    };
    let hello = Instant::now() + context.timeouts.hello;
    let first = tokio::select! {
        first = first_bytes(&mut wire, &context, hello) => first,
        () = context.stop.cancelled() => return,
    };
    match first {
        Ok(Some(Dialect::Legacy)) => {
            if let Err(error) = legacy::serve(wire, &context, hello).await {
                context.monitor.error();
                warn!(error = %Chain(&error), "connection ended early");
            }
        }
        Ok(Some(dialect)) => {
            context.monitor.refused();
            debug!(?dialect, "closed: this dialect is not served");
        }
        Ok(None) => {}
        Err(error) => {
            context.monitor.refused();
            debug!(%error, "closed before it said anything");
        }
    }
}

/// The client's dialect; `None` when there is nobody to talk to.
async fn first_bytes<S>(
    wire: &mut Wire,
    context: &Context<S>,
    hello: Instant,
) -> Result<Option<Dialect>, WireError> {
    loop {
        match sniff(wire.buffered()) {
            Sniff::Is(dialect) => return Ok(Some(dialect)),
            Sniff::Unknown => {
                context.monitor.refused();
                debug!(first = ?wire.buffered().get(..8), "closed: no known dialect");
                return Ok(None);
            }
            Sniff::Incomplete => {}
        }
        let limit = hello.saturating_duration_since(Instant::now());
        if !wire.fill(context.guard(limit)).await? {
            return Ok(None);
        }
    }
}
