//! Uploads into a local directory.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_core::RemoteName;
use ftx_core::legacy::Md5Digest;
use ftx_io::StagingWriter;
use ftx_store::{FileIdentity, PrefixHasher, PrefixStaging, StoreError, check_space};
use tracing::warn;

use super::OFFER_BUDGET;
use super::index::{PrefixClaim, PrefixIndex, PrefixState, PrefixWriter};
use super::offer::{self, LocalOffer, OfferKind};
use crate::store::local::latch::{LastWrite, Latch};
use crate::store::local::permits::{SlowJob, on_blocking_pool};
use crate::store::local::recovery::{self, StagingId};
use crate::store::local::{DescriptorShare, DescriptorUse, LocalStore, StoreInner};
use crate::store::{LegacyBegin, LegacyUpload, Refusal};

/// How long a writer must have been silent for its staging to be taken over without a copy.
const TAKEOVER_AFTER: Duration = Duration::from_secs(2);

/// A staging that one connection writes to.
#[derive(Debug)]
pub struct LocalUpload {
    store: LocalStore,
    name: RemoteName,
    id: StagingId,
    /// `None` when the upload has ended.
    writer: Option<StagingWriter>,
    /// `None` while the file is so small that it gets a staging only when it is whole.
    indexed: Option<IndexedWriter>,
}

/// The entry of a staging in the index.
///
/// Dropping it removes the writer from the index and wakes the connections that wait for that. It is
/// dropped after the staging, also in a panic.
#[derive(Debug)]
struct IndexedWriter {
    inner: Arc<StoreInner>,
    name: RemoteName,
    id: StagingId,
    last_write: LastWrite,
    done: Latch,
    _share: DescriptorShare,
}

impl Drop for IndexedWriter {
    fn drop(&mut self) {
        self.inner.legacy.index(|index| index.abandon(&self.name, self.id, &self.last_write));
        self.done.end();
    }
}

/// Opens a staging, for a small new file only later.
pub(super) async fn begin(
    store: &LocalStore,
    name: &RemoteName,
    begin: LegacyBegin<LocalOffer>,
    len: u64,
) -> Result<LocalUpload, StoreError> {
    if matches!(begin, LegacyBegin::Anew(_)) && len <= StagingWriter::MAX_DEFERRED_BYTES {
        let (inner, owned) = (Arc::clone(&store.inner), name.clone());
        let id = inner.legacy.index(PrefixIndex::new_id);
        let writer = StagingWriter::deferred(name.as_str(), move || {
            let path = Path::new(owned.as_str());
            inner.root.check_not_removed(path)?;
            check_space(inner.root.dir(), path, len)?;
            create(&inner, &owned, id)
        });
        let (store, name, writer) = (store.clone(), name.clone(), Some(writer));
        return Ok(LocalUpload { store, name, id, writer, indexed: None });
    }
    if let LegacyBegin::Resume(LocalOffer(OfferKind::Staged { id, .. })) = &begin {
        let deadline = Instant::now() + OFFER_BUDGET;
        if let Some(reading) = store.inner.legacy.index(|index| index.reading(name, *id)) {
            reading.wait(deadline).await;
        }
    }
    let share = store.inner.share(name, DescriptorUse::Upload)?;
    let owner = store.clone();
    let opened = store.slowly(SlowJob::Write, name, move |inner, name| {
        let path = Path::new(name.as_str());
        let begin = discard_offered(inner, name, begin);
        check_space(inner.root.dir(), path, len)?;
        // Reports an error before bytes are sent in vain. The check at the end may find another one.
        inner.root.check_target(path)?;
        inner.root.check_not_mounted(path)?;
        let (id, staging) = open(inner, name, begin)?;
        let staging = staging.with_durability(inner.root.durability()).journalled()?;
        let writer = StagingWriter::new(staging)?.sharing(inner.permits.of(SlowJob::Write));
        let (last_write, done) = (LastWrite::now(), Latch::default());
        if let Some(slot) = writer.slot() {
            let writer = PrefixWriter { slot, last_write: last_write.clone(), done: done.clone() };
            let state = PrefixState::Written(writer);
            inner.legacy.index(|index| index.add(name.clone(), id, state));
        }
        let inner = Arc::clone(inner);
        let indexed =
            IndexedWriter { inner, name: name.clone(), id, last_write, done, _share: share };
        let indexed = Some(indexed);
        let (name, writer) = (name.clone(), Some(writer));
        // If the caller is gone, dropping this restores the index.
        Ok(LocalUpload { store: owner, name, id, writer, indexed })
    });
    opened.await
}

