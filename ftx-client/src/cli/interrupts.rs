//! Ctrl-C, SIGTERM and SIGHUP.
//!
//! A separate thread waits for them, because the thread that transfers also does the disk work and may
//! be busy with it for long.

use std::io;
use std::process;
use std::thread;

use ftx_client::Cancel;
use tokio::runtime::Builder;

use super::exit::Exit;
use super::report::Report;
use super::stall::stalled;

/// Starts to handle signals. The first one stops the transfer at a point from which it can be resumed,
/// the second stops it at once, and the third ends the process.
///
/// # Errors
/// The system refuses a thread, an event queue or a signal handler.
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
            () = stalled() => process::exit(Exit::Interrupted as i32),
        }
        cancel.abort();
        // On another thread: a reader of standard error that stalls may be the cause.
        let warn = move || report.message("interrupted again: leaving at once");
        let _ = thread::Builder::new().spawn(warn);
        tokio::select! {
            () = signals.next() => {}
            () = stalled() => {}
        }
        // The partial files survive a crash, and so this exit.
        process::exit(Exit::Interrupted as i32);
    };
    let thread = thread::Builder::new().name("ftx-signals".to_owned());
    thread.spawn(move || runtime.block_on(react)).map(|_| ())
}

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

        // The flag itself is not read: the write fails.
        let came = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), came)?;
    }
    Ok(())
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

        // A caller that ignores SIGHUP, as `nohup` does, wants the transfer to outlive its terminal.
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

/// Whether this process ignores SIGHUP. Returns true where the system does not report it, so that its
/// disposition stays untouched.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // SIGHUP is signal 1, the lowest bit.
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
