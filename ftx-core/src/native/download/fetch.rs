//! A client's side of one download of one version of a file.
//!
//! ```text
//!            cvs               manifest              next
//!   Idle ──────────▶ Manifest ──────────▶ Verified ──────▶ Fetching ──▶ finished
//!     └─────────────────────── next ───────────────────────────▲
//! ```
//!
//! Without a manifest no local block is trusted, and all blocks are fetched. With one, local blocks
//! with the chaining values of the manifest are kept, and every block that arrives must match it. So
//! blocks of two versions are never mixed: a new version needs a new [`Fetch`].

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::native::Reason;
use crate::native::blocks::{BlockRange, BlockSet, Cv, Digest, PartialManifest, block_len};
use crate::native::step::{BlockMismatch, StepError, StreamId, TransferProgress, existing_page};
use crate::native::wire::MAX_GET_RANGES;

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
    /// The server's chaining values do not join to its digest.
    #[error("the chaining values make the digest {computed}, not {claimed}; request them again")]
    DigestMismatch {
        /// Digest of the chaining values.
        computed: Digest,
        /// Digest in the server's message.
        claimed: Digest,
    },
    /// The server ends a manifest or an answer before it is complete.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchState {
    Idle,
    Manifest,
    Verified,
    Fetching,
}

/// A client's side of one download.
#[derive(Clone, Debug)]
pub struct Fetch {
    window: u64,
    state: FetchState,
    /// Local blocks, not trusted before the manifest confirms them.
    local: PartialManifest,
    theirs: PartialManifest,
    /// Verified blocks, fetched or local.
    good: PartialManifest,
    todo: BlockSet,
    /// For each stream the blocks still missing of its requests, one set for each request.
    asked: BTreeMap<StreamId, VecDeque<BlockSet>>,
    progress: TransferProgress,
}

impl Fetch {
    /// A download of a file of `size` bytes into a target with the blocks `local`, perhaps of another
    /// size. Each stream may have at most `window` requested blocks on their way.
    #[must_use]
    pub fn new(size: u64, local: &PartialManifest, window: u64) -> Self {
        let good = PartialManifest::new(size);
        Self {
            window: window.max(1),
            state: FetchState::Idle,
            local: local.resized(size),
            theirs: good.clone(),
            todo: BlockSet::whole(good.block_count()),
            good,
            asked: BTreeMap::new(),
            progress: TransferProgress::default(),
        }
    }

    /// A download into an empty target, of which `stream` requested the blocks `first` before the size
    /// was known. Blocks beyond the end are ignored; any stream may request the rest.
    #[must_use]
    pub fn begun(size: u64, stream: StreamId, first: BlockRange, window: u64) -> Self {
        let mut fetch = Self::new(size, &PartialManifest::new(size), window);
        fetch.state = FetchState::Fetching;
        let count = fetch.good.block_count();
        let count = first.end().min(count).saturating_sub(first.first);
        let asked = BlockRange { first: first.first, count };
        fetch.todo.remove(asked);
        let mut request = BlockSet::new();
        request.insert(asked);
        fetch.asked.entry(stream).or_default().push_back(request);
        fetch
    }

    /// Takes a `Cvs`.
    ///
    /// # Errors
    /// The page is out of order, or reaches beyond the end of the file.
    pub fn cvs(&mut self, first: u64, cvs: &[Cv]) -> Result<(), StepError> {
        let in_order = first == self.theirs.known();
        match self.state {
            FetchState::Idle | FetchState::Manifest if in_order => {}
            FetchState::Idle
            | FetchState::Manifest
            | FetchState::Verified
            | FetchState::Fetching => {
                return Err(StepError::OutOfStep { what: "a page of a manifest" });
            }
        }
        for (index, cv) in existing_page(self.theirs.size(), first, cvs.len())?.zip(cvs) {
            self.theirs.note(index, Some(*cv));
        }
        self.state = FetchState::Manifest;
        Ok(())
    }

    /// Takes the `End` of the manifest: local blocks that match it count as fetched.
    ///
    /// # Errors
    /// Chaining values are missing, or do not join to the digest.
    pub fn manifest(&mut self, digest: Digest) -> Result<(), FetchError> {
        if !matches!(self.state, FetchState::Idle | FetchState::Manifest) {
            return Err(StepError::OutOfStep { what: "the end of a manifest" }.into());
        }
        let Some(manifest) = self.theirs.complete() else {
            return Err(missing(&self.theirs.missing()));
        };
        if manifest.digest() != digest {
            let computed = manifest.digest();
            return Err(FetchError::DigestMismatch { computed, claimed: digest });
        }
        for (index, cv) in self.local.known_from(0) {
            if self.theirs.get(index) == Some(cv) {
                self.good.note(index, Some(cv));
                self.todo.remove(BlockRange { first: index, count: 1 });
                self.progress.done += block_len(self.good.size(), index);
            }
        }
        self.state = FetchState::Verified;
        Ok(())
    }

    /// Returns the ranges of a stream's next request: the lowest unrequested blocks, once half of the
    /// stream's window is free.
    pub fn next(&mut self, stream: StreamId) -> Option<Vec<BlockRange>> {
        if self.state == FetchState::Manifest {
            return None;
        }
        let asked = self.asked.get(&stream);
        let open: u64 = asked.into_iter().flatten().map(BlockSet::len).sum();
        let mut free = self.window.saturating_sub(open);
        // Not block by block: for each request the server looks at its file.
        if open > 0 && free < self.window.div_ceil(2) {
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
        self.state = FetchState::Fetching;
        self.asked.entry(stream).or_default().push_back(request);
        Some(ranges)
    }

    /// The block whose frame must come next on a stream.
    #[must_use]
    pub fn expects(&self, stream: StreamId) -> Option<u64> {
        self.asked.get(&stream)?.front()?.first()
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

    /// Takes the `End` of a stream's oldest request.
    ///
    /// # Errors
    /// The stream has no request, or blocks of it are missing.
    pub fn range_end(&mut self, stream: StreamId) -> Result<(), FetchError> {
        let requests = self.asked.get_mut(&stream);
        let Some((requests, oldest)) =
            requests.and_then(|requests| requests.pop_front().map(|oldest| (requests, oldest)))
        else {
            return Err(StepError::OutOfStep { what: "the end of no request" }.into());
        };
        if oldest.is_empty() {
            return Ok(());
        }
        let error = missing(&oldest);
        requests.push_front(oldest);
        Err(error)
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

fn missing(blocks: &BlockSet) -> FetchError {
    let BlockRange { first, count } = blocks.ranges().next().unwrap_or_default();
    FetchError::Missing { first, count }
}
