//! `ftx-server`: serves a directory.
#![forbid(unsafe_code)]

mod args;
mod output;
mod signals;

use std::net::ToSocketAddrs as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ftx_io::ErrorChain;
use ftx_server::store::local::LocalStore;
use ftx_server::{Dialects, Server, ServerTls};
use tokio::net::TcpListener;
use tracing::{error, info, warn};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::args::ServerArgs;
use crate::output::Output;
use crate::signals::ServerSignals;

/// How long the process waits at its end for its last lines to be written.
const FINAL_FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The output streams of the process. An unread stream does not stop it.
struct Outputs {
    /// Standard output, for programs: the address, and counters at SIGUSR1.
    announcements: Output,
    log: Output,
}

fn main() -> ExitCode {
    let args = ServerArgs::parse_checked();
    // Before the first write: the log may be a file.
    let outlives = signals::outlive_file_size_limit();
    let outputs = match Outputs::start() {
        Ok(outputs) => outputs,
        // Any message could block for ever.
        Err(_) => return ExitCode::FAILURE,
    };
    let fields = debug_fn(|out, field, value| ftx_io::write_field(out, field.name(), value));
    let log =
        tracing_subscriber::fmt().with_writer(outputs.log.clone()).with_env_filter(args.log());
    log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .fmt_fields(fields.delimited(" "))
        .init();
    // The hook of the standard library would block on an unread standard error.
    std::panic::set_hook(Box::new(|panic| error!("a thread panicked: {panic}")));
    if let Err(error) = outlives {
        warn!(%error, "a file that exceeds the limit of file sizes will end the process");
    }
    let result = serve(&args, &outputs);
    if let Err(message) = &result {
        error!("{message}");
    }
    outputs.announcements.finish(FINAL_FLUSH_LIMIT);
    outputs.log.finish(FINAL_FLUSH_LIMIT);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Outputs {
    fn start() -> std::io::Result<Self> {
        let announcements = Output::start("ftx-stdout", unbuffered(std::io::stdout())?, |lines| {
            format!("dropped lines={lines}\n")
        })?;
        let log = Output::start("ftx-stderr", unbuffered(std::io::stderr())?, |lines| {
            format!("ftx-server: {lines} lines were dropped here\n")
        })?;
        Ok(Self { announcements, log })
    }

    /// Prints the counters, at SIGUSR1.
    fn report(&self, counts: &ftx_server::MetricsSnapshot) {
        let dropped = self.announcements.dropped().saturating_add(self.log.dropped());
        self.announcements.line(format!("{counts} dropped_lines={dropped}\n").as_bytes());
    }
}

/// The stream without the standard library's buffer, which would keep lines it failed to write.
#[cfg(unix)]
fn unbuffered(stream: impl std::os::fd::AsFd) -> std::io::Result<std::fs::File> {
    Ok(stream.as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn unbuffered<T>(stream: T) -> std::io::Result<T> {
    Ok(stream)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(args: &ServerArgs, outputs: &Outputs) -> Result<(), String> {
    let mut config = args.config();
    fit_into_limits(&mut config);
    config.tls = load_tls(args)?;
    let tls = config.tls.clone();
    let listener = bind(args).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let store = LocalStore::open(&args.store_config(&config))
        .map_err(|error| format!("cannot serve {}: {}", args.root.display(), ErrorChain(&error)))?;
    let server = Server::start(config, store, Dialects::native().with_legacy())
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    // Before the address is announced: a reader may send SIGTERM at once.
    let signals =
        ServerSignals::new().map_err(|error| format!("cannot handle signals: {error}"))?;
    outputs.announcements.line(format!("listening on {address}\n").as_bytes());
    if let Some(tls) = &tls {
        outputs.announcements.line(format!("fingerprint {}\n", tls.fingerprint()).as_bytes());
    }
    info!(%address, root = %args.root.display(), "serving");
    let monitor = server.monitor();
    let report = || outputs.report(&monitor.snapshot());
    let reload = || tls.as_deref().map_or_else(nothing_to_reload, |tls| reload_tls(tls, outputs));
    server.run(listener, signals.shutdown(report, reload)).await;
    info!("stopped");
    Ok(())
}

/// Reads the key and the certificate, if TLS is turned on.
fn load_tls(args: &ServerArgs) -> Result<Option<Arc<ServerTls>>, String> {
    let Some(files) = args.tls_files() else { return Ok(None) };
    let tls = ServerTls::load(files)
        .map_err(|error| format!("cannot turn on TLS: {}", ErrorChain(&error)))?;
    Ok(Some(Arc::new(tls)))
}

/// Reads the key and the certificate again.
fn reload_tls(tls: &ServerTls, outputs: &Outputs) {
    match tls.reload() {
        Ok(()) => {
            info!(fingerprint = %tls.fingerprint(), "SIGHUP: the certificate was read again");
            outputs.announcements.line(format!("fingerprint {}\n", tls.fingerprint()).as_bytes());
        }
        Err(error) => {
            let error = ErrorChain(&error);
            warn!(%error, "SIGHUP: the certificate cannot be read; the one in use stays");
        }
    }
}

fn nothing_to_reload() {
    info!("SIGHUP: there is nothing to reload");
}

/// Binds the listener. Serving other machines without authentication needs `--insecure`.
async fn bind(args: &ServerArgs) -> Result<TcpListener, String> {
    let refused = |error| format!("cannot listen on {}: {error}", args.listen);
    let addresses: Vec<_> = args.listen.to_socket_addrs().map_err(refused)?.collect();
    if let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback())
        && !args.insecure
    {
        return Err(format!(
            "{open} can be reached from other machines, and this server does not authenticate clients; \
             listen on 127.0.0.1, or give --insecure to accept that"
        ));
    }
    TcpListener::bind(addresses.as_slice()).await.map_err(refused)
}

/// Raises the descriptor limit, and limits the connections to it.
fn fit_into_limits(config: &mut ftx_server::Config) {
    if let Err(error) = ftx_server::raise_descriptor_limit() {
        warn!(%error, "the number of descriptors stays as it is");
    }
    config.descriptors = ftx_server::Descriptors::of_this_process();
    let most = config.descriptors.for_connections();
    if config.max_connections > most {
        info!(
            wanted = config.max_connections,
            allowed = most,
            "the limit of descriptors (ulimit -n) allows fewer connections"
        );
        config.max_connections = most;
    }
}
