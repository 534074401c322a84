//! Going on after a crash: which bytes of the data are surely those that were written.
//!
//! Nothing was synced for the journal's sake, so two cases differ:
//! - The kernel still runs in which a checkpoint was written, of this very file
//!   ([`run`](crate::staging::cache_epoch)). The process may have died, the page cache has not: everything that was
//!   written is there, and since bytes are only ever appended in their order, the data is good to
//!   its end, wherever the process died. Only what was not hashed yet is read again. That holds
//!   where nobody else can have written the data or the journal.
//! - Any other kernel run, or an unknown one, or another file, or a sync failed. Data and journal
//!   reached the disk in any order and any part. So the data is hashed from the start and compared
//!   with each checkpoint in turn; the last that agrees counts.

use std::io::Seek as _;

use cap_std::fs::Dir;

use super::Staging;
use super::data::DataFile;
use crate::legacy::hash::hash_up_to;
use crate::staging::cache_epoch::cache_epoch;
use crate::{BootId, Journal, JournalRecord, PrefixHasher, StagingFiles, StoreError};

/// A checkpoint that holds.
struct TrustedCheckpoint {
    hasher: PrefixHasher,
    /// Where its record ends in the journal.
    end: u64,
    /// How much of the data is good.
    len: u64,
    /// Whether the journal says already that it holds in this kernel run.
    trusted: bool,
}

