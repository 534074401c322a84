//! Recovery after a crash: finding the blocks whose bytes are certainly in the data.
//!
//! The journal is not synced with the data, so there are two cases:
//! - A block was written to this very file in the present [cache
//!   epoch](crate::staging::cache_epoch), and no other user could have written the data or the
//!   journal. The process may have died, but the page cache has not: the block is in the file, and
//!   is not read.
//! - The epoch is another or unknown, other users could have written one of the files, or a sync
//!   failed. Data and journal may have reached the disk in any order and in part. So just these
//!   blocks are hashed and compared.
//!
//! Lost blocks are forgotten in the journal too: the data may grow beyond them again, and a hole
//! must not be taken for a block.

use std::fs::File;
use std::mem;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{PartialManifest, block_len, block_offset};

use super::BlockStaging;
use super::hash::hash_listed;
use super::log::BlockLog;
use crate::staging::cache_epoch::cache_epoch;
use crate::staging::locked_file::LockedFile;
use crate::{BootId, Journal, JournalRecord, StagingFiles, StoreError};

/// The outcome of looking for a staging.
#[derive(Debug)]
pub enum Recovered {
    /// A staging with at least one block.
    Staging(Box<BlockStaging>),
    /// The remains of a [`PrefixStaging`](crate::PrefixStaging), untouched.
    OtherKind,
    /// Nothing usable; any remains are removed.
    Nothing,
}

/// What a staging was created for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagingPurpose {
    /// The name to publish under.
    pub name: String,
    /// The principal of a server that it belongs to, as the server writes it, if to one.
    pub principal: Option<String>,
}

impl Recovered {
    /// Returns the staging, if there is one.
    #[must_use]
    pub fn staging(self) -> Option<BlockStaging> {
        match self {
            Self::Staging(staging) => Some(*staging),
            Self::OtherKind | Self::Nothing => None,
        }
    }
}

impl BlockStaging {
    /// Returns the purpose that the staging in `files` was created for, if its journal contains one.
    /// Takes no lock and ignores the data.
    ///
    /// # Errors
    /// Failures to read the journal.
    pub fn purpose_of(
        dir: &Dir,
        files: &StagingFiles,
    ) -> Result<Option<StagingPurpose>, StoreError> {
        Ok(match Journal::peek(dir, &files.journal)? {
            Some(JournalRecord::Blocks { name, .. }) => {
                Some(StagingPurpose { name, principal: None })
            }
            Some(JournalRecord::OwnedBlocks { name, principal, .. }) => {
                Some(StagingPurpose { name, principal: Some(principal) })
            }
            _ => None,
        })
    }

    /// Resumes an earlier staging in `dir` with those of its blocks that are certainly intact.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`], and
    /// failures to open, read, cut and remove files. Unreadable files stay.
    pub fn recover(dir: &Dir, files: StagingFiles) -> Result<Recovered, StoreError> {
        Self::recover_with(dir, files, BootId::current(), &mut |_| true)
    }

