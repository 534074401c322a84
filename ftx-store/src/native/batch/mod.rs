//! Batches of small files: the work that makes them durable is shared.
//!
//! A small file on its own costs a sync of its data and one of its directory, some milliseconds
//! each, while the disk is nearly idle. So small files that are ready at the same time are written
//! together, synced together, and then renamed one after the other.
//!
//! There is no journal: a file left by a crash under a staging name is useless, and the next user
//! of that name overwrites it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use cap_std::fs::Dir;
use ftx_core::native::wire::Meta;

use crate::file::meta::apply_time_to_new;
use crate::publish::{Destination, MAX_RENAME_ATTEMPTS};
use crate::staging::files::check_single;
use crate::staging::locked_file::LockedFile;
use crate::staging::private_file::remove;
use crate::sys::{Attributes, Umask};
use crate::{Durability, Existing, FileIdentity, PartNames, StoreError, sys};

/// The greatest number of open files: each one needs a descriptor until it is synced.
pub(crate) const MAX_UNSYNCED_FILES: usize = 128;
/// The smallest useful number, with which a batch is still synced as a whole.
pub(crate) const MIN_UNSYNCED_FILES: usize = 4 * MAX_SINGLY_SYNCED_FILES;
/// The greatest number of files that are synced individually. A sync of the whole file system costs
/// as much as a few single ones, but also writes back other programs' dirty pages.
pub(crate) const MAX_SINGLY_SYNCED_FILES: usize = 4;