impl Staging {
    /// The name that the staging in `files` was created with, if it has a journal that tells.
    /// Nothing is locked, and the data is not looked at.
    ///
    /// # Errors
    /// Those of reading the journal.
    pub fn name_of(dir: &Dir, files: &StagingFiles) -> Result<Option<String>, StoreError> {
        match Journal::peek(dir, &files.journal)? {
            Some(JournalRecord::Begin { name, .. }) => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// Goes on with what an earlier staging left in `dir`, as far as it is surely what was written;
    /// everything beyond is cut off. All but the last byte of it is hashed, if not more. `None` when
    /// nothing is usable; then the leftovers are gone, unless they are those of a
    /// [`BlockStaging`](crate::BlockStaging), which stay as they are.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`], and
    /// those of opening, reading, cutting and removing files.
    pub fn recover(dir: &Dir, files: StagingFiles) -> Result<Option<Self>, StoreError> {
        Self::recover_with(dir, files, BootId::current(), &mut |_| true)
    }

    /// As [`recover`](Self::recover), with `boot` for the present kernel run. When the data must
    /// be verified, `keep_going` is called now and then with the bytes read so far.
    ///
    /// # Errors
    /// As [`recover`](Self::recover); [`StoreError::Cancelled`] when `keep_going` says `false`, and then
    /// all that is usable stays.
    pub fn recover_with(
        dir: &Dir,
        files: StagingFiles,
        boot: Option<BootId>,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        files.check()?;
        // The data first: its lock tells whether the journal may be touched.
        let Some(mut data) = DataFile::open(dir, &files.data, keep_going)? else {
            files.remove_orphan(dir);
            return Ok(None);
        };
        let mut opened = Journal::open(dir, &files.journal)?;
        if let Some(journal) = &mut opened
            && matches!(journal.first()?, Some(JournalRecord::Blocks { .. }))
        {
            return Ok(None);
        }
        let found = match opened {
            Some(mut journal) => find(&mut journal, &mut data, &files, boot, keep_going)?
                .map(|(name, point)| (journal, name, point)),
            None => None,
        };
        let Some((mut journal, name, point)) = found else {
            files.remove(dir)?;
            return Ok(None);
        };
        let cut = data.cut(point.len);
        cut.map_err(|error| StoreError::io("truncate", &files.data, error))?;
        journal.cut(point.end)?;

        let dir = dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        let mut staging = Self::assemble(dir, files, name, data, point.hasher).with_boot(boot);
        staging.journal = Some(journal);
        staging.saved = staging.hasher.len();
        staging.len = point.len;
        if !point.trusted && boot.is_some() {
            // Verified once is enough for as long as this kernel runs. Nobody has written to it for
            // that: who looks at all stagings at each start must not keep them for ever.
            let modified = staging.journal.as_ref().and_then(Journal::modified);
            staging.checkpoint_or_warn();
            if let (Some(journal), Some(modified)) = (&staging.journal, modified) {
                journal.keep_modified(modified);
            }
        }
        // All but the last byte, so that one who goes on from there always has something to send.
        if !staging.catch_up_to(staging.len - 1, keep_going)? {
            return Err(StoreError::Cancelled { path: staging.files.data.clone() });
        }
        Ok(Some(staging))
    }
}

/// The name in the journal, and the newest checkpoint that holds and is not empty.
fn find(
    journal: &mut Journal,
    data: &mut DataFile,
    files: &StagingFiles,
    boot: Option<BootId>,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<(String, TrustedCheckpoint)>, StoreError> {
    let identity =
        data.held().identity().map_err(|error| StoreError::io("stat", &files.data, error))?;
    let alone = data.held().is_written_by_us_alone();
    let alone = alone.map_err(|error| StoreError::io("stat", &files.data, error))?
        && journal.is_written_by_us_alone()?;
    let run = cache_epoch(boot.filter(|_| alone), data.file());
    let Some(told) = believe(journal, identity.size, run)? else { return Ok(None) };
    let point = match told.newest {
        Some(point) => Some(point),
        None => {
            if told.sync_failed {
                data.held()
                    .forget_unsynced()
                    .map_err(|e| StoreError::io("sync", &files.data, e))?;
            }
            verify(journal, data, identity.size, files, keep_going)?
        }
    };
    Ok(point.filter(|point| point.len > 0).map(|point| (told.name, point)))
}

/// What the journal tells by itself.
struct JournalClaims {
    name: String,
    /// The newest checkpoint of this run that the data is long enough for.
    newest: Option<TrustedCheckpoint>,
    sync_failed: bool,
}

/// Reads the journal; `None` when it is not that of a staging.
fn believe(
    journal: &mut Journal,
    data_len: u64,
    run: Option<BootId>,
) -> Result<Option<JournalClaims>, StoreError> {
    let mut told: Option<JournalClaims> = None;
    journal.for_each(|record, end| {
        match (record, &mut told) {
            (JournalRecord::Begin { name, .. }, None) => {
                told = Some(JournalClaims { name, newest: None, sync_failed: false });
            }
            (JournalRecord::Checkpoint { boot: saved_in, hasher }, Some(told)) => {
                let holds = run.is_some() && saved_in == run && hasher.len() <= data_len;
                if holds && let Ok(hasher) = PrefixHasher::restore(&hasher) {
                    told.newest =
                        Some(TrustedCheckpoint { hasher, end, len: data_len, trusted: true });
                }
            }
            (JournalRecord::Distrust, Some(told)) => {
                told.newest = None;
                told.sync_failed = true;
            }
            // Nothing here writes such a journal; what follows is not believed.
            (JournalRecord::Begin { .. }, Some(_))
            | (JournalRecord::Checkpoint { .. } | JournalRecord::Distrust, None)
            | (
                JournalRecord::Blocks { .. }
                | JournalRecord::Block { .. }
                | JournalRecord::Epoch { .. }
                | JournalRecord::Forget { .. },
                _,
            ) => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(told)
}

/// The newest checkpoint whose hash the data has.
fn verify(
    journal: &mut Journal,
    data: &DataFile,
    data_len: u64,
    files: &StagingFiles,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<TrustedCheckpoint>, StoreError> {
    let read_error = |error| StoreError::io("read", &files.data, error);
    let mut file = data.file();
    file.rewind().map_err(read_error)?;

    let mut hasher = PrefixHasher::new();
    let mut newest = None;
    journal.for_each(|record, end| {
        let JournalRecord::Checkpoint { hasher: saved, .. } = record else { return Ok(true) };
        if !(hasher.len()..=data_len).contains(&saved.len()) {
            return Ok(false);
        }
        if !hash_up_to(&mut hasher, &mut file, saved.len(), keep_going).map_err(read_error)? {
            return Err(StoreError::Cancelled { path: files.data.clone() });
        }
        let agrees = hasher.save() == saved;
        if agrees {
            let len = hasher.len();
            newest = Some(TrustedCheckpoint { hasher: hasher.clone(), end, len, trusted: false });
        }
        Ok(agrees)
    })?;
    Ok(newest)
}
