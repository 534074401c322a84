//! `ftx-server token`: adds, lists and revokes the tokens of users.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use ftx_core::escaped;
use ftx_io::ErrorChain;
use ftx_server::process::{SystemUser, create_dirs_for};
use ftx_server::{TokenFile, TokenRecord};

use crate::args::{Invocation, USAGE_EXIT_CODE};
use crate::prepare::STATE_MODE;

/// What to do with tokens.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token for a user, and print it; it cannot be shown again
    Add {
        /// Name of the user, as in the configuration
        name: String,

        /// How long the token is valid; for ever by default
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        expires: Option<Duration>,

        #[command(flatten)]
        place: StatePlace,
    },
    /// List the tokens by their ids
    List {
        #[command(flatten)]
        place: StatePlace,
    },
    /// Revoke a token, or all tokens of a user; their connections end within a second
    Revoke {
        /// Name of a user, or id of a token
        #[arg(value_name = "NAME|ID")]
        who: String,

        #[command(flatten)]
        place: StatePlace,
    },
}

/// The server whose tokens are meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatePlace {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", required_unless_present = "state")]
    config: Option<PathBuf>,

    /// State directory of the server; takes precedence
    #[arg(long, value_name = "DIR", env = "STATE_DIRECTORY")]
    state: Option<PathBuf>,
}

/// A failure: its text, and the exit code.
struct Failed(String, ExitCode);

/// Runs the command.
pub(crate) fn run(command: &TokenCommand) -> ExitCode {
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(message, code)) => {
            say(&message);
            code
        }
    }
}

impl TokenCommand {
    fn run(&self) -> Result<(), Failed> {
        match self {
            Self::Add { name, expires, place } => {
                let file = place.token_file()?;
                let (token, record) =
                    file.add(name, SystemTime::now(), *expires).map_err(failed)?;
                let end = match record.expires {
                    Some(_) => format!("expires {}", record.shown_expiry()),
                    None => "never expires".to_owned(),
                };
                print(&format!("{token}\n")).map_err(|Failed(message, code)| {
                    let lost = format!("{message}; revoke the token {}, which is lost", token.id());
                    Failed(lost, code)
                })?;
                say(&format!("the token {} of {name} {end}; it is not shown again", token.id()));
                Ok(())
            }
            Self::List { place } => print(&table(&place.token_file()?.read().map_err(failed)?)),
            Self::Revoke { who, place } => {
                let revoked = place.token_file()?.revoke(who).map_err(failed)?;
                let line =
                    |token: &TokenRecord| format!("revoked {} of {}\n", token.id, token.user);
                print(&revoked.iter().map(line).collect::<String>())
            }
        }
    }
}

impl StatePlace {
    fn token_file(&self) -> Result<TokenFile, Failed> {
        match (&self.state, &self.config) {
            (Some(state), _) => Ok(TokenFile::in_state_dir(state)),
            (None, Some(config)) => state_of(config).map(|state| TokenFile::in_state_dir(&state)),
            (None, None) => Err(usage("give --config FILE or --state DIR")),
        }
    }
}

/// The state directory that a configuration file names.
fn state_of(config: &Path) -> Result<PathBuf, Failed> {
    let invocation = Invocation::of_file_with_unknown_flags(config).map_err(|errors| {
        usage(&format!("{errors}\ngive the server's directory as --state DIR, or mend the file"))
    })?;
    let state = invocation.args.state();
    let state = state.ok_or_else(|| usage("give the server's directory as --state DIR"))?;
    create_for_server(&invocation, &state)?;
    Ok(state)
}

/// Creates the directory as the server would, for the user as which it runs.
fn create_for_server(invocation: &Invocation, state: &Path) -> Result<(), Failed> {
    let Some(spec) = invocation.args.user.as_ref().filter(|_| is_root()) else { return Ok(()) };
    let fault = |text: String| {
        let state = state.display();
        Failed(format!("cannot create {state} for the user {spec}: {text}"), ExitCode::FAILURE)
    };
    let user = SystemUser::find(spec).map_err(|error| fault(ErrorChain(&error).to_string()))?;
    create_dirs_for(&user, state, STATE_MODE).map_err(|error| fault(error.to_string()))
}

/// Whether this process may give files to other users.
fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

/// The tokens that were not revoked, in columns.
fn table(tokens: &[TokenRecord]) -> String {
    let mut text = format!("{:8}  {:20}  {:20}  USER\n", "ID", "CREATED", "EXPIRES");
    for token in tokens.iter().filter(|token| token.secret_hash.is_some()) {
        let created = humantime::format_rfc3339_seconds(token.created);
        let ended = if token.has_expired(SystemTime::now()) { " (expired)" } else { "" };
        // Writing to a string cannot fail.
        let (id, expires, user) = (token.id, token.shown_expiry(), &token.user);
        let _ = writeln!(text, "{id}  {created}  {expires:20}  {user}{ended}");
    }
    text
}

fn print(text: &str) -> Result<(), Failed> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
        Failed(format!("cannot write to standard output: {error}"), ExitCode::FAILURE)
    })
}

/// Prints lines for people.
fn say(message: &str) {
    for line in message.lines() {
        // A closed standard error is no failure.
        let _ = writeln!(std::io::stderr(), "{}", escaped(line));
    }
}

fn failed(error: ftx_server::TokenFileError) -> Failed {
    Failed(ErrorChain(&error).to_string(), ExitCode::FAILURE)
}

fn usage(message: &str) -> Failed {
    Failed(message.to_owned(), ExitCode::from(USAGE_EXIT_CODE))
}
