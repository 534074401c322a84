//! The dispatcher: finds out a new connection's dialect and runs that dialect's handler.
//!
//! This is the one file that names both dialects. The native one is always served; another one joins
//! through [`Dialects`], as a handler that the dispatcher knows by its function alone. To build a server
//! without the legacy dialect, delete the `legacy` folders, their `mod` and `pub use` lines, and
//! [`Dialects::with_legacy`].

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::dialect::{Dialect, Sniff, sniff};
use ftx_core::native::Reason;
use ftx_io::{BufferedStream, ErrorChain, StreamError, Transport};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::context::Context;
use crate::dedicated::DedicatedThreads;
use crate::handshake_deadline::HandshakeDeadline;
use crate::limits::{Admitted, Limit, Refusing};
use crate::metrics::Metrics;
use crate::native::NativeShared;
use crate::proxy::{Origin, ProxyError};
use crate::store::{LegacyStore, Store};
use crate::stream_reason::stream_limit;
use crate::{legacy, native};

/// Threads of one worker that may be dedicated to connections.
pub(crate) const DEDICATED_THREADS: usize = native::DEDICATED_THREADS + legacy::DEDICATED_THREADS;

/// The time in which a client that a limit keeps out must ask for what it wants, to be told.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(5);

/// How a connection ended.
type Served = Result<(), EarlyEnd>;

/// A connection whose dialect is known.
struct Begun {
    stream: BufferedStream,
    peer: SocketAddr,
    dialect: Dialect,
    admission: Result<Admitted, Refusing>,
    deadline: HandshakeDeadline,
}

/// Why a connection ended early.
struct EarlyEnd {
    reason: Reason,
    /// The limit that ended it.
    limit: Option<Limit>,
    error: Box<dyn Error + Send + Sync>,
}

/// Serves a connection of one dialect, from its first byte to its end.
type Serve<S> = fn(
    BufferedStream,
    Arc<Context<S>>,
    S,
    CancellationToken,
    HandshakeDeadline,
    DedicatedThreads,
) -> Pin<Box<dyn Future<Output = Served> + Send>>;

/// The dialects that a server serves.
pub struct Dialects<S: Store> {
    legacy: Option<Serve<S>>,
}

impl<S: Store> Dialects<S> {
    /// The native dialect alone. A client that speaks another one is disconnected.
    #[must_use]
    pub fn native() -> Self {
        Self { legacy: None }
    }
}

impl<S: Store + LegacyStore> Dialects<S> {
    /// The legacy dialect in addition, the one of the original Qt programs.
    #[must_use]
    pub fn with_legacy(self) -> Self {
        let serve: Serve<S> = |stream, context, store, ended, deadline, threads| {
            Box::pin(async move {
                let served =
                    legacy::serve(stream, &context, store, ended, deadline, &threads).await;
                served.map_err(|error| EarlyEnd {
                    reason: error.reason(),
                    limit: error.limit(),
                    error: error.into(),
                })
            })
        };
        Self { legacy: Some(serve) }
    }
}

/// The dedicated threads of one worker; clones share them.
#[derive(Clone)]
pub(crate) struct WorkerThreads {
    native: DedicatedThreads,
    legacy: DedicatedThreads,
}

impl WorkerThreads {
    fn new(metrics: &Metrics) -> Self {
        Self {
            native: DedicatedThreads::new(native::DEDICATED_THREADS, metrics.clone()),
            legacy: DedicatedThreads::new(legacy::DEDICATED_THREADS, metrics.clone()),
        }
    }
}

/// Serves connections by their dialects.
pub(crate) struct Dispatcher<S: Store> {
    context: Arc<Context<S>>,
    native: NativeShared<S::Staging>,
    dialects: Dialects<S>,
}

impl<S: Store> Dispatcher<S> {
    pub(crate) fn new(context: Arc<Context<S>>, dialects: Dialects<S>) -> Self {
        let native = NativeShared::new(context.timeouts.stall);
        Self { context, native, dialects }
    }

    /// The threads of one worker that may be dedicated to connections.
    pub(crate) fn worker_threads(&self) -> WorkerThreads {
        WorkerThreads::new(&self.context.metrics)
    }

    /// The origin of a connection from this address.
    pub(crate) fn origin(&self, peer: SocketAddr) -> Origin {
        Origin::new(peer, &self.context.access.current())
    }

    /// Serves one client until it leaves. `threads` are those of the worker that this runs on.
    pub(crate) async fn serve(
        &self,
        transport: Transport,
        origin: Origin,
        refusing: Option<Refusing>,
        threads: WorkerThreads,
    ) {
        let context = &self.context;
        let stream = BufferedStream::new(transport).with_min_speed(context.min_speed);
        let begun = tokio::select! {
            begun = self.begin(stream, origin, refusing) => begun,
            () = context.stop.cancelled() => return,
        };
        let Some(Begun { stream, peer, dialect, admission, deadline }) = begun else { return };
        let _admitted = match admission {
            Ok(admitted) => admitted,
            Err(refusing) => {
                if dialect == Dialect::Native {
                    native::refuse(stream, context, refusing.hit, deadline).await;
                }
                return;
            }
        };
        let served = self.speak(dialect, stream, peer, deadline, threads).await;
        if let Err(EarlyEnd { reason, limit, error }) = served {
            context.metrics.failed(reason);
            if let Some(limit) = limit {
                context.metrics.limited(limit);
            }
            let limit = limit.map(Limit::key);
            warn!(reason = reason.name(), limit, error = %ErrorChain(&*error), "connection ended early");
        }
    }

