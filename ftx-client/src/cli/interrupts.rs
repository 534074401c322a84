//! Ctrl-C and SIGTERM.
//!
//! They are waited for on a thread of their own: the one that transfers also does the disk work,
//! and may be at that for long.

use std::io;
use std::process;
use std::thread;

use ftx_client::Cancel;
use tokio::runtime::Builder;

use super::Exit;
use super::report::Report;

/// From when this returns, the first signal stops where both sides can go on from, a second one at
/// once, and a third ends the process whatever it is waiting for.
///
/// # Errors
/// The system gives no thread or no event queue, or lets no signal be handled.
pub(crate) fn watch(cancel: Cancel, report: Report) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _context = runtime.enter();
        Signals::new()?
    };
    let react = async move {
        signals.next().await;
        cancel.cancel();
        signals.next().await;
        cancel.abort();
        report.message("interrupted again: leaving at once");
        signals.next().await;
        // What is on the disk can be gone on from after a crash, and so after this.
        process::exit(Exit::Interrupted as i32);
    };
    let thread = thread::Builder::new().name("ftx-signals".to_owned());
    thread.spawn(move || runtime.block_on(react)).map(|_| ())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.terminate.recv() => {}
            else => std::future::pending().await,
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self(tokio::signal::windows::ctrl_c()?))
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}
