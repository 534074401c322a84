//! From an upload to a file of that name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, block_len};
use ftx_core::native::wire::Overwrite;
use ftx_store::{BlockStaging, Existing, Parents, StoreError};

use super::confirm::keep;
use super::published_version::PublishedVersion;
use super::upload::{Basis, BlockWriter, LeasedStaging};
use crate::store::{Naming, Refusal, WorkProgress};

impl BlockWriter {
    /// Publishes the file. Whether the published one was this very one already. Blocks.
    pub(super) fn publish(
        &self,
        copy: &[BlockRange],
        digest: Digest,
        published_version: Option<&PublishedVersion>,
        progress: &WorkProgress,
    ) -> Result<bool, Refusal> {
        let LeasedStaging { staging, mut lease } = self.take().ok_or_else(|| self.taken_over())?;
        lease.hold(self.owner);
        // It is closed here: if it is the last that is left of a large file, that takes its time.
        let basis = self.take_basis();
        let result = self.publish_staging(
            staging,
            basis.as_ref(),
            copy,
            digest,
            published_version,
            progress,
        );
        self.reserved.give_back();
        match &result {
            Ok(_) => {
                let key = lease.key().clone();
                lease.remove();
                // With another name, they will become other files.
                if self.naming == Naming::Exact {
                    self.inner.discard_idle(&key);
                }
            }
            // An upload without an owner is never resumed.
            Err(_) if self.owner.is_none() => lease.discard(),
            Err(_) => {}
        }
        result
    }

    fn publish_staging(
        &self,
        staging: BlockStaging,
        basis: Option<&Basis>,
        copy: &[BlockRange],
        digest: Digest,
        published_version: Option<&PublishedVersion>,
        progress: &WorkProgress,
    ) -> Result<bool, Refusal> {
        self.inner.root.check_not_removed(Path::new(self.name.as_str()))?;
        if let Some(published_version) =
            published_version.filter(|published_version| published_version.digest == digest)
            && self.keep(published_version)?
        {
            staging.discard().map_err(|error| self.refused(error))?;
            return Ok(true);
        }
        self.copy(&staging, basis, copy, progress)?;
        let existing = self.existing();
        let (prepared_in, target) = self.target()?;
        // Before taking the name lock, so that other publishers of the name need not wait for the disk.
        let prepared = staging.prepare(prepared_in.dir(), &target, &self.meta, existing);
        let manifest = prepared.map_err(|error| self.refused(error))?;
        if manifest.digest() != digest {
            let message = format!("what arrived of {:?} does not have its digest", self.name);
            return Err(Refusal::new(Reason::DigestMismatch, message));
        }
        // A name that must be free is taken in one step, without a look at it before.
        let lock = (self.naming == Naming::Exact).then(|| self.inner.lock_name(&self.name));
        self.check_overwrite(published_version)?;
        // Not that of the offer: it may have been moved since.
        let (parents, target) = self.target()?;
        let published = staging.publish(parents.dir(), &target, &self.meta, existing);
        drop(lock);
        let published = published.map_err(|error| self.refused(error))?;
        parents.keep();
        if let Some(stable) = &published.stable {
            self.inner.native.manifests.learn_all(stable, &Arc::new(published.manifest));
        }
        Ok(false)
    }

    /// The directory of the file, and its name there. A link is followed only if the file replaces its
    /// target.
    fn target(&self) -> Result<(Parents, PathBuf), StoreError> {
        let path = Path::new(self.name.as_str());
        match self.naming {
            Naming::Exact => self.inner.root.target_of(path),
            Naming::FirstFree => {
                Ok((self.inner.root.make_parents(path)?, self.name.file_name().into()))
            }
        }
    }

    fn existing(&self) -> Existing {
        existing_of(&self.name, self.naming, self.overwrite)
    }

    /// Whether the digest of the published file is needed before the name lock: that file may be the same
    /// already, or must be the expected one. Its identity alone is no proof.
    pub(super) fn needs_current(&self, digest: Digest) -> bool {
        let may_be_it = || {
            let basis = self.basis.lock().unwrap_or_else(PoisonError::into_inner);
            let known = basis.as_ref().and_then(|basis| basis.known.complete());
            known.is_some_and(|known| known.digest() == digest)
        };
        self.naming == Naming::Exact
            && (matches!(self.overwrite, Overwrite::IfUnchanged(_)) || may_be_it())
    }

    /// Has the published version be the file, unless the name stands for another one by now. It gets the
    /// new time and mode, and is as durable as if it had been sent.
    fn keep(&self, published_version: &PublishedVersion) -> Result<bool, Refusal> {
        let lock = self.inner.lock_name(&self.name);
        if !published_version.still_has_name(&self.inner, &self.name) {
            return Ok(false);
        }
        self.check_overwrite(Some(published_version))?;
        keep(&self.inner, &self.name, &published_version.file, &self.meta, || drop(lock))?;
        Ok(true)
    }

    /// Takes blocks over from the published version.
    fn copy(
        &self,
        staging: &BlockStaging,
        basis: Option<&Basis>,
        ranges: &[BlockRange],
        progress: &WorkProgress,
    ) -> Result<(), Refusal> {
        if ranges.is_empty() {
            return Ok(());
        }
        let changed = || StoreError::Changed { path: self.name.as_str().into() };
        let Basis { file, identity, known } = basis.ok_or_else(changed)?;
        let indices = || ranges.iter().flat_map(|range| range.first..range.end());
        let total = indices().map(|index| block_len(self.size, index)).sum();
        let blocks: Option<Vec<(u64, Cv)>> =
            indices().map(|index| Some((index, known.get(index)?))).collect();
        let blocks = blocks.ok_or_else(changed)?;
        let mut before = 0;
        let mut go_on = |done: u64| {
            self.last_write.touch();
            self.reserved.used(done.saturating_sub(before));
            before = before.max(done);
            progress.set(done, total)
        };
        let copied = staging.copy_blocks(file, &blocks, &mut go_on);
        let copied = copied.map_err(|error| self.refused(error))?;
        go_on(total);
        if copied < blocks.len() {
            // The cached values are the wrong ones, or the file has changed.
            self.inner.native.manifests.forget(identity);
            return Err(self.refused(changed()));
        }
        Ok(())
    }

    /// The last check before the rename. Other uploads of this server wait for the name lock; another
    /// program could still change the file between this check and the rename.
    fn check_overwrite(&self, published_version: Option<&PublishedVersion>) -> Result<(), Refusal> {
        let (Naming::Exact, Overwrite::IfUnchanged(expected)) = (self.naming, self.overwrite)
        else {
            return Ok(());
        };
        let expected =
            published_version.filter(|published_version| published_version.digest == expected);
        if expected.is_some_and(|published_version| {
            published_version.still_has_name(&self.inner, &self.name)
        }) {
            return Ok(());
        }
        let message = format!("{:?} was changed by somebody else meanwhile", self.name);
        Err(Refusal::new(Reason::PreconditionFailed, message))
    }
}

/// The treatment of an existing file of this name.
pub(super) fn existing_of(name: &RemoteName, naming: Naming, overwrite: Overwrite) -> Existing {
    match (naming, overwrite) {
        (Naming::FirstFree, _) => Existing::KeepBoth { max_name_bytes: name.max_file_name_bytes() },
        (Naming::Exact, Overwrite::Fail) => Existing::Keep,
        (Naming::Exact, Overwrite::Replace | Overwrite::IfUnchanged(_)) => Existing::Replace,
    }
}
