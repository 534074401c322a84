//! The file of tokens in the state directory: a line for each, with the hash of its secret.
//!
//! Readers see the old file or the new one, never a mixture: a change writes a new file and renames it.
//! Writers take turns by a lock, so that two of them at once lose nothing.

mod record;
mod write;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ftx_core::{AccessToken, TokenId};

pub use self::record::{SecretHash, TokenLineFault, TokenRecord};
use super::user_name::{UserNameError, check_user_name};

/// The name of the file in the state directory.
const FILE_NAME: &str = "tokens";

/// The first line, with the version of the format.
const HEADER: &str = "ftx-tokens 1";

/// The longest file that is read.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Revoked tokens that the file names, so that the log can tell a revoked token from a wrong one.
const MAX_REVOKED: usize = 256;

/// The file of tokens.
#[derive(Clone, Debug)]
pub struct TokenFile {
    dir: PathBuf,
    path: PathBuf,
}

/// A failure to read or change the tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// The system refuses an operation.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A line is damaged. Nothing of the file is used.
    #[error(
        "line {line} of {} is damaged: {fault}; restore the file, or remove the line and give its user a new token",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The fault.
        fault: TokenLineFault,
    },
    /// The file is too long to be one of tokens.
    #[error("{} has more than {MAX_FILE_BYTES} bytes, so it is no file of tokens", .0.display())]
    TooLong(PathBuf),
    /// No user can have this name.
    #[error(transparent)]
    UserName(#[from] UserNameError),
    /// The token would expire at once, or after the year 9999.
    #[error("a token cannot expire after {}; give a time such as 90d", humantime::format_duration(*.0))]
    Lifetime(Duration),
    /// The clock of the system shows a time before 1970 or after 9999.
    #[error("the clock of the system is wrong; set it first")]
    Clock,
    /// There is no such token.
    #[error("no user and no token is called {who:?} in {}", path.display())]
    Unknown {
        /// The name or the id.
        who: String,
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandomNumbers(#[source] getrandom::Error),
}

/// The identity of a file's content; it differs after each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileStamp {
    modified: SystemTime,
    len: u64,
    inode: u64,
}

impl TokenFile {
    /// The file of tokens in this state directory.
    #[must_use]
    pub fn in_state_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), path: dir.join(FILE_NAME) }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the tokens, those that have expired or were revoked too. Without a file there are none.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn read(&self) -> Result<Vec<TokenRecord>, TokenFileError> {
        let mut bytes = Vec::new();
        match File::open(&self.path) {
            Ok(file) => file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => Err(error),
        }
        .map_err(|source| self.io(source))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(TokenFileError::TooLong(self.path.clone()));
        }
        parse(&bytes).map_err(|(line, fault)| TokenFileError::Damaged {
            path: self.path.clone(),
            line,
            fault,
        })
    }

    /// Makes a token for a user, which expires after `lifetime`. It is stored durably before it is returned.
    ///
    /// # Errors
    /// No user can have this name, or the file cannot be changed.
    pub fn add(
        &self,
        user: &str,
        now: SystemTime,
        lifetime: Option<Duration>,
    ) -> Result<(AccessToken, TokenRecord), TokenFileError> {
        check_user_name(user)?;
        let created = record::whole_seconds(now).ok_or(TokenFileError::Clock)?;
        let expires = lifetime.map(|lifetime| {
            let at = created.checked_add(lifetime).and_then(record::whole_seconds);
            at.filter(|at| *at > created).ok_or(TokenFileError::Lifetime(lifetime))
        });
        let expires = expires.transpose()?;
        self.change(|records| {
            let token = new_token(records)?;
            let record = TokenRecord {
                id: token.id(),
                user: user.into(),
                secret_hash: Some(SecretHash::of(&token)),
                created,
                expires,
            };
            records.push(record.clone());
            Ok((token, record))
        })
    }

    /// Revokes the token of this id, or all tokens of this user, and returns them.
    ///
    /// # Errors
    /// There are none, or the file cannot be changed.
    pub fn revoke(&self, who: &str) -> Result<Vec<TokenRecord>, TokenFileError> {
        let id: Option<TokenId> = who.parse().ok();
        self.change(|records| {
            let is_meant = |record: &TokenRecord| {
                record.secret_hash.is_some() && (Some(record.id) == id || *record.user == *who)
            };
            let mut revoked: Vec<_> = records.extract_if(.., |record| is_meant(record)).collect();
            if revoked.is_empty() {
                return Err(TokenFileError::Unknown {
                    who: who.to_owned(),
                    path: self.path.clone(),
                });
            }
            revoked.iter_mut().for_each(|record| record.secret_hash = None);
            records.extend(revoked.iter().cloned());
            forget_oldest_revoked(records);
            Ok(revoked)
        })
    }

    /// The identity of the content; `None` without a file.
    pub(super) fn stamp(&self) -> Result<Option<FileStamp>, TokenFileError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => FileStamp::of(&metadata).map(Some).map_err(|source| self.io(source)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn io(&self, source: io::Error) -> TokenFileError {
        TokenFileError::Io { path: self.path.clone(), source }
    }
}

impl FileStamp {
    fn of(metadata: &std::fs::Metadata) -> io::Result<Self> {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self { modified: metadata.modified()?, len: metadata.len(), inode })
    }
}

/// Reads the content of a file; a fault comes with the number of its line.
fn parse(bytes: &[u8]) -> Result<Vec<TokenRecord>, (usize, TokenLineFault)> {
    let mut lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
    let header = lines.next().and_then(|(_, line)| line.strip_suffix(b"\n"));
    if header != Some(HEADER.as_bytes()) {
        return Err((1, TokenLineFault::Header(HEADER)));
    }
    let mut ids = std::collections::HashSet::new();
    let record = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").ok_or(TokenLineFault::Unended)?;
        TokenRecord::parse(str::from_utf8(line).map_err(|_| TokenLineFault::NotUtf8)?)
    };
    lines
        .map(|(number, line)| {
            let record = record(line).map_err(|fault| (number, fault))?;
            let is_new = ids.insert(record.id);
            is_new.then(|| record.clone()).ok_or((number, TokenLineFault::Repeated(record.id)))
        })
        .collect()
}

/// The content of a file.
fn text(records: &[TokenRecord]) -> String {
    let lines = records.iter().map(|record| format!("{record}\n"));
    std::iter::once(format!("{HEADER}\n")).chain(lines).collect()
}

/// A token with an id that no other token has or had.
fn new_token(records: &[TokenRecord]) -> Result<AccessToken, TokenFileError> {
    let mut secret = [0; AccessToken::SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(TokenFileError::NoRandomNumbers)?;
    loop {
        let mut id = TokenId([0; 4]);
        getrandom::fill(&mut id.0).map_err(TokenFileError::NoRandomNumbers)?;
        if records.iter().all(|record| record.id != id) {
            return Ok(AccessToken::new(id, secret));
        }
    }
}

/// Removes the oldest revoked tokens beyond [`MAX_REVOKED`]; the file has the latest at its end.
fn forget_oldest_revoked(records: &mut Vec<TokenRecord>) {
    let revoked = records.iter().filter(|record| record.secret_hash.is_none()).count();
    let mut surplus = revoked.saturating_sub(MAX_REVOKED);
    records.retain(|record| {
        let is_surplus = record.secret_hash.is_none() && surplus > 0;
        surplus -= usize::from(is_surplus);
        !is_surplus
    });
}