/// Removes the staging offered to a client that declined to resume it. Only that client could use it, and
/// the new upload may need the space.
fn discard_offered(
    inner: &StoreInner,
    name: &RemoteName,
    begin: LegacyBegin<LocalOffer>,
) -> LegacyBegin<LocalOffer> {
    let LegacyBegin::Anew(LocalOffer(OfferKind::Staged { id, .. })) = begin else { return begin };
    if let PrefixClaim::Idle = inner.legacy.index(|index| index.claim(name, id)) {
        recovery::remove(&inner.legacy.dir.get(), id);
    }
    LegacyBegin::Anew(LocalOffer(OfferKind::Nothing))
}

fn open(
    inner: &StoreInner,
    name: &RemoteName,
    begin: LegacyBegin<LocalOffer>,
) -> Result<(StagingId, PrefixStaging), StoreError> {
    let changed = || StoreError::Changed { path: name.as_str().into() };
    match begin {
        LegacyBegin::Anew(_) => {
            let id = inner.legacy.index(PrefixIndex::new_id);
            Ok((id, create(inner, name, id)?))
        }
        LegacyBegin::Resume(LocalOffer(OfferKind::Nothing)) => Err(changed()),
        LegacyBegin::Resume(LocalOffer(OfferKind::Staged { id, hasher })) => {
            resume(inner, name, id, hasher)
        }
        LegacyBegin::Resume(LocalOffer(OfferKind::UnhashedFile { file, identity, hasher })) => {
            let metadata =
                file.metadata().map_err(|error| StoreError::io("open", name.as_str(), error))?;
            if FileIdentity::of(&metadata) != identity {
                return Err(changed());
            }
            let id = room_for(inner, name, &hasher)?;
            let staging = PrefixStaging::adopt(
                &inner.legacy.dir.get(),
                id.files(),
                name.as_str(),
                &file,
                hasher,
            )?;
            Ok((id, staging))
        }
    }
}

fn create(
    inner: &StoreInner,
    name: &RemoteName,
    id: StagingId,
) -> Result<PrefixStaging, StoreError> {
    let staging =
        inner.legacy.dir.make(|dir| PrefixStaging::create(dir, id.files(), name.as_str()));
    let staging = staging.map_err(|error| error.with_path(name.as_str()))?;
    Ok(staging.with_durability(inner.root.durability()))
}

/// Opens a staging that ends with the offered bytes, even if it changed meanwhile.
///
/// Offered bytes stay in their staging: at most its last byte, which is never offered, is cut off. So
/// every offer made from one staging stays valid.
fn resume(
    inner: &StoreInner,
    name: &RemoteName,
    id: StagingId,
    hasher: PrefixHasher,
) -> Result<(StagingId, PrefixStaging), StoreError> {
    let changed = || StoreError::Changed { path: name.as_str().into() };
    match inner.legacy.index(|index| index.claim(name, id)) {
        PrefixClaim::Gone => return Err(changed()),
        PrefixClaim::Reading => return Err(StoreError::InUse { path: name.as_str().into() }),
        PrefixClaim::Idle => match PrefixStaging::recover(&inner.legacy.dir.get(), id.files()) {
            Ok(Some(staging)) if (hasher.len()..=hasher.len() + 1).contains(&staging.len()) => {
                return Ok((id, staging.rewound(hasher)?));
            }
            Ok(Some(staging)) => {
                let len = staging.len();
                let state = PrefixState::Idle(Some(staging.hasher().clone()));
                drop(staging);
                inner.legacy.index(|index| index.add(name.clone(), id, state));
                if len < hasher.len() {
                    // Some of the offered bytes turned out to be lost.
                    return Err(changed());
                }
                // More bytes have arrived since the offer, and another client may have been offered them.
            }
            Ok(None) => return Err(changed()),
            Err(error) => {
                inner.legacy.index(|index| index.add(name.clone(), id, PrefixState::Idle(None)));
                return Err(error);
            }
        },
        PrefixClaim::Written(writer) => {
            if writer.last_write.silence() >= TAKEOVER_AFTER
                && let Some(staging) = writer.slot.take_at(&hasher)
            {
                inner.legacy.index(|index| index.remove(name, id));
                return Ok((id, staging.rewound(hasher)?));
            }
        }
    }
    // Its first bytes do not change any more, whatever its writer does.
    let file = match inner.legacy.dir.get().open(id.files().data) {
        // UnhashedFile just now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(changed()),
        opened => opened.map_err(|error| StoreError::io("open", name.as_str(), error))?,
    };
    let id = room_for(inner, name, &hasher)?;
    let staging = PrefixStaging::adopt_private(
        &inner.legacy.dir.get(),
        id.files(),
        name.as_str(),
        &file,
        hasher,
    )?;
    Ok((id, staging))
}

/// The id of a new staging that the bytes of `hasher` are copied to.
fn room_for(
    inner: &StoreInner,
    name: &RemoteName,
    hasher: &PrefixHasher,
) -> Result<StagingId, StoreError> {
    check_space(inner.root.dir(), Path::new(name.as_str()), hasher.len())?;
    Ok(inner.legacy.index(PrefixIndex::new_id))
}

