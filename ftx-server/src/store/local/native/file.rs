//! One version of a published file.

use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest, PartialManifest};
use ftx_core::native::wire::{Meta, Version};
use ftx_io::{Executor, SendSource};
use ftx_store::{FileIdentity, Positioned, ReadSnapshot, StoreError, meta_of};

use super::super::permits::SlowJob;
use super::super::{DescriptorShare, DescriptorUse, SHORT_HASH_BYTES, StoreInner};
use super::block_map::{FileRef, manifest_of};
use crate::store::{Refusal, StoredFile, WorkProgress};

/// An open file as it was when it was opened; clones are the same one.
#[derive(Clone, Debug)]
pub struct LocalFile(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    inner: Arc<StoreInner>,
    name: RemoteName,
    file: std::fs::File,
    positioned: Positioned,
    identity: FileIdentity,
    meta: Meta,
    known: KnownBlocks,
    /// The count of [forgotten](ftx_store::ManifestCache::forgotten) manifests before the lookup.
    forgotten: u64,
    snapshot: ReadSnapshot,
    _share: DescriptorShare,
}

/// The chaining values known when the file was opened.
#[derive(Debug)]
enum KnownBlocks {
    /// All of them, shared with the cache.
    Whole(Arc<Manifest>),
    /// Something.
    Part(PartialManifest),
}

impl LocalFile {
    /// Opens a published file. Blocks.
    pub(super) fn open(inner: &Arc<StoreInner>, name: &RemoteName) -> Result<Self, StoreError> {
        let share = inner.share(name, DescriptorUse::Download)?;
        let (file, metadata) = inner.root.open_regular(Path::new(name.as_str()))?;
        let (meta, file) = (meta_of(&metadata), file.into_std());
        let (inner, name) = (Arc::clone(inner), name.clone());
        let snapshot = ReadSnapshot::take_of(&file, FileIdentity::of(&metadata))
            .map_err(|error| StoreError::io("look at", name.as_str(), error))?;
        let identity = *snapshot.identity();
        let manifests = &inner.native.manifests;
        let forgotten = manifests.forgotten();
        let known = match manifests.manifest(&identity) {
            Some(manifest) => KnownBlocks::Whole(manifest),
            None => KnownBlocks::Part(manifests.partial(&identity)),
        };
        let positioned = Positioned::default();
        Ok(Self(Arc::new(OpenFile {
            inner,
            name,
            file,
            positioned,
            identity,
            meta,
            known,
            forgotten,
            snapshot,
            _share: share,
        })))
    }
}

impl OpenFile {
    fn unchanged(&self) -> Result<(), StoreError> {
        let now = FileIdentity::of_std(&self.file)
            .map_err(|error| StoreError::io("look at", self.name.as_str(), error))?;
        if now.same_content(&self.identity) {
            return Ok(());
        }
        Err(StoreError::Changed { path: self.name.as_str().into() })
    }

    fn is_current(&self) -> bool {
        if self.inner.native.manifests.forgotten() != self.forgotten {
            // The cached values may be the ones that another client found wrong.
            return false;
        }
        let found = self.inner.root.metadata(Path::new(self.name.as_str()));
        found.is_ok_and(|metadata| FileIdentity::of(&metadata) == self.identity)
    }
}

impl StoredFile for LocalFile {
    fn size(&self) -> u64 {
        self.0.identity.size
    }

    fn meta(&self) -> Meta {
        self.0.meta
    }

    fn version(&self) -> Version {
        version_of(&self.0.identity)
    }

    fn known_cv(&self, index: u64) -> Option<Cv> {
        match &self.0.known {
            KnownBlocks::Whole(manifest) => {
                manifest.cvs().get(usize::try_from(index).ok()?).copied()
            }
            KnownBlocks::Part(block_map) => block_map.get(index),
        }
    }

    fn send_source(&self) -> Option<SendSource<'_>> {
        Some(SendSource::of(&self.0.file))
    }

    async fn learn(&self, executor: &Executor, index: u64, cv: Cv) -> Result<(), Refusal> {
        let opened = Arc::clone(&self.0);
        let learn = move || {
            opened.unchanged()?;
            if let Some(stable) = opened.snapshot.confirm(&opened.file) {
                opened.inner.native.manifests.learn(&stable, index, cv);
            }
            Ok(())
        };
        executor.run(learn).await?
    }

    async fn forget(&self, executor: &Executor) -> Result<(), Refusal> {
        let opened = Arc::clone(&self.0);
        let forget = move || opened.inner.native.manifests.forget(&opened.identity);
        Ok(executor.run(forget).await?)
    }

    async fn read(
        &self,
        executor: &Executor,
        offset: u64,
        len: usize,
        mut spare: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        let opened = Arc::clone(&self.0);
        let read = move || {
            spare.resize(len, 0);
            let read = opened.positioned.read_exact_at(&opened.file, &mut spare, offset);
            read.map_err(|error| StoreError::io("read", opened.name.as_str(), error))?;
            Ok(spare)
        };
        executor.run(read).await?
    }

    async fn manifest(
        &self,
        executor: &Executor,
        progress: WorkProgress,
    ) -> Result<Arc<Manifest>, Refusal> {
        let known = match &self.0.known {
            KnownBlocks::Whole(manifest) => return Ok(Arc::clone(manifest)),
            KnownBlocks::Part(block_map) => block_map.known().saturating_mul(BLOCK_BYTES),
        };
        let opened = Arc::clone(&self.0);
        let work = move || {
            let OpenFile { inner, name, file, identity, .. } = &*opened;
            Ok(manifest_of(inner, FileRef { name, file, identity }, &progress)?)
        };
        if self.size() <= BLOCK_BYTES {
            return executor.run(work).await?;
        }
        let takes_long = self.size().saturating_sub(known) > SHORT_HASH_BYTES;
        let slow = if takes_long { SlowJob::Hash } else { SlowJob::Read };
        self.0.inner.permits.run_long(executor, slow, work).await
    }

    async fn unchanged(&self, executor: &Executor) -> Result<(), Refusal> {
        let opened = Arc::clone(&self.0);
        Ok(executor.run(move || opened.unchanged()).await??)
    }

    async fn is_current(&self, executor: &Executor) -> bool {
        let opened = Arc::clone(&self.0);
        let is_current = executor.run(move || opened.is_current());
        is_current.await.unwrap_or(false)
    }
}

/// The version of an identity. Every change of the identity changes it.
fn version_of(identity: &FileIdentity) -> Version {
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns, nlink: _ } = *identity;
    let mut hasher = blake3::Hasher::new();
    for number in [dev, ino, size] {
        hasher.update(&number.to_le_bytes());
    }
    for time in [mtime_ns, ctime_ns] {
        hasher.update(&time.to_le_bytes());
    }
    let mut version = [0; 16];
    hasher.finalize_xof().fill(&mut version);
    Version(version)
}
