//! A command line together with its configuration file.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use ftx_core::escaped;
use ftx_server::AccessPolicy;
use ftx_server::config_file::{ConfigErrors, ConfigFile, SettingKeys as _};

use super::keys::{FlagKeys, GivenFlags};
use super::{ServerArgs, ServerCommand};

/// The exit code for a wrong command line or configuration file.
pub(crate) const USAGE_EXIT_CODE: u8 = 2;

/// Flags whose new values take effect without a restart.
const RELOADABLE: [&str; 4] = ["cert", "key", "client_ca", "insecure"];

/// The settings of a server: the flags, and behind them the values of the configuration file.
pub(crate) struct Invocation {
    pub(crate) args: ServerArgs,
    /// The configuration file, if there is one.
    pub(crate) file: Option<ConfigFile>,
    command_line: Vec<OsString>,
    matches: ArgMatches,
}

/// Why there are no settings.
enum Refused {
    CommandLine(clap::Error),
    File(ConfigErrors),
}

impl Invocation {
    /// Parses the command line and reads the configuration file, or ends the process with the errors.
    pub(crate) fn parse_checked() -> (Self, Option<ServerCommand>) {
        match Self::parse(std::env::args_os().collect(), GivenFlags::These) {
            Ok(mut invocation) => {
                let command = invocation.args.command.take();
                (invocation, command)
            }
            Err(Refused::CommandLine(error)) => exit_with(&error),
            Err(Refused::File(errors)) => {
                // A closed standard error is no failure.
                let _ = writeln!(std::io::stderr(), "{errors}");
                std::process::exit(USAGE_EXIT_CODE.into())
            }
        }
    }

    /// The settings of a configuration file, without a command line.
    ///
    /// # Errors
    /// All errors of the file.
    pub(crate) fn of_file(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(command_line_of(path), GivenFlags::These).map_err(|refused| refused.about(path))
    }

    /// The same for a server with a command line that this process does not see: flags may set what the file
    /// lacks.
    ///
    /// # Errors
    /// All errors of the file.
    pub(crate) fn of_file_with_unknown_flags(path: &Path) -> Result<Self, ConfigErrors> {
        let given = |_| GivenFlags::Unknown;
        Self::parse(command_line_of(path), given).map_err(|refused| refused.about(path))
    }

    /// Reads the configuration file again, for the same command line.
    ///
    /// # Errors
    /// All errors of the file.
    pub(crate) fn read_again(&self) -> Result<Self, ConfigErrors> {
        let path = self.args.config.clone().unwrap_or_default();
        let parsed = Self::parse(self.command_line.clone(), GivenFlags::These);
        parsed.map_err(|refused| refused.about(&path))
    }

    /// The rights that the configuration file gives, if there is one.
    pub(crate) fn access(&self) -> Option<AccessPolicy> {
        let file = self.file.as_ref()?;
        let mut access = file.access.clone();
        access.allows_plain = self.args.insecure;
        Some(access)
    }

    /// The keys whose values differ from these, but take effect only at a restart.
    pub(crate) fn keys_for_restart(&self, running: &Self) -> Vec<String> {
        let keys = FlagKeys::new(ServerArgs::command(), GivenFlags::Unknown).keys();
        let keys = keys.into_iter().map(|key| key.name);
        let keys = keys.filter(|key| !RELOADABLE.contains(&key.as_str()));
        keys.filter(|key| self.raw(key) != running.raw(key)).collect()
    }

    fn raw(&self, key: &str) -> Vec<&OsStr> {
        self.matches.try_get_raw(key).ok().flatten().into_iter().flatten().collect()
    }

    fn parse(
        command_line: Vec<OsString>,
        given: impl FnOnce(ArgMatches) -> GivenFlags,
    ) -> Result<Self, Refused> {
        let read = |command: Command| {
            let matches = matches(command, &command_line)?;
            let args = ServerArgs::from_arg_matches(&matches)?;
            Ok((matches, args))
        };
        let command = ServerArgs::command();
        let (matches, args) = read(command.clone()).map_err(Refused::CommandLine)?;
        let Some(path) = &args.config else {
            return Ok(Self { args, file: None, command_line, matches });
        };
        let keys = FlagKeys::new(command, given(matches));
        let file = ConfigFile::read(path, &keys).map_err(Refused::File)?;
        let directory: PathBuf = path.parent().unwrap_or(Path::new("")).to_owned();
        let (matches, args) =
            read(keys.with_defaults(&file, &directory)).map_err(Refused::CommandLine)?;
        Ok(Self { args, file: Some(file), command_line, matches })
    }
}

/// A command line with a configuration file alone.
fn command_line_of(path: &Path) -> Vec<OsString> {
    let name = ServerArgs::command().get_name().to_owned();
    vec![name.into(), "--config".into(), path.into()]
}

impl Refused {
    /// The errors as those of a file. Flags that were valid may contradict its values.
    fn about(self, path: &Path) -> ConfigErrors {
        match self {
            Self::File(errors) => errors,
            Self::CommandLine(error) => ConfigErrors::of_file(path, error.to_string().trim()),
        }
    }
}

/// Parses a command line. clap prints arguments unescaped, so it gets them escaped when it has to.
fn matches(command: Command, command_line: &[OsString]) -> Result<ArgMatches, clap::Error> {
    command.clone().try_get_matches_from(command_line).map_err(|_| {
        let shown = command_line.iter().map(|arg| escaped(&arg.to_string_lossy()).to_string());
        command.clone().try_get_matches_from(shown).err().unwrap_or_else(|| {
            let message = "an argument has control characters, or is not UTF-8";
            command.clone().error(ErrorKind::InvalidValue, message)
        })
    })
}

/// Prints the message of clap (an error, the help or the version) and ends the process.
fn exit_with(message: &clap::Error) -> ! {
    match message.print().and_then(|()| std::io::stdout().flush()) {
        Err(error) if !message.use_stderr() && error.kind() != std::io::ErrorKind::BrokenPipe => {
            // A closed standard error is no failure.
            let _ = writeln!(std::io::stderr(), "cannot write to standard output: {error}");
            std::process::exit(1)
        }
        _ => std::process::exit(message.exit_code()),
    }
}
