//! Who may write to a staging.
//!
//! Each dialect keeps its stagings in a directory of its own, and one index lists them by their
//! [keys](StagingKey): the name of the file, and the principal who uploads it. A principal never meets the
//! stagings of another one: it could learn what they hold, publish it as its own, or stop them. A [lease](StagingLease) is the right to touch the files of a staging. Each staging has at
//! most one lease, which stays beside the open staging: whoever takes the staging from its writer gets the
//! lease with it, and the old writer can write no more. A lease that is dropped, in a panic too, leaves the
//! staging idle.
//!
//! ```text
//!          lease           write_as
//!    idle ───────▶ leased ──────────▶ written      create ─▶ leased ─ remove ─▶ gone
//!     ▲             │  ▲ ◀── hold ─────┘ │
//!     └─── drop ────┘  └─ a takeover: the lease moves, then hold or write_as
//! ```
//!
//! | a staging of the same key is … | its owner, on another connection | any other upload |
//! |---|---|---|
//! | idle | leases it | leases it |
//! | written, the writer is silent for the time of takeover | takes it over | takes it over, if it can use all of the staging |
//! | written, the writer is alive | takes it over at once | leaves it alone: native starts a staging of its own, legacy copies the bytes it was offered |
//! | leased | waits until that changes | leaves it alone: native starts a staging of its own, legacy waits a while and is refused |
//!
//! Legacy uploads have no owner, so every upload is another one to them; and one principal has them all.
//! Publishing a name discards the publisher's idle stagings of that name, of both dialects, and those of its
//! [twin](StagingKey::unproven_twin); an idle staging that is older than its time to live expires. A leased
//! or written staging is never removed by anybody else.

mod key;
mod lease;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::native::Reason;
use ftx_store::{StagingFiles, StoreError};

pub(super) use self::key::StagingKey;
pub(super) use self::lease::StagingLease;
use super::LocalStoreConfig;
use super::expiry::ExpiryClock;
use super::latch::Latch;
use super::private_dir::PrivateDir;
use super::recovery::{OrphanedStagings, StagingId};
use crate::auth::Principal;
use crate::limits::Limit;
use crate::metrics::Metrics;
use crate::store::{Refusal, UploadOwner};

/// A reference to an upload that writes to a staging.
pub(super) trait WriterHandle: Clone + Debug {
    /// What an idle staging is known to hold, if that saves reading it.
    type Known: Clone + Debug + Default;

    /// How long nothing was written.
    fn silence(&self) -> Duration;
}

/// The stagings of one dialect. `W` refers to an upload that writes to one of them.
#[derive(Debug)]
pub(super) struct StagingIndex<W: WriterHandle> {
    dir: PrivateDir,
    /// For the gauge of leased stagings.
    metrics: Metrics,
    /// Stagings that a principal may have.
    most_per_principal: usize,
    state: Mutex<IndexState<W>>,
}

#[derive(Debug)]
struct IndexState<W: WriterHandle> {
    next: StagingId,
    by_key: HashMap<StagingKey, Vec<StagingEntry<W>>>,
    /// The number of stagings of each principal.
    counts: HashMap<Principal, usize>,
}

/// A staging, and who may write to it.
#[derive(Clone, Debug)]
pub(super) struct StagingEntry<W: WriterHandle> {
    pub(super) id: StagingId,
    pub(super) state: StagingState<W>,
}

/// Who may write to a staging.
#[derive(Clone, Debug)]
pub(super) enum StagingState<W: WriterHandle> {
    /// Any upload with its key may lease it.
    Idle(W::Known),
    /// Its lease is held for an upload of `owner`, to read, suspend or publish it.
    Leased {
        owner: Option<UploadOwner>,
        /// It is being created, and holds nothing yet.
        is_new: bool,
        /// Ends with this state.
        changed: Latch,
    },
    /// The upload `by` of `owner` writes to it, and can lose it to another one.
    Written { by: W, owner: Option<UploadOwner>, changed: Latch },
}

/// An upload that wants a staging.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claimant {
    pub(super) owner: Option<UploadOwner>,
    /// How long the writer of another owner must have been silent.
    pub(super) takeover_after: Duration,
}

