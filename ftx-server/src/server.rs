//! The acceptor, and the shutdown.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftx_io::Transport;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::context::{Context, Throttles};
use crate::descriptors::DescriptorUse;
use crate::dispatch::{Dialects, Dispatcher};
use crate::limits::{Admission, GranuleMemory, SharedRates};
use crate::monitor::Monitor;
use crate::store::Store;
use crate::worker::{Handover, Worker};

/// The pause of the acceptor when the system has no descriptor or memory left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server whose workers run, ready to accept connections.
pub struct Server<S: Store> {
    context: Arc<Context<S>>,
    workers: Vec<Worker>,
    config: Config,
}

impl<S: Store> Server<S> {
    /// Starts the reactor threads of a server that serves `store` in these dialects.
    ///
    /// # Errors
    /// The system refuses a thread or an event queue.
    pub fn start(config: Config, store: S, dialects: Dialects<S>) -> io::Result<Self> {
        let (limits, metrics) = (&config.limits, &config.metrics);
        let granule_memory =
            GranuleMemory::new(limits.granule_memory_bytes, store.granule(), metrics.clone());
        let context = Arc::new(Context {
            store,
            access: config.access.clone(),
            authenticator: Arc::clone(&config.authenticator),
            tls: config.tls.clone(),
            monitor: Monitor::new(config.threads.get(), config.metrics.clone()),
            metrics: config.metrics.clone(),
            timeouts: config.timeouts,
            admission: Admission::new(config.limits.clone()),
            min_speed: config.limits.min_speed,
            rates: SharedRates::new(config.limits.bandwidth),
            granule_memory,
            compression: config.compression,
            throttles: Throttles::default(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
        });
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&context), dialects));
        let workers = (0..config.threads.get())
            .map(|index| Worker::start(index, Arc::clone(&dispatcher)))
            .collect::<io::Result<_>>()?;
        Ok(Self { context, workers, config })
    }

    /// A handle of the server's counters.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.context.monitor.clone()
    }

    /// Accepts connections until `shutdown` completes. Then closes the listener, ends idle connections,
    /// gives transfers the configured grace to finish and suspends the remaining ones. Returns when the
    /// last connection has ended.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = self.accept(&listener) => {}
            () = shutdown => {}
        }
        // Before anything else: as long as it is open, the system accepts connections.
        drop(listener);
        let Self { context, workers, config } = self;
        info!(grace = ?config.timeouts.grace, "shutting down");
        context.stop.cancel();
        let grace = tokio::spawn({
            let abort = context.abort.clone();
            async move {
                tokio::time::sleep(config.timeouts.grace).await;
                abort.cancel();
            }
        });
        for worker in workers {
            worker.ended().await;
        }
        grace.abort();
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.hand_over(stream, peer),
                Err(error) if is_about_one_connection(&error) => {
                    debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    if let Some(times) = self.context.throttles.accepting.count() {
                        warn!(%error, times, "cannot accept connections; retrying");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn hand_over(&self, stream: TcpStream, peer: SocketAddr) {
        let context = &self.context;
        let (thread, active) = context.monitor.least_active();
        let refusing = match context.admission.check_room(active) {
            Ok(()) => None,
            Err(hit) => match context.keep_out(hit, peer) {
                Some(refusing) => Some(refusing),
                None => return,
            },
        };
        let Some(descriptor) = self.config.descriptors.take(DescriptorUse::Connection) else {
            context.metrics.refused();
            if let Some(times) = context.throttles.crowd.count() {
                warn!(%peer, active, times, "closed: no descriptor is left for a connection");
            }
            return;
        };
        // Distinguishes a lost peer from a silent one, within minutes.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60));
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            debug!(%error, "cannot turn on keep-alive");
        }
        let active = context.monitor.enter(thread);
        match (self.workers.get(thread), Transport::tcp(stream).and_then(Transport::detach)) {
            (Some(worker), Ok(transport)) => {
                worker.give(Handover { transport, peer, refusing, active, descriptor })
            }
            (_, Err(error)) => debug!(%error, "the client left before it was served"),
            (None, Ok(_)) => {}
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}
