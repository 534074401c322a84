//! Unfinished uploads in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockRange, Cv, Digest, PartialManifest, block_count, block_len, block_offset,
};
use ftx_core::native::wire::{Meta, Overwrite};
use ftx_core::native::{Granule, Reason};
use ftx_io::Executor;

use super::{MemState, MemStore, MemVersion, part};
use crate::auth::Principal;
use crate::store::{
    Naming, OpenedUpload, Refusal, StagedUpload, UploadOffer, UploadOwner, WorkProgress,
};

/// The blocks of an unfinished upload.
#[derive(Debug)]
pub(super) struct StagedBlocks {
    name: RemoteName,
    /// The one to whom it belongs.
    principal: Principal,
    blocks: BTreeMap<u64, Vec<u8>>,
    /// The blocks that are durable.
    durable: PartialManifest,
    /// Whole blocks whose granule is incomplete. They are lost if the upload is interrupted.
    arrived: BTreeMap<u64, Cv>,
    /// The number and the owner of the upload that writes to it.
    writer: Option<(u64, Option<UploadOwner>)>,
}

/// An upload that writes to a staging, until another one takes that over.
#[derive(Debug)]
pub struct MemStaging {
    store: MemStore,
    name: RemoteName,
    size: u64,
    meta: Meta,
    overwrite: Overwrite,
    naming: Naming,
    /// The number of the staging.
    staging: u64,
    /// The number of this upload as a writer.
    writer: u64,
    basis: Option<Arc<MemVersion>>,
}

impl StagedBlocks {
    fn new(name: RemoteName, principal: Principal, size: u64) -> Self {
        let (blocks, arrived) = (BTreeMap::new(), BTreeMap::new());
        let durable = PartialManifest::new(size);
        Self { name, principal, blocks, durable, arrived, writer: None }
    }

    /// Whether it is a staging of this name that belongs to this principal.
    pub(super) fn is_of(&self, name: &RemoteName, principal: &Principal) -> bool {
        self.name == *name && self.principal == *principal
    }

    pub(super) fn size(&self) -> u64 {
        self.durable.size()
    }

    pub(super) fn has_writer(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether an upload of `owner` may take this staging: its own, or one without a writer.
    fn is_free_for(&self, owner: Option<UploadOwner>) -> bool {
        self.writer.is_none_or(|(_, writer)| owner.is_some() && writer == owner)
    }

    fn write(&mut self, offset: u64, chunk: &[u8]) -> Option<()> {
        let (index, inside) = (offset / BLOCK_BYTES, offset % BLOCK_BYTES);
        self.durable.forget(index);
        let block = self.blocks.entry(index).or_default();
        block.resize(usize::try_from(block_len(self.durable.size(), index)).ok()?, 0);
        let start = usize::try_from(inside).ok()?;
        block.get_mut(start..start.checked_add(chunk.len())?)?.copy_from_slice(chunk);
        Some(())
    }

    /// Notes a whole block. Returns the blocks that are durable because of it: a granule is written as a
    /// whole, whatever was stored of it before.
    fn stored(&mut self, index: u64, cv: Cv, granule: Granule) -> BlockRange {
        self.arrived.insert(index, cv);
        let unit = granule.around(index, block_count(self.durable.size()));
        if !(unit.first..unit.end()).all(|index| self.arrived.contains_key(&index)) {
            return BlockRange { first: index, count: 0 };
        }
        for index in unit.first..unit.end() {
            if let Some(cv) = self.arrived.remove(&index) {
                let _ = self.durable.set(index, cv);
            }
        }
        unit
    }

    /// Forgets the blocks of a granule that are not durable.
    fn forget(&mut self, granule: BlockRange) {
        let indices = granule.first..granule.end();
        self.arrived.retain(|index, _| !indices.contains(index));
        let durable = &self.durable;
        self.blocks.retain(|&index, _| !indices.contains(&index) || durable.get(index).is_some());
    }

    /// Forgets the writer, and the blocks whose granule is incomplete.
    fn suspend(&mut self) {
        self.writer = None;
        self.arrived.clear();
        let durable = &self.durable;
        self.blocks.retain(|&index, _| durable.get(index).is_some());
    }
}

impl MemStore {
    /// Opens a staging for an offer: the fullest one that the client may resume, or a new one.
    pub(super) fn open_staging(
        &self,
        offer: UploadOffer,
    ) -> Result<OpenedUpload<MemStaging>, Refusal> {
        let UploadOffer { name, size, meta, overwrite, naming, owner } = offer;
        let mut state = self.lock();
        state.check_parents(&name)?;
        let basis = match naming {
            Naming::Exact => {
                state.check_file(&name)?;
                state.check_overwrite(&name, overwrite)?;
                state.files.get(&name).map(Arc::clone)
            }
            Naming::FirstFree => None,
        };
        let fitting = state.stagings.iter_mut().filter(|(_, staging)| {
            staging.is_of(&name, &self.principal)
                && staging.size() == size
                && staging.is_free_for(owner)
        });
        let fullest = fitting.max_by_key(|(_, staging)| staging.durable.known());
        let staging = match fullest {
            Some((&number, staging)) => {
                staging.suspend();
                number
            }
            None => {
                self.check_space(&state, &name, size)?;
                let number = state.next_number();
                let blocks = StagedBlocks::new(name.clone(), self.principal.clone(), size);
                state.stagings.insert(number, blocks);
                number
            }
        };
        let writer = state.next_number();
        let staged = match state.stagings.get_mut(&staging) {
            Some(found) => {
                found.writer = Some((writer, owner));
                found.durable.clone()
            }
            None => PartialManifest::new(size),
        };
        let published = basis.as_ref().map(|basis| known_blocks(basis, size));
        drop(state);
        let store = self.clone();
        let upload =
            MemStaging { store, name, size, meta, overwrite, naming, staging, writer, basis };
        Ok(OpenedUpload { upload, staged, published })
    }
}

/// The blocks of a published version that a file of `size` bytes may have too.
fn known_blocks(basis: &MemVersion, size: u64) -> PartialManifest {
    PartialManifest::from(&*basis.manifest).resized(size)
}

impl MemStaging {
    /// Changes the staging, if this upload still writes to it.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut StagedBlocks) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.store.lock();
        work(self.own(&mut state)?)
    }

