//! Going on after a crash: of which blocks the bytes are surely in the data.
//!
//! Nothing was synced for the journal's sake, so two cases differ:
//! - The kernel still runs in which a block was written to this very file ([`run`](crate::staging::cache_epoch)), and
//!   nobody else can have written it or the journal. The process may have died, the page cache has not: the block is in
//!   the file, and is not read.
//! - Any other kernel run, or an unknown one, or another file, or others can write one of the two, or a
//!   sync failed. Data and journal reached the disk in any order and any part. So just these blocks are
//!   hashed and compared.
//!
//! What does not hold is forgotten in the journal too: the data may grow beyond it again, and a hole
//! must not be taken for the block.

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

/// What was found where a staging was looked for.
#[derive(Debug)]
pub enum Recovered {
    /// A staging with at least one block.
    Staging(Box<BlockStaging>),
    /// What a [`Staging`](crate::Staging) left, untouched.
    OtherKind,
    /// Nothing that is of use; leftovers are gone.
    Nothing,
}

impl Recovered {
    /// The staging, if it is one.
    #[must_use]
    pub fn staging(self) -> Option<BlockStaging> {
        match self {
            Self::Staging(staging) => Some(*staging),
            Self::OtherKind | Self::Nothing => None,
        }
    }
}

impl BlockStaging {
    /// The name that the staging in `files` was created with, if it has a journal that tells.
    /// Nothing is locked, and the data is not looked at.
    ///
    /// # Errors
    /// Those of reading the journal.
    pub fn name_of(dir: &Dir, files: &StagingFiles) -> Result<Option<String>, StoreError> {
        match Journal::peek(dir, &files.journal)? {
            Some(JournalRecord::Blocks { name, .. }) => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// Goes on with what an earlier staging left in `dir`, with those blocks that are surely what
    /// was written.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another staging holds the files, [`StoreError::BadName`], and
    /// those of opening, reading, cutting and removing files. What could not be read stays.
    pub fn recover(dir: &Dir, files: StagingFiles) -> Result<Recovered, StoreError> {
        Self::recover_with(dir, files, BootId::current(), &mut |_| true)
    }

    /// As [`recover`](Self::recover), with `boot` for the present kernel run. When data must be
    /// verified, `keep_going` is called now and then with the bytes read so far.
    ///
    /// # Errors
    /// As [`recover`](Self::recover); [`StoreError::Cancelled`] when `keep_going` says `false`, and then
    /// everything stays.
    pub fn recover_with(
        dir: &Dir,
        files: StagingFiles,
        boot: Option<BootId>,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Recovered, StoreError> {
        files.check()?;
        // The data first: its lock tells whether the journal may be touched.
        let Some(held) = LockedFile::open(dir, &files.data, keep_going)? else {
            files.remove_orphan(dir);
            return Ok(Recovered::Nothing);
        };
        let mut journal = Journal::open(dir, &files.journal)?;
        let alone = is_ours_alone(&held, journal.as_ref(), &files)?;
        let boot = cache_epoch(boot.filter(|_| alone), held.file());
        let told = match &mut journal {
            None => None,
            Some(journal) => match journal.first()? {
                Some(JournalRecord::Begin { .. }) => return Ok(Recovered::OtherKind),
                _ => believe(journal, boot)?,
            },
        };
        let (Some(mut journal), Some(mut told)) = (journal, told) else {
            files.remove(dir)?;
            return Ok(Recovered::Nothing);
        };
        let lost = told.prove(&held, &files, keep_going)?;
        if told.believed.known() == 0 {
            files.remove(dir)?;
            return Ok(Recovered::Nothing);
        }
        journal.cut(told.end)?;
        for index in lost {
            journal.append(&JournalRecord::Forget { index })?;
        }
        if (told.run != boot || told.sync_failed)
            && let Err(error) = journal.append(&JournalRecord::Epoch { boot })
        {
            // Nothing is believed for the lack of it, only read again.
            tracing::warn!(%error, name = told.name, "a crash would now cost more to resume");
        }
        let size = told.believed.size();
        let log = BlockLog::new(dir, files, journal, told.believed)?;
        let staging = Self::assemble(log, told.name, size, held);
        Ok(Recovered::Staging(Box::new(staging)))
    }
}

/// Whether nobody but this user can have written either file.
fn is_ours_alone(
    held: &LockedFile,
    journal: Option<&Journal>,
    files: &StagingFiles,
) -> Result<bool, StoreError> {
    let data = held.is_written_by_us_alone();
    let data = data.map_err(|error| StoreError::io("stat", &files.data, error))?;
    Ok(data && journal.map_or(Ok(true), Journal::is_written_by_us_alone)?)
}

/// What the journal tells by itself.
struct BlockClaims {
    name: String,
    /// Where the last record ends that makes sense.
    end: u64,
    /// The kernel run that later blocks are from.
    run: Option<BootId>,
    /// No later run has proved since that the disk holds what it should.
    sync_failed: bool,
    /// Blocks that were written or proved in this kernel run.
    believed: PartialManifest,
    /// Blocks that may have got lost.
    unproven: PartialManifest,
}

/// Reads the journal; `None` when it is not that of a staging of blocks.
fn believe(journal: &mut Journal, boot: Option<BootId>) -> Result<Option<BlockClaims>, StoreError> {
    let mut told: Option<BlockClaims> = None;
    journal.for_each(|record, end| {
        let makes_sense = match (record, &mut told) {
            (JournalRecord::Blocks { name, size, boot: run, .. }, None) => {
                let nothing = || PartialManifest::new(size);
                let (believed, unproven) = (nothing(), nothing());
                told = Some(BlockClaims { name, end, run, sync_failed: false, believed, unproven });
                true
            }
            (record, Some(told)) => told.take(&record, boot),
            (_, None) => false,
        };
        if let Some(told) = told.as_mut().filter(|_| makes_sense) {
            told.end = end;
        }
        Ok(makes_sense)
    })?;
    Ok(told)
}

impl BlockClaims {
    /// Takes in a record; `false` if nothing here writes such a journal, so that neither it nor what
    /// follows is believed.
    fn take(&mut self, record: &JournalRecord, boot: Option<BootId>) -> bool {
        match *record {
            JournalRecord::Block { index, cv } => {
                self.believed.forget(index);
                self.unproven.forget(index);
                let here = boot.is_some() && self.run == boot;
                let block_map = if here { &mut self.believed } else { &mut self.unproven };
                block_map.set(index, cv)
            }
            JournalRecord::Forget { index } => {
                self.believed.forget(index);
                self.unproven.forget(index);
                true
            }
            JournalRecord::Epoch { boot: run } => {
                self.run = run;
                self.sync_failed = false;
                if boot.is_some() && run == boot {
                    move_all(&mut self.unproven, &mut self.believed);
                } else {
                    move_all(&mut self.believed, &mut self.unproven);
                }
                true
            }
            JournalRecord::Distrust => {
                self.sync_failed = true;
                move_all(&mut self.believed, &mut self.unproven);
                true
            }
            JournalRecord::Begin { .. }
            | JournalRecord::Checkpoint { .. }
            | JournalRecord::Blocks { .. } => false,
        }
    }

    /// Proves the blocks that may have got lost, and returns those that have.
    fn prove(
        &mut self,
        held: &LockedFile,
        files: &StagingFiles,
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Vec<u64>, StoreError> {
        let size = self.believed.size();
        let identity = held.identity();
        let there = identity.map_err(|error| StoreError::io("stat", &files.data, error))?.size;
        let is_there = |index| block_offset(index).saturating_add(block_len(size, index)) <= there;
        let tables = [&self.believed, &self.unproven];
        let mut lost: Vec<u64> = tables
            .into_iter()
            .flat_map(|map| map.known_from(0))
            .filter_map(|(index, _)| (!is_there(index)).then_some(index))
            .collect();
        for &index in &lost {
            self.believed.forget(index);
            self.unproven.forget(index);
        }

        if self.sync_failed {
            held.forget_unsynced().map_err(|error| StoreError::io("sync", &files.data, error))?;
        }
        let unproven = mem::replace(&mut self.unproven, PartialManifest::new(size));
        let indices: Vec<u64> = unproven.known_from(0).map(|(index, _)| index).collect();
        let file: &File = held.file();
        let Some(cvs) = hash_listed(file, size, &indices, None, keep_going)
            .map_err(|error| StoreError::io("read", &files.data, error))?
        else {
            return Err(StoreError::Cancelled { path: files.data.clone() });
        };
        for ((index, told), found) in unproven.known_from(0).zip(cvs) {
            if told != found || !self.believed.set(index, told) {
                lost.push(index);
            }
        }
        Ok(lost)
    }
}

fn move_all(from: &mut PartialManifest, to: &mut PartialManifest) {
    let nothing = PartialManifest::new(from.size());
    for (index, cv) in mem::replace(from, nothing).known_from(0) {
        // Both are of one size.
        let _ = to.set(index, cv);
    }
}
