//! From a staging of blocks to a file, in one step.

use std::path::Path;

use cap_std::fs::Dir;
use ftx_core::native::blocks::Manifest;
use ftx_core::native::wire::Meta;

use super::BlockStaging;
use crate::file::meta::apply_time_to_new;
use crate::publish::{Prepared, Publishing, finish_publish};
use crate::{Durability, Existing, FileIdentity, StableIdentity, StoreError};

/// What was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedBlocks {
    /// Its size, chaining values and digest.
    pub manifest: Manifest,
    /// Its identity right after it got its name.
    pub identity: FileIdentity,
    /// The same, if any later change of the file shows in it.
    pub stable: Option<StableIdentity>,
}

impl BlockStaging {
    /// Does all of [`publish`](Self::publish) that takes long, so that little is left of it: gives the
    /// data its length, its time and the attributes that it takes over, and makes it durable where that
    /// is [promised](Self::with_durability).
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, those of looking at what has the name, and
    /// those of syncing, after which the staging must be dropped and [recovered](Self::recover).
    pub fn prepare(
        &self,
        target_dir: &Dir,
        target: &Path,
        meta: &Meta,
    ) -> Result<Manifest, StoreError> {
        let publishing = Publishing::new(target_dir, target, Some(meta), Existing::Replace)?;
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
        let (file, path) = (self.held.file(), &self.log.files().data);
        let identity = self.held.identity().map_err(|error| StoreError::io("stat", path, error))?;
        if identity.size != self.size {
            // What an earlier, longer version left behind the end.
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

    /// Gives the data its name: `target` in `target_dir`. Both directories must be in one file
    /// system. What of `meta` cannot be set is only logged.
    ///
    /// A file that is replaced leaves it its owner, its group, who may read and write it and its access
    /// control list, as far as that is permitted, and less where it is not. A new one has what a file
    /// has that is made there.
    ///
    /// Until the very step, whoever opens `target` finds what was there before, whole. With
    /// [`Durability::Full`] the file has its name after a loss of power too when this returns.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, [`StoreError::AlreadyExists`], those of what
    /// has the name and is no regular file ([`StoreError::Link`], [`StoreError::IsDirectory`],
    /// [`StoreError::NotRegular`]), and those of syncing and renaming. The staging is then on the disk
    /// and can be recovered, unless it was the sync of the directory that failed: then the file has its
    /// name, for now.
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
        self.held.check_is_at(dir, &files.data)?;
        let (from, file) = (&files.data, self.held.file());
        let visible_since = publishing.publish(prepared, dir, from, file, || self.sync())?;
        let identity = finish_publish(dir, files, &self.held, target_dir, target, self.durability)?;
        let stable = StableIdentity::of_published(self.held.file(), &identity, visible_since);
        Ok(PublishedBlocks { manifest, identity, stable })
    }

    fn sync(&self) -> Result<(), StoreError> {
        match self.durability {
            // Its attributes and its time are to survive, too.
            Durability::Full => self.log.finish_sync(|| self.held.file().sync_all()),
            Durability::None => Ok(()),
        }
    }
}
