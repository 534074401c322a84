//! From staging to file, in one step.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::legacy::Md5Digest;

use super::Staging;
use crate::publish::{Publishing, finish_publish};
use crate::{Durability, Existing, FileIdentity, StableIdentity, StoreError};

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedStaging {
    /// Its length in bytes.
    pub len: u64,
    /// Its digest, if hashing has caught up with it.
    pub md5: Option<Md5Digest>,
    /// Its identity right after it got its name.
    pub identity: FileIdentity,
    /// The same, if any later change of the file shows in it.
    pub stable: Option<StableIdentity>,
}

impl Staging {
    /// [Publishes](Self::publish) in the directory that the staging lies in.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub fn publish_beside(self, target: &Path) -> Result<PublishedStaging, StoreError> {
        let dir = self.dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        self.publish(&dir, target)
    }

    /// Gives the data its name: `target` in `target_dir`, in place of the file that has it. Both
    /// directories must be in one file system.
    ///
    /// It takes over the attributes of that file, execute bits included; a new one has what a file has
    /// that is made there.
    ///
    /// Until the very step, whoever opens `target` finds what was there before, whole. With
    /// [`Durability::Full`] the file has its name after a loss of power too when this returns.
    ///
    /// # Errors
    /// Those of what has the name and is no regular file ([`StoreError::Link`],
    /// [`StoreError::IsDirectory`], [`StoreError::NotRegular`]), and those of syncing and renaming. The staging is then on the disk and can be recovered, unless
    /// it was the sync of the directory that failed: then the file has its name, for now.
    pub fn publish(
        mut self,
        target_dir: &Dir,
        target: &Path,
    ) -> Result<PublishedStaging, StoreError> {
        self.check_not_failed()?;
        let visible_since = match self.rename(target_dir, target) {
            Ok(since) => since,
            Err(error) => {
                // Nothing of a file that is whole should have to be sent again.
                if !self.failed && self.saved < self.hasher.len() {
                    self.checkpoint_or_warn();
                }
                return Err(error);
            }
        };
        let held = self.data.held();
        let identity =
            finish_publish(&self.dir, &self.files, held, target_dir, target, self.durability)?;
        let md5 = (self.hasher.len() == self.len).then(|| self.digest());
        let stable = StableIdentity::of_published(self.data.file(), &identity, visible_since);
        Ok(PublishedStaging { len: self.len, md5, identity, stable })
    }

    /// Gives the data its name, and tells a moment before it had it.
    fn rename(&mut self, target_dir: &Dir, target: &Path) -> Result<SystemTime, StoreError> {
        let settled = self.data.trim(self.len());
        settled.map_err(|error| StoreError::io("truncate", &self.files.data, error))?;
        let publishing = Publishing::new(target_dir, target, None, Existing::Replace)?;
        let prepared = publishing.prepare(self.data.file())?;
        self.sync()?;
        self.data.held().check_is_at(&self.dir, &self.files.data)?;
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
        // Its attributes are to survive, too.
        let synced = self.flusher.wait().and_then(|()| self.data.file().sync_all());
        self.note_sync(synced)
    }
}
