//! Standard output: what programs read, and what was asked for.

use std::io::{self, ErrorKind, Write as _};
use std::process;
use std::sync::{Mutex, PoisonError};

use ftx_core::escaped;

use super::Exit;
use super::interrupts::writing;

/// Why nothing more can be written.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line as it is. If that fails, what is done goes on, and the process says so at its end.
pub(crate) fn line(text: &str) {
    write(|out| writeln!(out, "{text}"));
}

/// Sees that everything is written. What the process ends with, given what it would end with otherwise.
pub(crate) fn finish(exit: Exit) -> Exit {
    write(io::Write::flush);
    let failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner).take();
    match failed {
        // A reader that went away needs no more.
        Some(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&error);
            exit.max(Exit::Failed)
        }
        _ => exit,
    }
}

/// Ends the process with what clap has to say, be it an error, help or the version.
pub(crate) fn end(said: &clap::Error) -> ! {
    match said.print().and_then(|()| io::stdout().flush()) {
        Err(error) if !said.use_stderr() && error.kind() != ErrorKind::BrokenPipe => {
            complain(&error);
            process::exit(Exit::Failed as i32)
        }
        _ => process::exit(said.exit_code()),
    }
}

fn write(work: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) {
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed.is_none() {
        *failed = writing(|| work(&mut io::stdout().lock())).err();
    }
}

fn complain(error: &io::Error) {
    let message = format!("cannot write to standard output: {error}");
    // Nobody to read it is no reason to fail.
    let _ = writeln!(io::stderr(), "{}", escaped(&message));
}
