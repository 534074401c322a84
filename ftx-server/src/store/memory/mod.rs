//! A store of files in memory, for tests and for programs that embed a server.
//!
//! It holds what [`Store`] and [`LegacyStore`](crate::store::LegacyStore) ask of a store
//! and no more: one lock over all files, no caches, nothing that outlives the process. Its granule can be
//! larger than a block, as that of an object store is.

mod file;
mod legacy;
mod staging;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::RemoteName;
use ftx_core::native::blocks::{Digest, block_cv, block_len, block_offset};
use ftx_core::native::blocks::{Manifest, block_count};
use ftx_core::native::wire::{Entry, EntryKind, Meta, Overwrite, Version};
use ftx_core::native::{Granule, Reason};
use ftx_io::Executor;

pub use self::file::MemFile;
pub use self::legacy::{MemDownload, MemOffer, MemUpload};
pub use self::staging::MemStaging;
use self::staging::StagedBlocks;
use super::{
    ExpectedVersion, ListPage, ListRequest, Naming, OpenedUpload, PutOutcome, Refusal, SmallData,
    SmallFile, Store, UploadOffer, WorkProgress, unproven_twin,
};
use crate::auth::Principal;

/// The bytes that a store may hold, unless it is given another number.
const DEFAULT_CAPACITY_BYTES: u64 = 1024 * 1024 * 1024;

/// Files in memory; clones share them. A new store acts for an anonymous client.
#[derive(Clone, Debug)]
pub struct MemStore {
    state: Arc<Mutex<MemState>>,
    granule: Granule,
    capacity_bytes: u64,
    /// The one whose stagings it uses.
    principal: Principal,
}

#[derive(Debug, Default)]
struct MemState {
    files: BTreeMap<RemoteName, Arc<MemVersion>>,
    /// Directories that were made by themselves. Others exist while there is a file below them.
    directories: BTreeSet<RemoteName>,
    stagings: BTreeMap<u64, StagedBlocks>,
    /// Interrupted uploads of the legacy dialect, which are all of its one principal.
    prefixes: Vec<(RemoteName, Arc<Vec<u8>>)>,
    /// The last number given to a version, a staging or a writer.
    last_number: u64,
}

/// One version of a file.
#[derive(Debug)]
struct MemVersion {
    bytes: Arc<Vec<u8>>,
    manifest: Arc<Manifest>,
    meta: Meta,
    version: Version,
}

impl MemStore {
    /// An empty store that makes each block durable on its own, and holds at most 1 GiB.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::default(),
            granule: Granule::ONE,
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            principal: Principal::Anonymous,
        }
    }

    /// Sets the number of blocks that become durable together.
    #[must_use]
    pub fn with_granule(mut self, granule: Granule) -> Self {
        self.granule = granule;
        self
    }

    /// Sets the number of bytes that the store may hold, those of unfinished uploads included.
    #[must_use]
    pub fn with_capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// The bytes of a published file.
    #[must_use]
    pub fn bytes(&self, name: &RemoteName) -> Option<Vec<u8>> {
        self.lock().files.get(name).map(|version| version.bytes.to_vec())
    }

    /// Each step leaves the state in order, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, MemState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if there is no room for `len` more bytes.
    fn check_space(&self, state: &MemState, name: &RemoteName, len: u64) -> Result<(), Refusal> {
        if state.held_bytes().checked_add(len).is_some_and(|sum| sum <= self.capacity_bytes) {
            return Ok(());
        }
        let free = self.capacity_bytes.saturating_sub(state.held_bytes());
        let message = format!("{name:?} needs {len} bytes, and {free} are free; remove files");
        Err(Refusal::new(Reason::NoSpace, message))
    }
}

impl Default for MemStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemState {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn held_bytes(&self) -> u64 {
        let files = self.files.values().map(|version| version.manifest.size());
        let stagings = self.stagings.values().map(StagedBlocks::size);
        let prefixes = self.prefixes.iter().map(|(_, bytes)| bytes.len() as u64);
        files.chain(stagings).chain(prefixes).fold(0, u64::saturating_add)
    }

