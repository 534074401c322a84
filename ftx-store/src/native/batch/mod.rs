//! Many small files at once: what makes them durable is done once for all of them.
//!
//! A small file on its own costs a sync of its data and one of its directory, some milliseconds
//! each, and the disk does next to nothing meanwhile. So files that are there together are written
//! together, synced together, and then named one after the other.
//!
//! There is no journal: what a crash leaves under a staging name is of no use, and is overwritten by
//! whoever is given that name next.

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

/// How many files are open at a time: each one costs a descriptor until it is synced.
pub(crate) const MAX_OPEN_FILES: usize = 128;
/// Fewer are not worth it: with them a batch is synced as a whole.
pub(crate) const MIN_OPEN_FILES: usize = 4 * MAX_SINGLY_SYNCED_FILES;
/// Up to so many files are synced one by one. A sync of the whole file system costs as much as a
/// few of them, but writes back what others left dirty, too.
pub(crate) const MAX_SINGLY_SYNCED_FILES: usize = 4;

/// Under which name a file is written.
#[derive(Clone, Copy, Debug)]
pub enum StagingName<'a> {
    /// This one, a single component, which nobody else may use meanwhile. What has it is replaced.
    Own(&'a Path),
    /// The first of these that nobody has. What an interrupted transfer left is replaced.
    Part(&'a PartNames),
}

/// One file of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchFile<'a> {
    /// The name in the staging directory under which it is written.
    pub staging: StagingName<'a>,
    /// The directory that it is to be in, in the same file system as the staging directory.
    pub target_dir: &'a Dir,
    /// Its name there, a single component.
    pub target: &'a Path,
    /// All its bytes.
    pub bytes: &'a [u8],
    /// What it has besides these. What of that cannot be set is only logged.
    pub meta: Meta,
    /// What happens to a file that has its name.
    pub existing: Existing,
}

/// Publishes small files together.
#[derive(Debug)]
pub struct BatchPublisher {
    dir: Dir,
    durability: Durability,
    /// Nobody else uses the directory.
    alone: bool,
    open_files: usize,
    /// The staging name for whose file there is no space.
    #[cfg(test)]
    full_for: Option<std::path::PathBuf>,
}

impl BatchPublisher {
    /// One that writes to the staging directory `dir`.
    ///
    /// # Errors
    /// Those of duplicating the handle.
    pub fn new(dir: &Dir, durability: Durability) -> Result<Self, StoreError> {
        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        Ok(Self {
            dir,
            durability,
            alone: false,
            open_files: MAX_OPEN_FILES,
            #[cfg(test)]
            full_for: None,
        })
    }

    /// Says that nobody else, here or in another process, uses the staging directory. That saves four
    /// system calls for each file.
    #[must_use]
    pub fn with_exclusive_dir(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Has at most about so many files open at a time, where there are few descriptors.
    #[must_use]
    pub fn with_open_files(mut self, open_files: usize) -> Self {
        self.open_files = open_files.clamp(MIN_OPEN_FILES, MAX_OPEN_FILES);
        self
    }

    /// Whether somebody has removed the staging directory.
    #[must_use]
    pub fn is_dir_removed(&self) -> bool {
        sys::is_removed(&self.dir)
    }

    /// Publishes `files`, and tells of each, in their order, whether it failed. A failed
    /// one leaves nothing behind and does not concern the others.
    ///
    /// Each appears under its name whole. With [`Durability::Full`] all that did not fail have their
    /// names after a loss of power too when this returns.
    ///
    /// # Errors
    /// For each file: [`StoreError::BadName`], [`StoreError::AlreadyExists`], [`StoreError::InUse`]
    /// for a staging name that is held, and those of writing, syncing and renaming. If it was the
    /// sync of its directory that failed, the file has its name, for now.
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
        // Opened before anything is written: a sync tells only of failures since then.
        let file_system = self.open_file_system(files.len());
        let mut new = NewFiles::new();
        let mut written: Vec<_> = files.iter().map(|file| self.write(file, &mut new)).collect();
        if self.durability == Durability::Full {
            self.sync(files, &mut written, file_system);
        }
        outcomes.extend(files.iter().zip(written).map(|(file, written)| {
            // It stays locked until it has its name.
            let Written { held, staging, place, .. } = written?;
            let named = self.name(file, (held.file(), &staging), place, &mut new);
            named.inspect_err(|_| self.clear_away(&staging))
        }));
    }

