//! How a file gets its name, and what it looks like then.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::{Dir, Metadata};
use ftx_core::native::wire::Meta;

use crate::file::checks::check_replaceable;
use crate::staging::locked_file::LockedFile;
use crate::staging::private_file::remove;
use crate::sys::{self, Attributes, Umask};
use crate::{FileIdentity, StagingFiles, StoreError};

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

/// How often another file may take the name while one is to be published.
pub(crate) const MAX_RENAME_ATTEMPTS: u32 = 16;

/// The place that a file is to get: what has its name, and the attributes that it takes over.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    dir: &'a Dir,
    name: &'a Path,
    /// The file that is to be replaced, as it was when it was looked at.
    old: Option<FileIdentity>,
    wanted: Attributes,
}

impl<'a> Destination<'a> {
    /// Looks at what has the name `name`, a single component, in `dir`. `new` tells what a file has that
    /// is made there, and `meta` what is known of the one that is to be published.
    ///
    /// # Errors
    /// What has the name is no regular file: [`StoreError::Link`], [`StoreError::IsDirectory`],
    /// [`StoreError::NotRegular`].
    pub(crate) fn look(
        dir: &'a Dir,
        name: &'a Path,
        meta: Option<&Meta>,
        new: impl FnOnce(&Dir) -> io::Result<Attributes>,
    ) -> Result<Self, StoreError> {
        let found = look_at(dir, name)?;
        let taken_over = match &found {
            Some(old) => Ok(Attributes::of_old(dir, name, old)),
            None => new(dir),
        };
        let wanted = taken_over.map_err(|error| StoreError::io("look at", name, error))?;
        let old = found.as_ref().map(FileIdentity::of);
        Ok(Self { dir, name, old, wanted: wanted.with(meta) })
    }

    /// Whether others than us may write to a file here, so that one that does not get its name
    /// [is not resumed](crate::staging::private_file).
    pub(crate) fn is_for_others(&self) -> bool {
        self.wanted.are_of_others()
    }

    /// As [`Attributes::made_for`], for a file that is to get this place.
    pub(crate) fn made_in(&self, new: &Attributes, umask: Umask, alone: bool) -> (u32, Attributes) {
        new.made_for(&self.wanted, umask, alone)
    }

    /// Gives `file`, which has the attributes `current`, those that it takes over. Whether that changed
    /// something.
    ///
    /// # Errors
    /// The file would be open to somebody to whom the old one is closed.
    pub(crate) fn apply_attributes(
        &self,
        file: &File,
        current: &Attributes,
    ) -> Result<bool, StoreError> {
        let given = self.wanted.apply_to(file, current, self.name);
        given.map_err(|error| StoreError::io("set the mode of", self.name, error))
    }

    /// Gives the file `from` in `dir` the name; `false` if something else has it by now, which is to be
    /// looked at then.
    pub(crate) fn take(
        &self,
        dir: &Dir,
        from: &Path,
        existing: Existing,
    ) -> Result<bool, StoreError> {
        let named = match (existing, &self.old) {
            (Existing::Keep, _) => sys::rename_exclusive(dir, from, self.dir, self.name),
            (Existing::Replace, None) => match sys::rename_new(dir, from, self.dir, self.name) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
                named => named,
            },
            (Existing::Replace, Some(old)) => {
                let now = look_at(self.dir, self.name)?;
                if now.as_ref().map(FileIdentity::of) != Some(*old) {
                    return Ok(false);
                }
                dir.rename(from, self.dir, self.name)
            }
        };
        named.map_err(|error| StoreError::io("rename", self.name, error))?;
        Ok(true)
    }
}

/// The regular file that has this name, if anything has.
fn look_at(dir: &Dir, name: &Path) -> Result<Option<Metadata>, StoreError> {
    match dir.symlink_metadata(name) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => {
            let found = found.map_err(|error| StoreError::io("look at", name, error))?;
            check_replaceable(name, &found)?;
            Ok(Some(found))
        }
    }
}

