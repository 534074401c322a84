//! How a file gets its name, and what it looks like then.

use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::fs::Dir;

use crate::files::remove;
use crate::held::HeldFile;
use crate::{FileIdentity, StagingFiles, StoreError, sys};

/// What a published file has to survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Loss of power: data and directory are synced before the file counts as published.
    #[default]
    Full,
    /// The end of the process only; the system writes back when it likes.
    None,
}

/// What happens to the file that has the name already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Existing {
    /// It is replaced in one step.
    #[default]
    Replace,
    /// It stays, and publishing fails with
    /// [`AlreadyExists`](crate::StoreError::AlreadyExists).
    Keep,
}

/// Gives the file `from` in `dir` the name `target` in `target_dir`.
pub(crate) fn give_name(
    dir: &Dir,
    from: &Path,
    target_dir: &Dir,
    target: &Path,
    existing: Existing,
) -> io::Result<()> {
    match existing {
        Existing::Replace => dir.rename(from, target_dir, target),
        Existing::Keep => {
            let Some(name) = target.file_name() else { return Err(ErrorKind::InvalidInput.into()) };
            let parent = open_parent(target_dir, target)?;
            sys::rename_exclusive(dir, from, parent.as_ref().unwrap_or(target_dir), name.as_ref())
        }
    }
}

/// What is left to do when the data in `held` has its name: remove the journal, and make the name
/// durable. Returns the identity, which renaming has changed.
pub(crate) fn settle_name(
    dir: &Dir,
    files: &StagingFiles,
    held: &HeldFile,
    target_dir: &Dir,
    target: &Path,
    durability: Durability,
) -> Result<FileIdentity, StoreError> {
    if let Err(error) = remove(dir, &files.journal) {
        tracing::warn!(%error, ?target, "a journal without data stays behind");
    }
    if durability == Durability::Full {
        sync_parent(target_dir, target).map_err(|e| StoreError::io("sync", target, e))?;
    }
    held.identity().map_err(|error| StoreError::io("stat", target, error))
}

/// Makes the name `path` in `dir` durable, or that there is no such name any more.
///
/// # Errors
/// Those of opening and syncing the directory.
pub(crate) fn sync_parent(dir: &Dir, path: &Path) -> io::Result<()> {
    sys::sync_dir(open_parent(dir, path)?.as_ref().unwrap_or(dir))
}

/// The directory that holds `path`, unless that is `dir` itself.
fn open_parent(dir: &Dir, path: &Path) -> io::Result<Option<Dir>> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => dir.open_dir(parent).map(Some),
        _ => Ok(None),
    }
}
