//! A client's request to upload a file in blocks, from its `Offer` to the reply that ends it.
//!
//! ```text
//!             Waiting            Ready              commit             Done
//!   Offered ──────────▶ Waiting ───────▶ Sending ───────────▶ Committing ─────▶ ended
//!      │                                  ▲   │
//!      └───────────── Ready ──────────────┘   │ abandon
//!    Have: before Ready                       ▼           Failed
//!    Stored: while Sending                Abandoned ────────────────▶ dropped
//! ```
//!
//! `Failed` ends each state. After a file has failed on this side, its late replies are taken until the
//! `Failed` that answers the `Abandon`, or that crossed it.

use super::step::{FileId, RefusedFile, SentFile, UploadEnd, UploadStep, out_of_step, refused};
use super::{ClaimedBlock, SendDecision, Sender};
use crate::native::blocks::{Cv, Digest, PartialManifest};
use crate::native::step::{StepError, StreamId, TransferProgress};
use crate::native::wire::Reply;
use crate::native::{Granule, Reason};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OfferState {
    Offered,
    Waiting,
    Sending,
    Committing(Digest),
    Abandoned,
}

/// An offered file without the reply that ends it.
#[derive(Clone, Debug)]
pub(super) struct OfferRequest {
    pub(super) file: FileId,
    /// The connection of the offer, which also commits it.
    pub(super) home: StreamId,
    state: OfferState,
    sender: Sender,
    /// A block has another chaining value than it had when it was hashed before.
    is_outdated: bool,
    /// The file of an earlier attempt that got no reply.
    before: Option<SentFile>,
}

/// The outcome of a hashed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedBlock {
    /// Send or skip it.
    pub decision: SendDecision,
    /// The progress of the file.
    pub progress: TransferProgress,
    /// No block is left, so wake the stream that commits.
    pub is_last: bool,
}

/// The room of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// The most unanswered bytes.
    pub(super) window: u64,
    /// The unanswered bytes.
    pub(super) used: u64,
    /// It begins no further granule.
    pub(super) is_surplus: bool,
}

impl HashedBlock {
    /// Whether nothing is sent now.
    #[must_use]
    pub fn skips(&self) -> bool {
        self.decision == SendDecision::Skip
    }
}

impl OfferRequest {
    /// The file is offered. Some of its blocks may have been hashed before; `before` is the file of an
    /// earlier attempt that got no reply.
    pub(super) fn new(
        file: FileId,
        home: StreamId,
        sender: Sender,
        before: Option<SentFile>,
    ) -> Self {
        let state = OfferState::Offered;
        Self { file, home, state, sender, is_outdated: false, before }
    }

    /// Takes a reply from a connection.
    ///
    /// # Errors
    /// The reply does not fit the request.
    pub(super) fn on_reply(
        &mut self,
        stream: StreamId,
        reply: Reply,
    ) -> Result<UploadStep, StepError> {
        match reply {
            Reply::Working { .. } => Ok(match self.state {
                OfferState::Waiting => UploadStep::KeptPlace,
                OfferState::Offered
                | OfferState::Sending
                | OfferState::Committing(_)
                | OfferState::Abandoned => UploadStep::Nothing,
            }),
            // It comes on the connection of the block that failed.
            Reply::Failed { reason, message } => {
                let reason = Reason::from_code(reason);
                Ok(refused(self.before, RefusedFile { reason, message }))
            }
            Reply::Have { .. } | Reply::Waiting | Reply::Ready { .. } | Reply::Stored { .. }
                if self.is_abandoned() =>
            {
                Ok(UploadStep::Nothing)
            }
            Reply::Stored { index } => {
                self.sender.stored(stream, index)?;
                let (progress, is_last) = (self.sender.progress(), self.is_all_stored());
                Ok(UploadStep::Stored { progress, size: self.size(), is_last })
            }
            Reply::Have { first, blocks } => {
                self.check_offered(stream)?;
                self.sender.have(first, &blocks)?;
                Ok(UploadStep::Nothing)
            }
            Reply::Waiting => {
                self.check_offered(stream)?;
                if self.state == OfferState::Waiting {
                    return Err(out_of_step("a second Waiting"));
                }
                self.state = OfferState::Waiting;
                Ok(UploadStep::Waits)
            }
            Reply::Ready { resumed, granule } => self.on_ready(stream, resumed, granule),
            Reply::Done { digest, unchanged } => self.on_done(stream, digest, unchanged),
            Reply::Welcome { .. }
            | Reply::Found { .. }
            | Reply::Cvs { .. }
            | Reply::End { .. }
            | Reply::Entry(_)
            | Reply::Entries { .. }
            | Reply::Pong { .. }
            | Reply::Removed
            | Reply::Goodbye { .. }
            | Reply::Wanted => Err(out_of_step("a reply to another request than an offer")),
        }
    }

    fn on_ready(
        &mut self,
        stream: StreamId,
        resumed: u64,
        granule: Granule,
    ) -> Result<UploadStep, StepError> {
        self.check_offered(stream)?;
        self.sender.ready(granule)?;
        self.state = OfferState::Sending;
        Ok(UploadStep::Begun { resumed, size: self.size() })
    }

