//! One connection, from its first bytes to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_core::dialect::{Dialect, Sniff, sniff};
use ftx_io::{BufferedStream, ErrorChain, IoLimits, StreamError, deadline_after};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::Timeouts;
use crate::express::Places;
use crate::legacy::driver;
use crate::monitor::Monitor;
use crate::native::{self, Leases, Sessions};
use crate::rarely::Rarely;
use crate::store::{LegacyStore, Store};

/// What all connections of a server share.
pub(crate) struct Context<S: Store> {
    pub(crate) store: S,
    pub(crate) monitor: Monitor,
    pub(crate) timeouts: Timeouts,
    pub(crate) troubles: Troubles,
    /// Native clients with several connections.
    pub(crate) sessions: Sessions<S::Staging>,
    /// Whose turn it is where several runs upload the same.
    pub(crate) leases: Leases,
    /// Set when the server is to stop: connections that idle close.
    pub(crate) stop: CancellationToken,
    /// Set when the grace after that is over: transfers are suspended.
    pub(crate) abort: CancellationToken,
}

/// What may go wrong again and again, whoever asks for whatever, and is logged now and then.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Requests that fail for a reason of the server's.
    pub(crate) requests: Rarely,
    /// Connections for which there is no room.
    pub(crate) crowd: Rarely,
    /// The system gives no connection.
    pub(crate) accepting: Rarely,
}

impl<S: Store> Context<S> {
    /// Ends a wait after `limit`, or when the grace of a shutdown is over.
    pub(crate) fn guard(&self, limit: Duration) -> IoLimits<'_> {
        IoLimits { limit, stop: &self.abort }
    }

    /// The guard of bytes that are to move now.
    pub(crate) fn stall(&self) -> IoLimits<'_> {
        self.guard(self.timeouts.stall)
    }
}

/// How long a connection may take until its first request is whole.
#[derive(Clone, Copy)]
pub(crate) struct Hello {
    limit: Duration,
    due: Instant,
}

impl Hello {
    fn new(limit: Duration) -> Self {
        Self { limit, due: deadline_after(limit) }
    }

    /// The time that is left.
    pub(crate) fn left(self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Tells of the limit as it was set: what was left of it when the last wait began says nothing.
    pub(crate) fn name_limit(self, error: StreamError) -> StreamError {
        match error {
            StreamError::Timeout(_) => StreamError::Late(self.limit),
            other => other,
        }
    }
}

/// Serves one client until it leaves. `places` are those of the worker that this runs on.
pub(crate) async fn serve<S: Store + LegacyStore>(
    stream: TcpStream,
    context: Arc<Context<S>>,
    places: Places,
) {
    let mut wire = match BufferedStream::new(stream) {
        Ok(wire) => wire,
        Err(error) => {
            debug!(%error, "gone before it was served");
            return;
        }
    };
    let hello = Hello::new(context.timeouts.hello);
    let first = tokio::select! {
        first = first_bytes(&mut wire, &context, hello) => first,
        () = context.stop.cancelled() => return,
    };
    match first {
        Ok(Some(Dialect::Legacy)) => {
            if let Err(error) = driver::serve(wire, &context, hello, places).await {
                context.monitor.error();
                warn!(error = %ErrorChain(&error), "connection ended early");
            }
        }
        Ok(Some(Dialect::Native)) => {
            if let Err(error) = native::serve(wire, &context, hello, places).await {
                context.monitor.error();
                warn!(error = %ErrorChain(&error), "connection ended early");
            }
        }
        Ok(Some(dialect @ Dialect::Tls)) => {
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
async fn first_bytes<S: Store + LegacyStore>(
    wire: &mut BufferedStream,
    context: &Context<S>,
    hello: Hello,
) -> Result<Option<Dialect>, StreamError> {
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
        let filled = wire.fill(context.guard(hello.left())).await;
        if !filled.map_err(|error| hello.name_limit(error))? {
            return Ok(None);
        }
    }
}
