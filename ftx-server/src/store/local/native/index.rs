//! Which stagings of blocks there are, and who has them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_store::{BlockStaging, StoreError};

use super::Inner;
use super::hand::Hand;
use super::upload::Shared;
use crate::store::Owner;
use crate::store::local::ages::Ages;
use crate::store::local::latch::Latch;
use crate::store::local::leftovers::{Leftovers, StagingId, remove};

/// What the directory of the stagings is called.
const DIR: &str = ".ftx/blocks";

/// All stagings of blocks.
#[derive(Debug)]
pub(super) struct BlockIndex {
    next: StagingId,
    by_name: HashMap<RemoteName, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: StagingId,
    state: State,
}

/// Who has a staging.
#[derive(Debug)]
enum State {
    /// Nobody.
    Idle,
    /// An upload that writes to it, of this client. Not kept here: an upload that nobody drives any
    /// more ends.
    Written { by: Weak<Shared>, of: Option<Owner> },
    /// It changes hands, for an upload of this client: it is read, put away or published. How much of
    /// it there is is known when that has ended.
    InHand { of: Option<Owner>, ends: Latch },
}

/// What one client may have of a name.
#[derive(Debug)]
pub(super) enum Claim {
    /// A staging of the client's own changes hands; without a latch for a moment only.
    Wait(Option<Latch>),
    /// These uploads write to stagings.
    Written(Vec<Arc<Shared>>),
}

impl BlockIndex {
    /// Finds what earlier runs left.
    pub(super) fn load(dir: &Dir, ages: &Ages, ttl: Duration) -> Result<Self, StoreError> {
        let is_old = |id| ages.is_older(DIR, dir, id, ttl);
        let found = Leftovers::find(dir, DIR, is_old, BlockStaging::name_of)?;
        let mut index = Self { next: found.next, by_name: HashMap::new() };
        for (name, id) in found.stagings {
            index.by_name.entry(name).or_default().push(Entry { id, state: State::Idle });
        }
        Ok(index)
    }

    /// A new staging, in the hand of who makes it.
    pub(super) fn create(
        &mut self,
        name: &RemoteName,
        of: Option<Owner>,
        ends: Latch,
    ) -> StagingId {
        let id = self.next;
        self.next = id.next();
        let state = State::InHand { of, ends };
        self.by_name.entry(name.clone()).or_default().push(Entry { id, state });
        id
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

    /// Notes that nobody has a staging any more.
    pub(super) fn release(&mut self, name: &RemoteName, id: StagingId) {
        self.set(name, id, State::Idle);
    }

    /// Notes that an upload of this client writes to a staging from now on.
    pub(super) fn written(
        &mut self,
        name: &RemoteName,
        id: StagingId,
        by: Weak<Shared>,
        of: Option<Owner>,
    ) {
        self.set(name, id, State::Written { by, of });
    }

    fn set(&mut self, name: &RemoteName, id: StagingId, state: State) {
        let entries = self.by_name.get_mut(name).map(Vec::as_mut_slice).unwrap_or_default();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.id == id) {
            entry.state = state;
        }
    }

    /// Those who write to a name, unless a client is to wait for one of its own stagings.
    pub(super) fn claim(&self, name: &RemoteName, client: Option<Owner>) -> Claim {
        let entries = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut writers = Vec::new();
        for entry in entries {
            match &entry.state {
                State::InHand { of, ends } if of.is_some() && *of == client => {
                    return Claim::Wait(Some(ends.clone()));
                }
                State::Written { by, of } => match by.upgrade() {
                    Some(writer) => writers.push(writer),
                    // It is dropped just now, and takes the staging into its hand.
                    None if of.is_some() && *of == client => return Claim::Wait(None),
                    None => {}
                },
                State::Idle | State::InHand { .. } => {}
            }
        }
        Claim::Written(writers)
    }

    /// Takes a staging out of the hands of who writes to it, if it still is in these.
    pub(super) fn take_from(&mut self, writer: &Shared, of: Option<Owner>, ends: Latch) -> bool {
        let is_of = |entry: &Entry| match &entry.state {
            State::Written { by, .. } => std::ptr::eq(by.as_ptr(), writer),
            State::Idle | State::InHand { .. } => false,
        };
        let entries = self.by_name.get_mut(&writer.name).map(Vec::as_mut_slice);
        match entries.unwrap_or_default().iter_mut().find(|entry| is_of(entry)) {
            Some(entry) => {
                entry.state = State::InHand { of, ends };
                true
            }
            None => false,
        }
    }

    /// Takes a staging of the name into the hand that nobody has, and that is `wanted`.
    pub(super) fn take_idle(
        &mut self,
        name: &RemoteName,
        wanted: impl Fn(StagingId) -> bool,
        of: Option<Owner>,
    ) -> Option<(StagingId, Latch)> {
        let is_idle = |entry: &&mut Entry| matches!(entry.state, State::Idle) && wanted(entry.id);
        let entry = self.by_name.get_mut(name)?.iter_mut().find(is_idle)?;
        let ends = Latch::default();
        entry.state = State::InHand { of, ends: ends.clone() };
        Some((entry.id, ends))
    }

    fn idle(&self) -> Vec<(RemoteName, StagingId)> {
        let all = self
            .by_name
            .iter()
            .flat_map(|(name, entries)| entries.iter().map(move |entry| (name, entry)));
        all.filter(|(_, entry)| matches!(entry.state, State::Idle))
            .map(|(name, entry)| (name.clone(), entry.id))
            .collect()
    }
}

/// Removes the stagings that nobody has written to for `ttl`. Blocks, and locks the index for moments
/// only.
pub(in crate::store::local) fn expire(inner: &Inner, ttl: Duration) {
    let dir = &*inner.blocks.dir.get();
    let is_old = |id: StagingId| inner.ages.is_older(DIR, dir, id, ttl);
    for (name, old) in inner.blocks.index(|index| index.idle()) {
        if is_old(old)
            && let Some(hand) = Hand::idle(inner, &name, None, |id| id == old)
            // Somebody may have gone on with it since it was looked at.
            && is_old(old)
        {
            remove(dir, old);
            hand.gone();
        }
    }
}