    /// Gives a name these bytes, and drops the interrupted uploads that `principal` or its twin has of it. The
    /// name must have been checked.
    fn publish(
        &mut self,
        name: &RemoteName,
        principal: &Principal,
        bytes: Vec<u8>,
        manifest: Manifest,
        meta: Meta,
    ) {
        self.insert(name.clone(), bytes, manifest, meta);
        let twin = unproven_twin(principal);
        self.stagings.retain(|_, staging| {
            let ends = [Some(principal), twin.as_ref()].into_iter().flatten();
            let is_over = ends.into_iter().any(|principal| staging.is_of(name, principal));
            !is_over || staging.has_writer()
        });
        if twin.is_some() {
            self.prefixes.retain(|(other, _)| other != name);
        }
    }

    /// Gives a name these bytes. The name must have been checked.
    fn insert(&mut self, name: RemoteName, bytes: Vec<u8>, manifest: Manifest, meta: Meta) {
        let version = self.new_version();
        let (bytes, manifest) = (Arc::new(bytes), Arc::new(manifest));
        let version = Arc::new(MemVersion { bytes, manifest, meta, version });
        self.files.insert(name, version);
    }

    /// Gives the published file this time and mode, if it has the digest.
    fn keep(&mut self, name: &RemoteName, digest: Digest, meta: Meta) -> bool {
        let Some(published) = self.files.get(name).map(Arc::clone) else { return false };
        if published.manifest.digest() != digest {
            return false;
        }
        if published.meta != meta {
            let version = self.new_version();
            let MemVersion { bytes, manifest, .. } = &*published;
            let (bytes, manifest) = (Arc::clone(bytes), Arc::clone(manifest));
            let kept = Arc::new(MemVersion { bytes, manifest, meta, version });
            self.files.insert(name.clone(), kept);
        }
        true
    }

    fn new_version(&mut self) -> Version {
        let mut version = [0; 16];
        for (to, from) in version.iter_mut().zip(self.next_number().to_le_bytes()) {
            *to = from;
        }
        Version(version)
    }

    /// Fails if the published file may not be replaced.
    fn check_overwrite(&self, name: &RemoteName, overwrite: Overwrite) -> Result<(), Refusal> {
        let published = self.files.get(name).map(|version| version.manifest.digest());
        match (overwrite, published) {
            (Overwrite::Replace, _) | (Overwrite::Fail, None) => Ok(()),
            (Overwrite::Fail, Some(_)) => {
                let message = format!("{name:?} is there already and is not to be replaced");
                Err(Refusal::new(Reason::AlreadyExists, message))
            }
            (Overwrite::IfUnchanged(expected), Some(digest)) if digest == expected => Ok(()),
            (Overwrite::IfUnchanged(_), _) => {
                let message = format!("{name:?} is not the expected version any more");
                Err(Refusal::new(Reason::PreconditionFailed, message))
            }
        }
    }
}

impl Store for MemStore {
    type Staging = MemStaging;
    type File = MemFile;
    type Cursor = std::convert::Infallible;

    fn for_principal(&self, principal: &Principal) -> Self {
        Self { principal: principal.clone(), ..self.clone() }
    }

    fn granule(&self) -> Granule {
        self.granule
    }

    async fn offer(
        &self,
        _: &Executor,
        offer: UploadOffer,
        _: WorkProgress,
    ) -> Result<OpenedUpload<MemStaging>, Refusal> {
        self.open_staging(offer)
    }

    async fn put(&self, _: &Executor, files: Vec<SmallFile>) -> Vec<Result<PutOutcome, Refusal>> {
        files.into_iter().map(|file| self.put_one(file)).collect()
    }

    async fn confirm(
        &self,
        _: &Executor,
        expected: ExpectedVersion,
        _: WorkProgress,
    ) -> Result<bool, Refusal> {
        let ExpectedVersion { name, size: _, meta, digest } = expected;
        Ok(self.lock().keep(&name, digest, meta))
    }

