//! The offers of one connection that wait for another run's upload of the same source.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::time::Instant;

use super::heartbeat::HEARTBEAT_INTERVAL;
use super::source_lease::{LeaseTicket, SourceLease};
use crate::store::UploadOffer;

/// An offer whose source another run uploads.
pub(super) struct WaitingOffer {
    pub(super) request: u32,
    pub(super) offer: UploadOffer,
    pub(super) ticket: LeaseTicket,
}

/// The waiting offers of one connection.
#[derive(Default)]
pub(super) struct WaitingOffers {
    offers: Vec<WaitingOffer>,
    /// The time of the last heartbeats for them.
    reported: Option<Instant>,
}

impl WaitingOffers {
    pub(super) fn is_empty(&self) -> bool {
        self.offers.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.offers.len()
    }

    /// Whether heartbeats for them are due.
    pub(super) fn is_due(&self) -> bool {
        let is_old = |at: Instant| at.elapsed() >= HEARTBEAT_INTERVAL;
        !self.is_empty() && self.reported.is_none_or(is_old)
    }

    /// Notes that heartbeats are sent now, and returns the offers.
    pub(super) fn report(&mut self) -> &[WaitingOffer] {
        self.reported = Some(Instant::now());
        &self.offers
    }

    pub(super) fn has(&self, request: u32) -> bool {
        self.offers.iter().any(|waiting| waiting.request == request)
    }

    pub(super) fn push(&mut self, offer: WaitingOffer) {
        self.offers.push(offer);
    }

    /// Removes an offer, which gives its place in the queue up; `None` if it does not wait.
    pub(super) fn take(&mut self, request: u32) -> Option<WaitingOffer> {
        let index = self.offers.iter().position(|waiting| waiting.request == request)?;
        Some(self.offers.remove(index))
    }

    pub(super) fn clear(&mut self) {
        self.offers.clear();
    }

    /// Waits until the turn of one of them comes, possibly for ever. The lease is missing if a newer offer
    /// of the same run has replaced it. Dropping the future keeps every place in the queue.
    pub(super) async fn turn(&self) -> (u32, Option<SourceLease>) {
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
