//! The index of the stagings that grow block by block, with the writer of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_store::{BlockStaging, StoreError};

use crate::store::UploadOwner;
use crate::store::local::expiry::ExpiryClock;
use crate::store::local::latch::Latch;
use crate::store::local::recovery::{OrphanedStagings, StagingId};

/// The directory of the stagings, as logs and the record of ages name it.
pub(super) const STAGING_DIR: &str = ".ftx/blocks";

/// The stagings of a root. `W` is a writer: an upload to which a staging belongs.
#[derive(Debug)]
pub(super) struct Stagings<W>(Mutex<StagingIndex<W>>);

#[derive(Debug)]
struct StagingIndex<W> {
    next: StagingId,
    by_name: HashMap<RemoteName, Vec<StagingEntry<W>>>,
}

#[derive(Debug)]
struct StagingEntry<W> {
    id: StagingId,
    state: StagingState<W>,
}

/// The claim on a staging.
#[derive(Debug)]
enum StagingState<W> {
    /// None: any upload of the name may resume it.
    Idle,
    /// An upload of `owner` writes to it. The reference is weak: an upload ends when its connection drops
    /// it.
    Written { by: Weak<W>, owner: Option<UploadOwner> },
    /// A lease for an upload of `owner`, which reads, suspends or publishes it. Its content is settled
    /// when the lease is `released`.
    Leased { owner: Option<UploadOwner>, released: Latch },
}

/// The uploads that write to a name.
#[derive(Debug)]
pub(super) enum WriterLookup<W> {
    /// A staging of the owner's changes hands: wait for this latch, or for a moment without one.
    Wait(Option<Latch>),
    /// These uploads, of any owner.
    Found(Vec<Arc<W>>),
}

impl<W> Stagings<W> {
    /// Finds the stagings of earlier runs in `dir`.
    pub(super) fn load(dir: &Dir, expiry: &ExpiryClock, ttl: Duration) -> Result<Self, StoreError> {
        let is_old = |id| expiry.is_expired(STAGING_DIR, dir, id, ttl);
        let found = OrphanedStagings::scan(dir, STAGING_DIR, is_old, BlockStaging::name_of)?;
        let mut by_name = HashMap::<_, Vec<_>>::new();
        for (name, id) in found.stagings {
            by_name.entry(name).or_default().push(StagingEntry { id, state: StagingState::Idle });
        }
        Ok(Self(Mutex::new(StagingIndex { next: found.next, by_name })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut StagingIndex<W>) -> T) -> T {
        // Every change to the index is a single step, so a panic elsewhere leaves it in order.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a staging under a new id, leased to an upload of `owner`.
    pub(super) fn create(
        &self,
        name: &RemoteName,
        owner: Option<UploadOwner>,
        released: Latch,
    ) -> StagingId {
        self.with(|index| {
            let id = index.next;
            index.next = id.next();
            let state = StagingState::Leased { owner, released };
            index.by_name.entry(name.clone()).or_default().push(StagingEntry { id, state });
            id
        })
    }

    /// Forgets a staging.
    pub(super) fn remove(&self, name: &RemoteName, id: StagingId) {
        self.with(|index| {
            if let Some(entries) = index.by_name.get_mut(name) {
                entries.retain(|entry| entry.id != id);
                if entries.is_empty() {
                    index.by_name.remove(name);
                }
            }
        });
    }

    /// Ends the claim on a staging.
    pub(super) fn release(&self, name: &RemoteName, id: StagingId) {
        self.set(name, id, StagingState::Idle);
    }

    /// Gives a staging to a writer, an upload of `owner`.
    pub(super) fn assign(
        &self,
        name: &RemoteName,
        id: StagingId,
        by: Weak<W>,
        owner: Option<UploadOwner>,
    ) {
        self.set(name, id, StagingState::Written { by, owner });
    }

    fn set(&self, name: &RemoteName, id: StagingId, state: StagingState<W>) {
        self.with(|index| {
            if let Some(entry) = index.entries_mut(name).iter_mut().find(|entry| entry.id == id) {
                entry.state = state;
            }
        });
    }

    /// The writers of a name, unless `owner` must wait for one of its own stagings first.
    pub(super) fn writers(&self, name: &RemoteName, owner: Option<UploadOwner>) -> WriterLookup<W> {
        let is_own = |of: &Option<UploadOwner>| of.is_some() && *of == owner;
        self.with(|index| {
            let mut writers = Vec::new();
            for entry in index.entries_mut(name) {
                match &entry.state {
                    StagingState::Leased { owner, released } if is_own(owner) => {
                        return WriterLookup::Wait(Some(released.clone()));
                    }
                    StagingState::Written { by, owner } => match by.upgrade() {
                        Some(writer) => writers.push(writer),
                        // It is being dropped, and is about to lease its staging.
                        None if is_own(owner) => return WriterLookup::Wait(None),
                        None => {}
                    },
                    StagingState::Idle | StagingState::Leased { .. } => {}
                }
            }
            WriterLookup::Found(writers)
        })
    }

    /// Leases the staging of `writer` to an upload of `owner`, if the writer still has one.
    pub(super) fn take_from(
        &self,
        name: &RemoteName,
        writer: &W,
        owner: Option<UploadOwner>,
        released: Latch,
    ) -> Option<StagingId> {
        let is_its = |entry: &&mut StagingEntry<W>| match &entry.state {
            StagingState::Written { by, .. } => std::ptr::eq(by.as_ptr(), writer),
            StagingState::Idle | StagingState::Leased { .. } => false,
        };
        self.with(|index| {
            let entry = index.entries_mut(name).iter_mut().find(is_its)?;
            entry.state = StagingState::Leased { owner, released };
            Some(entry.id)
        })
    }

    /// Leases an idle staging that is `wanted` to an upload of `owner`.
    pub(super) fn take_idle(
        &self,
        name: &RemoteName,
        wanted: impl Fn(StagingId) -> bool,
        owner: Option<UploadOwner>,
        released: Latch,
    ) -> Option<StagingId> {
        let is_idle = |entry: &&mut StagingEntry<W>| {
            matches!(entry.state, StagingState::Idle) && wanted(entry.id)
        };
        self.with(|index| {
            let entry = index.entries_mut(name).iter_mut().find(is_idle)?;
            entry.state = StagingState::Leased { owner, released };
            Some(entry.id)
        })
    }

    /// All idle stagings.
    pub(super) fn idle(&self) -> Vec<(RemoteName, StagingId)> {
        self.with(|index| {
            let all = index
                .by_name
                .iter()
                .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)));
            all.filter(|(_, entry)| matches!(entry.state, StagingState::Idle))
                .map(|(name, entry)| (name.clone(), entry.id))
                .collect()
        })
    }
}

impl<W> StagingIndex<W> {
    fn entries_mut(&mut self, name: &RemoteName) -> &mut [StagingEntry<W>] {
        self.by_name.get_mut(name).map(Vec::as_mut_slice).unwrap_or_default()
    }
}
