//! One version of a file in memory.

use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{Cv, Manifest};
use ftx_core::native::wire::{Meta, Version};
use ftx_io::Executor;

use super::{MemStore, MemVersion, part};
use crate::store::{Refusal, StoredFile, WorkProgress};

/// A version that was published when it was opened. Its bytes never change.
#[derive(Clone, Debug)]
pub struct MemFile {
    store: MemStore,
    name: RemoteName,
    opened: Arc<MemVersion>,
}

impl MemFile {
    pub(super) fn new(store: MemStore, name: RemoteName, opened: Arc<MemVersion>) -> Self {
        Self { store, name, opened }
    }
}

impl StoredFile for MemFile {
    fn size(&self) -> u64 {
        self.opened.manifest.size()
    }

    fn meta(&self) -> Meta {
        self.opened.meta
    }

    fn version(&self) -> Version {
        self.opened.version
    }

    fn known_cv(&self, index: u64) -> Option<Cv> {
        self.opened.manifest.cvs().get(usize::try_from(index).ok()?).copied()
    }

    async fn learn(&self, _: &Executor, _: u64, _: Cv) -> Result<(), Refusal> {
        Ok(())
    }

    async fn forget(&self, _: &Executor) -> Result<(), Refusal> {
        Ok(())
    }

    async fn read(
        &self,
        _: &Executor,
        offset: u64,
        len: usize,
        mut spare: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let bytes = part(&self.opened.bytes, offset, len as u64).ok_or_else(|| {
            Refusal::new(Reason::Changed, format!("{:?} ends before these bytes", self.name))
        })?;
        spare.clear();
        spare.extend_from_slice(bytes);
        Ok(spare)
    }

    async fn manifest(&self, _: &Executor, _: WorkProgress) -> Result<Arc<Manifest>, Refusal> {
        Ok(Arc::clone(&self.opened.manifest))
    }

    async fn unchanged(&self, _: &Executor) -> Result<(), Refusal> {
        Ok(())
    }

    async fn is_current(&self, _: &Executor) -> bool {
        let state = self.store.lock();
        state.files.get(&self.name).is_some_and(|now| now.version == self.opened.version)
    }
}
