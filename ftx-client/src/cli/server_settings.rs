//! The settings of a server in `config.toml`: a table `[server."HOST:PORT"]` with the flags as keys.
//!
//! All errors of the file are reported at once, each with its place.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ftx_client::options::{ClientOption, OPTIONS};
use ftx_client::{ClientConfig, ServerAddr};
use strsim::osa_distance;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key for the file with the token.
const TOKEN_FILE: &str = "token_file";

/// What the file says about a server.
#[derive(Debug, Default)]
pub(super) struct ServerSettings {
    pub(super) config: ClientConfig,
    /// The file with the token.
    pub(super) token_file: Option<PathBuf>,
}

/// Reads the settings of a server. A missing file has none, nor has one in a directory that this user may not
/// enter: a program that changed its user has kept the home of the former one.
///
/// # Errors
/// The file cannot be read or is wrong: a line for each error.
pub(super) fn read(path: &Path, server: &ServerAddr) -> Result<ServerSettings, Vec<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, path, server),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(ServerSettings::default()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !is_seen(path) => {
            Ok(ServerSettings::default())
        }
        Err(error) => Err(vec![format!("{}: {error}", path.display())]),
    }
}

fn is_seen(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn parse(text: &str, path: &Path, server: &ServerAddr) -> Result<ServerSettings, Vec<String>> {
    let mut reader = SettingsReader { path, text, server, found: None, errors: Vec::new() };
    let (root, malformed) = DeTable::parse_recoverable(text);
    for error in &malformed {
        reader.error(&error.span().unwrap_or_default(), error.message());
    }
    // What was made of malformed lines is not worth a second error.
    if malformed.is_empty() {
        reader.root(root.get_ref());
    }
    reader.errors.sort_by_key(|(at, _)| *at);
    let lines: Vec<_> = reader.errors.into_iter().map(|(_, line)| line).collect();
    if lines.is_empty() { Ok(reader.found.unwrap_or_default()) } else { Err(lines) }
}

/// Reads the file for one server, and checks the tables of the others.
struct SettingsReader<'a> {
    path: &'a Path,
    text: &'a str,
    server: &'a ServerAddr,
    found: Option<ServerSettings>,
    /// The place of each error, and its line.
    errors: Vec<(usize, String)>,
}

impl SettingsReader<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            match value.get_ref() {
                DeValue::Table(servers) if key.get_ref() == "server" => {
                    for (address, table) in servers {
                        self.server_table(address.get_ref(), &address.span(), table);
                    }
                }
                _ if key.get_ref() == "server" => {
                    self.error(&value.span(), "write it as a table: [server.\"HOST:PORT\"]");
                }
                _ => {
                    let advice = advice(key.get_ref(), ["server"].into_iter());
                    let message = format!("unknown key {:?}{advice}", key.get_ref());
                    self.error(&key.span(), &message);
                }
            }
        }
    }

    fn server_table(&mut self, address: &str, span: &Range<usize>, table: &Spanned<DeValue<'_>>) {
        let address = match address.parse::<ServerAddr>() {
            Ok(address) => address,
            Err(error) => return self.error(span, &error.to_string()),
        };
        let DeValue::Table(table) = table.get_ref() else {
            return self.error(&table.span(), "write it as a table: [server.\"HOST:PORT\"]");
        };
        let mut settings = ServerSettings::default();
        for (key, value) in table {
            if let Err((at, message)) = self.set(&mut settings, key, value) {
                self.error(&at, &message);
            }
        }
        let is_wanted = address.port() == self.server.port()
            && address.host().eq_ignore_ascii_case(self.server.host());
        if is_wanted && self.found.replace(settings).is_some() {
            self.error(span, &format!("there are settings for {address} already"));
        }
    }

    /// Sets the value of a key.
    fn set(
        &self,
        settings: &mut ServerSettings,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), (Range<usize>, String)> {
        let name = key.get_ref().as_ref();
        let wrong = |message: String| (value.span(), format!("{name}: {message}"));
        if name == TOKEN_FILE {
            let file = text_of(value.get_ref(), false).map_err(wrong)?;
            settings.token_file = Some(self.beside(&file));
            return Ok(());
        }
        let Some((option, _)) = keys().find(|(_, known)| known == name) else {
            let known: Vec<_> = keys().map(|(_, known)| known).collect();
            let known = known.iter().map(String::as_str).chain([TOKEN_FILE]);
            return Err((key.span(), format!("unknown key {name:?}{}", advice(name, known))));
        };
        let mut text = text_of(value.get_ref(), option.is_switch()).map_err(wrong)?;
        if option.flag.as_ref().is_some_and(|flag| flag.value_name == "FILE") {
            text = self.beside(&text).to_string_lossy().into_owned();
        }
        option.set_text(&mut settings.config, &text).map_err(|hint| {
            let choices: Vec<_> = option.choices.iter().filter_map(|choice| choice.name).collect();
            if choices.is_empty() {
                return wrong(format!("{text:?} cannot be used; {hint}"));
            }
            let advice = advice(&text, choices.into_iter());
            wrong(format!("{text:?} cannot be used{advice}"))
        })
    }

    /// A path, which is relative to the directory of the file.
    fn beside(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    fn error(&mut self, span: &Range<usize>, message: &str) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |begin| begin.chars().count()) + 1;
        let line = format!("{}:{line}:{column}: {message}", self.path.display());
        self.errors.push((span.start, line));
    }
}

