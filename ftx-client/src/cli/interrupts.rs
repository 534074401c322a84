//! Ctrl-C, SIGTERM, and the end of the terminal.
//!
//! They are waited for on a thread of their own: the one that transfers also does the disk work,
//! and may be at that for long.

use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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
        tokio::select! {
            () = signals.next() => {}
            () = stuck() => process::exit(Exit::Interrupted as i32),
        }
        cancel.abort();
        // Apart, as whoever reads it may be the reason.
        let tell = move || report.message("interrupted again: leaving at once");
        let _ = thread::Builder::new().spawn(tell);
        tokio::select! {
            () = signals.next() => {}
            () = stuck() => {}
        }
        // What is on the disk can be gone on from after a crash, and so after this.
        process::exit(Exit::Interrupted as i32);
    };
    let thread = thread::Builder::new().name("ftx-signals".to_owned());
    thread.spawn(move || runtime.block_on(react)).map(|_| ())
}

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

        // Whether it came does not matter: the write that was too much says so.
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), came)?;
    }
    Ok(())
}

/// How long a reader may let the process wait that was told to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// When the line that is being written was begun.
static WRITING: Mutex<Option<Instant>> = Mutex::new(None);

/// Writes a line to a stream that may be a pipe whose reader takes its time. That is what pipes are for;
/// but a process that is told to end does not wait for ever.
pub(crate) fn writing<T>(write: impl FnOnce() -> T) -> T {
    let set = |begun| *WRITING.lock().unwrap_or_else(PoisonError::into_inner) = begun;
    set(Some(Instant::now()));
    let written = write();
    set(None);
    written
}

/// Completes when a line has not been taken for too long.
async fn stuck() {
    loop {
        let begun = *WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.is_some_and(|begun| begun.elapsed() >= PATIENCE) {
            return;
        }
        tokio::time::sleep(PATIENCE / 4).await;
    }
}

#[cfg(unix)]
struct Signals {
    hangup: Option<tokio::signal::unix::Signal>,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        // Whoever has it ignored, as `nohup` does, wants the transfer to go on without a terminal.
        let hangup = if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self {
            hangup,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(()) = hangup => {}
            Some(()) = self.interrupt.recv() => {}
            Some(()) = self.terminate.recv() => {}
            else => std::future::pending().await,
        }
    }
}

/// Whether SIGHUP has no effect on this process. Where the system does not say it as a text, it is left
/// as it is: ended by it, or not.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal is the lowest bit, and that is SIGHUP.
    mask.is_none_or(|mask| mask & 1 != 0)
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
