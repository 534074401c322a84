//! Publishing a staging of bytes in one step.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::legacy::Md5Digest;

use super::PrefixStaging;
use crate::publish::{Publishing, finish_publish};
use crate::{Durability, Existing, FileIdentity, StableIdentity, StoreError};

/// The published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedStaging {
    /// Its length in bytes.
    pub len: u64,
    /// Its digest, if hashing has caught up.
    pub md5: Option<Md5Digest>,
    /// Its identity right after the rename.
    pub identity: FileIdentity,
    /// The same, if every later change of the file changes it.
    pub stable: Option<StableIdentity>,
}

impl PrefixStaging {
    /// [Publishes](Self::publish) in the directory that the staging lies in.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_beside(self, target: &Path) -> Result<PublishedStaging, StoreError> {
        let dir = self.dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        self.publish(&dir, target)
    }

    /// Renames the data to `target` in `target_dir`, replacing an existing file. Both directories
    /// must be in one file system.
    ///
    /// The new file takes over the attributes of the old one, including execute bits; without an
    /// old file it has the usual attributes of a new file there.
    ///
    /// Until the rename, readers of `target` find the old file, complete. With [`Durability::Full`]
    /// the published file survives a loss of power once this returns.
    ///
    /// # Errors
    /// A target that is not a regular file ([`StoreError::Link`], [`StoreError::IsDirectory`],
    /// [`StoreError::NotRegular`]), and failures to sync and rename. The staging then stays on the
    /// disk and can be recovered, unless only the sync of the directory failed: then the file has
    /// its name, for now.
    pub fn publish(self, target_dir: &Dir, target: &Path) -> Result<PublishedStaging, StoreError> {
        self.publish_as(target_dir, target, Existing::Replace)
    }

    /// As [`publish`](Self::publish), with another treatment of an existing file.
    ///
    /// # Errors
    /// As [`publish`](Self::publish), and [`StoreError::AlreadyExists`].
    pub fn publish_as(
        mut self,
        target_dir: &Dir,
        target: &Path,
        existing: Existing,
    ) -> Result<PublishedStaging, StoreError> {
        self.check_not_failed()?;
        let visible_since = match self.rename(target_dir, target, existing) {
            Ok(since) => since,
            Err(error) => {
                // No byte of a complete file should have to be sent again.
                if !self.failed && self.saved < self.hasher.len() {
                    self.checkpoint_or_warn();
                }
                return Err(error);
            }
        };
        let locked = self.data.locked();
        let identity =
            finish_publish(&self.dir, &self.files, locked, target_dir, target, self.durability)?;
        let md5 = (self.hasher.len() == self.len).then(|| self.digest());
        let stable = StableIdentity::of_published(self.data.file(), &identity, visible_since);
        Ok(PublishedStaging { len: self.len, md5, identity, stable })
    }

    /// Renames the data, and returns a time shortly before.
    fn rename(
        &mut self,
        target_dir: &Dir,
        target: &Path,
        existing: Existing,
    ) -> Result<SystemTime, StoreError> {
        let settled = self.data.trim(self.len());
        settled.map_err(|error| StoreError::io("truncate", &self.files.data, error))?;
        let publishing = Publishing::new(target_dir, target, None, existing)?;
        let prepared = publishing.prepare(self.data.file())?;
        self.sync()?;
        self.data.locked().check_is_at(&self.dir, &self.files.data)?;
        let (dir, from) = (self.dir.try_clone(), self.files.data.clone());
        let dir = dir.map_err(|error| StoreError::io("open", ".", error))?;
        let file = self.data.file().try_clone();
        let file = file.map_err(|error| StoreError::io("open", &from, error))?;
        publishing.publish(prepared, &dir, &from, &file, || self.sync())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.durability == Durability::None {
            return Ok(());
        }
        // The attributes must survive, too.
        let synced = self.flusher.wait().and_then(|()| self.data.file().sync_all());
        self.note_sync(synced)
    }
}
