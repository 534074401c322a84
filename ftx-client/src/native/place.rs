//! Where a downloaded file goes, and what is here of it.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, Manifest, PartialManifest, block_count};
use ftx_core::native::wire::Meta;
use ftx_io::blocking;
use ftx_store::{
    BlockStaging, BootId, CopySource, Durability, Existing, FileIdentity, ManifestCache, PartNames,
    ReadSnapshot, Recovered, Root, StagingFiles, StoreError, apply_meta, check_space, hash_blocks,
    meta_of,
};

use crate::{LocalPath, TransferError, place};

/// Blocks that are copied between two looks at whether somebody has had enough of it.
const COPIED: usize = 64;

/// Where the file and its staging lie, and what is known of local files.
#[derive(Clone, Debug)]
pub(super) struct Place {
    at: place::Place,
    manifests: Arc<ManifestCache>,
}

/// What is here of a file.
pub(super) struct Local {
    staging: Option<BlockStaging>,
    /// A file to take blocks from.
    base: Option<Base>,
}

/// A small file that is at the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    pub(super) digest: Digest,
    /// What it was when it was read.
    pub(super) identity: FileIdentity,
    pub(super) meta: Meta,
}

/// Is told how many bytes are hashed of how many; `false` stops the work.
pub(super) type GoOn = Box<dyn FnMut(u64, u64) -> bool + Send>;

struct Base {
    file: std::fs::File,
    identity: FileIdentity,
    /// It is what a download in the other dialect left in these, or else the target itself.
    other: Option<StagingFiles>,
}

impl Place {
    pub(super) fn new(
        path: &LocalPath,
        durability: Durability,
        manifests: Arc<ManifestCache>,
    ) -> Result<Self, StoreError> {
        Ok(Self { at: place::Place::new(path, durability)?, manifests })
    }

    pub(super) fn path(&self) -> &Path {
        self.at.path()
    }

