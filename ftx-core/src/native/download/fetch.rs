//! A client's side of one download of one version of a file.
//!
//! ```text
//!            cvs               manifest              next
//!   Idle ──────────▶ Manifest ──────────▶ Verified ──────▶ Fetching ──▶ finished
//!     └─────────────────────── next ───────────────────────────▲
//! ```
//!
//! Without a manifest nothing that is held is believed, and everything is fetched. With one, what
//! is held and has the chaining value of the manifest is kept, and everything that arrives must
//! have it too. So blocks of two versions are never mixed: a new version is a new [`Fetch`], which
//! is told what is held by then.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::native::Reason;
use crate::native::blocks::{BlockRange, BlockSet, Cv, Digest, PartialManifest, block_len};
use crate::native::step::{BlockMismatch, StepError, StreamId, TransferProgress, existing_page};
use crate::native::wire::MAX_RANGES;

/// Why a download cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// A block is not the one of the manifest: the server's file has changed.
    #[error("block {index} is not that of the version asked for; ask for the new version")]
    Changed {
        /// Index of the block.
        index: u64,
    },
    /// The server's chaining values do not make its digest.
    #[error("the chaining values make the digest {computed}, not {claimed}; ask again")]
    DigestMismatch {
        /// What they make.
        computed: Digest,
        /// What the server says.
        claimed: Digest,
    },
    /// The server ends a manifest or an answer before all of it was sent.
    #[error("the answer ends, but {count} blocks from block {first} on are missing; ask again")]
    Missing {
        /// Index of the first one.
        first: u64,
        /// How many from there on.
        count: u64,
    },
    /// A block did not arrive as it was sent.
    #[error(transparent)]
    Mismatch(#[from] BlockMismatch),
    /// What was said does not fit.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl FetchError {
    /// The reason that stands for this error.
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
    /// What the target holds; no block of it counts before the manifest says so.
    local: PartialManifest,
    theirs: PartialManifest,
    /// Blocks that are right, fetched or held before.
    good: PartialManifest,
    todo: BlockSet,
    /// For each stream, what it asked for and has not got yet, one set for each request.
    asked: BTreeMap<StreamId, VecDeque<BlockSet>>,
    progress: TransferProgress,
}

impl Fetch {
    /// A download of a file of `size` bytes to a target that holds `local`, perhaps of another
    /// size. Each stream may have asked for `window` blocks that have not arrived.
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

    /// A download whose first blocks `stream` has asked for before the size was known, into an empty
    /// target: those of `first` that the file has. The rest is for whoever asks.
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

    /// Takes a `Cvs`; they come in their order.
    ///
    /// # Errors
    /// They do not, or there are more than the file has blocks.
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

    /// Takes the `End` of the manifest: from now on, what is held and fits it counts.
    ///
    /// # Errors
    /// Chaining values are missing, or do not make the digest.
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

    /// What a stream is to ask for next, in one request: the lowest blocks that nobody has asked
    /// for, as soon as half of the stream's window is free.
    pub fn next(&mut self, stream: StreamId) -> Option<Vec<BlockRange>> {
        if self.state == FetchState::Manifest {
            return None;
        }
        let asked = self.asked.get(&stream);
        let open: u64 = asked.into_iter().flatten().map(BlockSet::len).sum();
        let mut free = self.window.saturating_sub(open);
        // Not block by block: each request costs the server a look at its file.
        if open > 0 && free < self.window.div_ceil(2) {
            return None;
        }
        let mut ranges = Vec::new();
        let mut request = BlockSet::new();
        while free > 0 && ranges.len() < MAX_RANGES {
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

    /// The block whose frame comes next on a stream, if one does.
    #[must_use]
    pub fn expects(&self, stream: StreamId) -> Option<u64> {
        self.asked.get(&stream)?.front()?.first()
    }

    /// Takes note that a block has arrived, and was written to the target.
    ///
    /// # Errors
    /// It is not as it was sent, not the one that was to come, or not of the manifest's version.
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
    /// There is none, or blocks of it did not come.
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

    /// Whether every block of the file is at the target.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.good.is_complete()
    }

    /// How far it is; `moved` counts blocks that arrived.
    #[must_use]
    pub const fn progress(&self) -> TransferProgress {
        self.progress
    }
}

fn missing(blocks: &BlockSet) -> FetchError {
    let BlockRange { first, count } = blocks.ranges().next().unwrap_or_default();
    FetchError::Missing { first, count }
}
