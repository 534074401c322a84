//! The command line of `ftx-server`.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use ftx_core::escaped;
use ftx_server::Config;
use ftx_store::Durability;
use tracing_subscriber::EnvFilter;

/// Serves a directory to ftx clients and to the original Qt FileClient.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one, which the first line of output names
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7411")]
    pub(crate) listen: String,

    /// The directory to serve; created if it is not there
    #[arg(long, value_name = "DIR", default_value = "./files")]
    pub(crate) root: PathBuf,

    /// Reactor threads, or `auto` for one per core
    #[arg(long, value_name = "N|auto", default_value = "1", value_parser = threads)]
    threads: NonZeroUsize,

    /// Listen where other machines can connect, although nobody is asked for a password
    #[arg(long)]
    pub(crate) insecure: bool,

    /// What a confirmed upload survives: `full` also a power failure, `none` only the end of
    /// this process
    #[arg(long, value_enum, default_value = "full")]
    durability: DurabilityArg,

    /// How long an interrupted upload is kept for its client to come back
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = humantime::parse_duration)]
    staging_ttl: Duration,

    /// Connections at one time; more are closed at once
    #[arg(long, value_name = "N", default_value_t = 4096)]
    max_connections: usize,

    /// How long a new connection may take to make its first request
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    hello_timeout: Duration,

    /// How long a transfer may stand still
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    stall_timeout: Duration,

    /// How long a connection may stay silent between two files
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    idle_timeout: Duration,

    /// How long running transfers may go on after SIGTERM before they are suspended
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    grace: Duration,

    /// What to log on standard error, as a `tracing` filter: error, warn, info, debug, trace …
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DurabilityArg {
    Full,
    None,
}

/// Ends the process with what clap has to say, be it an error, help or the version.
fn end(said: &clap::Error) -> ! {
    match said.print().and_then(|()| std::io::stdout().flush()) {
        Err(error) if !said.use_stderr() && error.kind() != std::io::ErrorKind::BrokenPipe => {
            // Nobody to read it is no reason to fail.
            let _ = writeln!(std::io::stderr(), "cannot write to standard output: {error}");
            std::process::exit(1)
        }
        _ => std::process::exit(said.exit_code()),
    }
}

impl Args {
    /// Parses the command line, and ends the process where it makes no sense: as clap does, which shows
    /// what it refuses as it is. So it is told of escaped arguments.
    pub(crate) fn parse_checked() -> Self {
        Self::try_parse().unwrap_or_else(|_| {
            let shown = std::env::args_os().map(|arg| escaped(&arg.to_string_lossy()).to_string());
            let Err(error) = Self::try_parse_from(shown) else {
                let message = "an argument has control characters, or is not UTF-8";
                end(&Self::command().error(ErrorKind::InvalidValue, message))
            };
            end(&error)
        })
    }

    pub(crate) fn log(&self) -> EnvFilter {
        // What is wrong with it is printed.
        EnvFilter::builder().parse_lossy(escaped(&self.log).to_string())
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(&self.root);
        config.threads = self.threads;
        config.durability = match self.durability {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::None => Durability::None,
        };
        config.staging_ttl = self.staging_ttl;
        config.max_connections = self.max_connections;
        config.timeouts.hello = self.hello_timeout;
        config.timeouts.stall = self.stall_timeout;
        config.timeouts.idle = self.idle_timeout;
        config.timeouts.grace = self.grace;
        config
    }
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    if text == "auto" {
        return std::thread::available_parallelism().map_err(|error| error.to_string());
    }
    match text.parse() {
        Ok(threads) if NonZeroUsize::get(threads) <= 1024 => Ok(threads),
        _ => Err("a number from 1 to 1024, or auto".to_owned()),
    }
}
