//! Runs that upload the same source take turns.
//!
//! Two runs that upload one file to one name want the same, and would only take its staging from each
//! other. So one of them has a *lease* of name and source, and the others stand in line. What the lease
//! is about is in the store; here nothing of it is known but how many bytes arrive.
//!
//! | the lease | who gets it, and when |
//! | --- | --- |
//! | nobody has it | whoever asks |
//! | its run comes back | this run, at once |
//! | its upload is published or given up | the first in line, at once |
//! | its upload failed, or its connection is lost | its run; after [`COMEBACK`] the first in line |
//! | its upload stands still | the first in line |
//!
//! Who was overtaken stands in line like all others. If nothing was stored between two that overtake each
//! other, the next one has twice the time, and half of it otherwise: on a line that is slower than the
//! limit, all would begin the same block again and again.
//!
//! Nothing that is held waits for a lease, since a connection that waits for one handles its other
//! requests. So two runs that upload the same files in another order cannot wait for each other for ever.

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

use self::meter::Meter;

/// How long a run that was lost has to come back before those in line go on.
pub(super) const COMEBACK: Duration = Duration::from_secs(3);

/// How long those behind somebody in line leave it to that one to take the lease. A connection that is
/// busy with other files takes it late.
const PRECEDENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether the server still works for who has the lease.
const LOOK: Duration = Duration::from_secs(1);

/// Those that stand in line for one lease at most.
const MAX_LINE: usize = 1024;

/// How often the time to stand still is doubled at most.
const MAX_DOUBLINGS: u32 = 6;

/// What one lease is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    name: RemoteName,
    source: Token,
}

/// All leases of a server; clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Leases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How long an upload may stand still.
    limit: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    by_key: HashMap<Key, Turns>,
}

/// One lease, and who wants it. Forgotten when nobody has or wants it.
#[derive(Debug)]
struct Turns {
    holder: Option<Holder>,
    /// When the last one let go of it.
    free_since: Instant,
    /// The one that it is kept for.
    lost: Option<Holder>,
    line: Vec<Waiter>,
    /// Told when any of this has changed.
    changed: Arc<Notify>,
    /// How often it was taken over with nothing stored between; less often when something was.
    doublings: u32,
}

#[derive(Clone, Debug)]
struct Holder {
    id: u64,
    run: Token,
    meter: Arc<Meter>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: u64,
    run: Token,
}

/// What comes of wanting a lease.
#[derive(Debug)]
pub(super) enum Wanted {
    Lease(Lease),
    Ticket(Ticket),
    /// The line is too long.
    Refused,
}

/// The right to upload a source to a name, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    leases: Leases,
    key: Key,
    id: u64,
    meter: Arc<Meter>,
    ended: AtomicBool,
}

/// A place in line, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    leases: Leases,
    key: Key,
    id: u64,
    changed: Arc<Notify>,
}

/// Something that the server does for an upload: meanwhile it does not stand still.
#[derive(Debug)]
pub(super) struct Work<'a>(&'a Meter);

/// What somebody in line finds.
enum Turn {
    Taken(Lease),
    /// To look again then, or when something has changed.
    Later(Instant),
    /// The same run has come back, and stands here in its place.
    Replaced,
}

impl Leases {
    /// An upload may stand still for `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Arc::new(Inner { limit, table: Mutex::default() }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is a single step, so a panic elsewhere leaves it in order.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lease for a run, or stands in line for it.
    pub(super) fn want(&self, name: &RemoteName, source: Token, run: Token) -> Wanted {
        let key = Key { name: name.clone(), source };
        let mut table = self.table();
        table.next_id += 1;
        let id = table.next_id;
        let turns = table.by_key.entry(key.clone()).or_insert_with(Turns::new);
        let own = turns.holder.as_ref().or(turns.lost.as_ref()).filter(|own| own.run == run);
        let meter = match own {
            Some(own) => Some(Arc::clone(&own.meter)),
            None if turns.holder.is_none() && turns.line.is_empty() => {
                Some(Arc::new(Meter::new(self.0.limit)))
            }
            None => None,
        };
        if let Some(meter) = meter {
            turns.line.retain(|waiter| waiter.run != run);
            return Wanted::Lease(self.give(turns, key, Holder { id, run, meter }));
        }
        let waiter = Waiter { id, run };
        if let Some(own) = turns.line.iter_mut().find(|waiter| waiter.run == run) {
            *own = waiter;
        } else if turns.line.len() >= MAX_LINE {
            return Wanted::Refused;
        } else {
            turns.line.push(waiter);
        }
        turns.changed.notify_waiters();
        let (leases, changed) = (self.clone(), Arc::clone(&turns.changed));
        Wanted::Ticket(Ticket { leases, key, id, changed })
    }

