//! A client's requests of one attempt, over all connections of its session.
//!
//! ```text
//!                   ┌─────────────────── UploadRequests ────────────────────┐
//!   next(stream)  ◀─┤ Abandon, Commit, Block, Wanted, File, or Wait         │
//!                   │                                                       │
//!   offer, put,   ─▶│ OfferRequest …   each with a Sender     windows, room │
//!   check, confirm  │ SmallRequest …                          owed replies  │
//!   commit, abandon │                                         probes        │
//!                   │                                                       │
//!   on_reply      ─▶│ the request with the reply's id ─▶ UploadStep         │
//!                   └───────────────────────────────────────────────────────┘
//! ```
//!
//! A driver repeats: take the replies that have arrived to `on_reply` and do each [`UploadStep`]; do the
//! [`NextUpload`]: open, read, hash and send. It makes no decision about the protocol. All connections
//! share one value and lock it for a call.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::offer::{HashedBlock, OfferRequest, Room};
use super::probe::ProbePolicy;
use super::small::SmallRequest;
use super::step::{FileId, SentFile, UnconfirmedFile, UploadStep, out_of_step};
use super::stream::{OwedReplies, StreamLimits, UploadStreamState};
use super::{ClaimedBlock, Sender};
use crate::native::blocks::{BLOCK_BYTES, Cv, Digest, PartialManifest};
use crate::native::step::{StepError, StreamId};
use crate::native::wire::{Overwrite, Reply};

/// Offers that one connection has open, apart from those that wait for another run.
const MAX_OFFERED_FILES: usize = 8;

/// The same with those that wait. A server allows at least 16.
const MAX_OFFERED_OR_WAITING_FILES: usize = 16;

/// The next message of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextUpload {
    /// Send the `Abandon` of a file that failed on this side.
    Abandon {
        /// The request.
        request: u32,
    },
    /// Check that the file is unchanged, then [`commit`](UploadRequests::commit) or
    /// [`abandon`](UploadRequests::abandon) it.
    Commit {
        /// The request.
        request: u32,
        /// The file.
        file: FileId,
    },
    /// Read a block, and send it unless it is the server's.
    Block {
        /// The request.
        request: u32,
        /// The file.
        file: FileId,
        /// The block.
        claim: ClaimedBlock,
    },
    /// Open a probed file that the server wants, and put it.
    Wanted(FileId),
    /// Open the next file, if there is one: offer it, or put it if it is small. Otherwise wait.
    File {
        /// Check a small file instead of putting it.
        probe: bool,
    },
    /// Wait for a reply, or for a change on another connection.
    Wait,
}

/// The effect of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredUpload {
    /// The file.
    pub file: FileId,
    /// The driver's step.
    pub step: UploadStep,
    /// The chaining values of the blocks of a file that was sent in blocks and has ended, worth keeping
    /// for the next attempt.
    pub own: Option<PartialManifest>,
}

/// The requests of one attempt.
#[derive(Clone, Debug)]
pub struct UploadRequests {
    /// Whether small files may be probed. Where existing files must not be replaced, the server itself
    /// decides about each.
    may_probe: bool,
    probes: ProbePolicy,
    /// In the order of their ids.
    offers: BTreeMap<u32, OfferRequest>,
    small: BTreeMap<u32, SmallRequest>,
    streams: BTreeMap<StreamId, UploadStreamState>,
}

