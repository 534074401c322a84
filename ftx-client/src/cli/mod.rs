//! The command line of `ftx-client`.
//!
//! `args` says what can be said, `jobs` what that means file by file and `skipped` what is left out,
//! `transfer` and `ask` what is done about it, `report` how it is shown, `output` where programs read it,
//! and `interrupts` how it is stopped.

mod args;
mod ask;
mod interrupts;
mod jobs;
mod output;
mod report;
mod skipped;
mod transfer;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use ftx_client::{Client, ServerAddr, TransferError};
use ftx_core::escaped;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use self::args::{Args, Command};
use self::report::Report;

/// What the process tells its caller; documented in `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Done = 0,
    Failed = 1,
    // 2 is clap's, for a command line that makes no sense.
    NoConnection = 3,
    Interrupted = 130,
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let args = Args::parse_checked();
    // Before anything is written: standard output may be a file, too.
    let outlives = interrupts::outlive_file_size_limit();
    let fields = debug_fn(|out, field, value| ftx_io::write_field(out, field.name(), value));
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal())
        .fmt_fields(fields.delimited(" "))
        // What is wrong with the filter is printed.
        .with_env_filter(EnvFilter::builder().parse_lossy(escaped(&args.log).to_string()))
        .init();
    if let Err(error) = outlives {
        tracing::warn!(%error, "a file that exceeds the limit of file sizes will end the process");
    }
    let report = Report::new(args.json, args.quiet);
    let address = match &args.command {
        Command::Upload(upload) => &upload.address,
        Command::Download(download) => &download.address,
        Command::Ls(list) => &list.address,
        Command::Stat(names) | Command::Rm(names) => &names.address,
        Command::Digest(digest) if digest.local => return ask::local_digests(digest, &report),
        Command::Digest(digest) => match ask::address(digest) {
            Ok(address) => return run(&args, address, &report),
            Err(error) => {
                report.message(&error);
                return ExitCode::from(2);
            }
        },
    };
    run(&args, address.clone(), &report)
}

fn run(args: &Args, address: ServerAddr, report: &Report) -> ExitCode {
    let client = Client::new(address, args.config());
    let runtime = interrupts::watch(client.cancel(), report.clone())
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            report.message(&format!("cannot start: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = ftx_io::dedicate_thread(|| runtime.block_on(command(args, client, report)));
    // A disk thread that hangs is no reason to hang.
    runtime.shutdown_background();
    let exit = output::finish(exit);
    ExitCode::from(exit as u8)
}

async fn command(args: &Args, mut client: Client, report: &Report) -> Exit {
    match &args.command {
        Command::Upload(upload) => {
            let jobs = jobs::to_upload(upload);
            transfer::run(args.keep_going, &mut client, &jobs, report).await
        }
        Command::Download(download) => match jobs::to_download(&mut client, download).await {
            Ok(jobs) => transfer::run(args.keep_going, &mut client, &jobs, report).await,
            Err(error) => report.gave_up(&error),
        },
        Command::Ls(list) => ask::list(&mut client, list, report).await,
        Command::Stat(names) => ask::stat(&mut client, names, report).await,
        Command::Digest(digest) => ask::digests(&mut client, digest, report).await,
        Command::Rm(names) => ask::remove(&mut client, names, report).await,
    }
}

impl Exit {
    fn of(error: &TransferError) -> Self {
        if error.is_cancelled() {
            Self::Interrupted
        } else if error.is_unreachable() {
            Self::NoConnection
        } else {
            Self::Failed
        }
    }
}
