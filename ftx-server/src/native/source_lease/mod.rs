//! SourceLeases of sources: several runs that upload the same source take queue.
//!
//! Two runs that upload one file to one name would only take its staging from each other. So one run holds
//! a *lease* of name and source, and the other runs of its principal queue for it. The lease knows nothing of the staging
//! but the number of bytes that arrive.
//!
//! | state of the lease | next holder |
//! | --- | --- |
//! | free | the first run that requests it |
//! | its run comes back | this run, at once |
//! | its upload was published or abandoned | the head of the queue, at once |
//! | its upload failed, or its connection was lost | its run; after [`RETURN_TIMEOUT`] the head of the queue |
//! | its upload stands still | the head of the queue |
//!
//! An overtaken run queues like any other. If nothing was stored between two takeovers, the next holder
//! has twice the time to make progress, otherwise half of it: on a line that is slower than the limit, the
//! runs would begin the same block over and over.
//!
//! A connection that waits for a lease handles its other requests meanwhile, so no held resource waits for
//! a lease. Two runs that upload the same files in a different order cannot deadlock.

mod meter;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::wire::Token;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::meter::ProgressMeter;
use crate::auth::Principal;

/// How long a lost run has to come back before the queue advances.
const RETURN_TIMEOUT: Duration = Duration::from_secs(3);

/// How long each place in the queue has precedence over the next one. A connection that is busy with other
/// files takes its lease late.
const PRECEDENCE_PER_PLACE: Duration = Duration::from_secs(2);

/// How often a waiter checks whether the server still works for the holder.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The longest queue of one lease.
const MAX_QUEUED_OFFERS: usize = 1024;

/// How often the time without progress may be doubled.
const MAX_DOUBLINGS: u32 = 6;

/// The subject of a lease. Runs of different principals do not meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LeaseKey {
    pub(super) principal: Principal,
    pub(super) name: RemoteName,
    pub(super) source: Token,
}

/// All leases of a server; clones share them.
#[derive(Clone, Debug)]
pub(super) struct SourceLeases(Arc<LeaseTable>);

#[derive(Debug)]
struct LeaseTable {
    /// How long an upload may stand still.
    limit: Duration,
    queues: Mutex<LeaseQueues>,
}

#[derive(Debug, Default)]
struct LeaseQueues {
    next_id: u64,
    by_key: HashMap<LeaseKey, LeaseQueue>,
}

/// One lease and its queue. Removed when the lease has neither a holder nor a waiter.
#[derive(Debug)]
struct LeaseQueue {
    holder: Option<Holder>,
    /// When the last holder released it.
    free_since: Instant,
    /// The lost run that it is kept for.
    lost: Option<Holder>,
    waiters: Vec<Waiter>,
    /// Notified when any of this has changed.
    changed: Arc<Notify>,
    /// Takeovers in a row after which nothing was stored; each one after which something was takes one off.
    doublings: u32,
}

#[derive(Clone, Debug)]
struct Holder {
    id: u64,
    run: Token,
    meter: Arc<ProgressMeter>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: u64,
    run: Token,
}

/// The answer to the request of a lease.
#[derive(Debug)]
pub(super) enum LeaseRequest {
    Granted(SourceLease),
    Queued(LeaseTicket),
    QueueFull,
}

/// The right to upload a source to a name, until it is dropped.
#[derive(Debug)]
pub(super) struct SourceLease {
    leases: SourceLeases,
    key: LeaseKey,
    id: u64,
    meter: Arc<ProgressMeter>,
    ended: AtomicBool,
}

/// A place in the queue of a lease, until it is dropped.
#[derive(Debug)]
pub(super) struct LeaseTicket {
    leases: SourceLeases,
    key: LeaseKey,
    id: u64,
    changed: Arc<Notify>,
}

/// A job of the server for an upload, which does not count as standing still meanwhile.
#[derive(Debug)]
pub(super) struct ServerWork<'a>(&'a ProgressMeter);

/// The state of a place in the queue.
enum TurnState {
    Taken(SourceLease),
    /// The turn may come at this time, or when the lease changes.
    Later(Instant),
    /// The same run has come back, and a newer ticket has this place.
    Replaced,
}

