//! Where a downloaded file goes, and what is here of it.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BlockRange, Manifest, PartialManifest, block_count};
use ftx_core::native::wire::Meta;
use ftx_io::blocking;
use ftx_store::{
    BlockStaging, BootId, Durability, Existing, FileIdentity, Recovered, StagingFiles, StoreError,
    check_space, hash_blocks,
};

use crate::{TransferError, regular};

/// Where the file and its staging lie.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    parent: PathBuf,
    name: PathBuf,
    files: StagingFiles,
    durability: Durability,
}

/// What is here of a file.
pub(super) struct Local {
    staging: Option<BlockStaging>,
    /// A file to take blocks from.
    base: Option<Base>,
}

struct Base {
    file: std::fs::File,
    identity: FileIdentity,
    /// It is the target itself.
    is_target: bool,
}

impl Place {
    pub(super) fn new(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let Some(name) = path.file_name().map(PathBuf::from) else {
            return Err(StoreError::io("create", path, ErrorKind::IsADirectory.into()));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let files = StagingFiles {
            data: suffixed(&name, ".ftxpart"),
            journal: suffixed(&name, ".ftxpart.journal"),
        };
        Ok(Self { path: path.to_owned(), parent, name, files, durability })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn parent(&self) -> &Path {
        &self.parent
    }

    /// The names of the file and of its staging, in their directory.
    pub(super) fn names(&self) -> (PathBuf, PathBuf) {
        (self.name.clone(), self.files.data.clone())
    }

    /// The directory, made if it is not there. Blocks.
    pub(super) fn directory(&self) -> Result<Dir, StoreError> {
        let open = || Dir::open_ambient_dir(&self.parent, ambient_authority());
        let opened = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(&self.parent)
                    .map_err(|error| StoreError::io("create", &self.parent, error))?;
                open()
            }
            opened => opened,
        };
        opened.map_err(|error| StoreError::io("open", &self.parent, error))
    }

    /// What is here of the file.
    pub(super) async fn look(&self) -> Result<Option<Local>, TransferError> {
        let place = self.clone();
        Ok(blocking(&self.path, move || place.look_now()).await?)
    }

    fn look_now(&self) -> Result<Option<Local>, StoreError> {
        let dir = match Dir::open_ambient_dir(&self.parent, ambient_authority()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| StoreError::io("open", &self.parent, error))?,
        };
        let metadata = dir.metadata(&self.name).ok();
        if metadata.as_ref().is_some_and(cap_std::fs::Metadata::is_dir) {
            return Err(StoreError::io("create", &self.path, ErrorKind::IsADirectory.into()));
        }
        let files = self.files.clone();
        let recovered = BlockStaging::recover_with(&dir, files, BootId::current(), &mut |_| true)?;
        let base = |name: &Path, is_target| {
            // A file that can't be read can still be replaced.
            let (file, identity) = regular::open_in(&dir, name).ok()?;
            (identity.size > 0).then(|| Base { file: file.into_std(), identity, is_target })
        };
        let (staging, base) = match recovered {
            Recovered::Staging(staging) => (Some(*staging), base(&self.name, true)),
            // What a download in the other dialect left is as good as any file.
            Recovered::OtherKind => (None, base(&self.files.data, false)),
            Recovered::Nothing => (None, base(&self.name, true)),
        };
        if staging.is_none() && base.is_none() {
            return Ok(None);
        }
        Ok(Some(Local { staging, base }))
    }

    /// An empty staging for `size` bytes.
    pub(super) async fn create(&self, size: u64) -> Result<BlockStaging, TransferError> {
        let place = self.clone();
        Ok(blocking(&self.path, move || place.create_now(size)).await?)
    }

    fn create_now(&self, size: u64) -> Result<BlockStaging, StoreError> {
        let dir = self.directory()?;
        check_space(&dir, &self.path, size)?;
        let name = self.path.to_string_lossy();
        let staging = BlockStaging::create(&dir, self.files.clone(), &name, size)?;
        Ok(staging.with_durability(self.durability))
    }

    /// Makes a staging the file.
    pub(super) async fn publish(
        &self,
        staging: BlockStaging,
        meta: Meta,
    ) -> Result<(), TransferError> {
        let name = self.name.clone();
        let publish = move || staging.publish_beside(&name, &meta, Existing::Replace).map(|_| ());
        Ok(blocking(&self.path, publish).await?)
    }
}