fn publish(
    inner: &StoreInner,
    name: &RemoteName,
    staging: PrefixStaging,
) -> Result<Option<Md5Digest>, StoreError> {
    inner.root.check_not_removed(Path::new(name.as_str()))?;
    let hasher = staging.hasher().clone();
    let lock = inner.lock_name(name);
    // Not that of the beginning: it may have been moved since.
    let (parents, target) = inner.root.target_of(Path::new(name.as_str()))?;
    let published = staging.publish(parents.dir(), &target);
    let published = published.map_err(|error| error.with_path(name.as_str()))?;
    parents.keep();
    drop(lock);
    if let (Some(_), Some(stable)) = (published.md5, &published.stable) {
        inner.legacy.cache_md5(stable, hasher);
    }
    inner.discard_idle(name);
    Ok(published.md5)
}

impl LegacyUpload for LocalUpload {
    async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if let Some(IndexedWriter { last_write, .. }) = &self.indexed {
            last_write.touch();
        }
        match &mut self.writer {
            Some(writer) => writer.write(chunk).await,
            None => Err(StoreError::InUse { path: self.name.as_str().into() }),
        }
    }

    async fn publish(mut self) -> Result<Option<Md5Digest>, StoreError> {
        let Some(writer) = &mut self.writer else {
            return Err(StoreError::InUse { path: self.name.as_str().into() });
        };
        if let Err(error) = writer.drain().await {
            if let Err(error) = self.suspend().await {
                warn!(%error, "how far an upload got could not be recorded");
            }
            return Err(error);
        }
        let (inner, name, id) = (Arc::clone(&self.store.inner), self.name.clone(), self.id);
        // For the syncs, and the turn with the name.
        let permit = inner.permits.take_unless_dedicated(SlowJob::Sync).await;
        let Some(writer) = self.writer.take() else {
            return Err(StoreError::InUse { path: self.name.as_str().into() });
        };
        let indexed = self.indexed.take();
        let end = move |staging| {
            let _permit = permit;
            // Let go of when the staging is, and not before.
            let Some(_registered) = indexed else {
                let result = publish(&inner, &name, staging);
                if result.is_err() {
                    // So little is sent again more easily than it is kept.
                    recovery::remove(&inner.legacy.dir.get(), id);
                }
                return result;
            };
            let result = publish(&inner, &name, staging);
            if result.is_ok() {
                inner.legacy.index(|index| index.remove(&name, id));
            }
            result
        };
        writer.finish(end).await
    }

    async fn suspend(mut self) -> Result<(), StoreError> {
        let permit = self.store.inner.permits.take_unless_dedicated(SlowJob::Sync).await;
        let (Some(writer), Some(indexed)) = (self.writer.take(), self.indexed.take()) else {
            return Ok(());
        };
        let (inner, name, id) = (Arc::clone(&self.store.inner), self.name.clone(), self.id);
        let end = move |staging: PrefixStaging| {
            let _permit = permit;
            let (hasher, len) = (staging.hasher().clone(), staging.len());
            let nothing_new = staging.holds_nothing_new();
            // The client may be back already: it waits until this is done.
            let reading = inner.legacy.index(|index| index.reserve(&name, id));
            drop(indexed);
            let result = staging.suspend();
            if nothing_new {
                inner.legacy.index(|index| index.remove(&name, id));
            } else if result.is_ok() && hasher.len() + 1 >= len {
                inner.legacy.index(|index| index.release(&name, id, Some(hasher)));
            } else if let Some(reading) = reading {
                // Hashing continues where it stopped.
                offer::go_on_reading(&inner, &name, id, reading);
                return result;
            }
            if let Some(reading) = reading {
                reading.end();
            }
            result
        };
        writer.finish(end).await
    }
}

impl Drop for LocalUpload {
    /// A connection that ends abruptly, as in a panic, must not keep its staging locked.
    fn drop(&mut self) {
        let Some(slot) = self.writer.take().and_then(|writer| writer.slot()) else { return };
        let indexed = self.indexed.take();
        let (inner, name, id) = (Arc::clone(&self.store.inner), self.name.clone(), self.id);
        let index = Arc::clone(&inner);
        let release = move || {
            // Nothing to release after a takeover.
            let Some(staging) = slot.take() else { return };
            if staging.holds_nothing_new() {
                if let Err(error) = staging.discard() {
                    warn!(%error, "a staging of no use stays behind");
                }
                index.legacy.index(|index| index.remove(&name, id));
            } else {
                drop(staging);
            }
            drop(indexed);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let permit = inner.permits.take(SlowJob::Sync).await;
                let release = || {
                    release();
                    Ok::<_, Refusal>(())
                };
                let _ = on_blocking_pool(permit, release).await;
            })),
            Err(_) => release(),
        }
    }
}
