//! From an upload to a file of that name.

use std::path::Path;
use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, Manifest, block_len};
use ftx_core::native::wire::Overwrite;
use ftx_store::{BlockStaging, CopySource, Existing, FileIdentity, StoreError, hash_blocks};

use super::super::leftovers;
use super::confirm::keep;
use super::discard_idle;
use super::hand::Hand;
use super::table::{is_at, whole};
use super::upload::{Base, Shared};
use crate::store::native::{Progress, Refusal};

/// Blocks that are copied between two looks at whether somebody still waits for it.
const COPIED: usize = 64;

impl Shared {
    /// Publishes the file. Whether the published one was this very one already. Blocks.
    pub(super) fn publish(
        &self,
        copy: &[BlockRange],
        digest: Digest,
        progress: &Progress,
    ) -> Result<bool, Refusal> {
        let hand = Hand::from(&self.inner, self, self.writer).ok_or_else(|| self.taken_over())?;
        let staging = self.take().ok_or_else(|| self.taken_over())?;
        // It is closed here: if it is the last that is left of a large file, that takes its time.
        let base = self.take_base();
        let result = self.publish_staging(staging, base.as_ref(), copy, digest, progress);
        self.reserved.give_back();
        match &result {
            Ok(_) => {
                hand.gone();
                discard_idle(&self.inner, &self.name);
                self.inner.discard_idle(&self.name);
            }
            // Nobody comes back to it.
            Err(_) if self.writer.is_none() => {
                leftovers::remove(&self.inner.blocks.dir.get(), self.id);
                hand.gone();
            }
            Err(_) => {}
        }
        result
    }

    fn publish_staging(
        &self,
        staging: BlockStaging,
        base: Option<&Base>,
        copy: &[BlockRange],
        digest: Digest,
        progress: &Progress,
    ) -> Result<bool, Refusal> {
        if let Some(base) = base
            && self.is_unchanged(base, digest, progress)?
        {
            staging.discard().map_err(|error| self.refused(error))?;
            return Ok(true);
        }
        self.copy(&staging, base, copy, progress)?;
        let target = Path::new(self.name.file_name());
        // Before the turn: others that publish the name need not wait for the disk.
        let manifest = staging.prepare(target, &self.meta).map_err(|error| self.refused(error))?;
        if manifest.digest() != digest {
            let message = format!("what arrived of {:?} does not have its digest", self.name);
            return Err(Refusal::new(Reason::DigestMismatch, message));
        }
        let turn = self.inner.turns.take([self.name.clone()]);
        self.check_overwrite()?;
        let existing = match self.overwrite {
            Overwrite::Fail => Existing::Keep,
            Overwrite::Replace | Overwrite::IfUnchanged(_) => Existing::Replace,
        };
        // Not that of the offer: it may have been moved since.
        let path = Path::new(self.name.as_str());
        let parent = self.inner.root.create_parents(path)?;
        let published = staging.publish(&parent, target, &self.meta, existing);
        drop(turn);
        let published = published.map_err(|error| self.refused(error))?;
        if let Some(stable) = &published.stable {
            self.inner.blocks.manifests.learn_all(stable, &Arc::new(published.manifest));
        }
        Ok(false)
    }

    /// Whether the published file is just the one that is meant. It gets the new time and mode then,
    /// and is as durable as if it had been sent.
    fn is_unchanged(
        &self,
        base: &Base,
        digest: Digest,
        progress: &Progress,
    ) -> Result<bool, Refusal> {
        let known = base.table.known.complete();
        if known.is_none_or(|known| known.digest() != digest) {
            return Ok(false);
        }
        let turn = self.inner.turns.take([self.name.clone()]);
        if !is_at(&base.identity, &self.inner, &self.name)
            || !base.is_still(digest, progress).map_err(|error| self.refused(error))?
        {
            return Ok(false);
        }
        keep(&self.inner, &self.name, &base.file, &self.meta, || drop(turn))?;
        Ok(true)
    }

    /// Takes blocks over from the published version.
    fn copy(
        &self,
        staging: &BlockStaging,
        base: Option<&Base>,
        ranges: &[BlockRange],
        progress: &Progress,
    ) -> Result<(), Refusal> {
        if ranges.is_empty() {
            return Ok(());
        }
        let changed = || StoreError::Changed { path: self.name.as_str().into() };
        let Base { file, identity, table } = base.ok_or_else(changed)?;
        let indices = || ranges.iter().flat_map(|range| range.first..range.end());
        let total = indices().map(|index| block_len(self.size, index)).sum();
        let blocks: Option<Vec<(u64, Cv)>> =
            indices().map(|index| Some((index, table.known.get(index)?))).collect();
        let source = CopySource { file, identity };
        let mut done = 0;
        for some in blocks.ok_or_else(changed)?.chunks(COPIED) {
            if !progress.set(done, total) {
                return Err(StoreError::Cancelled { path: self.name.as_str().into() }.into());
            }
            if let Err(error) = staging.take_over(source, some) {
                // What was known of it may be what is wrong.
                self.inner.blocks.manifests.forget(identity);
                return Err(self.refused(error));
            }
            self.heard.touch();
            let len = some.iter().map(|&(index, _)| block_len(self.size, index)).sum();
            self.reserved.used(len);
            done += len;
        }
        Ok(())
    }

    /// The last look, right before the name changes hands. Whoever else publishes here waits for
    /// its turn; other programs have a moment left between this look and the rename.
    fn check_overwrite(&self) -> Result<(), Refusal> {
        let (Overwrite::IfUnchanged(_), Some(before)) = (self.overwrite, &self.before) else {
            return Ok(());
        };
        if is_at(before, &self.inner, &self.name) {
            return Ok(());
        }
        let message = format!("{:?} was changed by somebody else meanwhile", self.name);
        Err(Refusal::new(Reason::PreconditionFailed, message))
    }
}

impl Base {
    /// Whether the file has this digest, as its table says, now. It is read again unless every change
    /// since it was read would show.
    fn is_still(&self, digest: Digest, progress: &Progress) -> Result<bool, StoreError> {
        let Self { file, identity, table } = self;
        let failed = |error| StoreError::io("read", "the published file", error);
        if table.is_stable && FileIdentity::of_std(file).map_err(failed)? == *identity {
            return Ok(true);
        }
        let size = identity.size;
        let hashed =
            hash_blocks(file, size, whole(identity), None, &mut |done| progress.set(done, size));
        let cvs = hashed.map_err(failed)?.unwrap_or_default();
        let manifest = Manifest::new(size, cvs);
        Ok(manifest.is_ok_and(|manifest| manifest.digest() == digest))
    }
}
