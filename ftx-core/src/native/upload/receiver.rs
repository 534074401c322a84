//! A server's side of one upload: the blocks that it holds, and the file that they make.
//!
//! # Blocks that are sent again
//! A client sends each block once. Two rules keep the staging intact if it does not:
//! - one stream writes a block at a time; the block is refused on any other stream;
//! - a stored block is never written again before the commit, unless its granule is forgotten.
//!
//! The loss of a stream that was writing a block leaves the block to other streams.
//!
//! # Blocks that are replaced
//! A staging that holds another version of a block must durably remove it from its journal before
//! the first byte is overwritten. After a crash within the write the block would otherwise not have
//! the chaining value in the journal.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{BlockAction, Completed, HavePage, ReceiveError};
use crate::native::blocks::{BlockRange, BlockSet, Cv, Digest, PartialManifest, block_len};
use crate::native::step::{BlockMismatch, StepError, StreamId, existing};
use crate::native::wire::MAX_CV_PAGE_BLOCKS;

/// A run of unknown blocks longer than this ends a page.
const MAX_GAP_BLOCKS: u64 = 32;

/// A block whose frame has begun.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    index: u64,
    action: BlockAction,
}

/// A server's side of one upload, from its `Offer` to its `Commit`.
#[derive(Clone, Debug)]
pub struct Receiver {
    staged: PartialManifest,
    published: PartialManifest,
    /// Blocks stored during this upload.
    stored: BlockSet,
    /// At most one block for each stream.
    arriving: BTreeMap<StreamId, Arrival>,
    resumed: u64,
    committed: bool,
}

impl Receiver {
    /// An upload that resumes from a staging of the offered size. Blocks may be copied from a
    /// published version of any size.
    #[must_use]
    pub fn new(staged: PartialManifest, published: Option<&PartialManifest>) -> Self {
        let size = staged.size();
        let resumed = staged.known_from(0).map(|(index, _)| block_len(size, index)).sum();
        Self {
            staged,
            published: published
                .map_or(PartialManifest::new(size), |published| published.resized(size)),
            stored: BlockSet::new(),
            arriving: BTreeMap::new(),
            resumed,
            committed: false,
        }
    }