    /// Writes a file under its staging name, with the attributes that it takes over.
    fn write<'a>(
        &self,
        file: &BatchFile<'a>,
        new: &mut NewFiles<'a>,
    ) -> Result<Written<'a>, StoreError> {
        check_single(file.target)?;
        let place = new.look(file)?;
        let (mode, made) = new.staging(self, &place)?;
        let (held, staging) = self.create(file, mode)?;
        #[cfg(test)]
        let held = self.fill_disk_for(&staging, held);
        let written = held.file().write_all(file.bytes);
        let written = written.map_err(|error| StoreError::io("write", file.target, error));
        let done = written.and_then(|()| {
            let given = place.apply_attributes(held.file(), &made)?;
            apply_time_to_new(&file.meta, held.file(), file.target);
            Ok(given)
        });
        match done {
            Ok(is_changed) => Ok(Written { held, staging, place, is_changed }),
            Err(error) => {
                self.clear_away(&staging);
                Err(error)
            }
        }
    }

    /// Creates an empty file under its staging name, with this mode where nobody else uses the directory.
    fn create<'a>(
        &self,
        file: &BatchFile<'a>,
        mode: u32,
    ) -> Result<(LockedFile, Cow<'a, Path>), StoreError> {
        let dir = &self.dir;
        match file.staging {
            StagingName::Own(name) => {
                check_single(name)?;
                let held = if self.alone {
                    LockedFile::create_unlocked(dir, name, mode)?
                } else {
                    // It is open nowhere but here.
                    LockedFile::create_plain(dir, name, None)?.unlocked_by_closing()
                };
                Ok((held, Cow::Borrowed(name)))
            }
            StagingName::Part(parts) => {
                parts.check_target(dir)?;
                for files in parts.all() {
                    if let Some(held) = LockedFile::create_part(dir, &files)? {
                        return Ok((held.unlocked_by_closing(), Cow::Owned(files.data)));
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

    /// Makes the bytes of all that were written durable.
    fn sync(
        &self,
        files: &[BatchFile<'_>],
        written: &mut [Result<Written<'_>, StoreError>],
        file_system: Option<File>,
    ) {
        // One that fails may be about somebody else's file; each by itself tells whose.
        if file_system.is_some_and(|dir| sys::sync_file_system(&dir).unwrap_or(false)) {
            return;
        }
        for (file, outcome) in files.iter().zip(written) {
            let Ok(Written { held, staging, is_changed, .. }) = outcome else { continue };
            let plain = !*is_changed && file.meta.mtime.is_none();
            let synced = if plain { held.file().sync_data() } else { held.file().sync_all() };
            if let Err(error) = synced {
                self.clear_away(staging);
                *outcome = Err(StoreError::io("sync", file.target, error));
            }
        }
    }

    /// Gives a file its name. If something else has it by now, the file takes over what that has.
    fn name<'a>(
        &self,
        file: &BatchFile<'a>,
        (data, staging): (&File, &Path),
        mut place: Destination<'a>,
        new: &mut NewFiles<'a>,
    ) -> Result<(), StoreError> {
        let failed = |op, error| StoreError::io(op, file.target, error);
        for _ in 0..MAX_RENAME_ATTEMPTS {
            if place.take(&self.dir, staging, file.existing)? {
                return Ok(());
            }
            place = new.look(file)?;
            let current = Attributes::of(data).map_err(|error| failed("look at", error))?;
            if place.apply_attributes(data, &current)? && self.durability == Durability::Full {
                data.sync_all().map_err(|error| failed("sync", error))?;
            }
        }
        Err(StoreError::Changed { path: file.target.to_owned() })
    }

    /// A file opened for reading refuses what is written, as a full disk does.
    #[cfg(test)]
    fn fill_disk_for(&self, staging: &Path, mut held: LockedFile) -> LockedFile {
        if self.full_for.as_deref() == Some(staging)
            && let Ok(unwritable) = self.dir.open(staging)
        {
            held.swap_file(unwritable.into_std());
        }
        held
    }

    fn clear_away(&self, staging: &Path) {
        if let Err(error) = remove(&self.dir, staging) {
            tracing::warn!(%error, ?staging, "a leftover stays behind");
        }
    }
}

/// A file that lies under its staging name.
struct Written<'a> {
    held: LockedFile,
    staging: Cow<'a, Path>,
    place: Destination<'a>,
    /// It was given other attributes than it was made with.
    is_changed: bool,
}

/// What files have that are made in the directories of a batch.
struct NewFiles<'a> {
    umask: Umask,
    /// Mostly it is the same handle for many.
    last: Option<(&'a Dir, Attributes)>,
    of_stagings: Option<Attributes>,
}

impl<'a> NewFiles<'a> {
    fn new() -> Self {
        Self { umask: Umask::current(), last: None, of_stagings: None }
    }

    /// The place that a file is to get.
    fn look(&mut self, file: &BatchFile<'a>) -> Result<Destination<'a>, StoreError> {
        let BatchFile { target_dir, target, .. } = *file;
        Destination::look(target_dir, target, Some(&file.meta), |dir| match &self.last {
            Some((last, attributes)) if std::ptr::eq(*last, target_dir) => Ok(attributes.clone()),
            _ => {
                let attributes = Attributes::of_new(dir, self.umask)?;
                self.last = Some((target_dir, attributes.clone()));
                Ok(attributes)
            }
        })
    }

    /// The mode with which `publisher` makes the staging of a file, and what that has then.
    fn staging(
        &mut self,
        publisher: &BatchPublisher,
        place: &Destination<'_>,
    ) -> Result<(u32, Attributes), StoreError> {
        let new = match self.of_stagings.take() {
            Some(new) => new,
            None => Attributes::of_new(&publisher.dir, self.umask)
                .map_err(|error| StoreError::io("look at", ".", error))?,
        };
        let made = place.made_in(&new, self.umask, publisher.alone);
        self.of_stagings = Some(new);
        Ok(made)
    }
}

/// Makes the names of all that have one durable, each directory once.
fn sync_dirs(files: &[BatchFile<'_>], outcomes: &mut [Result<(), StoreError>]) {
    let mut synced: Vec<(FileIdentity, io::Result<()>)> = Vec::new();
    let mut last: Option<&Dir> = None;
    for (file, outcome) in files.iter().zip(outcomes) {
        // Mostly it is the same handle for many.
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
        Some((_, Err(error))) => Err(again(error)),
        None => {
            let outcome = sys::sync_dir(dir);
            let told = outcome.as_ref().map_err(again).copied();
            synced.push((identity, outcome));
            told
        }
    }
}

/// The same error for another file.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
