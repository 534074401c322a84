//! Commands without file data: list, stat, digest, remove.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use ftx_client::{Client, Entry, EntryKind, Listed, Obstacle, ServerAddr, Untransferable};
use ftx_core::escaped;
use ftx_core::native::wire::Meta;
use ftx_store::{StoreError, digest_of_all};
use serde_json::{Value, json};

use super::args::{DigestArgs, ListArgs, NamesArgs};
use super::exit::Exit;
use super::job::parse;
use super::output;
use super::report::Report;

pub(crate) async fn list(client: &mut Client, list: &ListArgs, report: &Report) -> Exit {
    let name = match list.name.as_deref().map(|name| name.trim_end_matches('/')) {
        None | Some("") => None,
        Some(name) => match parse(name) {
            Ok(name) => Some(name),
            Err(refused) => return report.gave_up(&refused.error(Path::new(name))),
        },
    };
    let mut skipped = 0_u64;
    let each = |listed| match listed {
        Listed::Entry(entry) => show(&entry, report),
        Listed::Untransferable(found) => {
            skipped += 1;
            show_untransferable(&found, report);
        }
    };
    let listed = client.list(name.as_ref(), list.recursive, each).await;
    let exit = listed.map_or_else(|error| report.gave_up(&error), |()| Exit::Done);
    if skipped == 0 {
        return exit;
    }
    report.incomplete(skipped);
    exit.max(Exit::Failed)
}

pub(crate) async fn stat(client: &mut Client, names: &NamesArgs, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in &names.names {
        let answer = match parse(name) {
            Ok(parsed) => client.stat(&parsed).await,
            Err(refused) => Err(refused.error(Path::new(name))),
        };
        match answer {
            Ok(entry) => show(&entry, report),
            Err(error) => exit = exit.max(report.gave_up(&error)),
        }
    }
    exit
}

pub(crate) async fn remove(client: &mut Client, names: &NamesArgs, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in &names.names {
        let answer = match parse(name) {
            Ok(parsed) => client.remove(&parsed).await,
            Err(refused) => Err(refused.error(Path::new(name))),
        };
        match answer {
            Ok(()) if report.is_json() => print(&json!({ "event": "removed", "name": name })),
            Ok(()) => {}
            Err(error) => exit = exit.max(report.gave_up(&error)),
        }
    }
    exit
}

/// The server address of a `digest` command.
pub(crate) fn address(digest: &DigestArgs) -> Result<ServerAddr, String> {
    let text = digest.targets.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|error| format!("{text}: {error}"))
}

pub(crate) async fn digests(client: &mut Client, digest: &DigestArgs, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in digest.targets.iter().skip(1) {
        let answer = match parse(name) {
            Ok(parsed) => client.digest(&parsed).await,
            Err(refused) => Err(refused.error(Path::new(name))),
        };
        match answer {
            Ok(digest) => show_digest(name, &digest.to_string(), report),
            Err(error) => exit = exit.max(report.gave_up(&error)),
        }
    }
    exit
}

/// Hashes local files on all cores.
pub(crate) fn local_digests(digest: &DigestArgs, report: &Report) -> ExitCode {
    let mut exit = Exit::Done;
    for path in &digest.targets {
        match local_digest(Path::new(path)) {
            Ok(digest) => show_digest(path, &digest, report),
            Err(error) => exit = exit.max(report.gave_up(&error.into())),
        }
    }
    ExitCode::from(output::finish(exit) as u8)
}

fn local_digest(path: &Path) -> Result<String, StoreError> {
    let file = File::open(path).map_err(|error| StoreError::io("open", path, error))?;
    let digest = digest_of_all(&file).map_err(|error| StoreError::io("read", path, error))?;
    Ok(digest.to_string())
}

fn show(entry: &Entry, report: &Report) {
    let Entry { name, kind, size, meta } = entry;
    let is_directory = *kind == EntryKind::Directory;
    if report.is_json() {
        let kind = if is_directory { "directory" } else { "file" };
        return print(&fields(name.as_str(), kind, *size, meta));
    }
    let kind = match (is_directory, meta.executable) {
        (true, _) => "d",
        (false, true) => "x",
        (false, false) => "-",
    };
    let end = if is_directory { "/" } else { "" };
    line(&format!("{kind} {size:>14} {:>20} {name}{end}", time(meta)));
}

/// Shows an entry that cannot be transferred, with the reason.
fn show_untransferable(found: &Untransferable, report: &Report) {
    let Untransferable { name, obstacle, size, meta } = found;
    if report.is_json() {
        let mut fields = fields(&name.to_string(), "untransferable", *size, meta);
        if let Value::Object(fields) = &mut fields {
            fields.insert("reason".to_owned(), obstacle.name().into());
        }
        return print(&fields);
    }
    let kind = match obstacle {
        Obstacle::Link => "l",
        Obstacle::Special => "s",
        Obstacle::NotUtf8 | Obstacle::NameRefused | Obstacle::TooLong => "?",
    };
    line(&format!("{kind} {size:>14} {:>20} {name} ({obstacle})", time(meta)));
}

fn fields(name: &str, kind: &str, size: u64, meta: &Meta) -> Value {
    json!({
        "event": "entry",
        "name": name,
        "kind": kind,
        "size": size,
        "mtime": meta.mtime.map(|mtime| json!([mtime.secs(), mtime.nanos()])),
        "executable": meta.executable,
    })
}

fn time(meta: &Meta) -> String {
    meta.mtime.map_or_else(|| "-".to_owned(), |mtime| shown_time(mtime.secs()))
}

/// A time for people. Before 1970 and after 9999 it is the number of seconds.
fn shown_time(secs: i64) -> String {
    /// The first second of the year 10000.
    const YEAR_10000_SECS: u64 = 253_402_300_800;
    match u64::try_from(secs) {
        Ok(secs) if secs < YEAR_10000_SECS => {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string()
        }
        _ => format!("@{secs}"),
    }
}

fn show_digest(name: &str, digest: &str, report: &Report) {
    if report.is_json() {
        print(&json!({ "event": "digest", "name": name, "digest": digest }));
    } else if std::io::stdout().is_terminal() {
        line(&format!("{digest}  {name}"));
    } else {
        output::line(&checkable(name, digest));
    }
}

/// The line that `b3sum` prints and `b3sum -c` reads. A leading backslash marks escaped characters in
/// the name.
fn checkable(name: &str, digest: &str) -> String {
    if name.contains(['\\', '\n', '\r']) {
        let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("\\{digest}  {name}")
    } else {
        format!("{digest}  {name}")
    }
}

/// Prints a value for programs.
fn print(value: &Value) {
    output::line(&value.to_string());
}

/// Prints a line for people, with names escaped.
fn line(text: &str) {
    output::line(&escaped(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::{checkable, shown_time};

    #[test]
    fn every_time_is_shown() {
        for (secs, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "@253402300800"),
            (-1, "@-1"),
            (i64::MAX, "@9223372036854775807"),
            (i64::MIN, "@-9223372036854775808"),
        ] {
            assert_eq!(shown_time(secs), shown);
        }
    }

    #[test]
    fn names_are_escaped_as_b3sum_does() {
        for (name, line) in [
            ("a", "0  a"),
            (" two  spaces ", "0   two  spaces "),
            ("a\u{1b}[2J\t", "0  a\u{1b}[2J\t"),
            ("a\nb", "\\0  a\\nb"),
            ("a\r", "\\0  a\\r"),
            ("a\\nb", "\\0  a\\\\nb"),
        ] {
            assert_eq!(checkable(name, "0"), line);
        }
    }
}
