//! Which stagings of blocks there are, and who writes to them.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_store::{BlockStaging, StoreError};

use super::Blocks;
use super::upload::Shared;
use crate::store::local::leftovers::{Leftovers, StagingId, is_older, remove};

/// All stagings of blocks.
#[derive(Debug)]
pub(super) struct BlockIndex {
    next: StagingId,
    by_name: HashMap<RemoteName, Vec<Entry>>,
}

#[derive(Debug)]
struct Entry {
    id: StagingId,
    /// Who writes to it. Not kept here: an upload that nobody drives any more ends.
    writer: Option<Weak<Shared>>,
}

impl BlockIndex {
    /// Finds what earlier runs left.
    pub(super) fn load(dir: &Dir, ttl: Duration) -> Result<Self, StoreError> {
        let found = Leftovers::find(dir, ".ftx/blocks", ttl, BlockStaging::name_of)?;
        let mut index = Self { next: found.next, by_name: HashMap::new() };
        for (name, id) in found.stagings {
            index.add(name, id, None);
        }
        Ok(index)
    }

    /// A number for a new staging.
    pub(super) fn new_id(&mut self) -> StagingId {
        let id = self.next;
        self.next = id.next();
        id
    }

    /// Notes a staging, and who writes to it.
    pub(super) fn add(&mut self, name: RemoteName, id: StagingId, writer: Option<Weak<Shared>>) {
        self.by_name.entry(name).or_default().push(Entry { id, writer });
    }

    /// Forgets a staging, if it is still this writer's.
    pub(super) fn remove(&mut self, writer: &Shared) {
        if let Some(entries) = self.by_name.get_mut(&writer.name) {
            entries.retain(|entry| !entry.is_of(writer));
            if entries.is_empty() {
                self.by_name.remove(&writer.name);
            }
        }
    }

    /// Notes that nobody writes to a staging any more, if it is still this writer's.
    pub(super) fn release(&mut self, writer: &Shared) {
        if let Some(entries) = self.by_name.get_mut(&writer.name) {
            for entry in entries.iter_mut().filter(|entry| entry.is_of(writer)) {
                entry.writer = None;
            }
        }
    }

    /// Those who write to a name.
    pub(super) fn writers(&self, name: &RemoteName) -> Vec<Arc<Shared>> {
        let entries = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter_map(|entry| entry.writer.as_ref()?.upgrade()).collect()
    }

    /// Takes all stagings of a name that nobody writes to out of the index.
    pub(super) fn claim_idle(&mut self, name: &RemoteName) -> Vec<StagingId> {
        self.claim(name, |_| true)
    }

    /// Takes a staging out of the index, if nobody writes to it.
    pub(super) fn claim_one(&mut self, name: &RemoteName, id: StagingId) -> bool {
        !self.claim(name, |other| other == id).is_empty()
    }

    fn claim(&mut self, name: &RemoteName, wanted: impl Fn(StagingId) -> bool) -> Vec<StagingId> {
        let mut idle = Vec::new();
        if let Some(entries) = self.by_name.get_mut(name) {
            entries.retain(|entry| {
                let claimed = entry.writer.is_none() && wanted(entry.id);
                if claimed {
                    idle.push(entry.id);
                }
                !claimed
            });
            if entries.is_empty() {
                self.by_name.remove(name);
            }
        }
        idle
    }

    fn idle(&self) -> Vec<(RemoteName, StagingId)> {
        let idle = |entries: &[Entry]| -> Vec<StagingId> {
            entries.iter().filter(|entry| entry.writer.is_none()).map(|entry| entry.id).collect()
        };
        let by_name = self.by_name.iter();
        by_name
            .flat_map(|(name, entries)| idle(entries).into_iter().map(|id| (name.clone(), id)))
            .collect()
    }
}

impl Entry {
    fn is_of(&self, writer: &Shared) -> bool {
        self.writer.as_ref().is_some_and(|own| std::ptr::eq(own.as_ptr(), writer))
    }
}

/// Removes the stagings that nobody has written to for `ttl`. Blocks, and locks the index for moments
/// only.
pub(super) fn expire(blocks: &Blocks, ttl: Duration) {
    let is_old = |id: StagingId| is_older(&blocks.dir, &id.files().data, ttl);
    for (name, id) in blocks.index(|index| index.idle()) {
        if is_old(id) && blocks.index(|index| index.claim_one(&name, id)) {
            // Somebody may have gone on with it since it was looked at.
            if is_old(id) {
                remove(&blocks.dir, id);
            } else {
                blocks.index(|index| index.add(name, id, None));
            }
        }
    }
}