/// What a claimant may do with a staging.
#[derive(Debug)]
pub(super) enum Access<W> {
    /// [Lease](StagingIndex::lease) it.
    Lease,
    /// Take it from this writer, an earlier upload of its own. If that one is ending already, wait.
    Reclaim { from: W, changed: Latch },
    /// Take it from this writer, which is silent, if all of it is of use.
    TakeOver { from: W },
    /// Wait, and look again: an earlier upload of its own is ending.
    Wait(Latch),
    /// Nothing: its writer is alive.
    Alive,
    /// Nothing, before the present lease ends.
    Leased,
}

impl<W: WriterHandle> StagingEntry<W> {
    /// What an upload may do with this staging: the table above.
    pub(super) fn access(self, claimant: &Claimant) -> Access<W> {
        let is_own = |owner: Option<UploadOwner>| owner.is_some() && owner == claimant.owner;
        match self.state {
            StagingState::Idle(_) => Access::Lease,
            StagingState::Leased { owner, changed, .. } if is_own(owner) => Access::Wait(changed),
            StagingState::Leased { .. } => Access::Leased,
            StagingState::Written { by, owner, changed } if is_own(owner) => {
                Access::Reclaim { from: by, changed }
            }
            StagingState::Written { by, .. } if by.silence() >= claimant.takeover_after => {
                Access::TakeOver { from: by }
            }
            StagingState::Written { .. } => Access::Alive,
        }
    }
}

impl<W: WriterHandle> StagingState<W> {
    fn leased(owner: Option<UploadOwner>) -> Self {
        Self::Leased { owner, is_new: false, changed: Latch::default() }
    }

    /// The latch that ends with this state; `None` for an idle staging.
    pub(super) fn changed(&self) -> Option<&Latch> {
        match self {
            Self::Idle(_) => None,
            Self::Leased { changed, .. } | Self::Written { changed, .. } => Some(changed),
        }
    }
}

