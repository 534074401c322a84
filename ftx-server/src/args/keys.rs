//! The keys of a configuration file: one for each flag.
//!
//! A value in the file becomes the default of its flag. So a flag on the command line takes precedence, and a
//! new flag is a key by itself, with the same values.

use std::any::TypeId;
use std::error::Error as _;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use ftx_server::config_file::{ConfigFile, InvalidSetting, SettingKey, SettingKeys, SettingKind};

/// Flags of the command line alone.
const FLAGS_ONLY: [&str; 1] = ["config"];

/// Flags whose keys are in a table, each with its table and the key that it needs.
const IN_TABLES: [(&str, &str, Option<&str>); 5] = [
    ("cert", "tls", Some("key")),
    ("key", "tls", Some("cert")),
    ("client_ca", "tls", None),
    // At the beginning of a file, `user` is a list of those who have rights.
    ("user", "process", None),
    ("sandbox", "process", None),
];

/// The flags of a command, as keys of a file.
pub(super) struct FlagKeys {
    command: Command,
    given: GivenFlags,
}

/// The flags on the command line of a server.
#[derive(Clone, Debug)]
pub(super) enum GivenFlags {
    These(ArgMatches),
    /// The server has a command line that this process does not see.
    Unknown,
}

impl FlagKeys {
    pub(super) fn new(command: Command, given: GivenFlags) -> Self {
        Self { command, given }
    }

    /// The command with the values of a file as defaults. Default paths are relative to the file, too.
    pub(super) fn with_defaults(&self, file: &ConfigFile, directory: &Path) -> Command {
        let mut command = self.command.clone();
        for key in self.keys().iter().filter(|key| key.kind == SettingKind::Path) {
            command = command.mut_arg(&key.name, |arg| match arg.get_default_values() {
                [path] => {
                    let path: PathBuf = directory.join(path).components().collect();
                    arg.default_value(path.into_os_string())
                }
                _ => arg,
            });
        }
        for setting in &file.settings {
            let value = setting.value.clone();
            command = command.mut_arg(&setting.name, |arg| arg.default_value(value));
        }
        command
    }
}

impl SettingKeys for FlagKeys {
    fn keys(&self) -> Vec<SettingKey> {
        let args = self.command.get_arguments();
        args.map(key).filter(|key| !FLAGS_ONLY.contains(&key.name.as_str())).collect()
    }

    /// Gives the flag this value on a command line of its own.
    fn check(&self, key: &SettingKey, value: &str) -> Result<(), InvalidSetting> {
        let args = self.command.get_arguments();
        let mut flags =
            args.filter(|arg| arg.get_id() == key.name.as_str()).filter_map(Arg::get_long);
        let Some(flag) = flags.next().filter(|_| key.kind != SettingKind::Switch) else {
            return Ok(());
        };
        let command = self.command.clone().no_binary_name(true);
        match command.try_get_matches_from([format!("--{flag}={value}")]) {
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                Err(invalid(&error))
            }
            _ => Ok(()),
        }
    }

    /// A flag that this process does not see may be there.
    fn is_set_by_flag(&self, name: &str) -> bool {
        match &self.given {
            GivenFlags::These(matches) => {
                matches.value_source(name).is_some_and(|source| source != ValueSource::DefaultValue)
            }
            GivenFlags::Unknown => true,
        }
    }
}

fn key(arg: &Arg) -> SettingKey {
    let name = arg.get_id().to_string();
    let in_table = IN_TABLES.iter().find(|(flag, ..)| *flag == name);
    let kind = if !arg.get_action().takes_values() {
        SettingKind::Switch
    } else if arg.get_value_parser().type_id() == TypeId::of::<PathBuf>() {
        SettingKind::Path
    } else {
        SettingKind::Text
    };
    let table = in_table.map(|&(_, table, _)| table);
    let requires = in_table.and_then(|&(.., requires)| requires);
    SettingKey { name, table, kind, requires }
}

fn invalid(error: &clap::Error) -> InvalidSetting {
    let message = match error.source() {
        Some(source) => source.to_string(),
        None => "there is no such value".to_owned(),
    };
    let valid = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) => valid.clone(),
        _ => Vec::new(),
    };
    InvalidSetting { message, valid }
}
