//! Uploads into a local directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ftx_core::RemoteName;
use ftx_core::legacy::Md5Digest;
use ftx_io::{Executor, StagingWriter};
use ftx_store::{Existing, PrefixStaging, StoreError, check_space};
use tracing::warn;

use super::beginning::{Beginning, create};
use super::offer::{self, LocalOffer};
use super::writer::{PrefixGuard, PrefixWriter};
use crate::store::local::latch::LastWrite;
use crate::store::local::permits::SlowJob;
use crate::store::local::staging_index::StagingKey;
use crate::store::local::{DescriptorUse, LocalStore, StoreInner};
use crate::store::{LegacyBegin, LegacyUpload, Refusal, TakenName};

/// A staging that one connection writes to. Dropping it leaves the staging to others.
#[derive(Debug)]
pub struct LocalUpload {
    store: LocalStore,
    name: RemoteName,
    writer: StagingWriter<PrefixGuard>,
    last_write: LastWrite,
}

/// Opens a staging, for a small new file only later.
pub(super) async fn begin(
    store: &LocalStore,
    executor: &Executor,
    name: &RemoteName,
    begin: LegacyBegin<LocalOffer>,
    len: u64,
) -> Result<LocalUpload, Refusal> {
    let is_new = matches!(begin, LegacyBegin::Anew(_));
    if is_new {
        store.inner.legacy.stagings.check_room(&StagingKey::legacy(name))?;
    }
    if is_new && len <= StagingWriter::MAX_DEFERRED_BYTES {
        return Ok(begin_small(store, executor, name, len));
    }
    let share = store.inner.share(name, DescriptorUse::Upload)?;
    let beginning = Beginning::of(store, executor, name, begin, len).await?;
    let (owned, executor_of_task, name) = (store.clone(), executor.clone(), name.clone());
    let open = move || {
        let (store, inner) = (owned.clone(), owned.inner);
        let (staging, mut lease) = beginning.open(&inner, &name, len)?;
        let staging = staging.with_durability(inner.root.durability()).journalled()?;
        let (last_write, permits) = (LastWrite::now(), inner.permits.of(SlowJob::Write));
        let _store = Arc::clone(&inner);
        let guard = |handle| {
            lease.write_as(PrefixWriter { handle, last_write: last_write.clone() }, None);
            PrefixGuard { lease, _share: Some(share), _store }
        };
        let writer = StagingWriter::start(&executor_of_task, Some(permits), guard, staging)?;
        // If the caller is gone, dropping this leaves the staging to others.
        Ok(LocalUpload { store, name, writer, last_write })
    };
    store.inner.permits.run(executor, SlowJob::Write, open).await
}

fn begin_small(
    store: &LocalStore,
    executor: &Executor,
    name: &RemoteName,
    len: u64,
) -> LocalUpload {
    let (inner, owned) = (Arc::clone(&store.inner), name.clone());
    let make = move || {
        let path = Path::new(owned.as_str());
        inner.root.check_not_removed(path)?;
        check_space(inner.root.dir(), path, len)?;
        let (staging, lease) = create(&inner, &owned)?;
        Ok((staging, PrefixGuard { lease, _share: None, _store: inner }))
    };
    let (writer, last_write) = (StagingWriter::deferred(executor, make), LastWrite::now());
    LocalUpload { store: store.clone(), name: name.clone(), writer, last_write }
}

fn publish(
    inner: &StoreInner,
    name: &RemoteName,
    staging: PrefixStaging,
    taken: TakenName,
) -> Result<Option<Md5Digest>, StoreError> {
    let path = Path::new(name.as_str());
    inner.root.check_not_removed(path)?;
    let hasher = staging.hasher().clone();
    let existing = match taken {
        TakenName::Replace => Existing::Replace,
        TakenName::Refuse => Existing::Keep,
        TakenName::FirstFree => Existing::KeepBoth { max_name_bytes: name.max_file_name_bytes() },
    };
    let is_own_name = taken != TakenName::FirstFree;
    // A name that must be free is taken in one step.
    let lock = is_own_name.then(|| inner.lock_name(name));
    // Not those of the beginning: they may have been moved since.
    let (parents, target) = if is_own_name {
        inner.root.target_of(path)?
    } else {
        (inner.root.make_parents(path)?, name.file_name().into())
    };
    let published = staging.publish_as(parents.dir(), &target, existing);
    let published = published.map_err(|error| error.with_path(name.as_str()))?;
    parents.keep();
    drop(lock);
    if let (Some(_), Some(stable)) = (published.md5, &published.stable) {
        inner.legacy.cache_md5(stable, hasher);
    }
    if is_own_name {
        inner.discard_idle(&StagingKey::legacy(name));
    }
    Ok(published.md5)
}

impl LegacyUpload for LocalUpload {
    async fn write(&mut self, _: &Executor, chunk: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        self.last_write.touch();
        Ok(self.writer.write(chunk).await?)
    }

    async fn publish_as(
        mut self,
        executor: &Executor,
        taken: TakenName,
    ) -> Result<Option<Md5Digest>, Refusal> {
        if let Err(error) = self.writer.drain().await {
            if let Err(error) = self.suspend(executor).await {
                warn!(%error, "how far an upload got could not be recorded");
            }
            return Err(error.into());
        }
        let Self { store, name, writer, .. } = self;
        let inner = store.inner;
        // For the syncs, and the turn with the name.
        let permit = inner.permits.take_unless_inline(executor, SlowJob::Sync).await;
        let is_small = writer.is_deferred();
        let end = move |staging, PrefixGuard { mut lease, .. }| {
            let _permit = permit;
            if !is_small {
                lease.hold(None);
            }
            let start = Instant::now();
            let result = publish(&inner, &name, staging, taken);
            inner.metrics.published(start.elapsed());
            match &result {
                Ok(_) => lease.remove(),
                // So little is sent again more easily than it is kept.
                Err(_) if is_small => lease.discard(),
                Err(_) => {}
            }
            result
        };
        Ok(writer.finish(end).await?)
    }

    async fn suspend(self, executor: &Executor) -> Result<(), Refusal> {
        let Self { store, writer, .. } = self;
        if writer.is_deferred() {
            return Ok(());
        }
        let permit = store.inner.permits.take_unless_inline(executor, SlowJob::Sync).await;
        let end = move |staging: PrefixStaging, PrefixGuard { mut lease, .. }| {
            let _permit = permit;
            // The client may be back already: it waits until this is done.
            lease.hold(None);
            let (hasher, len) = (staging.hasher().clone(), staging.len());
            let nothing_new = staging.holds_nothing_new();
            let result = staging.suspend();
            if nothing_new {
                lease.remove();
            } else if result.is_ok() && hasher.len() + 1 >= len {
                lease.release(Some(hasher));
            } else {
                // Hashing continues where it stopped.
                offer::read_in_background(&store.inner, lease);
            }
            result
        };
        Ok(writer.finish(end).await?)
    }
}
