//! The command line of `ftx-client`.
//!
//! `args` says what can be said, `jobs` what that means file by file, `report` how it is shown, and
//! `interrupts` how it is stopped; here one job after another is run.

mod args;
mod interrupts;
mod jobs;
mod report;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use ftx_client::{Client, TransferError, Transferred};
use tracing_subscriber::EnvFilter;

use self::args::Args;
use self::jobs::Job;
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
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(EnvFilter::builder().parse_lossy(&args.log))
        .init();
    let jobs = jobs::of(&args.command);
    let report = Report::new(args.json, args.quiet, jobs.len());
    let client = Client::new(args.command.address().clone(), args.config());
    let runtime = interrupts::watch(client.cancel(), report.clone())
        .and_then(|()| tokio::runtime::Builder::new_current_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            report.message(&format!("cannot start: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = ftx_io::dedicate_thread(|| runtime.block_on(run(&args, client, &jobs, &report)));
    // A disk thread that hangs is no reason to hang.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

async fn run(args: &Args, mut client: Client, jobs: &[Job], report: &Report) -> Exit {
    let mut worst = Exit::Done;
    for (index, job) in jobs.iter().enumerate() {
        client.set_observer(report.begin(index, job));
        let exit = match transfer(&mut client, job).await {
            Ok(transferred) => {
                report.finished(index, job, transferred);
                Exit::Done
            }
            Err(error) => {
                report.failed(index, job, &error);
                match error {
                    TransferError::Cancelled => Exit::Interrupted,
                    TransferError::Connect { .. } => Exit::NoConnection,
                    _ => Exit::Failed,
                }
            }
        };
        worst = worst.max(exit);
        if exit == Exit::Interrupted || (exit != Exit::Done && !args.keep_going) {
            break;
        }
    }
    report.end();
    worst
}

async fn transfer(client: &mut Client, job: &Job) -> Result<Transferred, TransferError> {
    match job {
        Job::Upload { path, name } => {
            let name = name.as_ref().map_err(|refused| refused.error(path))?;
            client.upload(path, name).await
        }
        Job::Download { name, path } => {
            let parsed = jobs::parse(name).map_err(|refused| refused.error(path))?;
            client.download(&parsed, path).await
        }
    }
}
