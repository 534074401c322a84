//! The command line of `ftx-client`.
//!
//! `args` says what can be said, `jobs` what that means file by file, `report` how it is shown;
//! here one job after another is run.

mod args;
mod jobs;
mod report;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use ftx_client::{Cancel, Client, TransferError, Transferred};
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report.message(&format!("cannot start: {error}"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = ftx_io::dedicate_thread(|| runtime.block_on(run(&args, &jobs, &report)));
    // A disk thread that hangs is no reason to hang.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

async fn run(args: &Args, jobs: &[Job], report: &Report) -> Exit {
    let mut client = Client::new(args.command.address().clone(), args.config());
    tokio::spawn(interrupts(client.cancel(), report.clone()));
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

/// The first Ctrl-C or SIGTERM stops where both sides can go on from, a second one at once.
async fn interrupts(cancel: Cancel, report: Report) {
    interrupt().await;
    cancel.cancel();
    interrupt().await;
    report.message("interrupted again: leaving at once");
    cancel.abort();
}

async fn interrupt() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
