//! Publishing a staging of blocks in one step.

use std::path::Path;

use cap_std::fs::Dir;
use ftx_core::native::blocks::Manifest;
use ftx_core::native::wire::Meta;

use super::BlockStaging;
use crate::file::meta::apply_time_to_new;
use crate::publish::{Prepared, Publishing, finish_publish};
use crate::{Durability, Existing, FileIdentity, StableIdentity, StoreError};

/// The published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedBlocks {
    /// Its size, chaining values and digest.
    pub manifest: Manifest,
    /// Its identity right after the rename.
    pub identity: FileIdentity,
    /// The same, if every later change of the file changes it.
    pub stable: Option<StableIdentity>,
}

impl BlockStaging {
    /// Does the slow part of [`publish`](Self::publish) in advance: gives the data its length, its
    /// time and the attributes that it takes over, and makes it durable if that is
    /// [guaranteed](Self::with_durability).
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, failures to inspect the target, and
    /// failures to sync, after which the staging must be dropped and [recovered](Self::recover).
    pub fn prepare(
        &self,
        target_dir: &Dir,
        target: &Path,
        meta: &Meta,
        existing: Existing,
    ) -> Result<Manifest, StoreError> {
        let publishing = Publishing::new(target_dir, target, Some(meta), existing)?;
        Ok(self.prepare_for(&publishing, target, meta)?.0)
    }

    fn prepare_for<'a>(
        &self,
        publishing: &'a Publishing<'_>,
        target: &Path,
        meta: &Meta,
    ) -> Result<(Manifest, Prepared<'a>), StoreError> {
        let manifest = {
            let entries = self.log.entries()?;
            entries.block_map.complete().ok_or_else(|| StoreError::Incomplete {
                path: self.name.clone().into(),
                missing: entries.block_map.block_count() - entries.block_map.known(),
            })?
        };
        let (file, path) = (self.locked.file(), &self.log.files().data);
        let identity =
            self.locked.identity().map_err(|error| StoreError::io("stat", path, error))?;
        if identity.size != self.size {
            // Cut the remains of an earlier, longer version.
            let cut = file.set_len(self.size);
            cut.map_err(|error| StoreError::io("truncate", path, error))?;
        }
        apply_time_to_new(meta, file, target);
        let prepared = publishing.prepare(file)?;
        self.sync()?;
        Ok((manifest, prepared))
    }

    /// [Publishes](Self::publish) in the directory that the staging lies in.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_beside(
        self,
        target: &Path,
        meta: &Meta,
        existing: Existing,
    ) -> Result<PublishedBlocks, StoreError> {
        let dir = self.log.dir().try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        self.publish(&dir, target, meta, existing)
    }

    /// Renames the data to `target` in `target_dir`. Both directories must be in one file system.
    /// Parts of `meta` that cannot be set are only logged.
    ///
    /// The new file takes over owner, group, permissions and access control list of the file it
    /// replaces, as far as that is permitted, or else gets narrower ones. Without an old file it
    /// has the usual attributes of a new file there. With [`Existing::KeepBoth`] the name that it
    /// gets may have a number.
    ///
    /// Until the rename, readers of `target` find the old file, complete. With [`Durability::Full`]
    /// the published file survives a loss of power once this returns.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, [`StoreError::AlreadyExists`], a target
    /// that is not a regular file ([`StoreError::Link`], [`StoreError::IsDirectory`],
    /// [`StoreError::NotRegular`]), and failures to sync and rename. The staging then stays on the
    /// disk and can be recovered, unless only the sync of the directory failed: then the file has
    /// its name, for now.
    pub fn publish(
        self,
        target_dir: &Dir,
        target: &Path,
        meta: &Meta,
        existing: Existing,
    ) -> Result<PublishedBlocks, StoreError> {
        let publishing = Publishing::new(target_dir, target, Some(meta), existing)?;
        let (manifest, prepared) = self.prepare_for(&publishing, target, meta)?;
        let (dir, files) = (self.log.dir(), self.log.files());
        self.locked.check_is_at(dir, &files.data)?;
        let (from, file) = (&files.data, self.locked.file());
        let visible_since = publishing.publish(prepared, dir, from, file, || self.sync())?;
        let identity =
            finish_publish(dir, files, &self.locked, target_dir, target, self.durability)?;
        let stable = StableIdentity::of_published(self.locked.file(), &identity, visible_since);
        Ok(PublishedBlocks { manifest, identity, stable })
    }

    fn sync(&self) -> Result<(), StoreError> {
        match self.durability {
            // The attributes and the time must survive, too.
            Durability::Full => self.log.finish_sync(|| self.locked.file().sync_all()),
            Durability::None => Ok(()),
        }
    }
}
