//! The index of the stagings that grow byte by byte, with the writer of each.

use std::collections::HashMap;
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_io::SharedStaging;
use ftx_store::{PrefixHasher, PrefixStaging, StoreError};

use crate::store::local::StoreInner;
use crate::store::local::expiry::ExpiryClock;
use crate::store::local::latch::{LastWrite, Latch};
use crate::store::local::recovery::{OrphanedStagings, StagingId, remove};

/// The directory of the stagings.
const DIR: &str = ".ftx/staging";

/// All stagings.
#[derive(Debug)]
pub(super) struct PrefixIndex {
    next: StagingId,
    by_name: HashMap<RemoteName, Vec<PrefixEntry>>,
}

#[derive(Debug)]
struct PrefixEntry {
    id: StagingId,
    state: PrefixState,
}

/// The state of a staging.
#[derive(Clone, Debug)]
pub(super) enum PrefixState {
    /// It has no writer. Its MD5 state, if known.
    Idle(Option<PrefixHasher>),
    /// It is being read for its MD5 state, and must not be touched meanwhile.
    Reading(Latch),
    /// A connection writes to it.
    Written(PrefixWriter),
}

/// The connection that writes to a staging.
#[derive(Clone, Debug)]
pub(super) struct PrefixWriter {
    pub(super) slot: SharedStaging,
    pub(super) last_write: LastWrite,
    /// Ends when it writes no more.
    pub(super) done: Latch,
}

/// The result of claiming a staging that was offered.
pub(super) enum PrefixClaim {
    /// It has no writer.
    Idle,
    /// It is being read.
    Reading,
    /// It has a writer.
    Written(PrefixWriter),
    /// It was published or discarded.
    Gone,
}

impl PrefixIndex {
    /// Loads the stagings that earlier server runs left.
    pub(super) fn load(
        staging: &Dir,
        expiry: &ExpiryClock,
        ttl: Duration,
    ) -> Result<Self, StoreError> {
        let is_old = |id| expiry.is_expired(DIR, staging, id, ttl);
        let found = OrphanedStagings::scan(staging, DIR, is_old, PrefixStaging::name_of)?;
        let mut index = Self { next: found.next, by_name: HashMap::new() };
        for (name, id) in found.stagings {
            index.add(name, id, PrefixState::Idle(None));
        }
        Ok(index)
    }

    /// All stagings without a writer.
    pub(super) fn idle(&self) -> Vec<(RemoteName, StagingId)> {
        self.those(|state| matches!(state, PrefixState::Idle(_)))
    }

    /// A number for a new staging.
    pub(super) fn new_id(&mut self) -> StagingId {
        let id = self.next;
        self.next = id.next();
        id
    }

    /// Notes a staging.
    pub(super) fn add(&mut self, name: RemoteName, id: StagingId, state: PrefixState) {
        self.by_name.entry(name).or_default().push(PrefixEntry { id, state });
    }

    /// Forgets a staging.
    pub(super) fn remove(&mut self, name: &RemoteName, id: StagingId) {
        if let Some(entries) = self.by_name.get_mut(name) {
            entries.retain(|entry| entry.id != id);
            if entries.is_empty() {
                self.by_name.remove(name);
            }
        }
    }

    /// Marks a staging as idle.
    pub(super) fn release(
        &mut self,
        name: &RemoteName,
        id: StagingId,
        hasher: Option<PrefixHasher>,
    ) {
        if let Some(entry) = self.entry(name, id) {
            entry.state = PrefixState::Idle(hasher);
        }
    }

    /// Notes that a writer is gone, if the staging is still its own.
    pub(super) fn abandon(&mut self, name: &RemoteName, id: StagingId, last_write: &LastWrite) {
        if let Some(entry) = self.entry(name, id)
            && let PrefixState::Written(writer) = &entry.state
            && writer.last_write.is_same(last_write)
        {
            entry.state = PrefixState::Idle(None);
        }
    }

    /// The stagings of a name.
    pub(super) fn of(&self, name: &RemoteName) -> Vec<(StagingId, PrefixState)> {
        let entries = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(|entry| (entry.id, entry.state.clone())).collect()
    }

    /// Removes an idle staging from the index, or returns its writer.
    pub(super) fn claim(&mut self, name: &RemoteName, id: StagingId) -> PrefixClaim {
        match self.entry(name, id).map(|entry| entry.state.clone()) {
            Some(PrefixState::Written(writer)) => PrefixClaim::Written(writer),
            Some(PrefixState::Idle(_)) => {
                self.remove(name, id);
                PrefixClaim::Idle
            }
            Some(PrefixState::Reading(_)) => PrefixClaim::Reading,
            None => PrefixClaim::Gone,
        }
    }

    /// Reserves a staging to read its MD5 state, if that is unknown.
    pub(super) fn begin_reading(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        match self.entry(name, id)?.state {
            PrefixState::Idle(None) => self.reserve(name, id),
            PrefixState::Idle(Some(_)) | PrefixState::Reading(_) | PrefixState::Written(_) => None,
        }
    }

    /// The latch to wait for while a staging is being read.
    pub(super) fn reading(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        match &self.entry(name, id)?.state {
            PrefixState::Reading(reading) => Some(reading.clone()),
            PrefixState::Idle(_) | PrefixState::Written(_) => None,
        }
    }

    /// Reserves a staging for the caller. Other connections wait until it is released.
    pub(super) fn reserve(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        let reading = Latch::default();
        self.entry(name, id)?.state = PrefixState::Reading(reading.clone());
        Some(reading)
    }

    /// All stagings whose MD5 state is unknown.
    pub(super) fn unread(&self) -> Vec<(RemoteName, StagingId)> {
        self.those(|state| matches!(state, PrefixState::Idle(None)))
    }

    fn those(&self, wanted: impl Fn(&PrefixState) -> bool) -> Vec<(RemoteName, StagingId)> {
        let entries = self
            .by_name
            .iter()
            .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)));
        entries
            .filter(|(_, entry)| wanted(&entry.state))
            .map(|(name, entry)| (name.clone(), entry.id))
            .collect()
    }

    /// Removes all idle stagings of a name from the index.
    pub(super) fn claim_idle(&mut self, name: &RemoteName) -> Vec<StagingId> {
        let mut idle = Vec::new();
        if let Some(entries) = self.by_name.get_mut(name) {
            entries.retain(|entry| {
                let is_idle = matches!(entry.state, PrefixState::Idle(_));
                if is_idle {
                    idle.push(entry.id);
                }
                !is_idle
            });
            if entries.is_empty() {
                self.by_name.remove(name);
            }
        }
        idle
    }

    fn entry(&mut self, name: &RemoteName, id: StagingId) -> Option<&mut PrefixEntry> {
        self.by_name.get_mut(name)?.iter_mut().find(|entry| entry.id == id)
    }
}

/// Removes the stagings that had no writer for `ttl`. Blocks, and locks the index for moments only.
pub(in crate::store::local) fn expire(inner: &StoreInner, ttl: Duration) {
    let staging = &*inner.legacy.dir.get();
    let is_old = |id: StagingId| inner.expiry.is_expired(DIR, staging, id, ttl);
    for (name, id) in inner.legacy.index(|index| index.idle()) {
        if !is_old(id) {
            continue;
        }
        if let PrefixClaim::Idle = inner.legacy.index(|index| index.claim(&name, id)) {
            // An upload may have resumed it since the first check.
            if is_old(id) {
                remove(staging, id);
            } else {
                inner.legacy.index(|index| index.add(name, id, PrefixState::Idle(None)));
            }
        }
    }
}