    /// As [`recover`](Self::recover), with `boot` as the present kernel run. While data is
    /// verified, calls `keep_going` now and then with the bytes read so far.
    ///
    /// # Errors
    /// As [`recover`](Self::recover); [`StoreError::Cancelled`] when `keep_going` returns `false`,
    /// and then everything stays.
    pub fn recover_with(
        dir: &Dir,
        files: StagingFiles,
        boot: Option<BootId>,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Recovered, StoreError> {
        files.check()?;
        // The data first: the journal may be touched only under its lock.
        let Some(locked) = LockedFile::open(dir, &files.data, keep_going)? else {
            files.remove_orphan(dir);
            return Ok(Recovered::Nothing);
        };
        let mut journal = Journal::open(dir, &files.journal)?;
        let ours_alone = is_ours_alone(&locked, journal.as_ref(), &files)?;
        let boot = cache_epoch(boot.filter(|_| ours_alone), locked.file());
        let claims = match &mut journal {
            None => None,
            Some(journal) => match journal.first()? {
                Some(JournalRecord::Begin { .. }) => return Ok(Recovered::OtherKind),
                _ => read_claims(journal, boot)?,
            },
        };
        let (Some(mut journal), Some(mut claims)) = (journal, claims) else {
            files.remove(dir)?;
            return Ok(Recovered::Nothing);
        };
        let lost = claims.verify(&locked, &files, keep_going)?;
        if claims.trusted.known() == 0 {
            files.remove(dir)?;
            return Ok(Recovered::Nothing);
        }
        claims.record_verification(&mut journal, lost, boot)?;
        let size = claims.trusted.size();
        let log = BlockLog::new(dir, files, journal, claims.trusted)?;
        let staging = Self::assemble(log, claims.name, size, locked);
        Ok(Recovered::Staging(Box::new(staging)))
    }
}

/// Whether only this user could have written either file.
fn is_ours_alone(
    locked: &LockedFile,
    journal: Option<&Journal>,
    files: &StagingFiles,
) -> Result<bool, StoreError> {
    let data = locked.is_written_by_us_alone();
    let data = data.map_err(|error| StoreError::io("stat", &files.data, error))?;
    Ok(data && journal.map_or(Ok(true), Journal::is_written_by_us_alone)?)
}

/// The journal's claims about the blocks.
struct BlockClaims {
    name: String,
    /// The end of the last plausible record.
    end: u64,
    /// The cache epoch of later blocks.
    epoch: Option<BootId>,
    /// A sync failed, and no later epoch has verified the data since.
    sync_failed: bool,
    /// Blocks written or verified in this epoch.
    trusted: PartialManifest,
    /// Blocks that may be lost.
    unverified: PartialManifest,
}

/// Reads the journal; `None` when it is not that of a staging of blocks.
fn read_claims(
    journal: &mut Journal,
    boot: Option<BootId>,
) -> Result<Option<BlockClaims>, StoreError> {
    let mut claims: Option<BlockClaims> = None;
    journal.for_each(|record, end| {
        let makes_sense = match (record, &mut claims) {
            (
                JournalRecord::Blocks { name, size, boot: epoch, .. }
                | JournalRecord::OwnedBlocks { name, size, boot: epoch, .. },
                None,
            ) => {
                let nothing = || PartialManifest::new(size);
                let (trusted, unverified) = (nothing(), nothing());
                claims =
                    Some(BlockClaims { name, end, epoch, sync_failed: false, trusted, unverified });
                true
            }
            (record, Some(claims)) => claims.apply(&record, boot),
            (_, None) => false,
        };
        if let Some(claims) = claims.as_mut().filter(|_| makes_sense) {
            claims.end = end;
        }
        Ok(makes_sense)
    })?;
    Ok(claims)
}

impl BlockClaims {
    /// Applies a record; `false` if ftx never writes such a journal, so that neither this record
    /// nor the following ones are trusted.
    fn apply(&mut self, record: &JournalRecord, boot: Option<BootId>) -> bool {
        match *record {
            JournalRecord::Block { index, cv } => {
                self.trusted.forget(index);
                self.unverified.forget(index);
                let here = boot.is_some() && self.epoch == boot;
                let block_map = if here { &mut self.trusted } else { &mut self.unverified };
                block_map.set(index, cv)
            }
            JournalRecord::Forget { index } => {
                self.trusted.forget(index);
                self.unverified.forget(index);
                true
            }
            JournalRecord::Epoch { boot: epoch } => {
                self.epoch = epoch;
                self.sync_failed = false;
                if boot.is_some() && epoch == boot {
                    move_all(&mut self.unverified, &mut self.trusted);
                } else {
                    move_all(&mut self.trusted, &mut self.unverified);
                }
                true
            }
            JournalRecord::Distrust => {
                self.sync_failed = true;
                move_all(&mut self.trusted, &mut self.unverified);
                true
            }
            JournalRecord::Begin { .. }
            | JournalRecord::Checkpoint { .. }
            | JournalRecord::Blocks { .. }
            | JournalRecord::OwnedBlocks { .. } => false,
        }
    }

    /// Verifies the blocks that may be lost, and returns those that are.
    fn verify(
        &mut self,
        locked: &LockedFile,
        files: &StagingFiles,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<u64>, StoreError> {
        let size = self.trusted.size();
        let identity = locked.identity();
        let there = identity.map_err(|error| StoreError::io("stat", &files.data, error))?.size;
        let is_there = |index| block_offset(index).saturating_add(block_len(size, index)) <= there;
        let tables = [&self.trusted, &self.unverified];
        let mut lost: Vec<u64> = tables
            .into_iter()
            .flat_map(|map| map.known_from(0))
            .filter_map(|(index, _)| (!is_there(index)).then_some(index))
            .collect();
        for &index in &lost {
            self.trusted.forget(index);
            self.unverified.forget(index);
        }

        if self.sync_failed {
            locked.forget_unsynced().map_err(|error| StoreError::io("sync", &files.data, error))?;
        }
        let unverified = mem::replace(&mut self.unverified, PartialManifest::new(size));
        let indices: Vec<u64> = unverified.known_from(0).map(|(index, _)| index).collect();
        let file: &File = locked.file();
        let Some(cvs) = hash_listed(file, size, &indices, None, keep_going)
            .map_err(|error| StoreError::io("read", &files.data, error))?
        else {
            return Err(StoreError::Cancelled { path: files.data.clone() });
        };
        for ((index, recorded), found) in unverified.known_from(0).zip(cvs) {
            if recorded != found || !self.trusted.set(index, recorded) {
                lost.push(index);
            }
        }
        Ok(lost)
    }

    /// Cuts the journal behind its claims, forgets the `lost` blocks, and starts the epoch `boot`.
    fn record_verification(
        &self,
        journal: &mut Journal,
        lost: Vec<u64>,
        boot: Option<BootId>,
    ) -> Result<(), StoreError> {
        journal.cut(self.end)?;
        for index in lost {
            journal.append(&JournalRecord::Forget { index })?;
        }
        if (self.epoch != boot || self.sync_failed)
            && let Err(error) = journal.append(&JournalRecord::Epoch { boot })
        {
            // Without the record the blocks are only verified again.
            let name = &self.name;
            tracing::warn!(%error, name, "the journal cannot be written; resuming after a crash would cost more");
        }
        Ok(())
    }
}

fn move_all(from: &mut PartialManifest, to: &mut PartialManifest) {
    let nothing = PartialManifest::new(from.size());
    for (index, cv) in mem::replace(from, nothing).known_from(0) {
        // Both have the same size.
        let _ = to.set(index, cv);
    }
}