    /// Whether another file is in the same directory.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.at.is_beside(&other.at)
    }

    /// The file's name in its directory.
    pub(super) fn name(&self) -> &Path {
        &self.at.name
    }

    /// The names that its staging can have there.
    pub(super) fn parts(&self) -> &PartNames {
        &self.at.parts
    }

    /// The directory, made if it is not there. Blocks.
    pub(super) fn directory(&self) -> Result<Dir, StoreError> {
        self.at.directory()
    }

    /// As [`directory`](Self::directory), as one that files are published in. Blocks.
    pub(super) fn root(&self) -> Result<Root, StoreError> {
        self.at.root()
    }

    /// What is here of the file. `go_on` is told how many bytes are read of how many, and says
    /// whether to read on.
    pub(super) async fn look(&self, go_on: GoOn) -> Result<Option<Local>, TransferError> {
        let place = self.clone();
        Ok(blocking(self.at.path(), move || place.look_now(go_on)).await?)
    }

    /// What is at the target, if it is a file of this size, at most a block.
    ///
    /// # Errors
    /// There is something that no file replaces.
    pub(super) async fn look_at_small(&self, size: u64) -> Result<Option<Here>, TransferError> {
        let at = self.at.clone();
        let look = move || {
            let (file, metadata) = match at.open_target() {
                Ok(opened) => opened,
                Err(error @ StoreError::NotFound { .. }) => return Err(error),
                // One that cannot be read can still be replaced, a device cannot.
                Err(error) => return at.existing_directory().and(Err(error)),
            };
            if metadata.len() != size {
                return Ok(None);
            }
            // With room to find the end without growing.
            let most = size.saturating_add(1);
            let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(0));
            file.take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| StoreError::io("read", at.path(), error))?;
            let (identity, meta) = (FileIdentity::of(&metadata), meta_of(&metadata));
            Ok(Some(Here { digest: Digest::of(&bytes), identity, meta }))
        };
        match blocking(self.at.path(), look).await {
            Err(
                error @ (StoreError::Link { .. }
                | StoreError::IsDirectory { .. }
                | StoreError::NotRegular { .. }),
            ) => Err(error.into()),
            looked => Ok(looked.ok().flatten()),
        }
    }

    fn look_now(&self, mut go_on: GoOn) -> Result<Option<Local>, StoreError> {
        let Some(dir) = self.at.existing_directory()? else { return Ok(None) };
        let left = self.at.parts.find(&dir)?;
        let recovered = match &left {
            None => Recovered::Nothing,
            Some(files) => {
                let staged = place::staged_bytes(&dir, files);
                let mut go_on = |done| go_on(done, staged);
                let files = files.clone();
                BlockStaging::recover_with(&dir, files, BootId::current(), &mut go_on)?
            }
        };
        let base = |name: &Path, other: Option<StagingFiles>| {
            // A file that can't be read can still be replaced.
            let (file, metadata) = self.at.open_in(&dir, name).ok()?;
            let identity = FileIdentity::of(&metadata);
            (identity.size > 0).then(|| Base { file: file.into_std(), identity, other })
        };
        let (staging, base) = match recovered {
            Recovered::Staging(staging) => (Some(*staging), base(&self.at.name, None)),
            Recovered::Nothing => (None, base(&self.at.name, None)),
            // What a download in the other dialect left is as good as any file.
            Recovered::OtherKind => {
                let data = left.as_ref().map(|files| files.data.clone()).unwrap_or_default();
                (None, base(&data, left))
            }
        };
        if staging.is_none() && base.is_none() {
            return Ok(None);
        }
        Ok(Some(Local { staging, base }))
    }

    /// An empty staging for `size` bytes.
    pub(super) async fn create(&self, size: u64) -> Result<BlockStaging, TransferError> {
        let place = self.clone();
        Ok(blocking(self.at.path(), move || place.create_now(size)).await?)
    }

    fn create_now(&self, size: u64) -> Result<BlockStaging, StoreError> {
        let dir = self.directory()?;
        let files = self.at.choose_files(&dir)?;
        check_space(&dir, self.at.path(), size)?;
        let name = self.at.path().to_string_lossy();
        let staging = BlockStaging::create(&dir, files, &name, size)?;
        Ok(staging.with_durability(self.at.durability))
    }

    /// Checks that a file of `size` bytes, of which `here` bytes lie here already, can have room.
    pub(super) async fn check_room(&self, size: u64, here: u64) -> Result<(), TransferError> {
        let place = self.clone();
        let check = move || {
            let dir = place.directory()?;
            check_space(&dir, place.path(), size.saturating_sub(here))
        };
        Ok(blocking(self.at.path(), check).await?)
    }

    /// Makes a staging the file.
    pub(super) async fn publish(
        &self,
        staging: BlockStaging,
        meta: Meta,
    ) -> Result<(), TransferError> {
        let (at, manifests) = (self.at.clone(), Arc::clone(&self.manifests));
        let publish = move || {
            at.check_target(&at.directory()?)?;
            let published = staging
                .publish_beside(&at.name, &meta, Existing::Replace)
                .map_err(|error| error.with_path(at.path()))?;
            if let Some(stable) = &published.stable {
                manifests.learn_all(stable, &Arc::new(published.manifest));
            }
            Ok(())
        };
        Ok(blocking(self.at.path(), publish).await?)
    }
}

impl Local {
    /// Nothing of the file.
    pub(super) fn nothing() -> Self {
        Self { staging: None, base: None }
    }

    /// Bytes that lie here, whether they are of use or not.
    pub(super) fn all_bytes(&self) -> u64 {
        self.bytes().saturating_add(self.staging.as_ref().map_or(0, BlockStaging::size))
    }

