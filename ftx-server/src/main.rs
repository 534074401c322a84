//! `ftx-server`: serves a directory.
#![forbid(unsafe_code)]

mod args;

use std::io::Write as _;
use std::process::ExitCode;

use ftx_io::Chain;
use ftx_server::store::local::LocalStore;
use ftx_server::{Monitor, Server};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse_checked();
    let fields = debug_fn(|out, field, value| ftx_io::write_field(out, field.name(), value));
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(args.log());
    log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .fmt_fields(fields.delimited(" "))
        .init();
    allow_descriptors();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            error!("{message}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(args: &Args) -> Result<(), String> {
    let config = args.config();
    let listener = bind(args).await?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let store = LocalStore::open(&config)
        .map_err(|error| format!("cannot serve {}: {}", config.root.display(), Chain(&error)))?;
    let server =
        Server::start(config, store).map_err(|error| format!("cannot start a thread: {error}"))?;
    // Before anybody is told that the server is there, and may want it to go.
    let signals = Signals::new().map_err(|error| format!("cannot handle signals: {error}"))?;
    // Whoever started the server may wait for that line. One who went away does not.
    match write_line(&format!("listening on {address}")) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            return Err(format!("cannot write to standard output: {error}"));
        }
        _ => {}
    }
    info!(%address, root = %args.root.display(), "serving");
    let monitor = server.monitor();
    server.run(listener, signals.shutdown(monitor)).await;
    info!("stopped");
    Ok(())
}

/// Binds the listener, unless that would serve the whole network without authentication unasked.
async fn bind(args: &Args) -> Result<TcpListener, String> {
    let refused = |error| format!("cannot listen on {}: {error}", args.listen);
    let addresses: Vec<_> = tokio::net::lookup_host(&args.listen).await.map_err(refused)?.collect();
    if let Some(open) = addresses.iter().find(|address| !address.ip().is_loopback())
        && !args.insecure
    {
        return Err(format!(
            "{open} can be reached from other machines, and this server asks nobody for a password; \
             listen on 127.0.0.1, or say --insecure if that is what you want"
        ));
    }
    TcpListener::bind(addresses.as_slice()).await.map_err(refused)
}

/// A connection takes a descriptor, and an upload some more: together they may be more than what a
/// process is given unless it asks.
fn allow_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            warn!(%error, "the number of descriptors stays as it is");
        }
    }
}

/// Standard output is for programs; nobody listening there is no reason to stop.
#[cfg(unix)]
fn announce(line: &str) {
    if let Err(error) = write_line(line) {
        warn!(%error, "cannot write to standard output");
    }
}

fn write_line(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())
}

/// The signals that the process reacts to, from the moment this is made.
#[cfg(unix)]
struct Signals {
    interrupt: Signal,
    report: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            report: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Completes when the process is asked to end. Until then SIGUSR1 prints the monitor.
    async fn shutdown(mut self, monitor: Monitor) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.report.recv() => announce(&monitor.snapshot().to_string()),
            }
        }
    }
}

/// The signals that the process reacts to.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Completes when the process is asked to end.
    async fn shutdown(self, _: Monitor) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
