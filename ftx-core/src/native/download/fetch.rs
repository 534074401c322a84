//! The blocks of one version of a file: which are requested, by whom, and when the file is complete.
//!
//! All connections of a session share one [`Fetch`]. Without a manifest no local block is trusted, and
//! all blocks are fetched. With one, local blocks with the chaining values of the manifest are kept,
//! and every block that arrives must match it. So blocks of two versions are never mixed: a new version
//! needs a new [`Fetch`].
//!
//! The states of a block:
//!
//! ```text
//!           next              accept: Write, block
//!    Todo ────────▶ Asked ────────────────────────▶ Good
//!      └─── resumed: the local block is the same ────▲
//! ```

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::native::Reason;
use crate::native::blocks::{
    BlockRange, BlockSet, Cv, Digest, Manifest, PartialManifest, block_len,
};
use crate::native::step::{BlockMismatch, StepError, StreamId, TransferProgress, existing};
use crate::native::wire::{BlockHead, MAX_GET_RANGES};

/// Why a download has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A block differs from the manifest: the server's file has changed.
    #[error("block {index} is not of the requested version; request the new version")]
    Changed {
        /// Index of the block.
        index: u64,
    },
    /// The server's chaining values, or the blocks, do not make the file with its digest.
    #[error("the chaining values make the digest {computed}, not {claimed}; request them again")]
    DigestMismatch {
        /// Digest of the chaining values.
        computed: Digest,
        /// Digest in the server's message.
        claimed: Digest,
    },
    /// The server ends an answer before it is complete.
    #[error("the answer ends, but {count} blocks from block {first} on are missing; request them")]
    Missing {
        /// Index of the first missing block.
        first: u64,
        /// Length of the first run of missing blocks.
        count: u64,
    },
    /// A block was damaged on its way.
    #[error(transparent)]
    Mismatch(#[from] BlockMismatch),
    /// A message does not fit the state of the download.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl FetchError {
    /// The reason of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Changed { .. } => Reason::Changed,
            Self::DigestMismatch { .. } => Reason::DigestMismatch,
            Self::Missing { .. } => Reason::OutOfStep,
            Self::Mismatch(_) => Reason::BlockMismatch,
            Self::Step(error) => error.reason(),
        }
    }
}

/// The action for the bytes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrivingBlock {
    /// Hash them and write them to the target, then call [`Fetch::block`].
    Write,
    /// Read and drop them and their hash: the download has failed on this side.
    Skip,
}

/// A client's side of one download.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The chaining values of the version, if its manifest is known.
    theirs: PartialManifest,
    /// Verified blocks, fetched or local.
    good: PartialManifest,
    todo: BlockSet,
    /// For each stream the blocks still missing of its requests, one set for each request.
    asked: BTreeMap<StreamId, VecDeque<BlockSet>>,
    progress: TransferProgress,
    has_failed: bool,
}

impl Fetch {
    /// A download of the version with this verified manifest, into a target with the blocks `local`,
    /// perhaps of another size.
    #[must_use]
    pub fn resumed(manifest: &Manifest, local: &PartialManifest) -> Self {
        let size = manifest.size();
        let mut fetch = Self::empty(size);
        fetch.theirs = PartialManifest::from(manifest);
        for (index, cv) in local.resized(size).known_from(0) {
            if fetch.theirs.get(index) == Some(cv) {
                fetch.good.note(index, Some(cv));
                fetch.todo.remove(BlockRange { first: index, count: 1 });
                fetch.progress.done += block_len(size, index);
            }
        }
        fetch
    }

    /// A download into an empty target, of which `stream` requested the blocks `first` before the size
    /// was known. Blocks beyond the end are ignored; any stream may request the rest.
    #[must_use]
    pub fn begun(size: u64, stream: StreamId, first: BlockRange) -> Self {
        let mut fetch = Self::empty(size);
        let count = fetch.good.block_count();
        let count = first.end().min(count).saturating_sub(first.first);
        let asked = BlockRange { first: first.first, count };
        fetch.todo.remove(asked);
        let mut request = BlockSet::new();
        request.insert(asked);
        fetch.asked.entry(stream).or_default().push_back(request);
        fetch
    }

    fn empty(size: u64) -> Self {
        let good = PartialManifest::new(size);
        Self {
            theirs: good.clone(),
            todo: BlockSet::whole(good.block_count()),
            good,
            asked: BTreeMap::new(),
            progress: TransferProgress::default(),
            has_failed: false,
        }
    }