/// A file that is to get a name.
pub(crate) struct Publishing<'a> {
    /// The directory of the name, if it is another one.
    parent: Option<Dir>,
    dir: &'a Dir,
    name: &'a Path,
    meta: Option<&'a Meta>,
    existing: Existing,
    umask: Umask,
}

/// A place for the file, and whether the file has what it takes over there.
pub(crate) struct Prepared<'a> {
    place: Destination<'a>,
    current: Attributes,
    is_given: bool,
}

impl<'a> Publishing<'a> {
    /// For the name `target` in `target_dir`.
    ///
    /// # Errors
    /// [`StoreError::BadName`], and those of opening the directory.
    pub(crate) fn new(
        target_dir: &'a Dir,
        target: &'a Path,
        meta: Option<&'a Meta>,
        existing: Existing,
    ) -> Result<Self, StoreError> {
        let bad = || StoreError::BadName { path: target.to_owned() };
        let name = target.file_name().map(Path::new).ok_or_else(bad)?;
        let parent = open_parent(target_dir, target);
        let parent = parent.map_err(|error| StoreError::io("open", target, error))?;
        let umask = Umask::current();
        Ok(Self { parent, dir: target_dir, name, meta, existing, umask })
    }

    /// Gives `file` the attributes that it takes over, unless it would not be resumed with them after a
    /// crash: then they are for the last moment.
    ///
    /// # Errors
    /// Those of [`Destination`].
    pub(crate) fn prepare(&self, file: &File) -> Result<Prepared<'_>, StoreError> {
        let mut prepared = self.look(file)?;
        prepared.is_given = !prepared.place.is_for_others();
        if prepared.is_given {
            prepared.place.apply_attributes(file, &prepared.current)?;
        }
        Ok(prepared)
    }

    /// Gives the file `from` in `dir`, which is open as `file` and prepared, its name. `sync` makes its
    /// attributes durable. Returns a moment before the file had its name.
    ///
    /// # Errors
    /// Those of [`Destination`], of syncing and of renaming; then the file is closed to others again.
    pub(crate) fn publish<'s>(
        &'s self,
        prepared: Prepared<'s>,
        dir: &Dir,
        from: &Path,
        file: &File,
        sync: impl FnMut() -> Result<(), StoreError>,
    ) -> Result<SystemTime, StoreError> {
        let published = self.try_to_publish(prepared, dir, from, file, sync);
        published.inspect_err(|_| Attributes::revoke(file))
    }

    fn try_to_publish<'s>(
        &'s self,
        mut prepared: Prepared<'s>,
        dir: &Dir,
        from: &Path,
        file: &File,
        mut sync: impl FnMut() -> Result<(), StoreError>,
    ) -> Result<SystemTime, StoreError> {
        for _ in 0..MAX_RENAME_ATTEMPTS {
            let Prepared { place, current, is_given } = &prepared;
            if !is_given && place.apply_attributes(file, current)? {
                sync()?;
            }
            let visible_since = SystemTime::now();
            if place.take(dir, from, self.existing)? {
                return Ok(visible_since);
            }
            prepared = self.look(file)?;
        }
        Err(StoreError::Changed { path: self.name.to_owned() })
    }

    fn look<'s>(&'s self, file: &File) -> Result<Prepared<'s>, StoreError> {
        let dir = self.parent.as_ref().unwrap_or(self.dir);
        let new = |dir: &Dir| Attributes::of_new(dir, self.umask);
        let place = Destination::look(dir, self.name, self.meta, new)?;
        let current = Attributes::of(file);
        let current = current.map_err(|error| StoreError::io("look at", self.name, error))?;
        Ok(Prepared { place, current, is_given: false })
    }
}

/// What is left to do when the data in `held` has its name: remove the journal, and make the name
/// durable. Returns the identity, which renaming has changed.
pub(crate) fn finish_publish(
    dir: &Dir,
    files: &StagingFiles,
    held: &LockedFile,
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

#[cfg(unix)]
#[cfg(test)]
mod tests;