impl Local {
    /// Finds out which blocks of the manifest's file are here, and has a staging hold them. `None` if
    /// the target is that very file.
    pub(super) async fn prepare(
        self,
        place: &Place,
        manifest: &Manifest,
        tell: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Option<(BlockStaging, PartialManifest)>, TransferError> {
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let (owned, wanted) = (place.clone(), manifest.clone());
        let prepare = blocking(place.path(), move || {
            self.prepare_now(&owned, &wanted, &mut |done, total| {
                // Nobody listens any more when the transfer was given up.
                let _ = sender.send((done, total));
            })
        });
        tokio::pin!(prepare);
        loop {
            tokio::select! {
                prepared = &mut prepare => {
                    while let Ok((done, total)) = told.try_recv() {
                        tell(done, total);
                    }
                    return Ok(prepared?);
                }
                Some((done, total)) = told.recv() => tell(done, total),
            }
        }
    }

    fn prepare_now(
        self,
        place: &Place,
        manifest: &Manifest,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<(BlockStaging, PartialManifest)>, StoreError> {
        let size = manifest.size();
        let Self { staging, base } = self;
        let staging = match staging {
            Some(staging) if staging.size() == size => Some(staging),
            // Of another version; nothing of it is worth more than fetching it.
            Some(staging) => {
                staging.discard()?;
                None
            }
            None => None,
        };
        let held = match &base {
            Some(base) => base.table(place, tell)?.resized(size),
            None => PartialManifest::new(size),
        };
        let fits = |table: &PartialManifest, index: u64| {
            let theirs = usize::try_from(index).ok().and_then(|index| manifest.cvs().get(index));
            theirs.is_some() && table.get(index) == theirs.copied()
        };
        let whole = base.as_ref().is_some_and(|base| {
            base.is_target
                && base.identity.size == size
                && (0..block_count(size)).all(|index| fits(&held, index))
        });
        if whole {
            if let Some(staging) = staging {
                staging.discard()?;
            }
            return Ok(None);
        }
        // Kept open, so creating the staging over it takes nothing away from it.
        let from_other = base.as_ref().is_some_and(|base| !base.is_target);
        let staging = match staging {
            Some(staging) => staging.with_durability(place.durability),
            None => {
                if from_other {
                    let dir = place.directory()?;
                    dir.remove_file(&place.files.data)
                        .map_err(|error| StoreError::io("remove", &place.files.data, error))?;
                }
                place.create_now(size)?
            }
        };
        if let Some(base) = &base {
            let table = staging.table();
            for index in 0..block_count(size) {
                if fits(&held, index) && !fits(&table, index) {
                    let Some(cv) = held.get(index) else { continue };
                    staging.copy_block(&base.file, index, cv)?;
                }
            }
            base.check(place)?;
        }
        let table = staging.table();
        Ok(Some((staging, table)))
    }
}

impl Base {
    fn table(
        &self,
        place: &Place,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<PartialManifest, StoreError> {
        let size = self.identity.size;
        let all = BlockRange { first: 0, count: block_count(size) };
        let mut told = 0;
        tell(0, size);
        let hashed = hash_blocks(&self.file, size, all, None, &mut |done| {
            if done - told >= 16 << 20 {
                told = done;
                tell(done, size);
            }
            true
        });
        let hashed = hashed.map_err(|error| StoreError::io("read", &place.path, error))?;
        let mut table = PartialManifest::new(size);
        for (index, cv) in (0..).zip(hashed.unwrap_or_default()) {
            let _ = table.set(index, cv);
        }
        tell(size, size);
        Ok(table)
    }

    /// Fails if somebody writes to the file: what was copied may not be what was hashed.
    fn check(&self, place: &Place) -> Result<(), StoreError> {
        let now = FileIdentity::of_std(&self.file)
            .map_err(|error| StoreError::io("look at", &place.path, error))?;
        if now.same_content(&self.identity) {
            return Ok(());
        }
        Err(StoreError::Changed { path: place.path.clone() })
    }
}

fn suffixed(name: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(name);
    name.push(suffix);
    name.into()
}
