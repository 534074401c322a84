//! A client's side of one upload: the order in which blocks are read, and the choice to send or skip
//! each of them.
//!
//! The states of a block:
//!
//! ```text
//!            claim            hashed: Send, sent          stored
//!    Todo ──────────▶ Claimed ──────────────────▶ Sent ──────────▶ Settled
//!     ▲                  │ hashed: Skip                               ▲
//!     │                  ▼           the whole granule is equal       │
//!     │                Equal ─────────────────────────────────────────┘
//!     └──────────────────┘ another block of the granule differs
//! ```
//!
//! The server's store makes the blocks of a [`Granule`] durable together, so a granule is claimed by one
//! stream, and sent in order and completely, or not at all. It takes room in the window as a whole:
//! streams that had begun several could wait for one another's room forever.
//!
//! The loss of a stream ends the attempt: its blocks are claimed again after a new `Offer`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::native::Granule;
use crate::native::blocks::{BlockRange, BlockSet, Cv, Digest, PartialManifest, block_len};
use crate::native::step::{StepError, StreamId, TransferProgress, existing_page};

/// A block for a stream to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedBlock {
    /// Index of the block.
    pub index: u64,
    /// Its length in bytes.
    pub len: u64,
    /// The chaining value of the server's block, if ours may be the same: the driver hashes the block
    /// and calls [`Sender::hashed`]. Without it the driver sends the block, and hashes it on the way.
    pub theirs: Option<Cv>,
}

/// The decision about a hashed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SendDecision {
    /// Send nothing now: the server has the block, or [`Sender::claim`] hands it out again with its
    /// granule, another block of which differs.
    Skip,
    /// Send it.
    Send,
}

#[derive(Clone, Copy, Debug)]
struct BlockInFlight {
    stream: StreamId,
    sent: bool,
}

/// The granule that a stream has claimed and not handed out completely.
#[derive(Clone, Copy, Debug)]
struct ClaimedGranule {
    range: BlockRange,
    /// The next block of it.
    next: u64,
    /// Its blocks are compared with the server's; otherwise all of them are sent.
    compare: bool,
}

/// A client's side of one upload, from its `Offer` to its `Commit`.
#[derive(Clone, Debug)]
pub struct Sender {
    window: u64,
    /// The granule of the server's store, once it is ready.
    granule: Option<Granule>,
    /// The chaining values of our blocks hashed so far.
    own: PartialManifest,
    theirs: PartialManifest,
    /// The next `Have` begins at this block or later.
    spoken_of: u64,
    /// Blocks of unclaimed granules.
    todo: BlockSet,
    /// At most one for each stream.
    claimed: BTreeMap<StreamId, ClaimedGranule>,
    /// Blocks handed out: claimed or sent.
    out: BTreeMap<u64, BlockInFlight>,
    /// Bytes of claimed granules and of sent blocks.
    unanswered: BTreeMap<StreamId, u64>,
    progress: TransferProgress,
}

impl Sender {
    /// An upload of `size` bytes, none of them hashed.
    ///
    /// Each stream may have `window` bytes of this file unanswered: the server's window. A block larger
    /// than the window goes alone.
    #[must_use]
    pub fn new(size: u64, window: u64) -> Self {
        Self::with_known(PartialManifest::new(size), window)
    }

    /// An upload of a file with some blocks hashed before. The ones that the server has are not read
    /// again, so the caller guarantees that the file has not changed.
    #[must_use]
    pub fn with_known(own: PartialManifest, window: u64) -> Self {
        Self {
            window,
            granule: None,
            theirs: PartialManifest::new(own.size()),
            spoken_of: 0,
            todo: BlockSet::whole(own.block_count()),
            own,
            claimed: BTreeMap::new(),
            out: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            progress: TransferProgress::default(),
        }
    }

    /// Takes a `Have`.
    ///
    /// # Errors
    /// It reaches beyond the end of the file, begins before the end of an earlier `Have`, or comes after
    /// `Ready`.
    pub fn have(&mut self, first: u64, blocks: &[Option<Cv>]) -> Result<(), StepError> {
        if self.granule.is_some() {
            return Err(StepError::OutOfStep { what: "a Have after Ready" });
        }
        let page = existing_page(self.own.size(), first, blocks.len())?;
        if page.start < self.spoken_of {
            return Err(StepError::OutOfStep { what: "a Have that goes back" });
        }
        self.spoken_of = page.end;
        for (index, cv) in page.zip(blocks) {
            self.theirs.note(index, *cv);
        }
        Ok(())
    }