/// The options that have a flag, and their keys.
fn keys() -> impl Iterator<Item = (&'static ClientOption, String)> {
    OPTIONS.iter().filter_map(|option| {
        let flag = option.flag.as_ref()?;
        Some((option, flag.name.replace('-', "_")))
    })
}

/// The value as the text of a flag.
fn text_of(value: &DeValue<'_>, is_switch: bool) -> Result<String, String> {
    match value {
        DeValue::Boolean(on) if is_switch => Ok(on.to_string()),
        DeValue::String(text) if !is_switch => Ok(text.to_string()),
        DeValue::Integer(number) if !is_switch => Ok(number.as_str().to_owned()),
        _ if is_switch => Err("write true or false".to_owned()),
        other => Err(format!("write a string in quotes; this is of the type {}", other.type_str())),
    }
}

/// The end of an error: the word that was meant, or all there are.
fn advice<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let folded = word.to_lowercase().replace('-', "_");
    let mut known: Vec<_> = known.map(|known| (osa_distance(&folded, known), known)).collect();
    known.sort_unstable();
    let limit = (folded.chars().count() / 3).max(1);
    // A part of a word is worth as much as a slip: `token` means `token_file`.
    let is_meant = |(distance, known): &&(usize, &str)| {
        *distance <= limit || (folded.len() > 2 && known.starts_with(&folded))
    };
    if let Some((_, meant)) = known.iter().find(is_meant) {
        return format!("; did you mean {meant:?}?");
    }
    let known: Vec<_> = known.into_iter().map(|(_, known)| known).collect();
    format!("; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ftx_client::TlsChoice;

    use super::*;

    const DIGITS: &str = "00ff01020304050607080910111213141516171819202122232425262728293f";

    fn of(text: &str, server: &str) -> Result<ServerSettings, Vec<String>> {
        parse(text, Path::new("/home/me/.config/ftx/config.toml"), &server.parse().unwrap())
    }

    fn errors(text: &str) -> Vec<String> {
        let lines = of(text, "a").unwrap_err();
        let shown = lines
            .iter()
            .map(|line| line.strip_prefix("/home/me/.config/ftx/config.toml:").unwrap().to_owned());
        shown.collect()
    }

    #[test]
    fn a_server_has_the_settings_of_its_own_table() {
        let text = format!(
            "[server.\"files.example\"]\ntoken_file = \"a.token\"\ntls = \"require\"\n\
             fingerprint = \"sha256:{DIGITS}\"\nretries = 2\nstall_timeout = \"1m\"\n\
             accept_new = true\nca = \"ca.pem\"\n\
             [server.\"files.example:7412\"]\ntoken_file = \"/etc/b.token\"\n"
        );
        for server in ["files.example", "FILES.example:7411"] {
            let ServerSettings { config, token_file } = of(&text, server).unwrap();
            assert_eq!(token_file, Some("/home/me/.config/ftx/a.token".into()));
            assert_eq!(config.fingerprint.unwrap().to_string(), format!("sha256:{DIGITS}"));
            assert_eq!((config.tls, config.retries), (TlsChoice::Require, 2));
            assert_eq!(config.stall_timeout, Duration::from_secs(60));
            assert!(config.accept_new);
            assert_eq!(config.ca, Some("/home/me/.config/ftx/ca.pem".into()));
        }
        let other = of(&text, "files.example:7412").unwrap();
        assert_eq!(other.token_file, Some("/etc/b.token".into()));
        assert_eq!(other.config.tls, TlsChoice::Auto);
        let none = of(&text, "other.example").unwrap();
        assert_eq!((none.token_file, none.config.retries), (None, 5));
    }

    #[test]
    fn each_error_has_its_place_and_the_nearest_word() {
        let text = "sever = 1\n[server.a]\nfingerprnt = \"x\"\ntls = \"of\"\n  retries = \"-1\"\n\
                    accept_new = 1\nca = 2.5\n[server.\"b:0\"]\n[server.\"a:7411\"]\n";
        let expected = [
            "1:1: unknown key \"sever\"; did you mean \"server\"?",
            "3:1: unknown key \"fingerprnt\"; did you mean \"fingerprint\"?",
            "4:7: tls: \"of\" cannot be used; did you mean \"off\"?",
            "5:13: retries: \"-1\" cannot be used; give a number from 0 to 4294967295",
            "6:14: accept_new: write true or false",
            "7:6: ca: write a string in quotes; this is of the type float",
        ];
        let errors = errors(text);
        assert_eq!(errors[..6], expected);
        assert!(errors[6].starts_with("8:9: 'b:0' is no server address"), "{errors:?}");
        assert_eq!(errors[7..], ["9:9: there are settings for a:7411 already"]);
    }

    #[test]
    fn a_token_in_the_file_itself_is_refused_and_not_repeated() {
        let errors = errors("[server.a]\ntoken = \"ftx_1a2b3c4d_secret\"\n");
        assert_eq!(errors, ["2:1: unknown key \"token\"; did you mean \"token_file\"?"]);
    }

    #[test]
    fn a_text_that_is_no_toml_has_its_place() {
        let errors = errors("[server.a]\ntls = require\n");
        assert!(errors.len() == 1 && errors[0].starts_with("2:7: "), "{errors:?}");
    }
}