    fn on_done(
        &self,
        stream: StreamId,
        stored: Digest,
        unchanged: bool,
    ) -> Result<UploadStep, StepError> {
        match self.state {
            OfferState::Committing(digest) if stream == self.home => {
                let moved = self.sender.progress().moved;
                let end = UploadEnd::Done { moved, already_there: unchanged && moved == 0 };
                Ok(UploadEnd::of(digest, stored, end))
            }
            OfferState::Committing(_)
            | OfferState::Offered
            | OfferState::Waiting
            | OfferState::Sending
            | OfferState::Abandoned => Err(out_of_step("a reply to no commit")),
        }
    }

    /// # Errors
    /// The offer is answered, or was made on another connection.
    fn check_offered(&self, stream: StreamId) -> Result<(), StepError> {
        match self.state {
            OfferState::Offered | OfferState::Waiting if stream == self.home => Ok(()),
            OfferState::Offered
            | OfferState::Waiting
            | OfferState::Sending
            | OfferState::Committing(_)
            | OfferState::Abandoned => Err(out_of_step("a reply to no offer")),
        }
    }

    /// Assigns a block to the stream. An idle stream has room for any block.
    pub(super) fn claim(&mut self, stream: StreamId, room: Room) -> Option<ClaimedBlock> {
        if self.state != OfferState::Sending {
            return None;
        }
        let Room { window, used, is_surplus } = room;
        let needed = self.sender.room_for_next(stream)?;
        let free = window.max(self.sender.min_window()).saturating_sub(used);
        let has_room = !is_surplus && (used == 0 || needed <= free);
        if needed == 0 || has_room { self.sender.claim(stream) } else { None }
    }

    /// Whether the stream has begun a granule of the file, and will complete it.
    pub(super) fn is_within_granule(&self, stream: StreamId) -> bool {
        self.state == OfferState::Sending && self.sender.is_within_granule(stream)
    }

    /// Records the chaining value of a claimed block that the server may have.
    pub(super) fn hashed(&mut self, index: u64, cv: Cv) -> Result<HashedBlock, StepError> {
        let decision = self.sender.hashed(index, cv)?;
        let (progress, is_last) = (self.sender.progress(), self.is_all_stored());
        Ok(HashedBlock { decision, progress, is_last })
    }

    /// Records that a claimed block is being sent. Returns whether the file has turned out to be another
    /// one than was hashed before.
    pub(super) fn sent(&mut self, index: u64, cv: Cv) -> Result<bool, StepError> {
        let before = self.sender.own().get(index);
        let is_other = before.is_some_and(|before| before != cv);
        self.is_outdated |= is_other;
        self.sender.sent(index, cv)?;
        Ok(is_other)
    }

    /// Whether the server has every block.
    pub(super) fn is_due_commit(&self) -> bool {
        self.state == OfferState::Sending && self.is_all_stored()
    }

    /// Commits the file. `None` if blocks that were skipped as known may be outdated, too.
    pub(super) fn commit(&mut self) -> Option<Digest> {
        if self.state != OfferState::Sending || self.is_outdated {
            return None;
        }
        let digest = self.sender.all_stored()?;
        self.state = OfferState::Committing(digest);
        Some(digest)
    }

    pub(super) const fn abandon(&mut self) {
        self.state = OfferState::Abandoned;
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state == OfferState::Abandoned
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == OfferState::Waiting
    }

    /// Whether the server owes a message on the connection of the offer.
    pub(super) const fn is_owed(&self) -> bool {
        match self.state {
            OfferState::Offered | OfferState::Waiting | OfferState::Committing(_) => true,
            OfferState::Sending | OfferState::Abandoned => false,
        }
    }

    /// Blocks that `Have` messages may still cover.
    pub(super) fn unspoken(&self) -> u64 {
        self.sender.unspoken()
    }

    /// Bytes of blocks that a connection has claimed or sent, and that will be answered.
    pub(super) fn unanswered(&self, stream: StreamId) -> u64 {
        if self.is_abandoned() { 0 } else { self.sender.unanswered(stream) }
    }

    /// Whether late replies to sent blocks may arrive on a connection after the end of the request.
    pub(super) fn has_sent_on(&self, stream: StreamId) -> bool {
        self.sender.unanswered(stream) > 0
    }

    /// The chaining values of our blocks, worth keeping for the next attempt. `None` if some of them are
    /// wrong.
    pub(super) fn own(&self) -> Option<&PartialManifest> {
        Some(self.sender.own()).filter(|_| !self.is_outdated)
    }

    pub(super) fn into_own(self) -> Option<PartialManifest> {
        Some(self.sender.into_own()).filter(|_| !self.is_outdated)
    }

    fn size(&self) -> u64 {
        self.sender.own().size()
    }

    fn is_all_stored(&self) -> bool {
        self.sender.is_all_stored()
    }
}
