//! The token of the user: from a file or a variable, never from an argument, which all users of the machine
//! can read.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use ftx_client::AccessToken;

/// The variable with the token itself.
pub(super) const VARIABLE: &str = "FTX_TOKEN";

/// The longest first line of a file that is read.
const MAX_LINE_BYTES: u64 = 4096;

/// Finds the token: in the file of the flag, or else in the variable, or else in the file of the settings.
///
/// # Errors
/// The first of them that is there has no token. The text does not show what it has.
pub(super) fn find(
    flag: Option<&Path>,
    variable: Option<OsString>,
    settings: Option<&Path>,
) -> Result<Option<AccessToken>, String> {
    let variable = variable.filter(|text| !text.is_empty());
    match (flag, variable, settings) {
        (Some(path), _, _) | (None, None, Some(path)) => read(path).map(Some),
        (None, Some(text), _) => {
            let text = text.to_string_lossy();
            let token = text.trim().parse();
            token.map(Some).map_err(|error| format!("the variable {VARIABLE}: {error}"))
        }
        (None, None, None) => Ok(None),
    }
}

/// Reads the first line of a file that others cannot read.
fn read(path: &Path) -> Result<AccessToken, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    if is_open_to_others(&file.metadata().map_err(failed)?) {
        let path = path.display();
        return Err(format!(
            "{path}: other users can read this token; run chmod 600 {path}, and have a new one made if they \
             may have"
        ));
    }
    let mut line = Vec::new();
    BufReader::new(file.take(MAX_LINE_BYTES)).read_until(b'\n', &mut line).map_err(failed)?;
    let text = String::from_utf8_lossy(&line);
    text.trim().parse().map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether users can read a file who should not. The group counts in the user's own files only: an
/// administrator may give a file to a service by its group.
#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    let closed_bits = if is_own { 0o077 } else { 0o007 };
    metadata.is_file() && metadata.mode() & closed_bits != 0
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use ftx_core::TokenId;

    use super::*;

    fn token(digit: u8) -> AccessToken {
        AccessToken::new(TokenId([digit; 4]), [digit; AccessToken::SECRET_BYTES])
    }

    /// Writes a file that only its owner can read.
    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        set_mode(path, 0o600);
    }

    fn set_mode(path: &Path, mode: u32) {
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        #[cfg(not(unix))]
        let _ = (path, mode);
    }

    #[test]
    fn the_flag_counts_before_the_variable_and_that_before_the_settings() {
        let dir = tempfile::tempdir().unwrap();
        let [flag, settings] = ["flag", "settings"].map(|name| dir.path().join(name));
        write(&flag, &format!("{}\na remark\n", token(1)));
        write(&settings, &token(3).to_string());
        let variable = || Some(OsString::from(token(2).to_string()));
        let id = |flag: Option<&Path>, variable, settings: Option<&Path>| {
            find(flag, variable, settings).unwrap().map(|token| token.id())
        };
        let ids = [1, 2, 3].map(|digit| Some(token(digit).id()));
        assert_eq!(id(Some(&flag), variable(), Some(&settings)), ids[0]);
        assert_eq!(id(None, variable(), Some(&settings)), ids[1]);
        assert_eq!(id(None, Some(OsString::new()), Some(&settings)), ids[2]);
        assert_eq!(id(None, None, None), None);
    }

    #[test]
    fn a_wrong_token_is_an_error_that_does_not_show_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let mistyped = token(7).to_string().replacen("0707", "0708", 1);
        write(&path, &mistyped);
        let in_file = find(Some(&path), None, None).unwrap_err();
        assert!(in_file.starts_with(&format!("{}: ", path.display())), "{in_file}");
        let variable = find(None, Some(mistyped.into()), None).unwrap_err();
        assert!(variable.starts_with("the variable FTX_TOKEN: "), "{variable}");
        for text in [in_file, variable] {
            assert!(text.contains("checksum") && !text.contains("0707"), "{text}");
        }
        write(&path, "");
        find(Some(&path), None, None).unwrap_err();
        find(Some(&dir.path().join("none")), None, None).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_other_users_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        write(&path, &token(1).to_string());
        for mode in [0o640, 0o604, 0o620] {
            set_mode(&path, mode);
            let error = find(Some(&path), None, None).unwrap_err();
            assert!(error.contains("chmod 600"), "{mode:o}: {error}");
        }
        set_mode(&path, 0o400);
        assert!(find(Some(&path), None, None).is_ok());
    }
}