    async fn open(&self, _: &Executor, name: &RemoteName) -> Result<MemFile, Refusal> {
        let state = self.lock();
        state.check_file(name)?;
        match state.files.get(name) {
            Some(version) => Ok(MemFile::new(self.clone(), name.clone(), Arc::clone(version))),
            None => Err(not_found(name)),
        }
    }

    async fn stat(&self, _: &Executor, name: &RemoteName) -> Result<Entry, Refusal> {
        self.lock().entry(name).ok_or_else(|| not_found(name))
    }

    async fn list(
        &self,
        _: &Executor,
        list: ListRequest,
        _: Option<Self::Cursor>,
    ) -> Result<(ListPage, Option<Self::Cursor>), Refusal> {
        Ok((self.lock().page(&list)?, None))
    }

    async fn make_directory(&self, _: &Executor, name: &RemoteName) -> Result<Entry, Refusal> {
        let mut state = self.lock();
        state.check_parents(name)?;
        if state.files.contains_key(name) {
            return Err(not_a_file(name, "a file"));
        }
        state.directories.insert(name.clone());
        let (kind, meta) = (EntryKind::Directory, Meta::default());
        Ok(Entry { name: name.clone(), kind, size: 0, meta })
    }

    async fn remove(&self, _: &Executor, name: &RemoteName) -> Result<(), Refusal> {
        let mut state = self.lock();
        state.check_file(name)?;
        state.files.remove(name).map(drop).ok_or_else(|| not_found(name))
    }
}

impl MemStore {
    fn put_one(&self, file: SmallFile) -> Result<PutOutcome, Refusal> {
        let SmallFile { name, meta, overwrite, naming, data, digest } = file;
        let mut state = self.lock();
        if naming == Naming::FirstFree {
            let SmallData::Whole(bytes) = data else { return Ok(PutOutcome::Wanted) };
            state.check_parents(&name)?;
            let free = state.first_free(&name)?;
            self.check_space(&state, &name, bytes.len() as u64)?;
            let manifest = manifest_of(&bytes)?;
            state.insert(free, bytes, manifest, meta);
            return Ok(PutOutcome::Stored);
        }
        let bytes = match data {
            SmallData::Expected(_) if state.keep(&name, digest, meta) => {
                return Ok(PutOutcome::Unchanged);
            }
            SmallData::Expected(_) => return Ok(PutOutcome::Wanted),
            SmallData::Whole(bytes) => bytes,
        };
        state.check_parents(&name)?;
        state.check_file(&name)?;
        state.check_overwrite(&name, overwrite)?;
        if state.keep(&name, digest, meta) {
            return Ok(PutOutcome::Unchanged);
        }
        self.check_space(&state, &name, bytes.len() as u64)?;
        let manifest = manifest_of(&bytes)?;
        state.publish(&name, &self.principal, bytes, manifest, meta);
        Ok(PutOutcome::Stored)
    }
}

/// The manifest of these bytes.
fn manifest_of(bytes: &[u8]) -> Result<Manifest, Refusal> {
    let size = bytes.len() as u64;
    let cvs = (0..block_count(size)).map(|index| {
        let block = part(bytes, block_offset(index), block_len(size, index));
        block.and_then(|block| block_cv(size, index, block).ok())
    });
    let manifest = cvs.collect::<Option<Vec<_>>>().and_then(|cvs| Manifest::new(size, cvs).ok());
    manifest.ok_or_else(|| Refusal::new(Reason::Internal, "a file in memory has no manifest"))
}

/// `len` bytes from `offset`, if there are as many.
fn part(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

fn not_found(name: &RemoteName) -> Refusal {
    Refusal::new(Reason::NotFound, format!("there is no file {name:?}"))
}

fn not_a_file(name: &RemoteName, what: &str) -> Refusal {
    Refusal::new(Reason::NotAFile, format!("{name:?} is {what}"))
}
