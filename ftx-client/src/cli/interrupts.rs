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
        #[cfg(unix)]
        if report.draws() {
            runtime.spawn(stops(report.clone())?);
        }
        Signals::new()?
    };
    let react = async move {
        signals.next().await;
        cancel.cancel();
        tokio::select! {
            () = signals.next() => {}
            () = stalled() => leave(&report),
        }
        cancel.abort();
        // On another thread: a reader of standard error that stalls may be the cause.
        let warning = report.clone();
        let warn = move || warning.message("interrupted again: leaving at once");
        let _ = thread::Builder::new().spawn(warn);
        tokio::select! {
            () = signals.next() => {}
            () = stalled() => {}
        }
        leave(&report);
    };
    let thread = thread::Builder::new().name("ftx-signals".to_owned());
    thread.spawn(move || runtime.block_on(react)).map(|_| ())
}

/// Ends the process. The partial files survive a crash, and so this exit.
fn leave(report: &Report) -> ! {
    report.close();
    process::exit(Exit::Interrupted as i32)
}

/// Takes the display off the terminal whenever Ctrl-Z stops the process.
#[cfg(unix)]
fn stops(report: Report) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};

    let stop_signal = Signal::TSTP.as_raw();
    // A caller that ignores it has no job control.
    let mut stops = if is_ignored(stop_signal) {
        None
    } else {
        Some(signal(SignalKind::from_raw(stop_signal))?)
    };
    Ok(async move {
        while let Some(stops) = &mut stops
            && stops.recv().await.is_some()
        {
            let report = report.clone();
            // SIGTTOU stops the process as SIGTSTP would without a handler: not where no shell could
            // continue it.
            let stop = || {
                let _ = signal_hook::low_level::raise(Signal::TTOU.as_raw());
            };
            // On another thread: the terminal may take no output, and the next signal must be heard.
            let _ = thread::Builder::new().spawn(move || report.suspend(stop));
        }
    })
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
        let is_ignored = is_ignored(rustix::process::Signal::HUP.as_raw());
        let hangup = if is_ignored { None } else { Some(signal(SignalKind::hangup())?) };
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

/// Whether this process ignores a signal. Returns true where the system does not report it, so that its
/// disposition stays untouched.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Signal 1 is the lowest bit.
    mask.is_none_or(|mask| mask.checked_shr(signal.unsigned_abs() - 1).unwrap_or(1) & 1 != 0)
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