    /// Returns the ranges of a stream's next request: the lowest unrequested blocks, once half of the
    /// stream's window is free. At most `window` blocks of the stream are on their way, and at least one.
    pub fn next(&mut self, stream: StreamId, window: u64) -> Option<Vec<BlockRange>> {
        if self.has_failed {
            return None;
        }
        let asked = self.asked.get(&stream);
        let open: u64 = asked.into_iter().flatten().map(BlockSet::len).sum();
        let window = window.max(1);
        let mut free = window.saturating_sub(open);
        // Not block by block: for each request the server looks at its file.
        if open > 0 && free < window.div_ceil(2) {
            return None;
        }
        let mut ranges = Vec::new();
        let mut request = BlockSet::new();
        while free > 0 && ranges.len() < MAX_GET_RANGES {
            let Some(range) = self.todo.take_lowest(free) else { break };
            free -= range.count;
            request.insert(range);
            ranges.push(range);
        }
        if ranges.is_empty() {
            return None;
        }
        self.asked.entry(stream).or_default().push_back(request);
        Some(ranges)
    }

    /// The block whose frame must come next on a stream.
    #[must_use]
    pub fn expects(&self, stream: StreamId) -> Option<u64> {
        self.asked.get(&stream)?.front()?.first()
    }

    /// Takes the head of a block frame. The answer holds for all bytes of the block.
    ///
    /// # Errors
    /// The block is not the expected one, or has another length.
    pub fn accept(&self, stream: StreamId, head: BlockHead) -> Result<ArrivingBlock, StepError> {
        if self.has_failed {
            return Ok(ArrivingBlock::Skip);
        }
        let BlockHead { index, len: got } = head;
        let expected = existing(self.good.size(), index)?;
        if got != expected {
            return Err(StepError::WrongLength { index, expected, got });
        }
        if self.expects(stream) != Some(index) {
            return Err(StepError::Unasked { index, stream });
        }
        Ok(ArrivingBlock::Write)
    }

    /// Records a block that has arrived and is written to the target.
    ///
    /// # Errors
    /// The block was damaged, is not the expected one, or differs from the manifest.
    pub fn block(
        &mut self,
        stream: StreamId,
        index: u64,
        computed: Cv,
        claimed: Cv,
    ) -> Result<(), FetchError> {
        if self.expects(stream) != Some(index) {
            return Err(StepError::Unasked { index, stream }.into());
        }
        if computed != claimed {
            return Err(BlockMismatch { index, computed, claimed }.into());
        }
        if self.theirs.get(index).is_some_and(|theirs| theirs != computed) {
            return Err(FetchError::Changed { index });
        }
        if let Some(request) = self.asked.get_mut(&stream).and_then(VecDeque::front_mut) {
            request.remove(BlockRange { first: index, count: 1 });
        }
        self.good.note(index, Some(computed));
        let len = block_len(self.good.size(), index);
        self.progress.done += len;
        self.progress.moved += len;
        Ok(())
    }

    /// Takes the `End` of a stream's oldest request, with the digest of a file that was requested as a
    /// whole.
    ///
    /// # Errors
    /// The stream has no request, blocks of it are missing, or the blocks make another file.
    pub fn range_end(
        &mut self,
        stream: StreamId,
        digest: Option<Digest>,
    ) -> Result<(), FetchError> {
        if self.has_failed {
            return Ok(());
        }
        let requests = self.asked.get_mut(&stream);
        let Some((requests, oldest)) =
            requests.and_then(|requests| requests.pop_front().map(|oldest| (requests, oldest)))
        else {
            return Err(StepError::OutOfStep { what: "the end of no request" }.into());
        };
        if !oldest.is_empty() {
            let BlockRange { first, count } = oldest.ranges().next().unwrap_or_default();
            requests.push_front(oldest);
            return Err(FetchError::Missing { first, count });
        }
        let Some(claimed) = digest else { return Ok(()) };
        match self.good.complete().map(|manifest| manifest.digest()) {
            Some(computed) if computed != claimed => {
                Err(FetchError::DigestMismatch { computed, claimed })
            }
            _ => Ok(()),
        }
    }

    /// Ends the download, which has failed on this side: the blocks on their way are skipped.
    pub fn fail(&mut self) {
        self.has_failed = true;
    }

    /// Whether the target has every block.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.good.is_complete()
    }

    /// The progress; `moved` counts blocks that arrived.
    #[must_use]
    pub const fn progress(&self) -> TransferProgress {
        self.progress
    }
}
