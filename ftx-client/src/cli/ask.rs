//! Questions about files, and removing them.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use ftx_client::{Client, Entry, EntryKind, Listed, Obstacle, ServerAddr, Untransferable};
use ftx_core::escaped;
use ftx_core::native::blocks::{BlockRange, Manifest, block_count};
use ftx_core::native::wire::Meta;
use ftx_store::{FileIdentity, StoreError, hash_blocks};
use serde_json::{Value, json};

use super::Exit;
use super::args::{DigestOf, List, Names};
use super::interrupts::writing;
use super::jobs;
use super::report::Report;

pub(crate) async fn list(client: &mut Client, list: &List, report: &Report) -> Exit {
    let name = match list.name.as_deref().map(|name| name.trim_end_matches('/')) {
        None | Some("") => None,
        Some(name) => match jobs::parse(name) {
            Ok(name) => Some(name),
            Err(refused) => return report.gave_up(&refused.error(Path::new(name))),
        },
    };
    let mut skipped = 0;
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

pub(crate) async fn stat(client: &mut Client, names: &Names, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in &names.names {
        let answer = match jobs::parse(name) {
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

pub(crate) async fn remove(client: &mut Client, names: &Names, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in &names.names {
        let answer = match jobs::parse(name) {
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

/// The server that is asked for digests.
pub(crate) fn address(digest: &DigestOf) -> Result<ServerAddr, String> {
    let text = digest.what.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|error| format!("{text}: {error}"))
}

pub(crate) async fn digests(client: &mut Client, digest: &DigestOf, report: &Report) -> Exit {
    let mut exit = Exit::Done;
    for name in digest.what.iter().skip(1) {
        let answer = match jobs::parse(name) {
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

/// Digests of local files, by all cores.
pub(crate) fn local_digests(digest: &DigestOf, report: &Report) -> ExitCode {
    let mut exit = Exit::Done;
    for path in &digest.what {
        match local_digest(Path::new(path)) {
            Ok(digest) => show_digest(path, &digest, report),
            Err(error) => exit = exit.max(report.gave_up(&error.into())),
        }
    }
    ExitCode::from(exit as u8)
}

fn local_digest(path: &Path) -> Result<String, StoreError> {
    let failed = |error| StoreError::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let size = FileIdentity::of_std(&file).map_err(failed)?.size;
    let all = BlockRange { first: 0, count: block_count(size) };
    let cvs = hash_blocks(&file, size, all, None, &mut |_| true).map_err(failed)?;
    let manifest = Manifest::new(size, cvs.unwrap_or_default());
    let manifest = manifest.map_err(|_| StoreError::Changed { path: path.to_owned() })?;
    Ok(manifest.digest().to_string())
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

/// What cannot be transferred stands among the others, and why.
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
    meta.mtime.and_then(|mtime| u64::try_from(mtime.secs()).ok()).map_or_else(
        || "-".to_owned(),
        |secs| {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
            humantime::format_rfc3339_seconds(time).to_string()
        },
    )
}

fn show_digest(name: &str, digest: &str, report: &Report) {
    if report.is_json() {
        print(&json!({ "event": "digest", "name": name, "digest": digest }));
    } else if std::io::stdout().is_terminal() {
        line(&format!("{digest}  {name}"));
    } else {
        write_line(&checkable(name, digest));
    }
}

/// The line that `b3sum` prints, which `b3sum -c` reads: a backslash in front says that some characters
/// of the name are escaped.
fn checkable(name: &str, digest: &str) -> String {
    if name.contains(['\\', '\n', '\r']) {
        let name = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("\\{digest}  {name}")
    } else {
        format!("{digest}  {name}")
    }
}

/// A line for programs: the value as it is.
fn print(value: &Value) {
    write_line(&value.to_string());
}

/// A line for people: names are escaped here.
fn line(text: &str) {
    write_line(&escaped(text).to_string());
}

fn write_line(text: &str) {
    // A reader that went away needs no more.
    let _ = writing(|| writeln!(std::io::stdout(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::checkable;

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
