//! The arguments of the command line; `flags` has those of the table of options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use ftx_client::{ClientConfig, ServerAddr};
use ftx_core::escaped;

use super::flags::GivenFlags;
use super::server_settings::{self, ServerSettings};
use super::{flags, output, token};

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    a transfer failed
  2    invalid command line, settings or token
  3    no connection to the server, or one that does not accept the credentials
  130  interrupted; run the same command again to resume";

/// Uploads files to and downloads files from an ftx server or an original Qt FileServer
///
/// To resume an interrupted transfer, run the same command again.
#[derive(Debug, Parser)]
#[command(name = "ftx-client", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(next_display_order = 100)]
pub(crate) struct ClientArgs {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The flags of the table of options.
    #[arg(skip)]
    flags: GivenFlags,

    /// File whose first line is the token for the server
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Hash local files again, even if they look unchanged since the last time
    #[arg(long, global = true)]
    no_cache: bool,

    /// Continue with the next file after a failure
    #[arg(long, global = true)]
    pub(crate) keep_going: bool,

    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// Print the name of each file
    #[arg(short, long, global = true, conflicts_with_all = ["json", "quiet"])]
    pub(crate) verbose: bool,

    /// Print events as JSON on standard output, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Filter for the log on standard error, in the syntax of `tracing`
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG", default_value = "error")]
    pub(crate) log: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upload local files and directories
    Upload(UploadArgs),
    /// Download files and directories
    Download(DownloadArgs),
    /// List a directory on the server
    Ls(ListArgs),
    /// Show kind, size and time of files on the server
    Stat(NamesArgs),
    /// Print BLAKE3 digests of files, as b3sum does
    Digest(DigestArgs),
    /// Remove files on the server
    Rm(NamesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// Server: HOST, HOST:PORT or [IPV6]:PORT [default port: 7411]
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Local files and directories; each is stored under its last path component, directories with
    /// their contents
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Name on the server, including directories, for a single path
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Follow symbolic links in directories, wherever they lead, instead of refusing them
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// Server: HOST, HOST:PORT or [IPV6]:PORT [default port: 7411]
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Names on the server; each is stored under the same name, including directories. A name that
    /// ends with a slash is a directory, which is downloaded with its contents
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,

    /// Local file or directory, for a single name
    #[arg(short, long, value_name = "PATH", conflicts_with = "out_dir")]
    pub(crate) output: Option<PathBuf>,

    /// Local directory; may be a symbolic link, but links in it are not followed
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Server: HOST, HOST:PORT or [IPV6]:PORT [default port: 7411]
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Directory [default: the root]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Include all directories below
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NamesArgs {
    /// Server: HOST, HOST:PORT or [IPV6]:PORT [default port: 7411]
    #[arg(value_name = "ADDR")]
    pub(crate) address: ServerAddr,

    /// Names on the server
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DigestArgs {
    /// Server and names on it; with --local, local files
    #[arg(value_name = "ADDR NAME|PATH", required = true)]
    pub(crate) targets: Vec<String>,

    /// Hash local files
    #[arg(long)]
    pub(crate) local: bool,
}

impl ClientArgs {
    /// Parses the command line, or ends the process with an error.
    pub(crate) fn parse_checked() -> Self {
        let args = Self::parse_args(std::env::args_os()).unwrap_or_else(|_| Self::refuse());
        let single = match &args.command {
            Command::Upload(UploadArgs { paths, name: Some(_), .. }) if paths.len() > 1 => "--as",
            Command::Download(DownloadArgs { names, output: Some(_), .. }) if names.len() > 1 => {
                "--output"
            }
            Command::Digest(DigestArgs { targets, local: false }) if targets.len() < 2 => {
                let message = "give the server and the names of files on it, or --local";
                output::exit_with(
                    &Self::command().error(ErrorKind::MissingRequiredArgument, message),
                )
            }
            _ => return args,
        };
        let message = format!("{single} can be given for a single file only");
        output::exit_with(&Self::command().error(ErrorKind::ArgumentConflict, message))
    }

    /// Ends the process with clap's error. clap prints arguments unescaped, so it gets them escaped.
    fn refuse() -> ! {
        let shown = std::env::args_os().map(|arg| escaped(&arg.to_string_lossy()).to_string());
        let Err(error) = Self::parse_args(shown) else {
            let message = "an argument has control characters, or is not UTF-8";
            output::exit_with(&Self::command().error(ErrorKind::InvalidValue, message))
        };
        output::exit_with(&error)
    }

    fn parse_args(
        args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let matches = flags::add(Self::command()).try_get_matches_from(args)?;
        let mut parsed = Self::from_arg_matches(&matches)?;
        parsed.flags = GivenFlags::of(&matches);
        Ok(parsed)
    }

    /// The settings for a server: those of the flags, then of the file, then the defaults.
    ///
    /// # Errors
    /// The file or the token is wrong: a line for each error. None of them shows the token.
    pub(crate) fn config(&self, server: &ServerAddr) -> Result<ClientConfig, Vec<String>> {
        let of_file = match own_path("XDG_CONFIG_HOME", ".config", "config.toml") {
            Some(path) => server_settings::read(&path, server)?,
            None => ServerSettings::default(),
        };
        let ServerSettings { mut config, token_file } = of_file;
        self.flags.apply(&mut config);
        let variable = std::env::var_os(token::VARIABLE);
        config.token = token::find(self.token_file.as_deref(), variable, token_file.as_deref())
            .map_err(|error| vec![error])?;
        config.cache =
            if self.no_cache { None } else { own_path("XDG_CACHE_HOME", ".cache", "manifests") };
        config.known_hosts = own_path("XDG_CONFIG_HOME", ".config", "known_hosts");
        Ok(config)
    }
}

/// A path of ftx below a directory of the user: that of the variable, or else one in the home.
fn own_path(variable: &str, in_home: &str, name: &str) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(in_home)))?;
    Some(base.join("ftx").join(name))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{ClientArgs, flags};

    #[test]
    fn the_command_line_is_consistent() {
        flags::add(ClientArgs::command()).debug_assert();
    }
}
