//! What can be said on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args as ClapArgs, CommandFactory as _, Parser, Subcommand, ValueEnum};
use ftx_client::{ClientConfig, DialectChoice, Digest, Durability, Overwrite, ServerAddr};
use ftx_core::escaped;

use super::output;

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

    /// Which protocol to speak: with `auto`, the native one if the server knows it
    #[arg(long, global = true, value_name = "DIALECT", value_enum, default_value = "auto")]
    dialect: DialectArg,

    /// How many connections share the work, in the native dialect [default: as seems worth it]
    #[arg(long, global = true, value_name = "N", value_parser = parse_streams)]
    streams: Option<Streams>,

    /// Read local files again, even if nothing has changed about them since they were hashed
    #[arg(long, global = true)]
    no_cache: bool,

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
    /// Upload local files and directories
    Upload(Upload),
    /// Download files and directories
    Download(Download),
    /// List what is in a directory of the server
    Ls(List),
    /// Show what a name stands for on the server
    Stat(Names),
    /// Show digests of files, as b3sum prints them
    Digest(DigestOf),
    /// Remove files on the server
    Rm(Names),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectArg {
    Auto,
    Native,
    Legacy,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DurabilityArg {
    /// Loss of power: data and directory are synced
    Full,
    /// The end of the process only
    None,
}

/// `None` leaves it to the client.
#[derive(Clone, Copy, Debug)]
struct Streams(Option<NonZeroUsize>);

fn parse_streams(text: &str) -> Result<Streams, String> {
    match text {
        "auto" => Ok(Streams(None)),
        number => number
            .parse()
            .ok()
            .filter(|count: &NonZeroUsize| count.get() <= MAX_STREAMS)
            .map(|count| Streams(Some(count)))
            .ok_or_else(|| format!("give a number from 1 to {MAX_STREAMS}, or auto")),
    }
}

/// More connections than this help nobody.
const MAX_STREAMS: usize = 64;

/// What may become of a file that has the name already.
#[derive(Clone, Debug)]
enum OverwriteArg {
    Replace,
    Fail,
    IfUnchanged(Digest),
}

fn parse_overwrite(text: &str) -> Result<OverwriteArg, String> {
    match text {
        "replace" => Ok(OverwriteArg::Replace),
        "fail" => Ok(OverwriteArg::Fail),
        digest => digest.parse().map(OverwriteArg::IfUnchanged).map_err(|_| {
            "give replace, fail, or the digest that the file has if nobody changed it".to_owned()
        }),
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Upload {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Local files and directories; each is stored under its last component, directories with all
    /// that is in them
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// The name on the server, directories included, for a single path
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// What may become of a file that is there: replace, fail, or a digest that it must have
    #[arg(long, value_name = "POLICY", default_value = "replace", value_parser = parse_overwrite)]
    overwrite: OverwriteArg,

    /// Upload what symbolic links in directories point to, wherever they lead, instead of refusing them
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Download {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Names on the server; each is stored under the same name, directories included. With a slash
    /// at its end a name is a directory, and all that is in it is downloaded
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,

    /// The local file, for a single name
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,

    /// The local directory. It may be a symbolic link; links in it are not followed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out_dir: PathBuf,

    /// What a finished download survives
    #[arg(long, value_name = "DURABILITY", value_enum, default_value = "full")]
    durability: DurabilityArg,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct List {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// The directory [default: the root]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// With all that is in the directories below
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Names {
    /// The server: HOST, HOST:PORT or [IPV6]:PORT; the port is 7411 if not given
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Names on the server
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DigestOf {
    /// The server and names on it; with --local, local files
    #[arg(value_name = "ADDR NAME|PATH", required = true)]
    pub(crate) what: Vec<String>,

    /// Digests of local files
    #[arg(long)]
    pub(crate) local: bool,
}

impl Download {
    pub(crate) fn durability(&self) -> Durability {
        match self.durability {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::None => Durability::None,
        }
    }
}

impl Args {
    /// Parses the command line, and ends the process where it makes no sense.
    pub(crate) fn parse_checked() -> Self {
        let args = Self::try_parse().unwrap_or_else(|_| Self::refuse());
        let single = match &args.command {
            Command::Upload(Upload { paths, name: Some(_), .. }) if paths.len() > 1 => "--as",
            Command::Download(Download { names, output: Some(_), .. }) if names.len() > 1 => {
                "--output"
            }
            Command::Digest(DigestOf { what, local: false }) if what.len() < 2 => {
                let message = "give the server and the names of files on it, or --local";
                output::end(&Self::command().error(ErrorKind::MissingRequiredArgument, message))
            }
            _ => return args,
        };
        let message = format!("{single} can be given for a single file only");
        output::end(&Self::command().error(ErrorKind::ArgumentConflict, message))
    }

    /// Ends the process as clap does, which shows what it refuses as it is. So it is told of escaped
    /// arguments.
    fn refuse() -> ! {
        let shown = std::env::args_os().map(|arg| escaped(&arg.to_string_lossy()).to_string());
        let Err(error) = Self::try_parse_from(shown) else {
            let message = "an argument has control characters, or is not UTF-8";
            output::end(&Self::command().error(ErrorKind::InvalidValue, message))
        };
        output::end(&error)
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.retries = self.retries;
        config.timeout = self.timeout;
        config.dialect = match self.dialect {
            DialectArg::Auto => DialectChoice::Auto,
            DialectArg::Native => DialectChoice::Native,
            DialectArg::Legacy => DialectChoice::Legacy,
        };
        config.cache = if self.no_cache { None } else { cache_dir() };
        config.streams = self.streams.and_then(|Streams(streams)| streams);
        match &self.command {
            Command::Upload(upload) => {
                config.overwrite = match upload.overwrite {
                    OverwriteArg::Replace => Overwrite::Replace,
                    OverwriteArg::Fail => Overwrite::Fail,
                    OverwriteArg::IfUnchanged(digest) => Overwrite::IfUnchanged(digest),
                };
            }
            Command::Download(download) => {
                config.durability = download.durability();
            }
            _ => {}
        }
        config
    }
}

/// Where programs keep what can be found out again.
fn cache_dir() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(base.join("ftx").join("manifests"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Args;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
