//! Keys that set the same as the flags of a program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::findings::Position;
use super::nearest::advice;
use super::reader::{Located, TableReader};

/// The settings of a program, for which a file may have values.
pub trait SettingKeys {
    /// The keys.
    fn keys(&self) -> Vec<SettingKey>;

    /// Checks a value as the flag does.
    ///
    /// # Errors
    /// The flag would refuse it.
    fn check(&self, key: &SettingKey, value: &str) -> Result<(), InvalidSetting>;

    /// Whether a flag sets this, whether or not the file does.
    fn is_set_by_flag(&self, name: &str) -> bool;
}

/// A key of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingKey {
    /// The key.
    pub name: String,
    /// The table that it is in; `None` for the beginning of the file.
    pub table: Option<&'static str>,
    /// Which values it takes.
    pub kind: SettingKind,
    /// Another key of the table that must be there, too.
    pub requires: Option<&'static str>,
}

/// Which values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `true` or `false`.
    Switch,
    /// A path, which is relative to the directory of the file.
    Path,
    /// A text or a number.
    Text,
}

/// The value of a setting in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub name: String,
    /// The value as a flag would have it.
    pub value: OsString,
    /// Where it is.
    pub position: Position,
}

/// Why a setting has no such value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidSetting {
    /// The reason.
    pub message: String,
    /// The valid values, if they are few.
    pub valid: Vec<String>,
}

/// Reads the settings.
pub(super) fn read(
    root: &TableReader<'_>,
    keys: &dyn SettingKeys,
    directory: &Path,
) -> Vec<Setting> {
    let all = keys.keys();
    let mut settings = Vec::new();
    let mut read = |table: &TableReader<'_>, key: &SettingKey| {
        settings.extend(setting(table, key, keys, directory));
    };
    all.iter().filter(|key| key.table.is_none()).for_each(|key| read(root, key));
    for name in tables(&all) {
        let Some(table) = root.table(name, heading(name)) else { continue };
        let keys = || all.iter().filter(|key| key.table == Some(name));
        keys().for_each(|key| read(&table, key));
        table.reject_others(keys().map(|key| key.name.as_str()), &|_| None);
    }
    settings
}

/// Whether a flag or the file sets this, even to a value that cannot be used.
pub(super) fn is_set(root: &TableReader<'_>, keys: &dyn SettingKeys, name: &str) -> bool {
    let table = keys.keys().into_iter().find(|key| key.name == name).and_then(|key| key.table);
    let is_in_file = match table.map(|table| root.value(table)) {
        None => root.value(name).is_some(),
        Some(Some(Located { value: DeValue::Table(table), .. })) => table.contains_key(name),
        Some(_) => false,
    };
    is_in_file || keys.is_set_by_flag(name)
}

/// The valid names at the beginning of a file.
pub(super) fn top_level_names(keys: &dyn SettingKeys) -> Vec<String> {
    let all = keys.keys();
    let names = all.iter().filter(|key| key.table.is_none()).map(|key| key.name.clone());
    names.chain(tables(&all).into_iter().map(str::to_owned)).collect()
}

/// Advice about a key that belongs into a table.
pub(super) fn place_elsewhere(keys: &dyn SettingKeys, name: &str) -> Option<String> {
    let keys = keys.keys();
    let key = keys.iter().find(|key| key.table.is_some() && key.name == name)?;
    Some(format!("; it belongs into [{}]", key.table?))
}

fn tables(keys: &[SettingKey]) -> Vec<&'static str> {
    let mut tables: Vec<_> = keys.iter().filter_map(|key| key.table).collect();
    tables.dedup();
    tables
}

/// The heading of a table, as an error names it.
fn heading(table: &str) -> &'static str {
    match table {
        "process" => "[process]",
        "tls" => "[tls]",
        _ => "this table",
    }
}

fn setting(
    table: &TableReader<'_>,
    key: &SettingKey,
    keys: &dyn SettingKeys,
    directory: &Path,
) -> Option<Setting> {
    let found = table.value(&key.name)?;
    if let Some(required) = key.requires.filter(|required| table.value(required).is_none()) {
        let message = format!("{:?} needs the key {required:?} beside it", key.name);
        table.findings.add(&found.span, message);
    }
    let text = flag_value(table, key, &found)?;
    let value = match key.kind {
        SettingKind::Path if text.is_empty() => {
            table.findings.add(&found.span, format!("{}: the path is empty", key.name));
            return None;
        }
        SettingKind::Path => {
            // Without the `.` in `./files`.
            directory.join(&text).components().collect::<PathBuf>().into_os_string()
        }
        SettingKind::Switch | SettingKind::Text => OsString::from(&text),
    };
    if let Err(InvalidSetting { message, valid }) = keys.check(key, &text) {
        let advice = match valid.is_empty() {
            true => String::new(),
            false => advice(&text, valid.iter().map(String::as_str)),
        };
        let message = format!("{}: {text:?}: {message}{advice}", key.name);
        table.findings.add(&found.span, message);
        return None;
    }
    let position = table.findings.position(&found.span);
    Some(Setting { name: key.name.clone(), value, position })
}

/// The value as the flag would have it.
fn flag_value(
    table: &TableReader<'_>,
    key: &SettingKey,
    found: &Located<&DeValue<'_>>,
) -> Option<String> {
    let expected = match (key.kind, found.value) {
        (SettingKind::Switch, DeValue::Boolean(on)) => return Some(on.to_string()),
        (SettingKind::Switch, _) => "true or false",
        (_, DeValue::String(text)) => return Some(text.clone().into_owned()),
        (SettingKind::Text, DeValue::Integer(number)) if number.radix() == 10 => {
            return Some(number.as_str().to_owned());
        }
        (SettingKind::Path, _) => "a string",
        (SettingKind::Text, _) => "a string or a number",
    };
    table.wrong_type(&key.name, found.value, expected, &found.span);
    None
}
