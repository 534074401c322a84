//! Leases: the right to touch the files of a staging.

use std::sync::Arc;

use ftx_store::StagingFiles;

use super::{StagingIndex, StagingKey, StagingState, WriterHandle};
use crate::metrics::OpenStaging;
use crate::store::UploadOwner;
use crate::store::local::private_dir::PrivateDir;
use crate::store::local::recovery::{self, StagingId};

/// The right to touch the files of a staging. Dropping it leaves the staging idle, so close the files first.
#[derive(Debug)]
pub(in crate::store::local) struct StagingLease<W: WriterHandle> {
    pub(super) index: Arc<StagingIndex<W>>,
    key: StagingKey,
    id: StagingId,
    /// The index has the last state of the staging.
    is_settled: bool,
    _open: OpenStaging,
}

impl<W: WriterHandle> StagingLease<W> {
    pub(super) fn new(index: &Arc<StagingIndex<W>>, key: &StagingKey, id: StagingId) -> Self {
        let _open = index.metrics.open_staging();
        Self { index: Arc::clone(index), key: key.clone(), id, is_settled: false, _open }
    }

    /// The directory of the staging.
    pub(in crate::store::local) fn dir(&self) -> &PrivateDir {
        &self.index.dir
    }

    /// The key of the staging.
    pub(in crate::store::local) fn key(&self) -> &StagingKey {
        &self.key
    }

    /// The staging's files in that directory.
    pub(in crate::store::local) fn files(&self) -> StagingFiles {
        self.id.files()
    }

    /// From now on `by`, an upload of `owner`, writes to the staging. It can lose the staging to another
    /// upload.
    pub(in crate::store::local) fn write_as(&mut self, by: W, owner: Option<UploadOwner>) {
        self.set(Some(StagingState::Written { by, owner, changed: Default::default() }));
    }

    /// From now on nobody writes to the staging. It is read, suspended or published for an upload of
    /// `owner`.
    pub(in crate::store::local) fn hold(&mut self, owner: Option<UploadOwner>) {
        self.set(Some(StagingState::leased(owner)));
    }

    /// Leaves the staging idle, and says what it holds.
    pub(in crate::store::local) fn release(mut self, known: W::Known) {
        self.is_settled = true;
        self.set(Some(StagingState::Idle(known)));
    }

    /// The staging no longer exists.
    pub(in crate::store::local) fn remove(mut self) {
        self.is_settled = true;
        self.set(None);
    }

    /// Removes the staging, whose files are closed. Blocks.
    pub(in crate::store::local) fn discard(self) {
        recovery::remove(&self.index.dir.get(), self.id);
        self.remove();
    }

    fn set(&self, state: Option<StagingState<W>>) {
        self.index.set(&self.key, self.id, state);
    }
}

impl<W: WriterHandle> Drop for StagingLease<W> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.set(Some(StagingState::Idle(W::Known::default())));
        }
    }
}
