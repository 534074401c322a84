//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use ftx_client::{Config, ServerAddr};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a transfer failed
  2    the command line makes no sense
  3    no connection to the server
  130  interrupted; what was transferred is kept, and the same command goes on from there";

/// Uploads files to and downloads files from an ftx server or an original Qt FileServer
///
/// An interrupted transfer is gone on with by giving the same command again.
#[derive(Debug, Parser)]
#[command(name = "ftx-client", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How often a file is tried again; tries that get further do not count
    #[arg(long, global = true, value_name = "N", default_value_t = 5)]
    retries: u32,

    /// How long to wait for a connection, an answer, or the next bytes
    #[arg(long, global = true, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,

    /// Go on with the next file when one has failed
    #[arg(long, global = true)]
    pub(crate) keep_going: bool,

    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// Say what happens as one JSON object a line, on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to log on standard error, as a `tracing` filter
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG", default_value = "error")]
    pub(crate) log: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upload local files
    Upload(Upload),
    /// Download files
    Download(Download),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Upload {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Local files; each is stored under its last component
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// The name on the server, directories included, for a single file
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Download {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Names on the server; each is stored under the same name, directories included
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,

    /// The local file, for a single name
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,

    /// The local directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out_dir: PathBuf,
}

impl Args {
    /// Parses the command line, and ends the process where it makes no sense.
    pub(crate) fn parse_checked() -> Self {
        let args = Self::parse();
        let single = match &args.command {
            Command::Upload(Upload { paths, name: Some(_), .. }) if paths.len() > 1 => "--as",
            Command::Download(Download { names, output: Some(_), .. }) if names.len() > 1 => {
                "--output"
            }
            Command::Upload(_) | Command::Download(_) => return args,
        };
        let message = format!("{single} can be given for a single file only");
        let mut command = <Self as clap::CommandFactory>::command();
        command.error(clap::error::ErrorKind::ArgumentConflict, message).exit()
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.retries = self.retries;
        config.timeout = self.timeout;
        config
    }
}

impl Command {
    pub(crate) fn address(&self) -> &ServerAddr {
        match self {
            Self::Upload(upload) => &upload.address,
            Self::Download(download) => &download.address,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
