//! Leases: exclusive claims on stagings while they change hands.

use std::sync::Arc;

use ftx_core::RemoteName;

use super::index::Stagings;
use crate::store::UploadOwner;
use crate::store::local::latch::Latch;
use crate::store::local::recovery::StagingId;

/// An exclusive claim on a staging: only its holder may touch the files, and a later offer of the same
/// owner waits for its end. Dropping it leaves the staging to the next upload that wants it, so close the
/// files first.
#[derive(Debug)]
pub(super) struct StagingLease<'a, W> {
    stagings: &'a Stagings<W>,
    name: RemoteName,
    pub(super) id: StagingId,
    released: Latch,
    /// The index already knows the staging's next state.
    is_settled: bool,
}

impl<'a, W> StagingLease<'a, W> {
    /// Leases a new staging.
    pub(super) fn create(
        stagings: &'a Stagings<W>,
        name: &RemoteName,
        owner: Option<UploadOwner>,
    ) -> Self {
        let released = Latch::default();
        let id = stagings.create(name, owner, released.clone());
        Self { stagings, name: name.clone(), id, released, is_settled: false }
    }

    /// Leases an idle staging that is `wanted`.
    pub(super) fn take_idle(
        stagings: &'a Stagings<W>,
        name: &RemoteName,
        owner: Option<UploadOwner>,
        wanted: impl Fn(StagingId) -> bool,
    ) -> Option<Self> {
        let released = Latch::default();
        let id = stagings.take_idle(name, wanted, owner, released.clone())?;
        Some(Self { stagings, name: name.clone(), id, released, is_settled: false })
    }

    /// Leases the staging of `writer`, an upload of `name`. `None` if that upload has ended, or another
    /// one took its staging over.
    pub(super) fn take_from(
        stagings: &'a Stagings<W>,
        name: &RemoteName,
        writer: &W,
        owner: Option<UploadOwner>,
    ) -> Option<Self> {
        let released = Latch::default();
        let id = stagings.take_from(name, writer, owner, released.clone())?;
        Some(Self { stagings, name: name.clone(), id, released, is_settled: false })
    }

    /// The staging no longer exists.
    pub(super) fn remove(mut self) {
        self.is_settled = true;
        self.stagings.remove(&self.name, self.id);
    }

    /// `writer`, an upload of `owner`, writes to the staging from now on.
    pub(super) fn transfer_to(mut self, writer: &Arc<W>, owner: Option<UploadOwner>) {
        self.is_settled = true;
        self.stagings.assign(&self.name, self.id, Arc::downgrade(writer), owner);
    }
}

impl<W> Drop for StagingLease<'_, W> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.stagings.release(&self.name, self.id);
        }
        self.released.end();
    }
}