    /// The blocks that the server holds, as pages for `Have`: those of the staging, otherwise those
    /// of the published version.
    pub fn have(&self) -> impl Iterator<Item = HavePage> + '_ {
        let mut next = 0;
        core::iter::from_fn(move || {
            let page = self.page(next)?;
            next = page.first.saturating_add(page.blocks.len() as u64);
            Some(page)
        })
    }

    /// Bytes that the staging held at the beginning, for `Ready`.
    #[must_use]
    pub const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Takes the head of a block frame. The answer holds for all bytes of the block.
    ///
    /// # Errors
    /// [`ReceiveError::InUse`] if another stream is writing the block: the upload has failed.
    /// [`ReceiveError::Step`] if the file has no such block, the block has another length, or the
    /// stream is within a block.
    pub fn accept(
        &mut self,
        stream: StreamId,
        index: u64,
        len: u64,
    ) -> Result<BlockAction, ReceiveError> {
        let expected = existing(self.staged.size(), index)?;
        if len != expected {
            return Err(StepError::WrongLength { index, expected, got: len }.into());
        }
        if self.arriving.contains_key(&stream) {
            return Err(StepError::OutOfStep { what: "a block within a block" }.into());
        }
        let action = if self.committed || self.stored.contains(index) {
            BlockAction::Discard
        } else if self.writes().any(|written| written == index) {
            return Err(ReceiveError::InUse { index });
        } else {
            self.staged.forget(index);
            BlockAction::Write
        };
        self.arriving.insert(stream, Arrival { index, action });
        Ok(action)
    }

    /// Takes the end of a block, after its bytes were written or discarded. `computed` is the
    /// chaining value of written bytes and has no meaning for discarded ones.
    ///
    /// # Errors
    /// The block was damaged, or differs from the stored one: the upload has failed.
    pub fn complete(
        &mut self,
        stream: StreamId,
        computed: Cv,
        claimed: Cv,
    ) -> Result<Completed, ReceiveError> {
        let Some(Arrival { index, action }) = self.arriving.remove(&stream) else {
            return Err(StepError::OutOfStep { what: "the end of no block" }.into());
        };
        match action {
            BlockAction::Write if computed == claimed => {
                self.staged.note(index, Some(computed));
                self.stored.insert(BlockRange { first: index, count: 1 });
                Ok(Completed::Journal)
            }
            BlockAction::Write => Err(BlockMismatch { index, computed, claimed }.into()),
            BlockAction::Discard if self.committed => Ok(Completed::Discarded),
            BlockAction::Discard if self.staged.get(index) == Some(claimed) => {
                Ok(Completed::AlreadyStored)
            }
            BlockAction::Discard => Err(ReceiveError::Changed { index }),
        }
    }

    /// Records the loss of a stream: another one may write its block. A driver calls this only after
    /// the last write of the stream has ended.
    pub fn lost(&mut self, stream: StreamId) {
        self.arriving.remove(&stream);
    }

    /// Forgets the blocks of a granule whose stream was lost, or began another one, before all of them had
    /// arrived: they are sent again. The store has forgotten them before.
    pub fn forget(&mut self, granule: BlockRange) {
        for index in (granule.first..granule.end()).filter(|&index| self.stored.contains(index)) {
            self.staged.forget(index);
        }
        self.stored.remove(granule);
    }

    /// Takes a `Commit` and returns the blocks to copy from the published version; the staging holds
    /// all other blocks. Blocks that arrive later are discarded.
    ///
    /// # Errors
    /// Blocks are missing, or make a file with another digest. The upload has failed; the staging
    /// stays good.
    pub fn commit(&mut self, digest: Digest) -> Result<Vec<BlockRange>, ReceiveError> {
        if self.committed {
            return Err(StepError::OutOfStep { what: "a second Commit" }.into());
        }
        if self.writes().next().is_some() {
            return Err(StepError::OutOfStep { what: "a Commit within a block" }.into());
        }
        let mut whole = self.staged.clone();
        let mut copy = BlockSet::new();
        for range in self.staged.missing().ranges() {
            let taken = self.published.known_from(range.first);
            for (index, cv) in taken.take_while(|(index, _)| *index < range.end()) {
                whole.note(index, Some(cv));
                copy.insert(BlockRange { first: index, count: 1 });
            }
        }
        let Some(manifest) = whole.complete() else {
            let BlockRange { first, count } = whole.missing().ranges().next().unwrap_or_default();
            return Err(ReceiveError::Missing { first, count });
        };
        if manifest.digest() != digest {
            let computed = manifest.digest();
            return Err(ReceiveError::DigestMismatch { computed, claimed: digest });
        }
        self.committed = true;
        Ok(copy.ranges().collect())
    }

    /// The blocks that are being written.
    fn writes(&self) -> impl Iterator<Item = u64> {
        let arrivals = self.arriving.values();
        arrivals.filter(|arrival| arrival.action == BlockAction::Write).map(|arrival| arrival.index)
    }

    fn held_from(&self, first: u64) -> Option<(u64, Cv)> {
        let staged = self.staged.known_from(first).next();
        let published = self.published.known_from(first).next();
        match (staged, published) {
            (Some(staged), Some(published)) if published.0 < staged.0 => Some(published),
            (Some(staged), _) => Some(staged),
            (None, published) => published,
        }
    }

    fn page(&self, from: u64) -> Option<HavePage> {
        let (first, cv) = self.held_from(from)?;
        let mut blocks = Vec::from([Some(cv)]);
        let mut next = first + 1;
        while let Some((index, cv)) = self.held_from(next) {
            if index - next > MAX_GAP_BLOCKS || index - first >= MAX_CV_PAGE_BLOCKS as u64 {
                break;
            }
            blocks.extend((next..index).map(|_| None));
            blocks.push(Some(cv));
            next = index + 1;
        }
        Some(HavePage { first, blocks })
    }
}
