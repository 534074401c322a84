//! Stagings that change hands.

use std::sync::Arc;

use ftx_core::RemoteName;

use super::Inner;
use super::index::BlockIndex;
use super::upload::Shared;
use crate::store::Owner;
use crate::store::local::latch::Latch;
use crate::store::local::leftovers::StagingId;

/// A staging in the hand of the caller, who alone may touch its files; a client whose own it is waits
/// until this is over. Dropping it leaves the staging to whoever wants it, so let go of its files
/// before.
#[derive(Debug)]
pub(super) struct Hand<'a> {
    inner: &'a Inner,
    name: RemoteName,
    pub(super) id: StagingId,
    ends: Latch,
    /// What becomes of the staging is noted already.
    noted: bool,
}

impl<'a> Hand<'a> {
    fn new(inner: &'a Inner, name: &RemoteName, id: StagingId, ends: Latch) -> Self {
        Self { inner, name: name.clone(), id, ends, noted: false }
    }

    /// A new staging.
    pub(super) fn create(inner: &'a Inner, name: &RemoteName, of: Option<Owner>) -> Self {
        let ends = Latch::default();
        let id = inner.blocks.index(|index| index.create(name, of, ends.clone()));
        Self::new(inner, name, id, ends)
    }

    /// A staging that is `wanted` and that nobody has.
    pub(super) fn idle(
        inner: &'a Inner,
        name: &RemoteName,
        of: Option<Owner>,
        wanted: impl Fn(StagingId) -> bool,
    ) -> Option<Self> {
        let take = |index: &mut BlockIndex| index.take_idle(name, wanted, of);
        let (id, ends) = inner.blocks.index(take)?;
        Some(Self::new(inner, name, id, ends))
    }

    /// The staging that an upload writes to. `None` if that has ended, or was taken over.
    pub(super) fn from(inner: &'a Inner, writer: &Shared, of: Option<Owner>) -> Option<Self> {
        let ends = Latch::default();
        let taken = inner.blocks.index(|index| index.take_from(writer, of, ends.clone()));
        taken.then(|| Self::new(inner, &writer.name, writer.id, ends))
    }

    /// The staging is no more.
    pub(super) fn gone(mut self) {
        self.noted = true;
        self.inner.blocks.index(|index| index.remove(&self.name, self.id));
    }

    /// An upload writes to it from now on.
    pub(super) fn give_to(mut self, writer: &Arc<Shared>, of: Option<Owner>) {
        self.noted = true;
        let by = Arc::downgrade(writer);
        self.inner.blocks.index(|index| index.written(&self.name, self.id, by, of));
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        if !self.noted {
            self.inner.blocks.index(|index| index.release(&self.name, self.id));
        }
        self.ends.end();
    }
}
