//! Publishing: giving a file its name and its attributes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::{Dir, Metadata};
use ftx_core::native::wire::Meta;
use ftx_core::numbered_part;

use crate::file::checks::check_replaceable;
use crate::staging::locked_file::LockedFile;
use crate::staging::private_file::remove;
use crate::sys::{self, Attributes, Umask};
use crate::{FileIdentity, StagingFiles, StoreError};

/// The events that a published file must survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Loss of power: data and directory are synced before the file counts as published.
    #[default]
    Full,
    /// Only the end of the process; the system writes back whenever it likes.
    None,
}

/// The treatment of an existing file of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Existing {
    /// Replace it in one step.
    #[default]
    Replace,
    /// Keep it, and fail with [`AlreadyExists`](crate::StoreError::AlreadyExists).
    Keep,
    /// Keep it, whatever it is, and give the new file the first free one of the names `NAME`,
    /// `NAME~2`, `NAME~3` and so on. Nothing of the file that has the name is used.
    KeepBoth {
        /// The greatest length of the name; a longer one is [shortened](numbered_part).
        max_name_bytes: usize,
    },
}

/// The greatest number after a name. Each one before it costs a system call.
pub const MAX_NAME_NUMBER: u32 = 9999;

/// The greatest number of renames before giving up, when other programs keep taking the name.
pub(crate) const MAX_RENAME_ATTEMPTS: u32 = 16;

/// The name that a file will get, the file that has it now, and the attributes to take over.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    dir: &'a Dir,
    name: &'a Path,
    /// The identity of the file to be replaced.
    old: Option<FileIdentity>,
    wanted: Attributes,
}

impl<'a> Destination<'a> {
    /// Inspects the name `name`, a single component, in `dir`, unless it is of no concern to
    /// `existing`. `new` returns the attributes of a new file there; `meta` is the known metadata of the file to be published.
    ///
    /// # Errors
    /// The name belongs to something other than a regular file: [`StoreError::Link`],
    /// [`StoreError::IsDirectory`], [`StoreError::NotRegular`].
    pub(crate) fn look(
        dir: &'a Dir,
        name: &'a Path,
        meta: Option<&Meta>,
        existing: Existing,
        new: impl FnOnce(&Dir) -> io::Result<Attributes>,
    ) -> Result<Self, StoreError> {
        let found = match existing {
            Existing::Replace | Existing::Keep => look_at(dir, name)?,
            Existing::KeepBoth { .. } => None,
        };
        let taken_over = match &found {
            Some(old) => Ok(Attributes::of_existing(dir, name, old)),
            None => new(dir),
        };
        let wanted = taken_over.map_err(|error| StoreError::io("look at", name, error))?;
        let old = found.as_ref().map(FileIdentity::of);
        Ok(Self { dir, name, old, wanted: wanted.with(meta) })
    }

    /// The destination of a file whose name was free a moment ago; [`look`](Self::look) finds out
    /// whether it still is.
    ///
    /// # Errors
    /// Failures to query the attributes of new files.
    pub(crate) fn free(
        dir: &'a Dir,
        name: &'a Path,
        meta: Option<&Meta>,
        new: impl FnOnce(&Dir) -> io::Result<Attributes>,
    ) -> Result<Self, StoreError> {
        let wanted = new(dir).map_err(|error| StoreError::io("look at", name, error))?;
        Ok(Self { dir, name, old: None, wanted: wanted.with(meta) })
    }

    /// Whether other users may write to a file with these attributes. A partial file with them
    /// [would not be resumed](crate::staging::private_file).
    pub(crate) fn is_for_others(&self) -> bool {
        self.wanted.let_others_write()
    }

    /// As [`Attributes::created_for`], for a file with this destination.
    pub(crate) fn created_in(
        &self,
        new: &Attributes,
        umask: Umask,
        exclusive: bool,
    ) -> (u32, Attributes) {
        new.created_for(&self.wanted, umask, exclusive)
    }

    /// Gives `file`, which has the attributes `current`, those that it takes over. Returns whether
    /// anything changed.
    ///
    /// # Errors
    /// The file would be open to users for whom the old one is closed.
    pub(crate) fn apply_attributes(
        &self,
        file: &File,
        current: &Attributes,
    ) -> Result<bool, StoreError> {
        let given = self.wanted.apply_to(file, current, self.name);
        given.map_err(|error| StoreError::io("set the mode of", self.name, error))
    }

