//! One version of a published file.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BlockHasher, Cv, Manifest, PartialManifest};
use ftx_core::native::wire::{Meta, Version};
use ftx_io::blocking;
use ftx_store::{FileIdentity, Positioned, StoreError, check_regular, meta_of};

use super::super::Inner;
use super::offer::manifest_of;
use crate::store::native::{BlockFile, Progress, Refusal};

/// An open file as it was when it was opened; clones are the same one.
#[derive(Clone, Debug)]
pub struct LocalFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    inner: Arc<Inner>,
    name: RemoteName,
    file: std::fs::File,
    positioned: Positioned,
    identity: FileIdentity,
    meta: Meta,
    /// What was known of its blocks when it was opened.
    known: PartialManifest,
    opened: SystemTime,
}

impl LocalFile {
    /// Opens a published file. Blocks.
    pub(super) fn open(inner: &Arc<Inner>, name: &RemoteName) -> Result<Self, StoreError> {
        let path = Path::new(name.as_str());
        let failed = |error| StoreError::io("open", path, error);
        // Looked at before it is opened: opening a pipe would wait for somebody to write to it.
        check_regular(path, &inner.root.metadata(path).map_err(failed)?)?;
        let file = inner.root.open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        check_regular(path, &metadata)?;
        let (identity, meta) = (FileIdentity::of(&metadata), meta_of(&metadata));
        let (inner, name, file) = (Arc::clone(inner), name.clone(), file.into_std());
        let (positioned, opened) = (Positioned::default(), SystemTime::now());
        let known = inner.blocks.manifests.partial(&identity);
        let opened = Opened { inner, name, file, positioned, identity, meta, known, opened };
        Ok(Self(Arc::new(opened)))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Opened) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let opened = Arc::clone(&self.0);
        Ok(blocking(Path::new(self.0.name.as_str()), move || work(&opened)).await?)
    }
}

impl Opened {
    fn unchanged(&self) -> Result<(), StoreError> {
        let now = FileIdentity::of_std(&self.file)
            .map_err(|error| StoreError::io("look at", self.name.as_str(), error))?;
        if now.same_content(&self.identity) {
            return Ok(());
        }
        Err(StoreError::Changed { path: self.name.as_str().into() })
    }
}

impl BlockFile for LocalFile {
    fn size(&self) -> u64 {
        self.0.identity.size
    }

    fn meta(&self) -> Meta {
        self.0.meta
    }

    fn version(&self) -> Version {
        version_of(&self.0.identity)
    }

    fn known(&self, index: u64) -> Option<Cv> {
        self.0.known.get(index)
    }

    fn learn(&self, index: u64, cv: Cv) {
        let Opened { inner, identity, opened, .. } = &*self.0;
        inner.blocks.manifests.learn(identity, index, cv, *opened);
    }

    async fn read(
        &self,
        offset: u64,
        len: usize,
        mut spare: Vec<u8>,
        mut hasher: Option<BlockHasher>,
    ) -> Result<(Vec<u8>, Option<BlockHasher>), Refusal> {
        self.blocking(move |opened| {
            spare.resize(len, 0);
            let read = opened.positioned.read_exact_at(&opened.file, &mut spare, offset);
            read.map_err(|error| StoreError::io("read", opened.name.as_str(), error))?;
            if let Some(hasher) = &mut hasher {
                hasher.update(&spare);
            }
            Ok((spare, hasher))
        })
        .await
    }

    async fn manifest(&self, progress: Progress) -> Result<Arc<Manifest>, Refusal> {
        self.blocking(move |opened| {
            let Opened { inner, name, file, identity, .. } = opened;
            manifest_of(inner, name, file, identity, &progress)
        })
        .await
    }

    async fn unchanged(&self) -> Result<(), Refusal> {
        self.blocking(Opened::unchanged).await
    }
}

/// What a version is called: whatever changes the identity changes this.
fn version_of(identity: &FileIdentity) -> Version {
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns } = *identity;
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