    /// Bytes that may have to be hashed and copied.
    pub(super) fn bytes(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.identity.size)
    }

    /// Finds out which blocks of the manifest's file are here, and has a staging hold them. `None` if
    /// the target is that very file, which is given `meta` then. `go_on` is as with [`Place::look`].
    pub(super) async fn prepare(
        self,
        place: &Place,
        manifest: &Manifest,
        meta: Meta,
        go_on: GoOn,
    ) -> Result<Option<(BlockStaging, PartialManifest)>, TransferError> {
        let (owned, wanted) = (place.clone(), manifest.clone());
        Ok(blocking(place.path(), move || self.prepare_now(&owned, &wanted, &meta, go_on)).await?)
    }

    fn prepare_now(
        self,
        place: &Place,
        manifest: &Manifest,
        meta: &Meta,
        mut go_on: GoOn,
    ) -> Result<Option<(BlockStaging, PartialManifest)>, StoreError> {
        let size = manifest.size();
        let Self { staging, base } = self;
        // First of all, since whoever stops it keeps everything that is here.
        let held = match &base {
            Some(base) => base.table(place, size, &mut *go_on)?.resized(size),
            None => PartialManifest::new(size),
        };
        let staging = match staging {
            Some(staging) if staging.size() == size => Some(staging),
            // Of another version; nothing of it is worth more than fetching it.
            Some(staging) => {
                staging.discard()?;
                None
            }
            None => None,
        };
        let fits = |table: &PartialManifest, index: u64| {
            let theirs = usize::try_from(index).ok().and_then(|index| manifest.cvs().get(index));
            theirs.is_some() && table.get(index) == theirs.copied()
        };
        let whole = base.as_ref().filter(|base| {
            base.other.is_none()
                && base.identity.size == size
                && (0..block_count(size)).all(|index| fits(&held, index))
        });
        if let Some(base) = whole {
            if let Some(staging) = staging {
                staging.discard()?;
            }
            base.keep(place, meta)?;
            return Ok(None);
        }
        // Kept open, so creating the staging over it takes nothing away from it.
        let other = base.as_ref().and_then(|base| base.other.as_ref());
        let staging = match staging {
            Some(staging) => {
                place.at.check_target(&place.directory()?)?;
                staging.with_durability(place.at.durability)
            }
            None => {
                if let Some(StagingFiles { data, .. }) = other {
                    let dir = place.directory()?;
                    check_space(&dir, place.at.path(), size)?;
                    dir.remove_file(data).map_err(|error| StoreError::io("remove", data, error))?;
                }
                place.create_now(size)?
            }
        };
        if let Some(base) = &base {
            let table = staging.block_map();
            let here: Vec<(u64, Cv)> = (0..block_count(size))
                .filter(|&index| fits(&held, index) && !fits(&table, index))
                .filter_map(|index| Some((index, held.get(index)?)))
                .collect();
            base.give(place, &staging, &here, &mut *go_on)?;
        }
        let table = staging.block_map();
        Ok(Some((staging, table)))
    }
}

impl Base {
    /// Copies blocks that have these chaining values to the same places in `staging`. Where the file
    /// has other bytes, what is known of it is forgotten, and blocks that were not copied are left for
    /// the server to send. `go_on` is as with [`Place::look`].
    fn give(
        &self,
        place: &Place,
        staging: &BlockStaging,
        blocks: &[(u64, Cv)],
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<(), StoreError> {
        let (size, source) =
            (staging.size(), CopySource { file: &self.file, identity: &self.identity });
        for some in blocks.chunks(COPIED) {
            match staging.copy_blocks(source, some) {
                Err(StoreError::Changed { .. }) => {
                    place.manifests.forget(&self.identity);
                    return Ok(());
                }
                taken => taken?,
            }
            if !go_on(size, size) {
                return Err(StoreError::Cancelled { path: place.at.path().to_owned() });
            }
        }
        Ok(())
    }

    /// Makes the file at the target what it would be if it had been fetched now.
    fn keep(&self, place: &Place, meta: &Meta) -> Result<(), StoreError> {
        apply_meta(meta, &self.file, place.path());
        // Its time has changed.
        let now = FileIdentity::of_std(&self.file);
        let now = now.map_err(|error| StoreError::io("look at", place.path(), error))?;
        place.at.keep(&self.file, &now)
    }

    /// The chaining values of the blocks that a file of `wanted` bytes can have, too: from the cache, or
    /// from reading the file. Of a file that changes meanwhile, none.
    fn table(
        &self,
        place: &Place,
        wanted: u64,
        go_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<PartialManifest, StoreError> {
        if let Some(manifest) = place.manifests.manifest(&self.identity) {
            return Ok(PartialManifest::from(&*manifest));
        }
        let look = |error| StoreError::io("look at", place.path(), error);
        let snapshot = ReadSnapshot::take(&self.file).map_err(look)?;
        let size = self.identity.size;
        let total = size.min(wanted);
        let range = BlockRange { first: 0, count: block_count(total) };
        let stopped = || StoreError::Cancelled { path: place.at.path().to_owned() };
        if !go_on(0, total) {
            return Err(stopped());
        }
        let hashed =
            hash_blocks(&self.file, size, range, None, &mut |done| go_on(done.min(total), total));
        let hashed = hashed.map_err(|error| StoreError::io("read", place.at.path(), error))?;
        let mut table = PartialManifest::new(size);
        for (index, cv) in (0..).zip(hashed.ok_or_else(stopped)?) {
            let _ = table.set(index, cv);
        }
        go_on(total, total);
        if FileIdentity::of_std(&self.file).map_err(look)? != self.identity {
            return Ok(PartialManifest::new(size));
        }
        if let (Some(stable), Some(manifest)) = (snapshot.confirm(&self.file), table.complete()) {
            place.manifests.learn_all(&stable, &Arc::new(manifest));
        }
        Ok(table)
    }
}