    /// Number of blocks that `Have` messages may still cover.
    #[must_use]
    pub fn unspoken(&self) -> u64 {
        if self.granule.is_some() {
            0
        } else {
            self.own.block_count().saturating_sub(self.spoken_of)
        }
    }

    /// Takes the `Ready`: blocks can be claimed.
    ///
    /// # Errors
    /// It is the second one, or the window is too small for the granule.
    pub fn ready(&mut self, granule: Granule) -> Result<(), StepError> {
        if self.granule.is_some() {
            return Err(StepError::OutOfStep { what: "a second Ready" });
        }
        if !granule.is_one() && granule.min_window_bytes() > self.window {
            let (blocks, window) = (granule.blocks(), self.window);
            return Err(StepError::GranuleTooLong { blocks, window });
        }
        self.granule = Some(granule);
        let mut equal = Vec::new();
        let mut next = 0;
        for (index, cv) in self.own.known_from(0) {
            let range = granule.around(index, self.own.block_count());
            // The lengths of the run of equal blocks from the beginning of the granule.
            next = if index == range.first { index } else { next };
            if index == next && self.theirs.get(index) == Some(cv) {
                next += 1;
                if next == range.end() {
                    equal.push(range);
                }
            }
        }
        for range in equal {
            self.todo.remove(range);
            self.progress.done += self.range_len(range);
        }
        Ok(())
    }

    /// Assigns a block to the stream: the next one of its granule, or the first one of the lowest
    /// unclaimed granule, unless its window has no room for that. While a block is compared, the stream
    /// gets no other one.
    pub fn claim(&mut self, stream: StreamId) -> Option<ClaimedBlock> {
        let mut granule = match self.claimed.get(&stream) {
            Some(granule) => *granule,
            None => self.claim_granule(stream)?,
        };
        let index = granule.next;
        if self.out.contains_key(&index) {
            return None;
        }
        self.out.insert(index, BlockInFlight { stream, sent: false });
        granule.next += u64::from(!granule.compare);
        self.keep_claimed(stream, granule);
        let theirs = self.theirs.get(index).filter(|_| granule.compare);
        Some(ClaimedBlock { index, len: self.len(index), theirs })
    }

    /// Whether the stream has claimed a granule and not been given all its blocks.
    pub(super) fn is_within_granule(&self, stream: StreamId) -> bool {
        self.claimed.contains_key(&stream)
    }

    /// Bytes of the window that the stream's next claim takes: none within its granule. `None` if there is
    /// no unclaimed block.
    pub(super) fn room_for_next(&self, stream: StreamId) -> Option<u64> {
        if self.claimed.contains_key(&stream) {
            return Some(0);
        }
        let range = self.granule?.around(self.todo.first()?, self.own.block_count());
        Some(self.range_len(range))
    }

    /// The smallest window in bytes that the granules do not stop.
    pub(super) fn min_window(&self) -> u64 {
        self.granule.map_or(0, |granule| granule.min_window_bytes().min(self.window))
    }

    /// Records the chaining value of a claimed block, and decides whether to send the block.
    ///
    /// # Errors
    /// The block is not claimed.
    pub fn hashed(&mut self, index: u64, cv: Cv) -> Result<SendDecision, StepError> {
        let stream = self.handed_out(index)?;
        self.own.note(index, Some(cv));
        let Some(mut granule) = self.compared(stream, index) else {
            return Ok(SendDecision::Send);
        };
        let first = granule.range.first;
        if self.theirs.get(index) == Some(cv) {
            self.out.remove(&index);
            granule.next = self.next_unknown(granule);
            if granule.next == granule.range.end() {
                self.settle(granule.range, stream);
            }
            self.keep_claimed(stream, granule);
            return Ok(SendDecision::Skip);
        }
        granule.compare = false;
        granule.next = if index == first { index + 1 } else { first };
        self.keep_claimed(stream, granule);
        if index == first {
            return Ok(SendDecision::Send);
        }
        self.out.remove(&index);
        Ok(SendDecision::Skip)
    }

