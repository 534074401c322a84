//! Changes of the file: one at a time, whole or not at all, and durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use super::{TokenFile, TokenFileError, TokenRecord, text};
use crate::state_dir;

/// The file that writers lock. It stays, empty.
const LOCK_NAME: &str = "tokens.lock";

/// The new file, until it is complete.
const PART_NAME: &str = "tokens.part";

impl TokenFile {
    /// Changes the tokens, unless `change` fails. No other process changes them meanwhile.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<TokenRecord>) -> Result<T, TokenFileError>,
    ) -> Result<T, TokenFileError> {
        let in_dir = |source| TokenFileError::Io { path: self.dir.clone(), source };
        state_dir::create(&self.dir).map_err(in_dir)?;
        let lock_path = self.dir.join(LOCK_NAME);
        let _lock = lock(&self.dir, &lock_path)
            .map_err(|source| TokenFileError::Io { path: lock_path, source })?;
        let mut records = self.read()?;
        let changed = change(&mut records)?;
        let part = self.dir.join(PART_NAME);
        write_new(&self.dir, &part, text(&records).as_bytes())
            .map_err(|source| TokenFileError::Io { path: part.clone(), source })?;
        fs::rename(&part, self.path()).map_err(|source| self.io(source))?;
        state_dir::sync(&self.dir).map_err(in_dir)?;
        Ok(changed)
    }
}

/// Locks out other writers until the file is dropped.
fn lock(dir: &Path, path: &Path) -> io::Result<File> {
    let file = open_private(path)?;
    give_to_owner_of(dir, &file)?;
    file.lock()?;
    Ok(file)
}

/// Writes a file that no one reads yet; a former writer may have left one.
fn write_new(dir: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = open_private(path)?;
    give_to_owner_of(dir, &file)?;
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Opens a file for its owner alone, made if missing.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // Root may open this in a directory of another user, who could have put a link here.
        let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        options.mode(0o600).custom_flags(no_link);
    }
    options.open(path)
}

/// Gives a file to the owner of the directory: an administrator may run this as root, and the server reads
/// it as a user of its own.
#[cfg(unix)]
fn give_to_owner_of(dir: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (dir, own) = (fs::metadata(dir)?, file.metadata()?);
    if dir.uid() == own.uid() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(dir.uid()), Some(dir.gid()))
}

#[cfg(not(unix))]
fn give_to_owner_of(_: &Path, _: &File) -> io::Result<()> {
    Ok(())
}
