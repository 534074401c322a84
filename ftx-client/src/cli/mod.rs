//! The command line of `ftx-client`.
//!
//! `args` and `flags` parse it, `server_settings` and `token` read the user's files, `jobs` turns it into `job`s for files and `skipped` entries, `transfer` and `query`
//! run them, `interrupts` handles signals. `report` tells what happens, from the model in `progress`; `output` writes
//! results, `stderr` messages, above the lines that `terminal` draws.

mod args;
mod exit;
mod flags;
mod interrupts;
mod job;
mod jobs;
mod output;
mod progress;
mod query;
mod report;
mod server_settings;
mod skipped;
mod stall;
mod stderr;
mod terminal;
mod token;
mod transfer;
mod tree_download;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use ftx_client::{Client, Durability, ServerAddr};
use ftx_core::escaped;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use self::args::{ClientArgs, Command};
use self::exit::Exit;
use self::report::Report;
use self::stderr::Stderr;

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let args = ClientArgs::parse_checked();
    // Before the first write: standard output may be a file.
    let outlives = interrupts::outlive_file_size_limit();
    let fields = debug_fn(|out, field, value| ftx_io::write_field(out, field.name(), value));
    let stderr = Stderr::new();
    let log_output = stderr.clone();
    let log = tracing_subscriber::fmt().with_writer(move || log_output.clone());
    log.with_ansi(std::io::stderr().is_terminal())
        .fmt_fields(fields.delimited(" "))
        // Prints the errors of the filter.
        .with_env_filter(EnvFilter::builder().parse_lossy(escaped(&args.log).to_string()))
        .init();
    if let Err(error) = outlives {
        tracing::warn!(%error, "a file that exceeds the limit of file sizes will end the process");
    }
    let report = Report::new(&args, stderr);
    let address = match &args.command {
        Command::Upload(upload) => &upload.address,
        Command::Download(download) => &download.address,
        Command::Ls(list) => &list.address,
        Command::Stat(names) | Command::Rm(names) => &names.address,
        Command::Digest(digest) if digest.local => return query::local_digests(digest, &report),
        Command::Digest(digest) => match query::address(digest) {
            Ok(address) => return run(&args, address, &report),
            Err(error) => {
                report.message(&error);
                return ExitCode::from(2);
            }
        },
    };
    run(&args, address.clone(), &report)
}

fn run(args: &ClientArgs, address: ServerAddr, report: &Report) -> ExitCode {
    let config = match args.config(&address) {
        Ok(config) => config,
        Err(errors) => {
            errors.iter().for_each(|error| report.message(error));
            return ExitCode::from(2);
        }
    };
    let durability = config.durability;
    let client = Client::new(address, config).on_own_thread();
    if matches!(args.command, Command::Upload(_) | Command::Download(_)) {
        report.open();
    }
    let runtime = interrupts::watch(client.cancel(), report.clone())
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            report.message(&format!("cannot start: {error}"));
            report.close();
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = runtime.block_on(command(args, client, durability, report));
    // Without waiting for a disk thread that hangs.
    runtime.shutdown_background();
    report.close();
    let exit = output::finish(exit);
    ExitCode::from(exit as u8)
}

async fn command(
    args: &ClientArgs,
    mut client: Client,
    durability: Durability,
    report: &Report,
) -> Exit {
    match &args.command {
        Command::Upload(upload) => {
            let jobs = jobs::to_upload(upload, report);
            transfer::run(args.keep_going, &mut client, jobs, report).await
        }
        Command::Download(download) => {
            if download.names.iter().any(|name| name.ends_with('/')) {
                let (client, going) = (&mut client, args.keep_going);
                return tree_download::run(going, client, download, durability, report).await;
            }
            let jobs = jobs::to_download(download, report);
            transfer::run(args.keep_going, &mut client, jobs, report).await
        }
        Command::Ls(list) => query::list(&mut client, list, report).await,
        Command::Stat(names) => query::stat(&mut client, names, report).await,
        Command::Digest(digest) => query::digests(&mut client, digest, report).await,
        Command::Rm(names) => query::remove(&mut client, names, report).await,
    }
}
