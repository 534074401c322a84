//! The file of servers whose keys are known.
//!
//! A line is an address and a fingerprint, `HOST:PORT sha256:…`. Lines that begin with `#`, and empty ones,
//! do not count. Of several lines for a server the first counts.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use ftx_io::Fingerprint;

use crate::ServerAddr;

/// A file of known servers that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KnownHostsError {
    #[error("cannot read or write {path}")]
    Io { path: String, source: io::Error },
    #[error("line {line} of {path} is no known server; write HOST:PORT sha256:FINGERPRINT")]
    Line { path: String, line: usize },
}

/// The fingerprint by which a server is known, if it is.
///
/// # Errors
/// The file cannot be read, or the line of this server is damaged. A missing file knows no server.
pub(super) fn look_up(
    path: &Path,
    server: &ServerAddr,
) -> Result<Option<Fingerprint>, KnownHostsError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(path, source)),
    };
    let key = key_of(server);
    for (line, text) in (1..).zip(text.lines()) {
        let mut words = text.split_whitespace();
        if words.next().is_none_or(|host| !host.eq_ignore_ascii_case(&key)) {
            continue;
        }
        let fingerprint = match (words.next(), words.next()) {
            (Some(fingerprint), None) => fingerprint.parse().ok(),
            _ => None,
        };
        let damaged = || KnownHostsError::Line { path: path.display().to_string(), line };
        return fingerprint.map(Some).ok_or_else(damaged);
    }
    Ok(None)
}

/// Adds a server. The file and its directory are created if they are missing.
///
/// # Errors
/// The file cannot be written.
pub(super) fn add(
    path: &Path,
    server: &ServerAddr,
    fingerprint: Fingerprint,
) -> Result<(), KnownHostsError> {
    let write = || {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // In one write, so that another process's line does not mix with it.
        file.write_all(format!("{} {fingerprint}\n", key_of(server)).as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| failed(path, source))
}

/// The name of a server in the file.
fn key_of(server: &ServerAddr) -> String {
    server.to_string().to_ascii_lowercase()
}

fn failed(path: &Path, source: io::Error) -> KnownHostsError {
    KnownHostsError::Io { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(digit: char) -> Fingerprint {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    #[test]
    fn an_added_server_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ftx/known_hosts");
        let [one, two] = ["One.example:1", "[::1]:2"].map(|text| text.parse().unwrap());
        assert_eq!(look_up(&path, &one).unwrap(), None);
        add(&path, &one, fingerprint('1')).unwrap();
        add(&path, &two, fingerprint('2')).unwrap();
        assert_eq!(look_up(&path, &one).unwrap(), Some(fingerprint('1')));
        assert_eq!(look_up(&path, &two).unwrap(), Some(fingerprint('2')));
        assert_eq!(look_up(&path, &"one.example:2".parse().unwrap()).unwrap(), None);
        let lower = "one.example:1".parse().unwrap();
        assert_eq!(look_up(&path, &lower).unwrap(), Some(fingerprint('1')));
    }

    #[test]
    fn the_first_line_counts_and_comments_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        let (one, two) = (fingerprint('1'), fingerprint('2'));
        fs::write(&path, format!("# a:1 {two}\n\n  a:1   {one} \na:1 {two}\n")).unwrap();
        assert_eq!(look_up(&path, &"a:1".parse().unwrap()).unwrap(), Some(one));
    }

    /// It must not be taken for a server that is not known yet.
    #[test]
    fn a_damaged_line_is_an_error_for_its_server_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known_hosts");
        for damaged in ["a:1", "a:1 sha256:12", &format!("a:1 {} more", fingerprint('1'))] {
            fs::write(&path, format!("b:1 {}\n{damaged}\n", fingerprint('2'))).unwrap();
            let error = look_up(&path, &"a:1".parse().unwrap()).unwrap_err();
            assert!(error.to_string().starts_with("line 2 of "), "{error}");
            assert!(look_up(&path, &"b:1".parse().unwrap()).unwrap().is_some());
        }
    }
}
