//! From a staging of blocks to a file, in one step.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::native::blocks::Manifest;
use ftx_core::native::wire::Meta;

use super::BlockStaging;
use crate::publish::{give_name, settle_name};
use crate::sys::NewFileMode;
use crate::{Durability, Existing, FileIdentity, StableIdentity, StoreError, meta};

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
    /// data its length, and `meta`, and makes it durable where that is
    /// [promised](Self::with_durability).
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, and those of syncing, after which the staging
    /// must be dropped and [recovered](Self::recover).
    pub fn prepare(&self, target: &Path, meta: &Meta) -> Result<Manifest, StoreError> {
        let manifest = {
            let entries = self.log.entries()?;
            entries.table.complete().ok_or_else(|| StoreError::Incomplete {
                path: self.name.clone().into(),
                missing: entries.table.block_count() - entries.table.known(),
            })?
        };
        let (file, path) = (self.held.file(), &self.log.files().data);
        let identity = self.held.identity().map_err(|error| StoreError::io("stat", path, error))?;
        if identity.size != self.size {
            // What an earlier, longer version left behind the end.
            let cut = file.set_len(self.size);
            cut.map_err(|error| StoreError::io("truncate", path, error))?;
        }
        meta::apply_to_private(meta, NewFileMode::current(), file, target);
        if self.durability == Durability::Full {
            // Its mode and time are to survive, too.
            self.log.finish_sync(|| file.sync_all())?;
        }
        Ok(manifest)
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
    /// Until the very step, whoever opens `target` finds what was there before, whole. With
    /// [`Durability::Full`] the file has its name after a loss of power too when this returns.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] while blocks are missing, [`StoreError::AlreadyExists`], and those
    /// of syncing and renaming. The staging is then on the disk and can be recovered, unless it was
    /// the sync of the directory that failed: then the file has its name, for now.
    pub fn publish(
        self,
        target_dir: &Dir,
        target: &Path,
        meta: &Meta,
        existing: Existing,
    ) -> Result<PublishedBlocks, StoreError> {
        let manifest = self.prepare(target, meta)?;
        let (dir, files) = (self.log.dir(), self.log.files());
        self.held.check_is_at(dir, &files.data)?;
        let visible_since = SystemTime::now();
        let named = give_name(dir, &files.data, target_dir, target, existing);
        named.map_err(|error| StoreError::io("rename", target, error))?;
        let identity = settle_name(dir, files, &self.held, target_dir, target, self.durability)?;
        let stable = StableIdentity::of_published(self.held.file(), &identity, visible_since);
        Ok(PublishedBlocks { manifest, identity, stable })
    }
}
