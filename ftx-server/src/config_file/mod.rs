//! The configuration file: the settings of a server, its users, and their rights.
//!
//! | file | content |
//! | --- | --- |
//! | `findings` | what is wrong with a file, and where |
//! | `reader` | the values of a table, checked for their type |
//! | `nearest` | the valid word that is closest to a wrong one |
//! | `settings` | keys that set the same as the flags of a program |
//! | `policy` | users, grants, and the networks that are trusted |
//! | `networks`, `users` | the values of those |
//! | `summary` | a policy in words |
//!
//! A file is read in one pass that goes on after each error, so that its author meets all of them at once.
//! This module knows no flags: a program describes its settings by [`SettingKeys`].

mod findings;
mod nearest;
mod networks;
mod policy;
mod reader;
mod settings;
mod summary;
#[cfg(test)]
mod tests;
mod users;

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use toml::de::DeTable;

use self::findings::Findings;
pub use self::findings::{ConfigError, ConfigErrors, Position};
use self::reader::TableReader;
pub use self::settings::{InvalidSetting, Setting, SettingKey, SettingKeys, SettingKind};
pub use self::summary::AccessSummary;
use crate::access::AccessPolicy;

/// The content of a configuration file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigFile {
    /// The settings that the file has values for.
    pub settings: Vec<Setting>,
    /// The users, their rights, and the networks that are trusted. Native clients beyond this machine need
    /// TLS.
    pub access: AccessPolicy,
}

impl ConfigFile {
    /// Reads a file. Relative paths in it are relative to its directory.
    ///
    /// # Errors
    /// All errors of the file, or the one why it cannot be read.
    pub fn read(path: &Path, keys: &dyn SettingKeys) -> Result<Self, ConfigErrors> {
        let bytes = std::fs::read(path)
            .map_err(|error| ConfigErrors::of_file(path, format!("cannot be read: {error}")))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(path, text, keys),
            Err(error) => Err(ConfigErrors::not_utf8(path, &bytes, error.valid_up_to())),
        }
    }

    /// Parses the text of the file at `path`, which is not opened.
    ///
    /// # Errors
    /// All errors of the text.
    pub fn parse(path: &Path, text: &str, keys: &dyn SettingKeys) -> Result<Self, ConfigErrors> {
        let (document, malformed) = DeTable::parse_recoverable(text);
        let findings = Findings::new(text);
        for error in &malformed {
            findings.malformed(error);
        }
        let root = TableReader::root(document.get_ref(), document.span(), &findings);
        let directory = path.parent().unwrap_or(Path::new(""));
        let settings = settings::read(&root, keys, directory);
        let access = policy::read(&root, settings::is_set(&root, keys, policy::CLIENT_CA));
        let names = settings::top_level_names(keys);
        root.reject_others(names.iter().map(String::as_str).chain(policy::KEYS), &|unknown| {
            settings::place_elsewhere(keys, unknown)
        });
        findings.finish(path)?;
        Ok(Self { settings, access })
    }

    /// The setting of this name.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }

    /// The place of the setting that has this value.
    #[must_use]
    pub fn position_of(&self, value: &OsStr) -> Option<Position> {
        self.settings.iter().find(|setting| setting.value == value).map(|setting| setting.position)
    }
}

/// A list in a sentence: `a, b and c`.
struct Listed<'a>(&'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            [one] => f.write_str(one),
            [first @ .., last] => write!(f, "{} and {last}", first.join(", ")),
        }
    }
}
