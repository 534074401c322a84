//! The target of a download: its paths, and the local data of the file.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{Cv, Digest, Manifest, PartialManifest};
use ftx_core::native::wire::Meta;
use ftx_io::Executor;
use ftx_store::{
    BlockStaging, BootId, Durability, Existing, FileIdentity, ManifestCache, PartNames, Recovered,
    Root, StagingFiles, StoreError, check_space, meta_of,
};

use super::LocalCopy;
use super::basis::{BasisMatch, LocalBasis};
use crate::target_paths::{TargetPaths, staged_bytes};
use crate::{LocalPath, TransferError};

/// The paths of a file and its staging, and the manifests of local files.
#[derive(Clone, Debug)]
pub(super) struct DownloadTarget {
    pub(super) paths: TargetPaths,
    pub(super) manifests: Arc<ManifestCache>,
}

/// The local data of a file.
pub(super) struct LocalData {
    staging: Option<BlockStaging>,
    /// A file to copy blocks from.
    basis: Option<LocalBasis>,
}

/// A small file at the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExistingFile {
    pub(super) digest: Digest,
    /// Its identity when it was read.
    pub(super) identity: FileIdentity,
    pub(super) meta: Meta,
}

/// Called with the bytes hashed so far and their total. Returns whether to continue.
pub(super) type OnHashed = Box<dyn FnMut(u64, u64) -> bool + Send>;

impl DownloadTarget {
    pub(super) fn new(
        path: &LocalPath,
        durability: Durability,
        manifests: Arc<ManifestCache>,
    ) -> Result<Self, StoreError> {
        Ok(Self { paths: TargetPaths::new(path, durability)?, manifests })
    }

    pub(super) fn path(&self) -> &Path {
        self.paths.path()
    }

    /// Whether another file is in the same directory.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.paths.is_beside(&other.paths)
    }

    /// The file's name in its directory.
    pub(super) fn name(&self) -> &Path {
        &self.paths.name
    }

    /// The names that its staging can have there.
    pub(super) fn parts(&self) -> &PartNames {
        &self.paths.parts
    }

    /// The directory, which is created if it is missing. Blocks.
    pub(super) fn directory(&self) -> Result<Dir, StoreError> {
        self.paths.directory()
    }

    /// The same [`directory`](Self::directory), to publish files in. Blocks.
    pub(super) fn root(&self) -> Result<Root, StoreError> {
        self.paths.root()
    }

    /// The local data of the file.
    pub(super) async fn inspect(
        &self,
        executor: &Executor,
        on_hashed: OnHashed,
    ) -> Result<Option<LocalData>, TransferError> {
        let target = self.clone();
        Ok(executor.run(move || target.inspect_now(on_hashed)).await??)
    }

    /// The file at the target, of which only one of this size, at most a block, is read.
    ///
    /// # Errors
    /// The target is something that a file cannot replace.
    pub(super) async fn inspect_small(
        &self,
        executor: &Executor,
        size: u64,
    ) -> Result<LocalCopy, TransferError> {
        let paths = self.paths.clone();
        let look = move || {
            let (file, metadata) = match paths.open_target() {
                Ok(opened) => opened,
                Err(StoreError::NotFound { .. }) => return Ok(LocalCopy::Missing),
                // An unreadable file can still be replaced, a device cannot.
                Err(error) => return paths.existing_directory().and(Err(error)),
            };
            if metadata.len() != size {
                return Ok(LocalCopy::None);
            }
            // One byte more, to reach the end without growing.
            let most = size.saturating_add(1);
            let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
            file.take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| StoreError::io("read", paths.path(), error))?;
            let (identity, meta) = (FileIdentity::of(&metadata), meta_of(&metadata));
            Ok(LocalCopy::Small(ExistingFile { digest: Digest::of(&bytes), identity, meta }))
        };
        match executor.run(look).await? {
            Err(
                error @ (StoreError::Link { .. }
                | StoreError::IsDirectory { .. }
                | StoreError::NotRegular { .. }),
            ) => Err(error.into()),
            looked => Ok(looked.unwrap_or(LocalCopy::None)),
        }
    }

    fn inspect_now(&self, mut on_hashed: OnHashed) -> Result<Option<LocalData>, StoreError> {
        let Some(dir) = self.paths.existing_directory()? else { return Ok(None) };
        let left = self.paths.parts.find(&dir)?;
        let recovered = match &left {
            None => Recovered::Nothing,
            Some(files) => {
                let staged = staged_bytes(&dir, files);
                let mut on_hashed = |done| on_hashed(done, staged);
                let files = files.clone();
                BlockStaging::recover_with(&dir, files, BootId::current(), &mut on_hashed)?
            }
        };
        let basis = |name: &Path, foreign: Option<StagingFiles>| {
            // An unreadable file can still be replaced.
            let (file, metadata) = self.paths.open_in(&dir, name).ok()?;
            let identity = FileIdentity::of(&metadata);
            (identity.size > 0).then(|| LocalBasis { file: file.into_std(), identity, foreign })
        };
        let (staging, basis) = match recovered {
            Recovered::Staging(staging) => (Some(*staging), basis(&self.paths.name, None)),
            Recovered::Nothing => (None, basis(&self.paths.name, None)),
            // The staging of a download in the other dialect serves as a basis, too.
            Recovered::OtherKind => {
                let data = left.as_ref().map(|files| files.data.clone()).unwrap_or_default();
                (None, basis(&data, left))
            }
        };
        if staging.is_none() && basis.is_none() {
            return Ok(None);
        }
        Ok(Some(LocalData { staging, basis }))
    }

    /// An empty staging for `size` bytes.
    pub(super) async fn create(
        &self,
        executor: &Executor,
        size: u64,
    ) -> Result<BlockStaging, TransferError> {
        let target = self.clone();
        Ok(executor.run(move || target.create_now(size)).await??)
    }

    /// The same, in place of the staging that a download in the other dialect left. Blocks.
    fn create_over(&self, old: Option<&LocalBasis>, size: u64) -> Result<BlockStaging, StoreError> {
        if let Some(StagingFiles { data, .. }) = old.and_then(|old| old.foreign.as_ref()) {
            let dir = self.directory()?;
            check_space(&dir, self.paths.path(), size)?;
            // The open basis keeps its data when the new staging takes over its name.
            dir.remove_file(data).map_err(|error| StoreError::io("remove", data, error))?;
        }
        self.create_now(size)
    }

    fn create_now(&self, size: u64) -> Result<BlockStaging, StoreError> {
        let dir = self.directory()?;
        let files = self.paths.choose_files(&dir)?;
        check_space(&dir, self.paths.path(), size)?;
        let name = self.paths.path().to_string_lossy();
        let staging = BlockStaging::create(&dir, files, &name, size)?;
        Ok(staging.with_durability(self.paths.durability))
    }

    /// Checks that the disk has room for a file of `size` bytes, of which `existing` bytes are on it already.
    pub(super) async fn check_room(
        &self,
        executor: &Executor,
        size: u64,
        existing: u64,
    ) -> Result<(), TransferError> {
        let target = self.clone();
        let check = move || {
            let dir = target.directory()?;
            check_space(&dir, target.path(), size.saturating_sub(existing))
        };
        Ok(executor.run(check).await??)
    }

    /// Publishes a staging as the file.
    pub(super) async fn publish(
        &self,
        executor: &Executor,
        staging: BlockStaging,
        meta: Meta,
    ) -> Result<(), TransferError> {
        let (paths, manifests) = (self.paths.clone(), Arc::clone(&self.manifests));
        let publish = move || {
            paths.check_target(&paths.directory()?)?;
            let published = staging
                .publish_beside(&paths.name, &meta, Existing::Replace)
                .map_err(|error| error.with_path(paths.path()))?;
            if let Some(stable) = &published.stable {
                manifests.learn_all(stable, &Arc::new(published.manifest));
            }
            Ok::<_, StoreError>(())
        };
        Ok(executor.run(publish).await??)
    }
}

