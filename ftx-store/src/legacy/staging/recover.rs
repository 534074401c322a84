//! Recovery after a crash: finding the bytes of the data that are certainly intact.
//!
//! The journal is not synced with the data, so there are two cases:
//! - A checkpoint of this very file was written in the present [cache
//!   epoch](crate::staging::cache_epoch), and no other user could have written the data or the
//!   journal. The process may have died, but the page cache has not. Since bytes are only ever
//!   appended, the data is good to its end, wherever the process died. Only bytes that were not
//!   hashed yet are read again.
//! - The epoch is another or unknown, other users could have written one of the files, or a sync
//!   failed. Data and journal may have reached the disk in any order and in part. So the data is
//!   hashed from its start and compared with each checkpoint in turn; the last one that matches
//!   counts.

use std::io::Seek as _;

use cap_std::fs::Dir;

use super::PrefixStaging;
use super::data::DataFile;
use crate::legacy::hash::hash_up_to;
use crate::staging::cache_epoch::cache_epoch;
use crate::{BootId, Journal, JournalRecord, PrefixHasher, StagingFiles, StoreError};

/// A checkpoint that the data matches.
struct TrustedCheckpoint {
    hasher: PrefixHasher,
    /// The end of its record in the journal.
    end: u64,
    /// The number of good bytes.
    len: u64,
    /// Whether the journal already claims it for this epoch.
    trusted: bool,
}

impl PrefixStaging {
    /// Returns the name that the staging in `files` was created with, if its journal contains one.
    /// Takes no lock and ignores the data.
    ///
    /// # Errors
    /// Failures to read the journal.
    pub fn name_of(dir: &Dir, files: &StagingFiles) -> Result<Option<String>, StoreError> {
        match Journal::peek(dir, &files.journal)? {
            Some(JournalRecord::Begin { name, .. }) => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// Resumes an earlier staging in `dir` with its certainly intact bytes, and cuts off the rest.
    /// At least all but the last byte are hashed. `None` when nothing is usable; then the remains
    /// are removed, unless they are those of a [`BlockStaging`](crate::BlockStaging), which stay as
    /// they are.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`], and
    /// failures to open, read, cut and remove files.
    pub fn recover(dir: &Dir, files: StagingFiles) -> Result<Option<Self>, StoreError> {
        Self::recover_with(dir, files, BootId::current(), &mut |_| true)
    }

    /// As [`recover`](Self::recover), with `boot` as the present kernel run. While data is
    /// verified, calls `keep_going` now and then with the bytes read so far.
    ///
    /// # Errors
    /// As [`recover`](Self::recover); [`StoreError::Cancelled`] when `keep_going` returns `false`,
    /// and then all usable data stays.
    pub fn recover_with(
        dir: &Dir,
        files: StagingFiles,
        boot: Option<BootId>,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        files.check()?;
        // The data first: the journal may be touched only under its lock.
        let Some(mut data) = DataFile::open(dir, &files.data, keep_going)? else {
            files.remove_orphan(dir);
            return Ok(None);
        };
        let mut opened = Journal::open(dir, &files.journal)?;
        if let Some(journal) = &mut opened
            && let Some(JournalRecord::Blocks { .. } | JournalRecord::OwnedBlocks { .. }) =
                journal.first()?
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
            staging.record_verification();
        }
        // All but the last byte, so that a client that resumes from there always has something to
        // send.
        if !staging.catch_up_to(staging.len - 1, keep_going)? {
            return Err(StoreError::Cancelled { path: staging.files.data.clone() });
        }
        Ok(Some(staging))
    }

    /// Writes a checkpoint, since one verification is enough for this epoch. It does not count as a write
    /// to the staging: a server that recovers all stagings at each start must not keep them for ever.
    fn record_verification(&mut self) {
        let modified = self.journal.as_ref().and_then(Journal::modified);
        self.checkpoint_or_warn();
        if let (Some(journal), Some(modified)) = (&self.journal, modified) {
            journal.keep_modified(modified);
        }
    }
}

/// Finds the name in the journal, and the newest checkpoint that matches and is not empty.
fn find(
    journal: &mut Journal,
    data: &mut DataFile,
    files: &StagingFiles,
    boot: Option<BootId>,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<(String, TrustedCheckpoint)>, StoreError> {
    let identity =
        data.locked().identity().map_err(|error| StoreError::io("stat", &files.data, error))?;
    let ours_alone = data.locked().is_written_by_us_alone();
    let ours_alone = ours_alone.map_err(|error| StoreError::io("stat", &files.data, error))?
        && journal.is_written_by_us_alone()?;
    let epoch = cache_epoch(boot.filter(|_| ours_alone), data.file());
    let Some(claims) = read_claims(journal, identity.size, epoch)? else { return Ok(None) };
    let point = match claims.newest {
        Some(point) => Some(point),
        None => {
            if claims.sync_failed {
                data.locked()
                    .forget_unsynced()
                    .map_err(|e| StoreError::io("sync", &files.data, e))?;
            }
            verify(journal, data, identity.size, files, keep_going)?
        }
    };
    Ok(point.filter(|point| point.len > 0).map(|point| (claims.name, point)))
}

/// The journal's claims.
struct JournalClaims {
    name: String,
    /// The newest checkpoint of this epoch that the data is long enough for.
    newest: Option<TrustedCheckpoint>,
    sync_failed: bool,
}

/// Reads the journal; `None` when it is not that of a staging.
fn read_claims(
    journal: &mut Journal,
    data_len: u64,
    epoch: Option<BootId>,
) -> Result<Option<JournalClaims>, StoreError> {
    let mut claims: Option<JournalClaims> = None;
    journal.for_each(|record, end| {
        match (record, &mut claims) {
            (JournalRecord::Begin { name, .. }, None) => {
                claims = Some(JournalClaims { name, newest: None, sync_failed: false });
            }
            (JournalRecord::Checkpoint { boot: saved_in, hasher }, Some(claims)) => {
                let holds = epoch.is_some() && saved_in == epoch && hasher.len() <= data_len;
                if holds && let Ok(hasher) = PrefixHasher::restore(&hasher) {
                    claims.newest =
                        Some(TrustedCheckpoint { hasher, end, len: data_len, trusted: true });
                }
            }
            (JournalRecord::Distrust, Some(claims)) => {
                claims.newest = None;
                claims.sync_failed = true;
            }
            // ftx never writes such a journal, so the rest is not believed.
            (JournalRecord::Begin { .. }, Some(_))
            | (JournalRecord::Checkpoint { .. } | JournalRecord::Distrust, None)
            | (
                JournalRecord::Blocks { .. }
                | JournalRecord::OwnedBlocks { .. }
                | JournalRecord::Block { .. }
                | JournalRecord::Epoch { .. }
                | JournalRecord::Forget { .. },
                _,
            ) => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(claims)
}

/// Finds the newest checkpoint whose hash the data matches.
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
