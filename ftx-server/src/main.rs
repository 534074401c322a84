//! `ftx-server`: serves a directory.
#![deny(unsafe_code)]

mod args;
mod check;
mod listener;
mod memory;
mod output;
mod prepare;
mod reload;
mod serve;
mod signals;
mod token_command;

use std::process::ExitCode;
use std::time::Duration;

use ftx_server::ServerTls;
use tracing::{error, warn};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::args::{Invocation, ServerCommand};
use crate::output::Output;

/// How long the process waits at its end for its last lines to be written.
const FINAL_FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// The output streams of the process. An unread stream does not stop it.
struct Outputs {
    /// Standard output, for programs: the address, and counters at SIGUSR1.
    announcements: Output,
    log: Output,
}

fn main() -> ExitCode {
    let (invocation, command) = Invocation::parse_checked();
    match command {
        // Alone in the process, so that it can become the user of the configuration.
        Some(ServerCommand::Check { config }) => check::run(&config),
        Some(ServerCommand::Token(command)) => token_command::run(&command),
        None => run(invocation),
    }
}

/// Serves, with the log and the outputs that a server has.
fn run(invocation: Invocation) -> ExitCode {
    // Before the first write: the log may be a file.
    let outlives = signals::outlive_file_size_limit();
    let outputs = Outputs { announcements: Output::new(), log: Output::new() };
    let fields = debug_fn(|out, field, value| ftx_io::write_field(out, field.name(), value));
    let log = tracing_subscriber::fmt()
        .with_writer(outputs.log.clone())
        .with_env_filter(invocation.args.log());
    log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .fmt_fields(fields.delimited(" "))
        .init();
    // The hook of the standard library would block on an unread standard error.
    std::panic::set_hook(Box::new(|panic| error!("a thread panicked: {panic}")));
    if let Err(error) = outlives {
        warn!(%error, "a file that exceeds the limit of file sizes will end the process");
    }
    let prepared = prepare::prepare(&invocation.args);
    // Threads have the privileges of the moment in which they begin.
    if outputs.start().is_err() {
        // Any message could block for ever.
        return ExitCode::FAILURE;
    }
    let result = prepared.and_then(|prepared| serve::serve(invocation, prepared, &outputs));
    if let Err(message) = &result {
        message.lines().for_each(|line| error!("{line}"));
    }
    outputs.announcements.finish(FINAL_FLUSH_LIMIT);
    outputs.log.finish(FINAL_FLUSH_LIMIT);
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Outputs {
    /// Starts the threads that write.
    fn start(&self) -> std::io::Result<()> {
        let (stdout, stderr) = (unbuffered(std::io::stdout())?, unbuffered(std::io::stderr())?);
        Output::start(&self.announcements, "ftx-stdout", stdout, |lines| {
            format!("dropped lines={lines}\n")
        })?;
        Output::start(&self.log, "ftx-stderr", stderr, |lines| {
            format!("ftx-server: {lines} lines were dropped here\n")
        })
    }

    /// Prints the fingerprint of the server's key, at the start and when it may have changed.
    fn announce_fingerprint(&self, tls: &ServerTls) {
        self.announcements.line(format!("fingerprint {}\n", tls.fingerprint()).as_bytes());
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
