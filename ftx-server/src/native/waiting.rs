//! Offers that stand in line, while their connection does everything else.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, Token};
use ftx_io::Frames;
use tokio::time::Instant;
use tracing::info;

use super::NativeError;
use super::conversation::Conversation;
use super::lease::{Lease, Ticket, Wanted};
use super::life::EVERY;
use crate::store::{Refusal, Store, UploadOffer};

/// An offer whose source another run uploads.
struct WaitingOffer {
    request: u32,
    offer: UploadOffer,
    ticket: Ticket,
}

/// The offers of one connection that stand in line.
#[derive(Default)]
pub(super) struct Waiting {
    offers: Vec<WaitingOffer>,
    /// When the client was last told of them.
    told: Option<Instant>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }

    /// Whether it is time to tell the client of them.
    pub(super) fn is_due(&self) -> bool {
        !self.is_empty() && self.told.is_none_or(|told| told.elapsed() >= EVERY)
    }

    pub(super) fn len(&self) -> usize {
        self.offers.len()
    }

    pub(super) fn has(&self, request: u32) -> bool {
        self.offers.iter().any(|waiting| waiting.request == request)
    }

    /// Takes an offer out of the line; `false` if it does not stand there.
    pub(super) fn remove(&mut self, request: u32) -> bool {
        self.take(request).is_some()
    }

    fn take(&mut self, request: u32) -> Option<WaitingOffer> {
        let index = self.offers.iter().position(|waiting| waiting.request == request)?;
        Some(self.offers.remove(index))
    }

    pub(super) fn clear(&mut self) {
        self.offers.clear();
    }

    /// Waits until the turn of one of them comes, which may be never; without a lease if a newer offer
    /// has taken its place. Each keeps its place when the wait is given up.
    pub(super) async fn turn(&self) -> (u32, Option<Lease>) {
        let mut turns: Vec<(u32, Pin<Box<_>>)> =
            self.offers.iter().map(|one| (one.request, Box::pin(one.ticket.turn()))).collect();
        poll_fn(|context| {
            for (request, turn) in &mut turns {
                if let Poll::Ready(lease) = turn.as_mut().poll(context) {
                    return Poll::Ready((*request, lease));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl<S: Store> Conversation<S> {
    /// An offer has come. If another run uploads its source, it stands in line from now on.
    pub(super) async fn offer(
        &mut self,
        frames: &mut Frames,
        request: u32,
        offer: UploadOffer,
        (run, source): (Token, Option<Token>),
    ) -> Result<(), NativeError> {
        self.check_new(request)?;
        if self.has_too_many() {
            let message = "too many uploads are open on this connection; end some before";
            return self.refuse(frames, request, &Refusal::new(Reason::TooManyRequests, message));
        }
        let Some(source) = source else { return self.begin(frames, request, offer, None).await };
        match self.context.leases.want(&offer.name, source, run) {
            Wanted::Lease(lease) => self.begin(frames, request, offer, Some(lease)).await,
            Wanted::Ticket(ticket) => {
                info!(name = offer.name.as_str(), "waits for another upload of the same file");
                if self.understands_waiting {
                    self.reply(frames, request, &Reply::Waiting)?;
                }
                self.waiting.offers.push(WaitingOffer { request, offer, ticket });
                self.tell_waiting(frames)
            }
            Wanted::Refused => {
                let message = "too many uploads of this file wait for another one; try again later";
                self.refuse(frames, request, &Refusal::new(Reason::Busy, message))
            }
        }
    }

    /// The turn of an offer has come.
    pub(super) async fn turn(
        &mut self,
        frames: &mut Frames,
        request: u32,
        lease: Option<Lease>,
    ) -> Result<(), NativeError> {
        let Some(WaitingOffer { offer, .. }) = self.waiting.take(request) else { return Ok(()) };
        let Some(lease) = lease else {
            let message =
                format!("another offer of this run has taken the place of {:?}", offer.name);
            return self.refuse(frames, request, &Refusal::new(Reason::TakenOver, message));
        };
        self.busy = true;
        self.begin(frames, request, offer, Some(lease)).await
    }

    /// Tells the client how far the uploads are that its offers wait for.
    pub(super) fn tell_waiting(&mut self, frames: &mut Frames) -> Result<(), NativeError> {
        self.waiting.told = Some(Instant::now());
        // Who takes nothing needs no more of them.
        if frames.queued() == 0 {
            for waiting in &self.waiting.offers {
                let (done, total) = waiting.ticket.progress();
                self.reply(frames, waiting.request, &Reply::Working { done, total })?;
            }
        }
        Ok(frames.writer().try_flush()?)
    }
}
