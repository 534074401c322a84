//! The signals that the process reacts to.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
#[cfg(unix)]
use tracing::info;

/// Has a file that would exceed the limit of file sizes (`ulimit -f`) be an error of who writes it.
/// Without this the system ends the process.
///
/// # Errors
/// The system lets no signal be handled.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        use rustix::process::Signal;

        // Whether it came does not matter: the write that was too much says so.
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::XFSZ.as_raw(), came)?;
    }
    Ok(())
}

/// The signals that the process reacts to, from the moment this is made.
#[cfg(unix)]
pub(crate) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    report: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            report: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Completes when the process is asked to end. Until then SIGUSR1 has it report; SIGHUP, with which
    /// others have their configuration read again, has no effect: the terminal that the server was
    /// started from may close.
    pub(crate) async fn shutdown(mut self, report: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.report.recv() => report(),
                _ = self.hangup.recv() => info!("SIGHUP: there is nothing to reload"),
            }
        }
    }
}

/// The signals that the process reacts to.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Completes when the process is asked to end.
    pub(crate) async fn shutdown(self, _: impl Fn()) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