    /// Finds out the client's address and the dialect of a new connection, inside TLS if its client begins
    /// with that. `None` if the client has left, or is not served. `refusing` is set if a limit keeps the
    /// client out already.
    async fn begin(
        &self,
        mut stream: BufferedStream,
        origin: Origin,
        refusing: Option<Refusing>,
    ) -> Option<Begun> {
        let context = &self.context;
        let mut deadline = HandshakeDeadline::new(context.timeouts.handshake);
        let peer = match origin.client(&mut stream, context, deadline).await {
            Ok(peer) => peer?,
            Err(error) => {
                self.refuse_proxy(origin, &error);
                return None;
            }
        };
        let admission = match refusing {
            Some(refusing) => Err(refusing),
            None => match context.admission.admit(peer.ip()) {
                Ok(admitted) => Ok(admitted),
                Err(hit) => Err(context.keep_out(hit, peer)?),
            },
        };
        if admission.is_err() {
            deadline = deadline.at_most(REFUSAL_TIMEOUT);
        }
        loop {
            match first_bytes(&mut stream, context, deadline).await {
                Ok(Some(Dialect::Tls)) => stream = self.start_tls(stream, peer, deadline).await?,
                Ok(Some(dialect)) => {
                    return Some(Begun { stream, peer, dialect, admission, deadline });
                }
                Ok(None) => return None,
                Err(error) => {
                    if admission.is_ok() {
                        context.metrics.refused();
                        stream_limit(&error)
                            .into_iter()
                            .for_each(|met| context.metrics.limited(met));
                    }
                    debug!(%peer, %error, "closed before its first message");
                    return None;
                }
            }
        }
    }

    /// Logs that a trusted proxy's connection names no client, which a wrong setting of the proxy causes.
    fn refuse_proxy(&self, origin: Origin, error: &ProxyError) {
        let context = &self.context;
        context.metrics.refused();
        if let Some(times) = context.throttles.proxies.count() {
            let error = ErrorChain(error);
            warn!(?origin, %error, times, "closed: the connection of a trusted proxy names no client");
        }
    }

    /// Shakes hands with a client that has begun with TLS.
    async fn start_tls(
        &self,
        stream: BufferedStream,
        peer: SocketAddr,
        deadline: HandshakeDeadline,
    ) -> Option<BufferedStream> {
        let context = &self.context;
        let Some(tls) = &context.tls else {
            context.metrics.refused();
            debug!(%peer, "closed: this server has no certificate for TLS");
            return None;
        };
        let accepting = stream.accept_tls(tls.config());
        match tokio::time::timeout(deadline.left(), accepting).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => debug!(%peer, error = %ErrorChain(&error), "closed: TLS failed"),
            Err(_) => {
                context.metrics.limited(Limit::HelloTimeout);
                debug!(%peer, "closed: the TLS handshake took too long");
            }
        }
        context.metrics.refused();
        None
    }

    /// Serves a client that speaks this dialect.
    async fn speak(
        &self,
        dialect: Dialect,
        mut stream: BufferedStream,
        peer: SocketAddr,
        deadline: HandshakeDeadline,
        threads: WorkerThreads,
    ) -> Served {
        let context = &self.context;
        match (dialect, self.dialects.legacy) {
            (Dialect::Native, _) => {
                context.metrics.serves(dialect);
                native::serve(stream, peer, context, &self.native, deadline, &threads.native)
                    .await
                    .map_err(|error| EarlyEnd {
                        reason: error.reason(),
                        limit: error.limit(),
                        error: error.into(),
                    })
            }
            (Dialect::Legacy, Some(serve)) => {
                let identity = match context.authenticator.legacy(peer) {
                    Ok(identity) => identity,
                    Err(refusal) => {
                        context.metrics.refused();
                        if let Some(times) = context.throttles.legacy.count() {
                            warn!(%peer, error = %refusal, times, "legacy client refused");
                        }
                        return Ok(());
                    }
                };
                context.metrics.serves(dialect);
                stream.set_rate_limits(context.rate_limits(&identity.principal));
                let store = context.store.for_principal(&identity.principal);
                let (context, ended) = (Arc::clone(context), identity.ended);
                serve(stream, context, store, ended, deadline, threads.legacy).await
            }
            (Dialect::Legacy | Dialect::Tls, _) => {
                context.metrics.refused();
                debug!(?dialect, "closed: this dialect is not served");
                Ok(())
            }
        }
    }
}

/// The client's dialect; `None` when the client has left, or speaks none that is known.
async fn first_bytes<S: Store>(
    stream: &mut BufferedStream,
    context: &Context<S>,
    deadline: HandshakeDeadline,
) -> Result<Option<Dialect>, StreamError> {
    loop {
        match sniff(stream.buffered()) {
            Sniff::Is(dialect) => return Ok(Some(dialect)),
            Sniff::Unknown => {
                context.metrics.refused();
                debug!(first = ?stream.buffered().get(..8), "closed: no known dialect");
                return Ok(None);
            }
            Sniff::Incomplete => {}
        }
        let filled = stream.fill(context.guard(deadline.left())).await;
        if !filled.map_err(|error| deadline.name_limit(error))? {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ScopedStore;
    use crate::store::local::LocalStore;

    /// Nearly all of the memory of an idle connection.
    const MAX_TASK_BYTES: usize = 12 * 1024;

    fn future_bytes<A, B, C, D, E, F>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_a_connection_is_small() {
        let bytes = future_bytes(Dispatcher::<ScopedStore<LocalStore>>::serve);
        assert!(
            bytes <= MAX_TASK_BYTES,
            "{bytes} bytes; box a large future, or pin it where it is made"
        );
    }
}
