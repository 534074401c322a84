//! Serving: from the settings to the end of the server.

use std::sync::Arc;

use ftx_io::ErrorChain;
use ftx_server::process::{Sandbox, ServiceManager};
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyStore, ScopedStore, Store};
use ftx_server::{Access, Config, Dialects, Server, ServerTls, TokenAuthenticator, TokenReload};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::Outputs;
use crate::args::{Invocation, ServerArgs};
use crate::memory;
use crate::prepare::Prepared;
use crate::reload::Reload;
use crate::signals::ServerSignals;

/// Serves until a signal ends it.
pub(crate) fn serve(
    invocation: Invocation,
    prepared: Prepared,
    outputs: &Outputs,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(serve_prepared(invocation, prepared, outputs))
}

async fn serve_prepared(
    invocation: Invocation,
    prepared: Prepared,
    outputs: &Outputs,
) -> Result<(), String> {
    let args = &invocation.args;
    let mut config = args.config();
    fit_into_limits(&mut config);
    config.tls = load_tls(args)?;
    let mut tokens = None;
    if let Some(access) = invocation.access() {
        warn_of_plain(&access);
        config.access = Access::new(access);
        let state = args.state().unwrap_or_default();
        let (authenticator, reload) = TokenAuthenticator::start(config.access.clone(), &state)
            .map_err(|error| ErrorChain(&error).to_string())?;
        config.authenticator = Arc::new(authenticator);
        tokens = Some(reload);
    }
    let Prepared { listener, durable_names, sandbox } = prepared;
    let listener = TcpListener::from_std(listener)
        .map_err(|error| format!("the listener cannot be registered: {error}"))?;
    let store = LocalStore::open(&args.store_config(&config, durable_names))
        .map_err(|error| format!("cannot serve {}: {}", args.root.display(), ErrorChain(&error)))?;
    let start = Start { invocation, tokens, sandbox };
    let store = ScopedStore::new(store, config.access.clone()).with_limits(config.limits.store);
    serve_store(store, config, listener, start, outputs).await
}

/// What a reload needs of the start.
struct Start {
    invocation: Invocation,
    tokens: Option<TokenReload>,
    sandbox: Sandbox,
}

/// Serves a store until a signal ends it.
async fn serve_store<S: Store + LegacyStore>(
    store: S,
    config: Config,
    listener: TcpListener,
    start: Start,
    outputs: &Outputs,
) -> Result<(), String> {
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (tls, access, metrics) =
        (config.tls.clone(), config.access.clone(), config.metrics.clone());
    let server = Server::start(config, store, Dialects::native().with_legacy())
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    // Before the address is announced: a reader may send SIGTERM at once.
    let signals =
        ServerSignals::new().map_err(|error| format!("cannot handle signals: {error}"))?;
    outputs.announcements.line(format!("listening on {address}\n").as_bytes());
    if let Some(tls) = &tls {
        outputs.announce_fingerprint(tls);
    }
    info!(%address, root = %start.invocation.args.root.display(), "serving");
    let monitor = server.monitor();
    let report = || outputs.report(&monitor.snapshot());
    let Start { invocation: running, tokens, sandbox } = start;
    let reload = Reload { running, access, tokens, tls, metrics, sandbox };
    let manager = ServiceManager::default();
    let reload = || {
        warn_of_lost("RELOADING=1", manager.reloading());
        reload.run(outputs);
        warn_of_lost("READY=1", manager.ready());
    };
    warn_of_lost("READY=1", manager.ready());
    let shutdown = async {
        signals.shutdown(report, reload).await;
        warn_of_lost("STOPPING=1", manager.stopping());
    };
    tokio::select! {
        () = server.run(listener, shutdown) => {}
        never = memory::give_back(&monitor) => match never {},
    }
    info!("stopped");
    Ok(())
}

/// Says which clients nobody protects on their way.
pub(crate) fn warn_of_plain(access: &ftx_server::AccessPolicy) {
    if access.allows_plain {
        warn!(
            "--insecure: other machines may connect without TLS; others can read and change what they transfer"
        );
    }
    if let Some(legacy) = &access.legacy {
        let others = legacy.networks.iter().filter(|network| !network.addr().is_loopback());
        for network in others {
            warn!(%network, "legacy clients of other machines connect without TLS and without credentials");
        }
    }
}

/// Says that the service manager did not get a message.
fn warn_of_lost(message: &str, sent: std::io::Result<()>) {
    if let Err(error) = sent {
        warn!(%error, message, "the service manager (NOTIFY_SOCKET) cannot be reached");
    }
}

/// Reads the key and the certificate, if TLS is turned on.
fn load_tls(args: &ServerArgs) -> Result<Option<Arc<ServerTls>>, String> {
    let Some(files) = args.tls_files(args.state()) else { return Ok(None) };
    let tls = ServerTls::load(files)
        .map_err(|error| format!("cannot turn on TLS: {}", ErrorChain(&error)))?;
    Ok(Some(Arc::new(tls)))
}

/// Raises the descriptor limit, and limits the connections to it.
fn fit_into_limits(config: &mut Config) {
    if let Err(error) = ftx_server::raise_descriptor_limit() {
        warn!(%error, "the number of descriptors stays as it is");
    }
    config.descriptors = ftx_server::Descriptors::of_this_process();
    let most = config.descriptors.for_connections();
    if config.limits.connections > most {
        info!(
            wanted = config.limits.connections,
            allowed = most,
            "the limit of descriptors (ulimit -n) allows fewer connections"
        );
        config.limits.connections = most;
    }
}