impl UploadRequests {
    /// No requests yet. Existing files are replaced under this condition.
    #[must_use]
    pub fn new(overwrite: Overwrite) -> Self {
        Self {
            may_probe: overwrite == Overwrite::Replace,
            probes: ProbePolicy::default(),
            offers: BTreeMap::new(),
            small: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Adds a connection, with the limits of its `Welcome`.
    pub fn connect(&mut self, stream: StreamId, limits: StreamLimits) {
        self.streams.insert(stream, UploadStreamState::new(limits));
    }

    /// Sets the most unanswered bytes of a connection, within the server's window: two granules of its store fit in
    /// any case.
    pub fn set_window(&mut self, stream: StreamId, bytes: u64) {
        if let Some(state) = self.streams.get_mut(&stream) {
            state.set_window(bytes);
        }
    }

    /// Lets a connection end: it completes its granule and commits its own files, and begins nothing else.
    pub fn set_surplus(&mut self, stream: StreamId, is_surplus: bool) {
        if let Some(state) = self.streams.get_mut(&stream) {
            state.is_surplus = is_surplus;
        }
    }

    /// Begins an `Offer`. `known` are the blocks that were hashed before; `before` is the file of an
    /// earlier attempt that got no reply.
    pub fn offer(
        &mut self,
        stream: StreamId,
        request: u32,
        file: FileId,
        known: PartialManifest,
        before: Option<SentFile>,
    ) {
        let window = self.streams.get(&stream).map_or(0, UploadStreamState::max_window);
        let sender = Sender::with_known(known, window);
        self.offers.insert(request, OfferRequest::new(file, stream, sender, before));
    }

    /// Begins a `Put`. `before` is the file of an earlier attempt that got no reply.
    pub fn put(
        &mut self,
        stream: StreamId,
        request: u32,
        file: FileId,
        sent: SentFile,
        before: Option<SentFile>,
    ) {
        self.begin_small(request, SmallRequest::put(file, stream, sent, before));
    }

    /// Begins a `Check` of a small file.
    pub fn check(&mut self, stream: StreamId, request: u32, file: FileId, sent: SentFile) {
        self.begin_small(request, SmallRequest::check(file, stream, sent));
    }

    /// Begins the `Check` of a file that an earlier attempt may have published.
    pub fn confirm(
        &mut self,
        stream: StreamId,
        request: u32,
        file: FileId,
        unconfirmed: UnconfirmedFile,
    ) {
        self.begin_small(request, SmallRequest::confirm(file, stream, unconfirmed));
    }

    fn begin_small(&mut self, request: u32, small: SmallRequest) {
        if let Some(stream) = self.streams.get_mut(&small.home) {
            stream.begin_small(small.unanswered());
        }
        self.small.insert(request, small);
    }

    /// Takes a reply to a request. `None` if the reply needs no step.
    ///
    /// # Errors
    /// The reply does not fit the request. The connection must be closed.
    pub fn on_reply(
        &mut self,
        stream: StreamId,
        request: u32,
        reply: Reply,
    ) -> Result<Option<AnsweredUpload>, StepError> {
        if let Some(small) = self.small.get(&request).filter(|small| small.home == stream) {
            let (file, step) = (small.file, small.on_reply(reply, &mut self.probes)?);
            if step != UploadStep::Nothing {
                self.end_small(stream, request);
            }
            if step == UploadStep::Wanted {
                self.streams.entry(stream).and_modify(|stream| stream.wanted.push(file));
            }
            return Ok(Some(AnsweredUpload { file, step, own: None }));
        }
        if let Some(offer) = self.offers.get_mut(&request) {
            let (file, is_abandoned) = (offer.file, offer.is_abandoned());
            let step = offer.on_reply(stream, reply)?;
            let is_end = matches!(step, UploadStep::Ended(_) | UploadStep::Confirm(_));
            let own = if is_end { self.end_offer(request) } else { None };
            let answered = AnsweredUpload { file, step, own };
            return Ok(Some(answered).filter(|_| !is_abandoned));
        }
        match reply {
            // Heartbeats, and late replies to a request that has failed.
            Reply::Pong { .. }
            | Reply::Working { .. }
            | Reply::Stored { .. }
            | Reply::Failed { .. } => Ok(None),
            Reply::Welcome { .. }
            | Reply::Have { .. }
            | Reply::Ready { .. }
            | Reply::Done { .. }
            | Reply::Found { .. }
            | Reply::Cvs { .. }
            | Reply::End { .. }
            | Reply::Entry(_)
            | Reply::Entries { .. }
            | Reply::Removed
            | Reply::Goodbye { .. }
            | Reply::Wanted
            | Reply::Waiting => Err(out_of_step("a reply to no request")),
        }
    }

    fn end_small(&mut self, stream: StreamId, request: u32) {
        let ended = self.small.remove(&request);
        if let Some((small, stream)) = ended.zip(self.streams.get_mut(&stream)) {
            stream.end_small(small.unanswered());
        }
    }

    fn end_offer(&mut self, request: u32) -> Option<PartialManifest> {
        let offer = self.offers.remove(&request)?;
        taint(&mut self.streams, &offer);
        offer.into_own()
    }

    /// Chooses the next message of a connection.
    pub fn next(&mut self, stream: StreamId) -> NextUpload {
        let used = self.unanswered(stream);
        let Some(state) = self.streams.get_mut(&stream) else { return NextUpload::Wait };
        if let Some(request) = state.abandons.pop() {
            return NextUpload::Abandon { request };
        }
        let (window, is_surplus) = (state.window(), state.is_surplus);
        // A granule is completed before another one begins: the server may have memory for one only.
        let begun = self.offers.iter().find(|(_, offer)| offer.is_within_granule(stream));
        let begun = begun.map(|(&request, _)| request);
        for (&request, offer) in &mut self.offers {
            if begun.is_some_and(|begun| begun != request) {
                continue;
            }
            let file = offer.file;
            if offer.home == stream && offer.is_due_commit() {
                return NextUpload::Commit { request, file };
            }
            if let Some(claim) = offer.claim(stream, Room { window, used, is_surplus }) {
                return NextUpload::Block { request, file, claim };
            }
        }
        if self.may_begin(stream, window.saturating_sub(used), used == 0) {
            let wanted = self.streams.get_mut(&stream).and_then(|state| state.wanted.pop());
            let probe = self.may_probe && self.probes.probes_next();
            return match wanted {
                Some(file) => NextUpload::Wanted(file),
                None if is_surplus => NextUpload::Wait,
                None => NextUpload::File { probe },
            };
        }
        NextUpload::Wait
    }

    /// Whether a connection may begin a request.
    fn may_begin(&self, stream: StreamId, free: u64, is_unused: bool) -> bool {
        let own = || self.offers.values().filter(|offer| offer.home == stream);
        let open = own().filter(|offer| !offer.is_abandoned()).count();
        let waiting = own().filter(|offer| offer.is_waiting()).count();
        let may_offer = open - waiting < MAX_OFFERED_FILES && open < MAX_OFFERED_OR_WAITING_FILES;
        let most = self.streams.get(&stream).map_or(0, UploadStreamState::max_requests);
        may_offer && (is_unused || free > 0) && self.pending(stream) < most
    }

    /// Records the chaining value of a claimed block that the server may have. `None` if the file has
    /// failed meanwhile: nothing is sent.
    ///
    /// # Errors
    /// The block is not claimed.
    pub fn hashed(
        &mut self,
        request: u32,
        index: u64,
        cv: Cv,
    ) -> Result<Option<HashedBlock>, StepError> {
        let open = self.offers.get_mut(&request).filter(|offer| !offer.is_abandoned());
        open.map(|offer| offer.hashed(index, cv)).transpose()
    }

    /// Records that a claimed block is being sent with this chaining value, before that value goes out.
    /// Returns whether the file has turned out to be another one than was hashed before.
    ///
    /// # Errors
    /// The block is not claimed.
    pub fn sent(&mut self, request: u32, index: u64, cv: Cv) -> Result<bool, StepError> {
        // If the file has failed meanwhile, the frame must be completed all the same.
        self.offers.get_mut(&request).map_or(Ok(false), |offer| offer.sent(index, cv))
    }

    /// Commits a file that is unchanged, and returns the digest to send. `None` if the blocks that were
    /// skipped as known may be outdated: [`abandon`](Self::abandon) it.
    pub fn commit(&mut self, request: u32) -> Option<Digest> {
        self.offers.get_mut(&request)?.commit()
    }

    /// Ends a request that failed on this side. The connection of its offer will send the `Abandon`.
    pub fn abandon(&mut self, request: u32) {
        let Some(offer) = self.offers.get_mut(&request).filter(|offer| !offer.is_abandoned())
        else {
            return;
        };
        taint(&mut self.streams, offer);
        offer.abandon();
        if let Some(home) = self.streams.get_mut(&offer.home) {
            home.is_tainted = true;
            home.abandons.push(request);
        }
    }

    /// The chaining values of a file's blocks, worth keeping for the next attempt. `None` if the request
    /// has ended, or some of them are wrong.
    #[must_use]
    pub fn own(&self, request: u32) -> Option<&PartialManifest> {
        self.offers.get(&request)?.own()
    }

    /// The replies that the server owes on a connection.
    #[must_use]
    pub fn owed(&self, stream: StreamId) -> OwedReplies {
        let blocks = self.unanswered_blocks(stream);
        let own = self.offers.values().filter(|offer| offer.home == stream);
        OwedReplies {
            requests: self.pending(stream),
            unspoken: own.map(OfferRequest::unspoken).fold(0, u64::saturating_add),
            sent: blocks.div_ceil(BLOCK_BYTES),
        }
    }

    /// Whether a connection has nothing to do, so that losing it would lose no work.
    #[must_use]
    pub fn is_idle(&self, stream: StreamId) -> bool {
        let has_wanted = self.streams.get(&stream).is_some_and(|state| !state.wanted.is_empty());
        let has_offer = self.offers.values().any(|offer| offer.home == stream);
        !has_wanted && !has_offer && self.owed(stream).is_none()
    }

    /// Whether late replies may arrive on a connection, so that it cannot be used for other requests.
    #[must_use]
    pub fn is_tainted(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|state| state.is_tainted)
    }

    /// The open requests of files that are sent in blocks.
    #[must_use]
    pub fn offered(&self) -> Vec<u32> {
        let open = self.offers.iter().filter(|(_, offer)| !offer.is_abandoned());
        open.map(|(request, _)| *request).collect()
    }

    /// Requests of a connection to which the server owes a reply, and messages that it must still send.
    fn pending(&self, stream: StreamId) -> u64 {
        let own = self.offers.values().filter(|offer| offer.home == stream && offer.is_owed());
        let (small, abandons) = self
            .streams
            .get(&stream)
            .map_or((0, 0), |state| (state.small_requests(), state.abandons.len() as u64));
        own.count() as u64 + small + abandons
    }

    fn unanswered_blocks(&self, stream: StreamId) -> u64 {
        let offers = self.offers.values().map(|offer| offer.unanswered(stream));
        offers.fold(0, u64::saturating_add)
    }

    fn unanswered(&self, stream: StreamId) -> u64 {
        let small = self.streams.get(&stream).map_or(0, UploadStreamState::unanswered_small);
        self.unanswered_blocks(stream).saturating_add(small)
    }
}

/// Late replies to blocks of a failed file may or may not come, so their connections cannot be reused.
fn taint(streams: &mut BTreeMap<StreamId, UploadStreamState>, offer: &OfferRequest) {
    for (stream, state) in streams {
        state.is_tainted |= offer.has_sent_on(*stream);
    }
}