impl SourceLeases {
    /// SourceLeases of uploads that may stand still for `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(LeaseTable { limit, queues: Mutex::default() }))
    }

    fn queues(&self) -> MutexGuard<'_, LeaseQueues> {
        // Every change is a single step, so a panic elsewhere leaves it in order.
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lease for a run, or a place in its queue.
    pub(super) fn request(&self, key: LeaseKey, run: Token) -> LeaseRequest {
        let mut queues = self.queues();
        queues.next_id += 1;
        let id = queues.next_id;
        let queue = queues.by_key.entry(key.clone()).or_insert_with(LeaseQueue::new);
        let own = queue.holder.as_ref().or(queue.lost.as_ref()).filter(|own| own.run == run);
        let meter = match own {
            Some(own) => Some(Arc::clone(&own.meter)),
            None if queue.holder.is_none() && queue.waiters.is_empty() => {
                Some(Arc::new(ProgressMeter::new(self.0.limit)))
            }
            None => None,
        };
        if let Some(meter) = meter {
            queue.waiters.retain(|waiter| waiter.run != run);
            return LeaseRequest::Granted(self.grant(queue, key, Holder { id, run, meter }));
        }
        let waiter = Waiter { id, run };
        if let Some(own) = queue.waiters.iter_mut().find(|waiter| waiter.run == run) {
            *own = waiter;
        } else if queue.waiters.len() >= MAX_QUEUED_OFFERS {
            return LeaseRequest::QueueFull;
        } else {
            queue.waiters.push(waiter);
        }
        queue.changed.notify_waiters();
        let (leases, changed) = (self.clone(), Arc::clone(&queue.changed));
        LeaseRequest::Queued(LeaseTicket { leases, key, id, changed })
    }

    fn grant(&self, queue: &mut LeaseQueue, key: LeaseKey, holder: Holder) -> SourceLease {
        let (id, meter) = (holder.id, Arc::clone(&holder.meter));
        queue.holder = Some(holder);
        queue.lost = None;
        queue.changed.notify_waiters();
        SourceLease { leases: self.clone(), key, id, meter, ended: AtomicBool::new(false) }
    }

    /// Takes the lease for a place in the queue, if its turn has come.
    fn turn(&self, key: &LeaseKey, id: u64) -> TurnState {
        let now = Instant::now();
        let mut queues = self.queues();
        let Some(queue) = queues.by_key.get_mut(key) else { return TurnState::Replaced };
        let Some(place) = queue.waiters.iter().position(|waiter| waiter.id == id) else {
            return TurnState::Replaced;
        };
        let is_free = match (&queue.holder, &queue.lost) {
            (Some(holder), _) => holder.meter.deadline(),
            (None, Some(_)) => Some(queue.free_since + RETURN_TIMEOUT),
            (None, None) => Some(queue.free_since),
        };
        let Some(is_free) = is_free else { return TurnState::Later(now + POLL_INTERVAL) };
        let due = is_free + PRECEDENCE_PER_PLACE * u32::try_from(place).unwrap_or(u32::MAX);
        if now < due {
            return TurnState::Later(due);
        }
        if let Some(holder) = &queue.holder {
            queue.doublings = if holder.meter.has_stored() {
                queue.doublings.saturating_sub(1)
            } else {
                MAX_DOUBLINGS.min(queue.doublings + 1)
            };
        }
        let Waiter { run, .. } = queue.waiters.remove(place);
        let limit = self.0.limit.saturating_mul(1 << queue.doublings);
        let holder = Holder { id, run, meter: Arc::new(ProgressMeter::new(limit)) };
        TurnState::Taken(self.grant(queue, key.clone(), holder))
    }

    /// The progress of the holder's upload: bytes that the server has, and the size.
    fn progress(&self, key: &LeaseKey) -> (u64, u64) {
        let queues = self.queues();
        let holder = queues.by_key.get(key).and_then(|queue| queue.holder.as_ref());
        holder.map(|holder| holder.meter.progress()).unwrap_or_default()
    }

    /// Releases a lease, unless another run has it by now. With `keeps`, its run may come back to it.
    fn release(&self, key: &LeaseKey, id: u64, keeps: bool) {
        self.change(key, |queue| {
            if queue.holder.as_ref().is_some_and(|holder| holder.id == id) {
                let holder = queue.holder.take();
                queue.lost = holder.filter(|_| keeps);
                queue.free_since = Instant::now();
            }
        });
    }

    fn change(&self, key: &LeaseKey, change: impl FnOnce(&mut LeaseQueue)) {
        let mut queues = self.queues();
        let Some(queue) = queues.by_key.get_mut(key) else { return };
        change(queue);
        queue.changed.notify_waiters();
        // Without waiters, a lost run can simply take the lease anew.
        if queue.holder.is_none() && queue.waiters.is_empty() {
            queues.by_key.remove(key);
        }
    }
}

impl LeaseQueue {
    fn new() -> Self {
        Self {
            holder: None,
            free_since: Instant::now(),
            lost: None,
            waiters: Vec::new(),
            changed: Arc::default(),
            doublings: 0,
        }
    }
}

impl SourceLease {
    /// The client learned that the server has `known` bytes of `size`, and hashes them now.
    pub(super) fn begin_hashing(&self, known: u64, size: u64) {
        self.meter.begin_hashing(known, size);
    }

    /// New bytes have arrived.
    pub(super) fn arrived(&self, bytes: u64) {
        self.meter.arrived(bytes);
    }

    /// A block of this size has been stored.
    pub(super) fn stored(&self, bytes: u64) {
        self.meter.stored(bytes);
    }

    /// Begins a job of the server, which lasts until the guard is dropped.
    pub(super) fn begin_work(&self) -> ServerWork<'_> {
        self.meter.begin_work();
        ServerWork(&self.meter)
    }

    /// Releases the lease to the head of the queue.
    pub(super) fn end(&self) {
        self.release(false);
    }

    /// Releases the lease, but keeps it for a moment for its run, which may come back.
    pub(super) fn suspend(&self) {
        self.release(true);
    }

    fn release(&self, keeps: bool) {
        if !self.ended.swap(true, Relaxed) {
            self.leases.release(&self.key, self.id, keeps);
        }
    }
}

impl Drop for SourceLease {
    fn drop(&mut self) {
        self.suspend();
    }
}

impl Drop for ServerWork<'_> {
    fn drop(&mut self) {
        self.0.end_work();
    }
}

impl LeaseTicket {
    /// Waits for the lease; `None` when a newer ticket of the same run has replaced this one. Dropping the
    /// future keeps the place.
    pub(super) async fn turn(&self) -> Option<SourceLease> {
        loop {
            // Registered before the check, so that no change is missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.leases.turn(&self.key, self.id) {
                TurnState::Taken(lease) => return Some(lease),
                TurnState::Replaced => return None,
                TurnState::Later(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// The progress of the upload that this one waits for: bytes that the server has, and the size.
    pub(super) fn progress(&self) -> (u64, u64) {
        self.leases.progress(&self.key)
    }
}

impl Drop for LeaseTicket {
    fn drop(&mut self) {
        let id = self.id;
        self.leases.change(&self.key, |queue| queue.waiters.retain(|waiter| waiter.id != id));
    }
}
