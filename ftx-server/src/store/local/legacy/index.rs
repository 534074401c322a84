//! Which stagings there are, and who writes to them.

use std::collections::HashMap;
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_io::SharedStaging;
use ftx_store::{PrefixHasher, Staging, StoreError};

use crate::store::local::Inner;
use crate::store::local::ages::Ages;
use crate::store::local::latch::{Heard, Latch};
use crate::store::local::leftovers::{Leftovers, StagingId, remove};

/// What the directory of the stagings is called.
const DIR: &str = ".ftx/staging";

/// All stagings.
#[derive(Debug)]
pub(super) struct Index {
    next: StagingId,
    by_name: HashMap<RemoteName, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: StagingId,
    state: State,
}

/// What is known of a staging.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nobody writes to it. Its MD5 state, unless that is still to be found out.
    Idle(Option<PrefixHasher>),
    /// Its MD5 state is being found out; nobody may touch it meanwhile.
    Reading(Latch),
    /// A connection writes to it.
    Written(Writer),
}

/// The connection that writes to a staging.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) slot: SharedStaging,
    pub(super) heard: Heard,
    /// Ends when it writes no more.
    pub(super) done: Latch,
}

/// What became of a staging that was offered.
pub(super) enum Claim {
    /// Nobody writes to it.
    Idle,
    /// It is being read.
    Reading,
    /// It has a writer.
    Written(Writer),
    /// It was published or discarded.
    Gone,
}

impl Index {
    /// Finds what earlier runs left in the staging directory.
    pub(super) fn load(staging: &Dir, ages: &Ages, ttl: Duration) -> Result<Self, StoreError> {
        let is_old = |id| ages.is_older(DIR, staging, id, ttl);
        let found = Leftovers::find(staging, DIR, is_old, Staging::name_of)?;
        let mut index = Self { next: found.next, by_name: HashMap::new() };
        for (name, id) in found.stagings {
            index.add(name, id, State::Idle(None));
        }
        Ok(index)
    }

    /// All stagings that nobody writes to.
    pub(super) fn idle(&self) -> Vec<(RemoteName, StagingId)> {
        self.those(|state| matches!(state, State::Idle(_)))
    }

    /// A number for a new staging.
    pub(super) fn new_id(&mut self) -> StagingId {
        let id = self.next;
        self.next = id.next();
        id
    }

    /// Notes a staging.
    pub(super) fn add(&mut self, name: RemoteName, id: StagingId, state: State) {
        self.by_name.entry(name).or_default().push(Entry { id, state });
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

    /// Notes that nobody writes to a staging any more.
    pub(super) fn release(
        &mut self,
        name: &RemoteName,
        id: StagingId,
        hasher: Option<PrefixHasher>,
    ) {
        if let Some(entry) = self.entry(name, id) {
            entry.state = State::Idle(hasher);
        }
    }

    /// Notes that a writer is gone, if the staging is still its own.
    pub(super) fn abandon(&mut self, name: &RemoteName, id: StagingId, heard: &Heard) {
        if let Some(entry) = self.entry(name, id)
            && let State::Written(writer) = &entry.state
            && writer.heard.is(heard)
        {
            entry.state = State::Idle(None);
        }
    }

    /// The stagings of a name.
    pub(super) fn of(&self, name: &RemoteName) -> Vec<(StagingId, State)> {
        let entries = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        entries.iter().map(|entry| (entry.id, entry.state.clone())).collect()
    }

    /// Takes a staging that nobody writes to out of the index, or says who does.
    pub(super) fn claim(&mut self, name: &RemoteName, id: StagingId) -> Claim {
        match self.entry(name, id).map(|entry| entry.state.clone()) {
            Some(State::Written(writer)) => Claim::Written(writer),
            Some(State::Idle(_)) => {
                self.remove(name, id);
                Claim::Idle
            }
            Some(State::Reading(_)) => Claim::Reading,
            None => Claim::Gone,
        }
    }

    /// Reserves a staging whose MD5 state is to be found out, if it is one.
    pub(super) fn begin_reading(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        match self.entry(name, id)?.state {
            State::Idle(None) => self.reserve(name, id),
            State::Idle(Some(_)) | State::Reading(_) | State::Written(_) => None,
        }
    }

    /// What to wait for while a staging is being read.
    pub(super) fn reading(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        match &self.entry(name, id)?.state {
            State::Reading(reading) => Some(reading.clone()),
            State::Idle(_) | State::Written(_) => None,
        }
    }

    /// Reserves a staging for the caller, who has it in hand; others wait until it is released.
    pub(super) fn reserve(&mut self, name: &RemoteName, id: StagingId) -> Option<Latch> {
        let reading = Latch::default();
        self.entry(name, id)?.state = State::Reading(reading.clone());
        Some(reading)
    }

    /// All stagings whose MD5 state is to be found out.
    pub(super) fn unread(&self) -> Vec<(RemoteName, StagingId)> {
        self.those(|state| matches!(state, State::Idle(None)))
    }

    fn those(&self, wanted: impl Fn(&State) -> bool) -> Vec<(RemoteName, StagingId)> {
        let entries = self
            .by_name
            .iter()
            .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)));
        entries
            .filter(|(_, entry)| wanted(&entry.state))
            .map(|(name, entry)| (name.clone(), entry.id))
            .collect()
    }

    /// Takes all stagings of a name that nobody writes to out of the index.
    pub(super) fn claim_idle(&mut self, name: &RemoteName) -> Vec<StagingId> {
        let mut idle = Vec::new();
        if let Some(entries) = self.by_name.get_mut(name) {
            entries.retain(|entry| {
                let is_idle = matches!(entry.state, State::Idle(_));
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

    fn entry(&mut self, name: &RemoteName, id: StagingId) -> Option<&mut Entry> {
        self.by_name.get_mut(name)?.iter_mut().find(|entry| entry.id == id)
    }
}

/// Removes the stagings that had no writer for `ttl`. Blocks, and locks the index for moments only.
pub(in crate::store::local) fn expire(inner: &Inner, ttl: Duration) {
    let staging = &*inner.legacy.dir.get();
    let is_old = |id: StagingId| inner.ages.is_older(DIR, staging, id, ttl);
    for (name, id) in inner.legacy.index(|index| index.idle()) {
        if !is_old(id) {
            continue;
        }
        if let Claim::Idle = inner.legacy.index(|index| index.claim(&name, id)) {
            // Somebody may have gone on with it since it was looked at.
            if is_old(id) {
                remove(staging, id);
            } else {
                inner.legacy.index(|index| index.add(name, id, State::Idle(None)));
            }
        }
    }
}