/// The name under which a file is staged.
#[derive(Clone, Copy, Debug)]
pub enum StagingName<'a> {
    /// This name, a single component, which no one else may use meanwhile. An existing file is
    /// replaced.
    Own(&'a Path),
    /// The first free one of these names. Remains of an interrupted transfer are replaced.
    Part(&'a PartNames),
    /// As `Part`, for a target that was not there a moment ago. Where the system can, and nothing is
    /// synced, the file has no name before it is complete, which saves system calls.
    New(&'a PartNames),
}

/// One file of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchFile<'a> {
    /// Its name in the staging directory.
    pub staging: StagingName<'a>,
    /// The directory to publish in, in the same file system as the staging directory.
    pub target_dir: &'a Dir,
    /// Its name there, a single component.
    pub target: &'a Path,
    /// All its bytes.
    pub bytes: &'a [u8],
    /// Its metadata. Parts that cannot be set are only logged.
    pub meta: Meta,
    /// The treatment of an existing file of its name.
    pub existing: Existing,
}

/// Publishes small files together.
#[derive(Debug)]
pub struct BatchPublisher {
    dir: Dir,
    durability: Durability,
    /// No one else uses the directory.
    exclusive_dir: bool,
    open_files: usize,
    /// The staging name whose file finds no space.
    #[cfg(test)]
    full_for: Option<std::path::PathBuf>,
}

impl BatchPublisher {
    /// Creates a publisher that stages files in the directory `dir`.
    ///
    /// # Errors
    /// Failures to duplicate the handle.
    pub fn new(dir: &Dir, durability: Durability) -> Result<Self, StoreError> {
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        Ok(Self {
            dir,
            durability,
            exclusive_dir: false,
            open_files: MAX_UNSYNCED_FILES,
            #[cfg(test)]
            full_for: None,
        })
    }

    /// Promises that no one else, here or in another process, uses the staging directory. That
    /// saves four system calls a file.
    #[must_use]
    pub fn with_exclusive_dir(mut self) -> Self {
        self.exclusive_dir = true;
        self
    }

    /// Limits the number of open files, where descriptors are scarce.
    #[must_use]
    pub fn with_open_files(mut self, open_files: usize) -> Self {
        self.open_files = open_files.clamp(MIN_UNSYNCED_FILES, MAX_UNSYNCED_FILES);
        self
    }

    /// Whether the staging directory was removed.
    #[must_use]
    pub fn is_dir_removed(&self) -> bool {
        sys::is_removed(&self.dir)
    }

    /// Publishes `files`, and returns the outcome of each, in their order. A failed file leaves
    /// nothing behind and does not affect the others.
    ///
    /// Each file appears under its name complete. With [`Durability::Full`] the successful ones
    /// survive a loss of power once this returns.
    ///
    /// # Errors
    /// For each file: [`StoreError::BadName`], [`StoreError::AlreadyExists`], [`StoreError::InUse`]
    /// for a locked staging name, and failures to write, sync and rename. If only the sync of its
    /// directory failed, the file has its name, for now.
    pub fn publish(&self, files: &[BatchFile<'_>]) -> Vec<Result<(), StoreError>> {
        let mut outcomes = Vec::with_capacity(files.len());
        for group in files.chunks(self.open_files) {
            self.publish_group(group, &mut outcomes);
        }
        if self.durability == Durability::Full {
            sync_dirs(files, &mut outcomes);
        }
        outcomes
    }

    fn publish_group(&self, files: &[BatchFile<'_>], outcomes: &mut Vec<Result<(), StoreError>>) {
        // Opened before anything is written: a sync reports only failures since then.
        let file_system = self.open_file_system(files.len());
        let mut new = NewFiles::new();
        let mut written: Vec<_> = files.iter().map(|file| self.write(file, &mut new)).collect();
        if self.durability == Durability::Full {
            self.sync(files, &mut written, file_system);
        }
        outcomes.extend(files.iter().zip(written).map(|(file, written)| {
            // It stays locked until it is renamed.
            let Some(Written { locked, staging, destination, .. }) = written? else {
                return Ok(());
            };
            let named = self.name(file, (locked.file(), &staging), destination, &mut new);
            named.inspect_err(|_| self.clear_away(&staging))
        }));
    }

    /// Publishes a file that has no name before it is complete. `false` if that is impossible, or
    /// the name is taken by now.
    fn publish_unnamed<'a>(
        &self,
        file: &BatchFile<'a>,
        new: &mut NewFiles<'a>,
    ) -> Result<bool, StoreError> {
        let StagingName::New(parts) = file.staging else { return Ok(false) };
        if self.durability == Durability::Full || file.existing != Existing::Replace {
            return Ok(false);
        }
        parts.check_target(&self.dir)?;
        // The remains of an interrupted transfer must not outlive the file.
        let remains = parts.all().next();
        if remains.is_some_and(|files| self.dir.symlink_metadata(&files.journal).is_ok()) {
            return Ok(false);
        }
        let destination = new.expect_free(file)?;
        let (mode, made) = new.staging(self, &destination, true)?;
        let Some(mut unnamed) = sys::create_unnamed(&self.dir, mode) else { return Ok(false) };
        let written = unnamed.write_all(file.bytes);
        written.map_err(|error| StoreError::io("write", file.target, error))?;
        destination.apply_attributes(&unnamed, &made)?;
        apply_time_to_new(&file.meta, &unnamed, file.target);
        Ok(sys::name_unnamed(&unnamed, file.target_dir, file.target))
    }

    /// Writes a file under its staging name, with the attributes that it takes over. `None` if it
    /// has its own name already.
    fn write<'a>(
        &self,
        file: &BatchFile<'a>,
        new: &mut NewFiles<'a>,
    ) -> Result<Option<Written<'a>>, StoreError> {
        check_single(file.target)?;
        if self.publish_unnamed(file, new)? {
            return Ok(None);
        }
        let destination = new.look(file)?;
        let (mode, made) = new.staging(self, &destination, self.exclusive_dir)?;
        let (locked, staging) = self.create(file, mode)?;
        #[cfg(test)]
        let locked = self.fill_disk_for(&staging, locked);
        let written = locked.file().write_all(file.bytes);
        let written = written.map_err(|error| StoreError::io("write", file.target, error));
        let done = written.and_then(|()| {
            let given = destination.apply_attributes(locked.file(), &made)?;
            apply_time_to_new(&file.meta, locked.file(), file.target);
            Ok(given)
        });
        match done {
            Ok(is_changed) => Ok(Some(Written { locked, staging, destination, is_changed })),
            Err(error) => {
                self.clear_away(&staging);
                Err(error)
            }
        }
    }

    /// Creates an empty file under its staging name. `mode` applies only if no one else uses the
    /// directory.
    fn create<'a>(
        &self,
        file: &BatchFile<'a>,
        mode: u32,
    ) -> Result<(LockedFile, Cow<'a, Path>), StoreError> {
        let dir = &self.dir;
        match file.staging {
            StagingName::Own(name) => {
                check_single(name)?;
                let locked = if self.exclusive_dir {
                    LockedFile::create_unlocked(dir, name, mode)?
                } else {
                    // It is open only here.
                    LockedFile::create_plain(dir, name, None)?.unlocked_by_closing()
                };
                Ok((locked, Cow::Borrowed(name)))
            }
            StagingName::Part(parts) | StagingName::New(parts) => {
                parts.check_target(dir)?;
                for files in parts.all() {
                    if let Some(locked) = LockedFile::create_part(dir, &files)? {
                        return Ok((locked.unlocked_by_closing(), Cow::Owned(files.data)));
                    }
                }
                Err(parts.taken())
            }
        }
    }

    fn open_file_system(&self, files: usize) -> Option<File> {
        let worth_it = self.durability == Durability::Full && files > MAX_SINGLY_SYNCED_FILES;
        worth_it.then(|| self.dir.open(".").ok())?.map(cap_std::fs::File::into_std)
    }

    /// Makes the bytes of all written files durable.
    fn sync(
        &self,
        files: &[BatchFile<'_>],
        written: &mut [Result<Option<Written<'_>>, StoreError>],
        file_system: Option<File>,
    ) {
        // A failure may concern another program's file; single syncs tell.
        if file_system.is_some_and(|dir| sys::sync_file_system(&dir).unwrap_or(false)) {
            return;
        }
        for (file, outcome) in files.iter().zip(written) {
            let Ok(Some(Written { locked, staging, is_changed, .. })) = outcome else { continue };
            let plain = !*is_changed && file.meta.mtime.is_none();
            let synced = if plain { locked.file().sync_data() } else { locked.file().sync_all() };
            if let Err(error) = synced {
                self.clear_away(staging);
                *outcome = Err(StoreError::io("sync", file.target, error));
            }
        }
    }

    /// Renames a file to its name. If another file has taken the name, it takes over that file's
    /// attributes.
    fn name<'a>(
        &self,
        file: &BatchFile<'a>,
        (data, staging): (&File, &Path),
        mut destination: Destination<'a>,
        new: &mut NewFiles<'a>,
    ) -> Result<(), StoreError> {
        let failed = |op, error| StoreError::io(op, file.target, error);
        for _ in 0..MAX_RENAME_ATTEMPTS {
            if destination.take(&self.dir, staging, file.existing)? {
                return Ok(());
            }
            destination = new.look(file)?;
            let current = Attributes::of(data).map_err(|error| failed("look at", error))?;
            if destination.apply_attributes(data, &current)? && self.durability == Durability::Full
            {
                data.sync_all().map_err(|error| failed("sync", error))?;
            }
        }
        Err(StoreError::Changed { path: file.target.to_owned() })
    }

    /// A file opened for reading refuses writes, as a full disk does.
    #[cfg(test)]
    fn fill_disk_for(&self, staging: &Path, mut locked: LockedFile) -> LockedFile {
        if self.full_for.as_deref() == Some(staging)
            && let Ok(unwritable) = self.dir.open(staging)
        {
            locked.swap_file(unwritable.into_std());
        }
        locked
    }

    fn clear_away(&self, staging: &Path) {
        if let Err(error) = remove(&self.dir, staging) {
            tracing::warn!(%error, ?staging, "a staged file cannot be removed");
        }
    }
}

