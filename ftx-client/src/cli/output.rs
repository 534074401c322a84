//! Standard output: results, for people and programs.

use std::io::{self, ErrorKind, Write as _};
use std::process;
use std::sync::{Mutex, PoisonError};

use ftx_core::escaped;

use super::exit::Exit;
use super::stall::tracked_write;

/// The error that made standard output unusable.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line unescaped. After a failure the process continues, and [`finish`] reports it.
pub(crate) fn line(text: &str) {
    write(|out| writeln!(out, "{text}"));
}

/// Flushes standard output and returns the exit code: `exit`, or worse if a write failed.
pub(crate) fn finish(exit: Exit) -> Exit {
    write(io::Write::flush);
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failed {
        // A reader that closed its pipe wants no more.
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            report_failure(&error);
            exit.max(Exit::Failed)
        }
        _ => exit,
    }
}

/// Prints the message of clap (an error, the help or the version) and ends the process.
pub(crate) fn exit_with(message: &clap::Error) -> ! {
    match message.print().and_then(|()| io::stdout().flush()) {
        Err(error) if !message.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            report_failure(&error);
            process::exit(Exit::Failed as i32)
        }
        _ => process::exit(message.exit_code()),
    }
}

fn write(work: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = tracked_write(|| work(&mut io::stdout().lock())).err();
    }
}

fn report_failure(error: &io::Error) {
    let text = format!("cannot write to standard output: {error}");
    // A closed standard error is no failure.
    let _ = writeln!(io::stderr(), "{}", escaped(&text));
}
