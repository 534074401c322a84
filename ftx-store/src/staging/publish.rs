//! From staging to file, in one step.

use std::path::Path;
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::Md5Digest;
use ftx_core::native::wire::Meta;

use super::Staging;
use crate::publish::settle_name;
use crate::sys::NewFileMode;
use crate::{Durability, FileIdentity, StableIdentity, StoreError, meta};

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
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
    pub fn publish_beside(self, target: &Path) -> Result<Published, StoreError> {
        let dir = self.dir.try_clone().map_err(|error| StoreError::io("open", ".", error))?;
        self.publish(&dir, target)
    }

    /// Gives the data its name: `target` in `target_dir`, in place of the file that has it. Both
    /// directories must be in one file system.
    ///
    /// Until the very step, whoever opens `target` finds what was there before, whole. With
    /// [`Durability::Full`] the file has its name after a loss of power too when this returns.
    ///
    /// # Errors
    /// Those of syncing and renaming. The staging is then on the disk and can be recovered, unless
    /// it was the sync of the directory that failed: then the file has its name, for now.
    pub fn publish(mut self, target_dir: &Dir, target: &Path) -> Result<Published, StoreError> {
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
            settle_name(&self.dir, &self.files, held, target_dir, target, self.durability)?;
        let md5 = (self.hasher.len() == self.len).then(|| self.digest());
        let stable = StableIdentity::of_published(self.data.file(), &identity, visible_since);
        Ok(Published { len: self.len, md5, identity, stable })
    }

    /// Gives the data its name, and tells a moment before it had it.
    fn rename(&mut self, target_dir: &Dir, target: &Path) -> Result<SystemTime, StoreError> {
        let settled = self.data.settle(self.len());
        settled.map_err(|error| StoreError::io("truncate", &self.files.data, error))?;
        meta::apply_to_private(&Meta::default(), NewFileMode::current(), self.data.file(), target);
        if self.durability == Durability::Full {
            // Its mode is to survive, too.
            let synced = self.flusher.wait().and_then(|()| self.data.file().sync_all());
            self.note_sync(synced)?;
        }
        self.data.held().check_is_at(&self.dir, &self.files.data)?;
        let visible_since = SystemTime::now();
        let renamed = self.dir.rename(&self.files.data, target_dir, target);
        renamed.map_err(|error| StoreError::io("rename", target, error))?;
        Ok(visible_since)
    }
}