    /// Records that a claimed block is being sent with this chaining value. The driver calls this
    /// before that value goes out, because the answer may come at once.
    ///
    /// # Errors
    /// The block is not claimed, or has to be compared first.
    pub fn sent(&mut self, index: u64, cv: Cv) -> Result<(), StepError> {
        let stream = self.handed_out(index)?;
        if self.compared(stream, index).is_some() {
            return Err(StepError::OutOfStep { what: "a block that is not compared yet" });
        }
        self.own.note(index, Some(cv));
        self.out.insert(index, BlockInFlight { stream, sent: true });
        self.progress.moved += self.len(index);
        Ok(())
    }

    /// Takes a `Stored`.
    ///
    /// # Errors
    /// The block was not sent on this stream, or was answered before.
    pub fn stored(&mut self, stream: StreamId, index: u64) -> Result<(), StepError> {
        match self.out.get(&index) {
            Some(out) if out.sent && out.stream == stream => {
                self.out.remove(&index);
                self.settle(BlockRange { first: index, count: 1 }, stream);
            }
            _ => return Err(StepError::Unasked { index, stream }),
        }
        Ok(())
    }

    /// The digest for `Commit`, once the server has every block.
    #[must_use]
    pub fn all_stored(&self) -> Option<Digest> {
        if self.is_all_stored() {
            self.own.complete().map(|manifest| manifest.digest())
        } else {
            None
        }
    }

    /// The progress; `moved` counts sent blocks.
    #[must_use]
    pub const fn progress(&self) -> TransferProgress {
        self.progress
    }

    /// The known chaining values of our blocks, worth keeping for the next attempt.
    #[must_use]
    pub const fn own(&self) -> &PartialManifest {
        &self.own
    }

    pub(super) fn into_own(self) -> PartialManifest {
        self.own
    }

    /// Bytes of claimed granules and of sent blocks of a stream that are not answered.
    #[must_use]
    pub fn unanswered(&self, stream: StreamId) -> u64 {
        self.unanswered.get(&stream).copied().unwrap_or(0)
    }

    fn len(&self, index: u64) -> u64 {
        block_len(self.own.size(), index)
    }

    fn range_len(&self, range: BlockRange) -> u64 {
        (range.first..range.end()).map(|index| self.len(index)).sum()
    }

    pub(super) fn is_all_stored(&self) -> bool {
        let is_done = self.todo.is_empty() && self.claimed.is_empty() && self.out.is_empty();
        self.granule.is_some() && is_done
    }

    fn claim_granule(&mut self, stream: StreamId) -> Option<ClaimedGranule> {
        let range = self.granule?.around(self.todo.first()?, self.own.block_count());
        let unanswered = self.unanswered(stream);
        let len = self.range_len(range);
        if unanswered > 0 && unanswered.saturating_add(len) > self.window {
            return None;
        }
        self.todo.remove(range);
        *self.unanswered.entry(stream).or_default() += len;
        let may_be_equal = |index| match (self.own.get(index), self.theirs.get(index)) {
            (Some(own), Some(theirs)) => own == theirs,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let compare = (range.first..range.end()).all(may_be_equal);
        let mut granule = ClaimedGranule { range, next: range.first, compare };
        if compare {
            granule.next = self.next_unknown(granule);
        }
        Some(granule)
    }

    /// The next block of a granule that was not hashed before.
    fn next_unknown(&self, granule: ClaimedGranule) -> u64 {
        let end = granule.range.end();
        let mut left = granule.next..end;
        left.find(|index| self.own.get(*index).is_none()).unwrap_or(end)
    }

    /// The granule that a stream compares, if this is its next block.
    fn compared(&self, stream: StreamId, index: u64) -> Option<ClaimedGranule> {
        let granule = self.claimed.get(&stream).copied();
        granule.filter(|granule| granule.compare && granule.next == index)
    }

    fn keep_claimed(&mut self, stream: StreamId, granule: ClaimedGranule) {
        if granule.next == granule.range.end() {
            self.claimed.remove(&stream);
        } else {
            self.claimed.insert(stream, granule);
        }
    }

    fn handed_out(&self, index: u64) -> Result<StreamId, StepError> {
        match self.out.get(&index) {
            Some(out) if !out.sent => Ok(out.stream),
            _ => Err(StepError::OutOfStep { what: "a block that is not claimed" }),
        }
    }

    fn settle(&mut self, range: BlockRange, stream: StreamId) {
        let len = self.range_len(range);
        self.progress.done += len;
        if let Some(unanswered) = self.unanswered.get_mut(&stream) {
            *unanswered = unanswered.saturating_sub(len);
        }
    }
}