    fn give(&self, turns: &mut Turns, key: Key, holder: Holder) -> Lease {
        let (id, meter) = (holder.id, Arc::clone(&holder.meter));
        turns.holder = Some(holder);
        turns.lost = None;
        turns.changed.notify_waiters();
        Lease { leases: self.clone(), key, id, meter, ended: AtomicBool::new(false) }
    }

    /// The turn of somebody in line, if it has come.
    fn turn(&self, key: &Key, id: u64) -> Turn {
        let now = Instant::now();
        let mut table = self.table();
        let Some(turns) = table.by_key.get_mut(key) else { return Turn::Replaced };
        let Some(place) = turns.line.iter().position(|waiter| waiter.id == id) else {
            return Turn::Replaced;
        };
        let is_free = match (&turns.holder, &turns.lost) {
            (Some(holder), _) => holder.meter.deadline(),
            (None, Some(_)) => Some(turns.free_since + COMEBACK),
            (None, None) => Some(turns.free_since),
        };
        let Some(is_free) = is_free else { return Turn::Later(now + LOOK) };
        let due = is_free + PRECEDENCE * u32::try_from(place).unwrap_or(u32::MAX);
        if now < due {
            return Turn::Later(due);
        }
        if let Some(holder) = &turns.holder {
            turns.doublings = if holder.meter.has_stored() {
                turns.doublings.saturating_sub(1)
            } else {
                MAX_DOUBLINGS.min(turns.doublings + 1)
            };
        }
        let Waiter { run, .. } = turns.line.remove(place);
        let limit = self.0.limit.saturating_mul(1 << turns.doublings);
        let holder = Holder { id, run, meter: Arc::new(Meter::new(limit)) };
        Turn::Taken(self.give(turns, key.clone(), holder))
    }

    /// Bytes of the upload that has the lease: those that are here, and all there will be.
    fn progress(&self, key: &Key) -> (u64, u64) {
        let table = self.table();
        let holder = table.by_key.get(key).and_then(|turns| turns.holder.as_ref());
        holder.map(|holder| holder.meter.progress()).unwrap_or_default()
    }

    /// Lets go of a lease, unless another has it by now. It may be kept for its run.
    fn release(&self, key: &Key, id: u64, keeps: bool) {
        self.change(key, |turns| {
            if turns.holder.as_ref().is_some_and(|holder| holder.id == id) {
                let holder = turns.holder.take();
                turns.lost = holder.filter(|_| keeps);
                turns.free_since = Instant::now();
            }
        });
    }

    fn change(&self, key: &Key, change: impl FnOnce(&mut Turns)) {
        let mut table = self.table();
        let Some(turns) = table.by_key.get_mut(key) else { return };
        change(turns);
        turns.changed.notify_waiters();
        // A run that was lost takes it anew like anybody else when nobody wants it.
        if turns.holder.is_none() && turns.line.is_empty() {
            table.by_key.remove(key);
        }
    }
}

impl Turns {
    fn new() -> Self {
        Self {
            holder: None,
            free_since: Instant::now(),
            lost: None,
            line: Vec::new(),
            changed: Arc::default(),
            doublings: 0,
        }
    }
}

impl Lease {
    /// The client was told that so many bytes are here, of so many in all.
    pub(super) fn told(&self, held: u64, size: u64) {
        self.meter.told(held, size);
    }

    /// Bytes have arrived that were not here.
    pub(super) fn arrived(&self, bytes: u64) {
        self.meter.arrived(bytes);
    }

    /// A block of so many bytes is stored.
    pub(super) fn stored(&self, bytes: u64) {
        self.meter.stored(bytes);
    }

    /// Until this is dropped the server is at work.
    pub(super) fn work(&self) -> Work<'_> {
        self.meter.begin_work();
        Work(&self.meter)
    }

    /// The upload is done with: the next in line goes on.
    pub(super) fn done(&self) {
        self.end(false);
    }

    /// The upload has ended, and its run may come back to it.
    pub(super) fn lost(&self) {
        self.end(true);
    }

    fn end(&self, keeps: bool) {
        if !self.ended.swap(true, Relaxed) {
            self.leases.release(&self.key, self.id, keeps);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lost();
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.end_work();
    }
}

impl Ticket {
    /// Waits for the lease; `None` when a newer offer of the same run stands here. The place is kept when
    /// the wait is given up.
    pub(super) async fn turn(&self) -> Option<Lease> {
        loop {
            // From before the look, so that no change in between is missed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.leases.turn(&self.key, self.id) {
                Turn::Taken(lease) => return Some(lease),
                Turn::Replaced => return None,
                Turn::Later(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// Bytes of the upload that it waits for: those that are here, and all there will be.
    pub(super) fn progress(&self) -> (u64, u64) {
        self.leases.progress(&self.key)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let id = self.id;
        self.leases.change(&self.key, |turns| turns.line.retain(|waiter| waiter.id != id));
    }
}
