//! A client's side of one upload: which block is looked at next, and which are sent.
//!
//! What becomes of a block:
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

/// A block to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedBlock {
    /// Index of the block.
    pub index: u64,
    /// Its bytes.
    pub len: u64,
    /// The chaining value of the server's block, if ours may be the same: hash first, and ask
    /// [`Sender::hashed`]. Without it the block is sent in any case, and hashed on the way.
    pub theirs: Option<Cv>,
}

/// What to do with a block that is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SendDecision {
    /// Nothing, the server has it.
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
    /// Ours, as far as it was hashed.
    own: PartialManifest,
    theirs: PartialManifest,
    /// Blocks before this one are spoken of; a `Have` speaks of later ones only.
    spoken_of: u64,
    todo: BlockSet,
    /// Claimed or sent.
    out: BTreeMap<u64, BlockInFlight>,
    /// Bytes of the blocks in `out`.
    unanswered: BTreeMap<StreamId, u64>,
    progress: TransferProgress,
}

impl Sender {
    /// An upload of `size` bytes, of which nothing is hashed.
    ///
    /// `window` is how many bytes of this file may be on their way unanswered, on each stream: the
    /// server's window, or a share of it when other uploads use the connection too. A block larger
    /// than the window goes alone.
    #[must_use]
    pub fn new(size: u64, window: u64) -> Self {
        Self::with_known(PartialManifest::new(size), window)
    }

    /// The same for a file of which some blocks were hashed before: those of them that the server
    /// has are not read again. The caller knows that the file did not change.
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
    /// It speaks of blocks that the file does not have, or of blocks before the end of an earlier
    /// one, or comes after `Ready`.
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

    /// Blocks that `Have` messages may still speak of.
    #[must_use]
    pub fn unspoken(&self) -> u64 {
        if self.ready { 0 } else { self.own.block_count().saturating_sub(self.spoken_of) }
    }

    /// Takes the `Ready`: blocks can be claimed.
    ///
    /// # Errors
    /// It came before.
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

    /// Gives the stream the lowest block that nobody has looked at, unless its window is full.
    pub fn claim(&mut self, stream: StreamId) -> Option<ClaimedBlock> {
        let index = self.claimable(stream)?;
        self.todo.remove(BlockRange { first: index, count: 1 });
        self.out.insert(index, BlockInFlight { stream, sent: false });
        let len = self.len(index);
        *self.unanswered.entry(stream).or_default() += len;
        // Where ours is known, it is another than theirs: `ready` has settled the rest.
        let theirs = if self.own.get(index).is_some() { None } else { self.theirs.get(index) };
        Some(ClaimedBlock { index, len, theirs })
    }

    /// Takes note of a claimed block's chaining value, and says whether the block is sent.
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

    /// Takes note that a claimed block is being sent, with this chaining value. Tell it before
    /// that value goes out: the answer may come sooner than one thinks.
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

    /// How far it is; `moved` counts blocks that were sent.
    #[must_use]
    pub const fn progress(&self) -> TransferProgress {
        self.progress
    }

    /// The chaining values of our blocks, as far as they are known: worth keeping for the next try.
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