impl<W: WriterHandle> StagingIndex<W> {
    /// Opens the directory `name` in `private_dir`, and lists the stagings of earlier server runs there.
    /// Removes those that are expired. `key_of` reads the key from a journal.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn open(
        private_dir: &Dir,
        name: &'static str,
        expiry: &ExpiryClock,
        config: &LocalStoreConfig,
        key_of: impl Fn(&Dir, &StagingFiles) -> Result<Option<StagingKey>, StoreError>,
    ) -> Result<Arc<Self>, StoreError> {
        let dir = PrivateDir::open(private_dir, name)?;
        let (path, present) = (dir.path(), dir.get());
        let is_old = |id| expiry.is_expired(&path, &present, id, config.staging_ttl);
        let OrphanedStagings { stagings, next } =
            OrphanedStagings::scan(&present, &path, is_old, key_of)?;
        let mut index = IndexState { next, by_key: HashMap::new(), counts: HashMap::new() };
        for (key, id) in stagings {
            index.add(&key, StagingEntry { id, state: StagingState::Idle(W::Known::default()) });
        }
        let (metrics, state) = (config.metrics.clone(), Mutex::new(index));
        Ok(Arc::new(Self { dir, metrics, most_per_principal: config.stagings_per_user, state }))
    }

    /// The directory of the stagings.
    pub(super) fn dir(&self) -> &PrivateDir {
        &self.dir
    }

    /// Fails if the principal has as many stagings as it may have. Several uploads that begin at the same time
    /// may each find room.
    pub(super) fn check_room(&self, key: &StagingKey) -> Result<(), Refusal> {
        let most = self.most_per_principal;
        let count = self.with(|index| index.counts.get(key.principal()).copied());
        if count.unwrap_or_default() < most { Ok(()) } else { Err(too_many_stagings(most)) }
    }

    /// Lists a new staging, with a lease on it for an upload of `owner`.
    pub(super) fn create(
        self: &Arc<Self>,
        key: &StagingKey,
        owner: Option<UploadOwner>,
    ) -> StagingLease<W> {
        let id = self.with(|index| {
            let id = index.next;
            index.next = id.next();
            let state = StagingState::Leased { owner, is_new: true, changed: Latch::default() };
            index.add(key, StagingEntry { id, state });
            id
        });
        StagingLease::new(self, key, id)
    }

    /// Leases a staging to an upload of `owner`; `None` unless it is idle.
    pub(super) fn lease(
        self: &Arc<Self>,
        key: &StagingKey,
        id: StagingId,
        owner: Option<UploadOwner>,
    ) -> Option<StagingLease<W>> {
        self.with(|index| {
            let entry = index.entry(key, id)?;
            let is_idle = matches!(entry.state, StagingState::Idle(_));
            is_idle.then(|| entry.state = StagingState::leased(owner))
        })?;
        Some(StagingLease::new(self, key, id))
    }

    /// The stagings of a key.
    pub(super) fn of(&self, key: &StagingKey) -> Vec<StagingEntry<W>> {
        self.with(|index| index.by_key.get(key).cloned().unwrap_or_default())
    }

    /// One staging of a key.
    pub(super) fn get(&self, key: &StagingKey, id: StagingId) -> Option<StagingEntry<W>> {
        self.with(|index| index.entry(key, id).cloned())
    }

    /// The idle stagings whose content is `wanted`.
    pub(super) fn idle(&self, wanted: impl Fn(&W::Known) -> bool) -> Vec<(StagingKey, StagingId)> {
        let is_wanted = |entry: &&StagingEntry<W>| matches!(&entry.state, StagingState::Idle(known) if wanted(known));
        self.with(|index| {
            let of_key = |(key, entries): (&StagingKey, &Vec<StagingEntry<W>>)| {
                let ids = entries.iter().filter(is_wanted).map(|entry| (key.clone(), entry.id));
                ids.collect::<Vec<_>>()
            };
            index.by_key.iter().flat_map(of_key).collect()
        })
    }

    /// Removes the idle stagings of a key. Blocks.
    pub(super) fn discard_idle(self: &Arc<Self>, key: &StagingKey) {
        for entry in self.of(key) {
            if let Some(lease) = self.lease(key, entry.id, None) {
                lease.discard();
            }
        }
    }

    /// Removes the stagings that nobody wrote to for `ttl`. Blocks, and locks the index for moments only.
    pub(super) fn expire(self: &Arc<Self>, expiry: &ExpiryClock, ttl: Duration) {
        let (path, dir) = (self.dir.path(), self.dir.get());
        let is_old = |id| expiry.is_expired(&path, &dir, id, ttl);
        for (key, id) in self.idle(|_| true) {
            if is_old(id)
                && let Some(lease) = self.lease(&key, id, None)
                // An upload may have resumed it since the first look.
                && is_old(id)
            {
                lease.discard();
            }
        }
    }

    /// Changes the state of a staging; `None` removes it from the index. Only its lease may do so.
    fn set(&self, key: &StagingKey, id: StagingId, state: Option<StagingState<W>>) {
        let old = self.with(|index| match state {
            Some(state) => {
                index.entry(key, id).map(|entry| std::mem::replace(&mut entry.state, state))
            }
            None => index.remove(key, id).map(|entry| entry.state),
        });
        if let Some(changed) = old.as_ref().and_then(StagingState::changed) {
            changed.end();
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut IndexState<W>) -> T) -> T {
        // Every change to the index is a single step, so a panic elsewhere leaves it in order.
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W: WriterHandle> IndexState<W> {
    fn entry(&mut self, key: &StagingKey, id: StagingId) -> Option<&mut StagingEntry<W>> {
        self.by_key.get_mut(key)?.iter_mut().find(|entry| entry.id == id)
    }

    fn add(&mut self, key: &StagingKey, entry: StagingEntry<W>) {
        self.by_key.entry(key.clone()).or_default().push(entry);
        *self.counts.entry(key.principal().clone()).or_default() += 1;
    }

    fn remove(&mut self, key: &StagingKey, id: StagingId) -> Option<StagingEntry<W>> {
        let entries = self.by_key.get_mut(key)?;
        let position = entries.iter().position(|entry| entry.id == id)?;
        let entry = entries.remove(position);
        if entries.is_empty() {
            self.by_key.remove(key);
        }
        if let Some(count) = self.counts.get_mut(key.principal()) {
            *count = count.saturating_sub(1);
        }
        self.counts.retain(|_, count| *count > 0);
        Some(entry)
    }
}

fn too_many_stagings(most: usize) -> Refusal {
    let limit = Limit::StagingsPerUser;
    let message = format!(
        "{most} uploads of one user are unfinished, and the server keeps no more ({}); finish or abandon some",
        limit.key()
    );
    Refusal::of_limit(limit, Reason::TooManyRequests, message)
}