/// A file under its staging name.
struct Written<'a> {
    locked: LockedFile,
    staging: Cow<'a, Path>,
    destination: Destination<'a>,
    /// Its attributes were changed after it was created.
    is_changed: bool,
}

/// The attributes of new files in the directories of a batch.
struct NewFiles<'a> {
    umask: Umask,
    /// Usually many files in a row share the handle.
    last: Option<(&'a Dir, Attributes)>,
    of_stagings: Option<Attributes>,
}

impl<'a> NewFiles<'a> {
    fn new() -> Self {
        Self { umask: Umask::current(), last: None, of_stagings: None }
    }

    /// Inspects the destination of a file.
    fn look(&mut self, file: &BatchFile<'a>) -> Result<Destination<'a>, StoreError> {
        let BatchFile { target_dir, target, existing, .. } = *file;
        let new = |_: &Dir| self.attributes_in(target_dir);
        Destination::look(target_dir, target, Some(&file.meta), existing, new)
    }

    /// The destination of a file whose name is probably free.
    fn expect_free(&mut self, file: &BatchFile<'a>) -> Result<Destination<'a>, StoreError> {
        let BatchFile { target_dir, target, .. } = *file;
        let new = |_: &Dir| self.attributes_in(target_dir);
        Destination::free(target_dir, target, Some(&file.meta), new)
    }

    /// The attributes of a new file in a directory.
    fn attributes_in(&mut self, dir: &'a Dir) -> io::Result<Attributes> {
        match &self.last {
            Some((last, attributes)) if std::ptr::eq(*last, dir) => Ok(attributes.clone()),
            _ => {
                let attributes = Attributes::of_new(dir, self.umask)?;
                self.last = Some((dir, attributes.clone()));
                Ok(attributes)
            }
        }
    }

    /// Returns the mode with which `publisher` creates the staged file, and its attributes then.
    /// With `exclusive`, no other user can reach it.
    fn staging(
        &mut self,
        publisher: &BatchPublisher,
        destination: &Destination<'_>,
        exclusive: bool,
    ) -> Result<(u32, Attributes), StoreError> {
        let new = match self.of_stagings.take() {
            Some(new) => new,
            None => Attributes::of_new(&publisher.dir, self.umask)
                .map_err(|error| StoreError::io("look at", ".", error))?,
        };
        let made = destination.created_in(&new, self.umask, exclusive);
        self.of_stagings = Some(new);
        Ok(made)
    }
}

/// Makes the names of all successful files durable, each directory once.
fn sync_dirs(files: &[BatchFile<'_>], outcomes: &mut [Result<(), StoreError>]) {
    let mut synced: Vec<(FileIdentity, io::Result<()>)> = Vec::new();
    let mut last: Option<&Dir> = None;
    for (file, outcome) in files.iter().zip(outcomes) {
        // Usually many files in a row share the handle.
        if outcome.is_err() || last.is_some_and(|dir| std::ptr::eq(dir, file.target_dir)) {
            continue;
        }
        match sync_dir_once(file.target_dir, &mut synced) {
            Ok(()) => last = Some(file.target_dir),
            Err(error) => *outcome = Err(StoreError::io("sync", file.target, error)),
        }
    }
}

fn sync_dir_once(dir: &Dir, synced: &mut Vec<(FileIdentity, io::Result<()>)>) -> io::Result<()> {
    let identity = FileIdentity::of(&dir.dir_metadata()?);
    let known = synced.iter().rev().find(|(known, _)| known.same_file(&identity));
    match known {
        Some((_, Ok(()))) => Ok(()),
        Some((_, Err(error))) => Err(copied(error)),
        None => {
            let outcome = sys::sync_dir(dir);
            let outcome_here = outcome.as_ref().map_err(copied).copied();
            synced.push((identity, outcome));
            outcome_here
        }
    }
}

/// Copies an error for another file.
fn copied(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