impl LocalData {
    /// No local data.
    pub(super) fn none() -> Self {
        Self { staging: None, basis: None }
    }

    /// All local bytes, useful or not.
    pub(super) fn all_bytes(&self) -> u64 {
        self.bytes().saturating_add(self.staging.as_ref().map_or(0, BlockStaging::size))
    }

    /// Bytes that may have to be hashed and copied.
    pub(super) fn bytes(&self) -> u64 {
        self.basis.as_ref().map_or(0, |basis| basis.identity.size)
    }

    /// Finds the blocks of the manifest in the local data, and collects them in a staging. `None` if the
    /// target is up to date, which then gets `meta`.
    pub(super) async fn prepare(
        self,
        executor: &Executor,
        target: &DownloadTarget,
        manifest: &Manifest,
        meta: Meta,
        on_hashed: OnHashed,
    ) -> Result<Option<(BlockStaging, PartialManifest)>, TransferError> {
        let (owned, wanted) = (target.clone(), manifest.clone());
        let prepare = move || self.prepare_now(&owned, &wanted, &meta, on_hashed);
        Ok(executor.run(prepare).await??)
    }

    fn prepare_now(
        self,
        target: &DownloadTarget,
        manifest: &Manifest,
        meta: &Meta,
        mut on_hashed: OnHashed,
    ) -> Result<Option<(BlockStaging, PartialManifest)>, StoreError> {
        let size = manifest.size();
        let Self { staging, basis } = self;
        // Done first, so that a cancellation loses no local data.
        let found = match &basis {
            Some(basis) => basis.compare(target, manifest, &mut *on_hashed)?,
            None => BasisMatch::Blocks(Vec::new()),
        };
        let staging = of_size(staging, size)?;
        let candidates = match (found, &basis) {
            (BasisMatch::Blocks(candidates), _) => candidates,
            (BasisMatch::UpToDate, basis) => {
                if let Some(staging) = staging {
                    staging.discard()?;
                }
                basis.as_ref().map_or(Ok(()), |basis| basis.keep(target, meta))?;
                return Ok(None);
            }
        };
        let staging = match staging {
            Some(staging) => {
                target.paths.check_target(&target.directory()?)?;
                staging.with_durability(target.paths.durability)
            }
            None => target.create_over(basis.as_ref(), size)?,
        };
        if let Some(basis) = &basis {
            let staged = staging.block_map();
            let is_missing = |&(index, cv): &(u64, Cv)| staged.get(index) != Some(cv);
            let missing: Vec<_> = candidates.into_iter().filter(is_missing).collect();
            basis.copy_to(target, &staging, &missing, &mut *on_hashed)?;
        }
        let staged = staging.block_map();
        Ok(Some((staging, staged)))
    }
}

/// The staging, if it has this size. One of another version is discarded, because fetching its blocks is
/// cheaper than comparing them.
fn of_size(staging: Option<BlockStaging>, size: u64) -> Result<Option<BlockStaging>, StoreError> {
    match staging {
        Some(staging) if staging.size() != size => {
            staging.discard()?;
            Ok(None)
        }
        staging => Ok(staging),
    }
}