    fn own<'a>(&self, state: &'a mut MemState) -> Result<&'a mut StagedBlocks, Refusal> {
        let own = state.stagings.get_mut(&self.staging);
        let own =
            own.filter(|staging| staging.writer.is_some_and(|(writer, _)| writer == self.writer));
        own.ok_or_else(|| {
            let message = format!("the upload of {:?} goes on over another connection", self.name);
            Refusal::new(Reason::TakenOver, message)
        })
    }

    fn publish_now(
        &self,
        state: &mut MemState,
        copy: &[BlockRange],
        digest: Digest,
    ) -> Result<bool, Refusal> {
        self.copy(self.own(state)?, copy)?;
        let staging = self.own(state)?;
        let Some(manifest) = staging.durable.complete() else {
            let message = format!("{:?} cannot be published: blocks are missing", self.name);
            return Err(Refusal::new(Reason::IoError, message));
        };
        if manifest.digest() != digest {
            let message = format!("{:?} is not the file of this digest; send it again", self.name);
            return Err(Refusal::new(Reason::DigestMismatch, message));
        }
        let bytes: Vec<u8> = staging.blocks.values().flatten().copied().collect();
        state.check_parents(&self.name)?;
        if self.naming == Naming::FirstFree {
            let name = state.first_free(&self.name)?;
            state.stagings.remove(&self.staging);
            state.insert(name, bytes, manifest, self.meta);
            return Ok(false);
        }
        state.check_file(&self.name)?;
        state.check_overwrite(&self.name, self.overwrite)?;
        state.stagings.remove(&self.staging);
        if state.keep(&self.name, digest, self.meta) {
            return Ok(true);
        }
        state.publish(&self.name, &self.store.principal, bytes, manifest, self.meta);
        Ok(false)
    }

    fn copy(&self, staging: &mut StagedBlocks, ranges: &[BlockRange]) -> Result<(), Refusal> {
        for index in ranges.iter().flat_map(|range| range.first..range.end()) {
            let (offset, len) = (block_offset(index), block_len(self.size, index));
            let found = self.basis.as_ref().and_then(|basis| {
                Some((part(&basis.bytes, offset, len)?, known_blocks(basis, self.size).get(index)?))
            });
            let Some((bytes, cv)) = found else {
                let message = format!("{:?} has no such block; offer the file again", self.name);
                return Err(Refusal::new(Reason::Changed, message));
            };
            staging.blocks.insert(index, bytes.to_vec());
            let _ = staging.durable.set(index, cv);
        }
        Ok(())
    }

    /// Ends the upload, if it still writes to its staging.
    fn end_now(&self, discard: bool) {
        let mut state = self.store.lock();
        let Ok(staging) = self.own(&mut state) else { return };
        staging.suspend();
        if discard || staging.durable.known() == 0 {
            state.stagings.remove(&self.staging);
        }
    }
}

impl StagedUpload for MemStaging {
    async fn write(&self, _: &Executor, offset: u64, chunk: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        self.with(|staging| {
            let beyond = || Refusal::new(Reason::Internal, "bytes beyond the end of a block");
            staging.write(offset, &chunk).ok_or_else(beyond)
        })?;
        Ok(chunk)
    }

    async fn stored(&self, _: &Executor, index: u64, cv: Cv) -> Result<BlockRange, Refusal> {
        self.with(|staging| Ok(staging.stored(index, cv, self.store.granule)))
    }

    async fn forget(&self, _: &Executor, granule: BlockRange) -> Result<(), Refusal> {
        self.with(|staging| {
            staging.forget(granule);
            Ok(())
        })
    }

    async fn publish(
        &self,
        _: &Executor,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        let mut state = self.store.lock();
        let published = if progress.set(0, self.size) {
            self.publish_now(&mut state, &copy, digest)
        } else {
            let message = format!("publishing {:?} was stopped; offer the file again", self.name);
            Err(Refusal::new(Reason::ShuttingDown, message))
        };
        drop(state);
        // A failed upload leaves its staging to the next offer.
        self.end_now(false);
        published
    }

    async fn end(&self, _: &Executor, discard: bool) -> Result<(), Refusal> {
        self.end_now(discard);
        Ok(())
    }
}

impl Drop for MemStaging {
    fn drop(&mut self) {
        self.end_now(false);
    }
}
