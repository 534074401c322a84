//! The shared credentials file of AWS tools, which has profiles in the form of an INI file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::S3Credentials;
use super::environment::variable;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Why there are no credentials in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileFault {
    /// The file does not exist, or lacks the profile or a key in it. The chain goes on.
    Lacking(String),
    /// The file is there, but of no use.
    Unreadable(String),
}

impl FileFault {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Lacking(text) | Self::Unreadable(text) => text,
        }
    }
}

/// Returns the file that AWS tools read.
pub(super) fn default_path() -> Option<PathBuf> {
    let given = variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    given.or_else(|| Some(std::env::home_dir()?.join(".aws").join("credentials")))
}

/// Reads the credentials of a profile from a file.
pub(super) fn read(path: &Path, profile: &str) -> Result<S3Credentials, FileFault> {
    let shown = path.display();
    let unreadable = |error: &dyn std::fmt::Display| {
        FileFault::Unreadable(format!("the credentials file {shown} cannot be read: {error}"))
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(FileFault::Lacking(format!("the credentials file {shown} does not exist")));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    match read {
        Err(error) => Err(unreadable(&error)),
        Ok(bytes) if bytes as u64 > MAX_FILE_BYTES => Err(unreadable(&"it is too large")),
        Ok(_) => profile_of(&text, profile)
            .map_err(|what| FileFault::Lacking(format!("the credentials file {shown} has {what}"))),
    }
}

/// Finds the credentials of a profile, or says what the text lacks.
fn profile_of(text: &str, profile: &str) -> Result<S3Credentials, String> {
    let mut is_here = false;
    let mut is_known = false;
    let (mut access_key, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            is_here = section.trim() == profile;
            is_known |= is_here;
        } else if is_here
            && !line.starts_with(['#', ';'])
            && let Some((name, value)) = line.split_once('=')
        {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => access_key = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    if !is_known {
        return Err(format!("no profile {profile}"));
    }
    let lacks = |name: &str| format!("no {name} in the profile {profile}");
    let secret = secret.map(Zeroizing::new);
    let access_key = access_key.ok_or_else(|| lacks("aws_access_key_id"))?;
    let mut secret = secret.ok_or_else(|| lacks("aws_secret_access_key"))?;
    Ok(S3Credentials::new(access_key, std::mem::take(&mut *secret), token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{20}
# A comment with aws_access_key_id = WRONG
aws_access_key_id = NOWHERE
[default]
aws_access_key_id=AKIADEFAULT
aws_secret_access_key = se/cr+et=with=signs

[ other ] ; the comment of a section
Aws_Access_Key_Id = AKIAOTHER\r
aws_secret_access_key =\tother secret\t
; aws_session_token = WRONG
aws_session_token = token==
region = eu-west-1

[keyless]
region = eu-west-1
[half]
aws_access_key_id = AKIAHALF
aws_secret_access_key =
";

    fn new(key: &str, secret: &str, token: Option<&str>) -> S3Credentials {
        S3Credentials::new(key.into(), secret.into(), token.map(str::to_owned))
    }

    #[test]
    fn profiles_are_told_apart() {
        let default = new("AKIADEFAULT", "se/cr+et=with=signs", None);
        assert_eq!(profile_of(FILE, "default"), Ok(default));
        let other = new("AKIAOTHER", "other secret", Some("token=="));
        assert_eq!(profile_of(FILE, "other"), Ok(other));
    }

    #[test]
    fn the_missing_thing_is_named() {
        for (profile, what) in [
            ("unknown", "no profile unknown"),
            ("keyless", "no aws_access_key_id in the profile keyless"),
            ("half", "no aws_secret_access_key in the profile half"),
        ] {
            assert_eq!(profile_of(FILE, profile), Err(what.to_owned()));
        }
    }

    #[test]
    fn files_that_are_lacking_are_told_from_those_of_no_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        let absent = read(&path, "default").unwrap_err();
        assert!(matches!(&absent, FileFault::Lacking(text) if text.contains("does not exist")));
        std::fs::write(&path, FILE).unwrap();
        assert!(read(&path, "default").is_ok());
        let lacking = read(&path, "unknown").unwrap_err();
        assert!(
            matches!(&lacking, FileFault::Lacking(text) if text.ends_with("no profile unknown"))
        );
        std::fs::write(&path, [0xff, b'\n']).unwrap();
        assert!(matches!(read(&path, "default"), Err(FileFault::Unreadable(_))));
        std::fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
        assert!(matches!(read(&path, "default"), Err(FileFault::Unreadable(_))));
        assert!(matches!(read(dir.path(), "default"), Err(FileFault::Unreadable(_))));
    }
}