    /// Renames the file `from` in `dir` to the destination; `false` if another file has taken the
    /// name, which must be inspected then.
    pub(crate) fn take(
        &self,
        dir: &Dir,
        from: &Path,
        existing: Existing,
    ) -> Result<bool, StoreError> {
        let named = match (existing, &self.old) {
            (Existing::Keep, _) => sys::rename_exclusive(dir, from, self.dir, self.name),
            (Existing::KeepBoth { max_name_bytes }, _) => {
                self.take_first_free(dir, from, max_name_bytes)
            }
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

    /// Renames the file `from` in `dir` to the first free one of the numbered names. Each attempt is
    /// one step, which never replaces anything.
    fn take_first_free(&self, dir: &Dir, from: &Path, max_name_bytes: usize) -> io::Result<()> {
        let name = self.name.to_str().ok_or(ErrorKind::InvalidFilename)?;
        for number in 1..=MAX_NAME_NUMBER {
            let numbered = numbered_part(name, number, max_name_bytes);
            let numbered = numbered.ok_or(ErrorKind::InvalidFilename)?;
            match sys::rename_exclusive(dir, from, self.dir, Path::new(&numbered)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                named => return named,
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

/// Returns the metadata of the regular file of this name, if there is one.
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

/// A publication under way.
pub(crate) struct Publishing<'a> {
    /// The directory of the name, if it is not `dir`.
    parent: Option<Dir>,
    dir: &'a Dir,
    name: &'a Path,
    meta: Option<&'a Meta>,
    existing: Existing,
    umask: Umask,
}

/// A destination, and whether the file has its attributes already.
pub(crate) struct Prepared<'a> {
    destination: Destination<'a>,
    current: Attributes,
    is_given: bool,
}

impl<'a> Publishing<'a> {
    /// Starts publishing as `target` in `target_dir`.
    ///
    /// # Errors
    /// [`StoreError::BadName`], and failures to open the directory.
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

    /// Gives `file` the attributes that it takes over, unless it could not be resumed with them
    /// after a crash: then they are applied at the last moment.
    ///
    /// # Errors
    /// As [`Destination`].
    pub(crate) fn prepare(&self, file: &File) -> Result<Prepared<'_>, StoreError> {
        let mut prepared = self.look(file)?;
        prepared.is_given = !prepared.destination.is_for_others();
        if prepared.is_given {
            prepared.destination.apply_attributes(file, &prepared.current)?;
        }
        Ok(prepared)
    }

    /// Renames the prepared file `from` in `dir`, open as `file`. `sync` makes its attributes
    /// durable. Returns a time shortly before the file had its name.
    ///
    /// # Errors
    /// As [`Destination`], and failures to sync and rename; then other users lose access to the
    /// file again.
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
            let Prepared { destination, current, is_given } = &prepared;
            if !is_given && destination.apply_attributes(file, current)? {
                sync()?;
            }
            let visible_since = SystemTime::now();
            if destination.take(dir, from, self.existing)? {
                return Ok(visible_since);
            }
            prepared = self.look(file)?;
        }
        Err(StoreError::Changed { path: self.name.to_owned() })
    }

    fn look<'s>(&'s self, file: &File) -> Result<Prepared<'s>, StoreError> {
        let dir = self.parent.as_ref().unwrap_or(self.dir);
        let new = |dir: &Dir| Attributes::of_new(dir, self.umask);
        let destination = Destination::look(dir, self.name, self.meta, self.existing, new)?;
        let current = Attributes::of(file);
        let current = current.map_err(|error| StoreError::io("look at", self.name, error))?;
        Ok(Prepared { destination, current, is_given: false })
    }
}

/// Finishes after the data in `locked` has its name: removes the journal and makes the name durable.
/// Returns the identity, which the rename has changed.
pub(crate) fn finish_publish(
    dir: &Dir,
    files: &StagingFiles,
    locked: &LockedFile,
    target_dir: &Dir,
    target: &Path,
    durability: Durability,
) -> Result<FileIdentity, StoreError> {
    if let Err(error) = remove(dir, &files.journal) {
        tracing::warn!(%error, ?target, "a journal without data cannot be removed");
    }
    if durability == Durability::Full {
        sync_parent(target_dir, target).map_err(|e| StoreError::io("sync", target, e))?;
    }
    locked.identity().map_err(|error| StoreError::io("stat", target, error))
}

/// Makes the name `path` in `dir`, or its absence, durable.
///
/// # Errors
/// Failures to open and sync the directory.
pub(crate) fn sync_parent(dir: &Dir, path: &Path) -> io::Result<()> {
    sys::sync_dir(open_parent(dir, path)?.as_ref().unwrap_or(dir))
}

/// Opens the directory of `path`, unless that is `dir` itself.
fn open_parent(dir: &Dir, path: &Path) -> io::Result<Option<Dir>> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => dir.open_dir(parent).map(Some),
        _ => Ok(None),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
