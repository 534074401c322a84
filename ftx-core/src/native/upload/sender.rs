//! A client's side of one upload: the order in which blocks are read, and the choice to send or skip
//! each of them.
//!
//! The states of a block:
//!
//! ```text
//!            claim            hashed: Send, sent          stored
//!    Todo ──────────▶ Claimed ──────────────────▶ Sent ──────────▶ Settled
//!                        │ hashed: Skip                               ▲
//!                        └────────────────────────────────────────────┘
//! ```
//!
//! The loss of a stream ends the attempt: its blocks are claimed again after a new `Offer`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

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
    /// The server has the block.
    Skip,
    /// Send it.
    Send,
}

#[derive(Clone, Copy, Debug)]
struct BlockInFlight {
    stream: StreamId,
    sent: bool,
}

/// A client's side of one upload, from its `Offer` to its `Commit`.
#[derive(Clone, Debug)]
pub struct Sender {
    window: u64,
    ready: bool,
    /// The chaining values of our blocks hashed so far.
    own: PartialManifest,
    theirs: PartialManifest,
    /// The next `Have` begins at this block or later.
    spoken_of: u64,
    todo: BlockSet,
    /// Claimed or sent.
    out: BTreeMap<u64, BlockInFlight>,
    /// Bytes of the blocks in `out`.
    unanswered: BTreeMap<StreamId, u64>,
    progress: TransferProgress,
}

impl Sender {
    /// An upload of `size` bytes, none of them hashed.
    ///
    /// Each stream may have `window` bytes of this file unanswered: the server's window, or a share of
    /// it if the connection carries several uploads. A block larger than the window goes alone.
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
            ready: false,
            theirs: PartialManifest::new(own.size()),
            spoken_of: 0,
            todo: BlockSet::whole(own.block_count()),
            own,
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
        if self.ready {
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
        if self.ready { 0 } else { self.own.block_count().saturating_sub(self.spoken_of) }
    }

    /// Takes the `Ready`: blocks can be claimed.
    ///
    /// # Errors
    /// It is the second one.
    pub fn ready(&mut self) -> Result<(), StepError> {
        if self.ready {
            return Err(StepError::OutOfStep { what: "a second Ready" });
        }
        self.ready = true;
        let same: Vec<u64> = self
            .own
            .known_from(0)
            .filter(|(index, cv)| self.theirs.get(*index) == Some(*cv))
            .map(|(index, _)| index)
            .collect();
        for index in same {
            self.todo.remove(BlockRange { first: index, count: 1 });
            self.progress.done += self.len(index);
        }
        Ok(())
    }

    /// Assigns the lowest unclaimed block to the stream, unless its window is full.
    pub fn claim(&mut self, stream: StreamId) -> Option<ClaimedBlock> {
        let index = self.claimable(stream)?;
        self.todo.remove(BlockRange { first: index, count: 1 });
        self.out.insert(index, BlockInFlight { stream, sent: false });
        let len = self.len(index);
        *self.unanswered.entry(stream).or_default() += len;
        // A known block of ours differs from theirs: `ready` has settled the equal ones.
        let theirs = if self.own.get(index).is_some() { None } else { self.theirs.get(index) };
        Some(ClaimedBlock { index, len, theirs })
    }

    /// Records the chaining value of a claimed block, and decides whether to send the block.
    ///
    /// # Errors
    /// The block is not claimed.
    pub fn hashed(&mut self, index: u64, cv: Cv) -> Result<SendDecision, StepError> {
        let stream = self.claimed(index)?;
        self.own.note(index, Some(cv));
        if self.theirs.get(index) == Some(cv) {
            self.settle(index, stream);
            return Ok(SendDecision::Skip);
        }
        Ok(SendDecision::Send)
    }

    /// Records that a claimed block is being sent with this chaining value. The driver calls this
    /// before that value goes out, because the answer may come at once.
    ///
    /// # Errors
    /// The block is not claimed.
    pub fn sent(&mut self, index: u64, cv: Cv) -> Result<(), StepError> {
        let stream = self.claimed(index)?;
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
            Some(out) if out.sent && out.stream == stream => self.settle(index, stream),
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

    fn len(&self, index: u64) -> u64 {
        block_len(self.own.size(), index)
    }

    fn is_all_stored(&self) -> bool {
        self.ready && self.todo.is_empty() && self.out.is_empty()
    }

    fn claimable(&self, stream: StreamId) -> Option<u64> {
        let index = self.todo.first().filter(|_| self.ready)?;
        let unanswered = self.unanswered.get(&stream).copied().unwrap_or(0);
        let fits = unanswered.saturating_add(self.len(index)) <= self.window;
        (fits || unanswered == 0).then_some(index)
    }

    fn claimed(&self, index: u64) -> Result<StreamId, StepError> {
        match self.out.get(&index) {
            Some(out) if !out.sent => Ok(out.stream),
            _ => Err(StepError::OutOfStep { what: "a block that is not claimed" }),
        }
    }

    fn settle(&mut self, index: u64, stream: StreamId) {
        let len = self.len(index);
        self.out.remove(&index);
        self.progress.done += len;
        if let Some(unanswered) = self.unanswered.get_mut(&stream) {
            *unanswered = unanswered.saturating_sub(len);
        }
    }
}
