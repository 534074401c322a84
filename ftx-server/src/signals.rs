//! ServerSignals.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Turns a write beyond the file size limit (`ulimit -f`) into an error of that write. By default the
/// system ends the process.
///
/// # Errors
/// The system refuses a signal handler.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;

        use rustix::process::Signal;

        // The flag itself is not read: the write fails.
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::XFSZ.as_raw(), came)?;
    }
    Ok(())
}

/// Handlers of the process's signals, in effect once this is created.
#[cfg(unix)]
pub(crate) struct ServerSignals {
    hangup: Signal,
    interrupt: Signal,
    report: Signal,
    terminate: Signal,
}

#[cfg(unix)]
impl ServerSignals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            report: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Completes at SIGINT or SIGTERM. SIGUSR1 calls `report`, and SIGHUP `reload`: the server survives the
    /// terminal it was started from.
    pub(crate) async fn shutdown(mut self, report: impl Fn(), reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.report.recv() => report(),
                _ = self.hangup.recv() => reload(),
            }
        }
    }
}

/// Handlers of the process's signals.
#[cfg(not(unix))]
pub(crate) struct ServerSignals;

#[cfg(not(unix))]
impl ServerSignals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Completes at Ctrl-C.
    pub(crate) async fn shutdown(self, _: impl Fn(), _: impl Fn()) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
