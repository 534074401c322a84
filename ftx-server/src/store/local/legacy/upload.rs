//! Uploads into a local directory.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftx_core::{Md5Digest, RemoteName};
use ftx_io::StagingWriter;
use ftx_store::{FileIdentity, PrefixHasher, Staging, StoreError, check_space};
use tracing::warn;

use super::OFFER_BUDGET;
use super::index::{Claim, Index, State, Writer};
use super::offer::{self, Kind, LocalOffer};
use crate::store::local::latch::{Heard, Latch};
use crate::store::local::leftovers::{self, StagingId};
use crate::store::local::permits::{Slow, at_length};
use crate::store::local::{Inner, LocalStore, Share, Use};
use crate::store::{Begin, LegacyUpload};

/// How long a writer must have been silent for its staging to be taken over without a copy.
const SILENT: Duration = Duration::from_secs(2);

/// A staging that one connection writes to.
#[derive(Debug)]
pub struct LocalUpload {
    store: LocalStore,
    name: RemoteName,
    id: StagingId,
    /// `None` when the upload has ended.
    writer: Option<StagingWriter>,
    /// `None` while the file is so small that it gets a staging only when it is whole.
    registered: Option<Registered>,
}

/// What belongs to a staging that the index knows.
///
/// When it is dropped the index no longer counts its writer, and those who wait for that go on. So
/// it is dropped after the staging, and does its part in a panic, too.
#[derive(Debug)]
struct Registered {
    inner: Arc<Inner>,
    name: RemoteName,
    id: StagingId,
    heard: Heard,
    done: Latch,
    _share: Share,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.inner.legacy.index(|index| index.abandon(&self.name, self.id, &self.heard));
        self.done.end();
    }
}

/// Opens a staging, for a small new file only later.
pub(super) async fn begin(
    store: &LocalStore,
    name: &RemoteName,
    begin: Begin<LocalOffer>,
    len: u64,
) -> Result<LocalUpload, StoreError> {
    if matches!(begin, Begin::Anew(_)) && len <= StagingWriter::DEFERRED {
        let (inner, owned) = (Arc::clone(&store.inner), name.clone());
        let id = inner.legacy.index(Index::new_id);
        let writer = StagingWriter::deferred(name.as_str(), move || {
            let path = Path::new(owned.as_str());
            inner.root.check_present(path)?;
            check_space(inner.root.dir(), path, len)?;
            create(&inner, &owned, id)
        });
        let (store, name, writer) = (store.clone(), name.clone(), Some(writer));
        return Ok(LocalUpload { store, name, id, writer, registered: None });
    }
    if let Begin::Resume(LocalOffer(Kind::Staged { id, .. })) = &begin {
        let deadline = Instant::now() + OFFER_BUDGET;
        if let Some(reading) = store.inner.legacy.index(|index| index.reading(name, *id)) {
            reading.wait(deadline).await;
        }
    }
    let share = store.inner.share(name, Use::Upload)?;
    let owner = store.clone();
    let opened = store.slowly(Slow::Write, name, move |inner, name| {
        let path = Path::new(name.as_str());
        let begin = without_leftovers(inner, name, begin);
        check_space(inner.root.dir(), path, len)?;
        // An error is told before bytes are sent in vain. It may be another one at the end.
        inner.root.check_place(path)?;
        inner.root.check_not_mounted(path)?;
        let (id, staging) = open(inner, name, begin)?;
        let staging = staging.with_durability(inner.root.durability()).journalled()?;
        let writer = StagingWriter::new(staging)?.sharing(inner.permits.of(Slow::Write));
        let (heard, done) = (Heard::now(), Latch::default());
        if let Some(slot) = writer.slot() {
            let writer = Writer { slot, heard: heard.clone(), done: done.clone() };
            let state = State::Written(writer);
            inner.legacy.index(|index| index.add(name.clone(), id, state));
        }
        let inner = Arc::clone(inner);
        let registered = Registered { inner, name: name.clone(), id, heard, done, _share: share };
        let registered = Some(registered);
        let (name, writer) = (name.clone(), Some(writer));
        // If nobody waits for it any more, dropping it puts everything in order.
        Ok(LocalUpload { store: owner, name, id, writer, registered })
    });
    opened.await
}

/// Removes what was offered to a client that begins anew: it knows it and has no use for it, so nobody
/// has, and the file may need the space.
fn without_leftovers(
    inner: &Inner,
    name: &RemoteName,
    begin: Begin<LocalOffer>,
) -> Begin<LocalOffer> {
    let Begin::Anew(LocalOffer(Kind::Staged { id, .. })) = begin else { return begin };
    if let Claim::Idle = inner.legacy.index(|index| index.claim(name, id)) {
        leftovers::remove(&inner.legacy.dir.get(), id);
    }
    Begin::Anew(LocalOffer(Kind::Nothing))
}

fn open(
    inner: &Inner,
    name: &RemoteName,
    begin: Begin<LocalOffer>,
) -> Result<(StagingId, Staging), StoreError> {
    let changed = || StoreError::Changed { path: name.as_str().into() };
    match begin {
        Begin::Anew(_) => {
            let id = inner.legacy.index(Index::new_id);
            Ok((id, create(inner, name, id)?))
        }
        Begin::Resume(LocalOffer(Kind::Nothing)) => Err(changed()),
        Begin::Resume(LocalOffer(Kind::Staged { id, hasher })) => resume(inner, name, id, hasher),
        Begin::Resume(LocalOffer(Kind::Published { file, identity, hasher })) => {
            let metadata =
                file.metadata().map_err(|error| StoreError::io("open", name.as_str(), error))?;
            if FileIdentity::of(&metadata) != identity {
                return Err(changed());
            }
            let id = room_for(inner, name, &hasher)?;
            let staging =
                Staging::adopt(&inner.legacy.dir.get(), id.files(), name.as_str(), &file, hasher)?;
            Ok((id, staging))
        }
    }
}

fn create(inner: &Inner, name: &RemoteName, id: StagingId) -> Result<Staging, StoreError> {
    let staging = inner.legacy.dir.make(|dir| Staging::create(dir, id.files(), name.as_str()));
    let staging = staging.map_err(|error| error.with_path(name.as_str()))?;
    Ok(staging.with_durability(inner.root.durability()))
}

/// Opens a staging that ends with the bytes that were offered, whatever became of it meanwhile.
///
/// What was offered of a staging stays in it: at most its last byte, which never is, is cut off.
/// So an offer that was made earlier or later of the same one still holds.
fn resume(
    inner: &Inner,
    name: &RemoteName,
    id: StagingId,
    hasher: PrefixHasher,
) -> Result<(StagingId, Staging), StoreError> {
    let changed = || StoreError::Changed { path: name.as_str().into() };
    match inner.legacy.index(|index| index.claim(name, id)) {
        Claim::Gone => return Err(changed()),
        Claim::Reading => return Err(StoreError::InUse { path: name.as_str().into() }),
        Claim::Idle => match Staging::recover(&inner.legacy.dir.get(), id.files()) {
            Ok(Some(staging)) if (hasher.len()..=hasher.len() + 1).contains(&staging.len()) => {
                return Ok((id, staging.rewound(hasher)?));
            }
            Ok(Some(staging)) => {
                let len = staging.len();
                let state = State::Idle(Some(staging.hasher().clone()));
                drop(staging);
                inner.legacy.index(|index| index.add(name.clone(), id, state));
                if len < hasher.len() {
                    // Some of what was offered has turned out to be lost.
                    return Err(changed());
                }
                // More has arrived after the offer, and may have been offered to others.
            }
            Ok(None) => return Err(changed()),
            Err(error) => {
                inner.legacy.index(|index| index.add(name.clone(), id, State::Idle(None)));
                return Err(error);
            }
        },
        Claim::Written(writer) => {
            if writer.heard.silence() >= SILENT
                && let Some(staging) = writer.slot.take_at(&hasher)
            {
                inner.legacy.index(|index| index.remove(name, id));
                return Ok((id, staging.rewound(hasher)?));
            }
        }
    }
    // Its first bytes do not change any more, whatever its writer does.
    let file = match inner.legacy.dir.get().open(id.files().data) {
        // Published just now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(changed()),
        opened => opened.map_err(|error| StoreError::io("open", name.as_str(), error))?,
    };
    let id = room_for(inner, name, &hasher)?;
    let staging =
        Staging::adopt_private(&inner.legacy.dir.get(), id.files(), name.as_str(), &file, hasher)?;
    Ok((id, staging))
}

/// The id of a new staging that the bytes of `hasher` are copied to.
fn room_for(
    inner: &Inner,
    name: &RemoteName,
    hasher: &PrefixHasher,
) -> Result<StagingId, StoreError> {
    check_space(inner.root.dir(), Path::new(name.as_str()), hasher.len())?;
    Ok(inner.legacy.index(Index::new_id))
}

fn publish(
    inner: &Inner,
    name: &RemoteName,
    staging: Staging,
) -> Result<Option<Md5Digest>, StoreError> {
    inner.root.check_present(Path::new(name.as_str()))?;
    let hasher = staging.hasher().clone();
    let turn = inner.turn(name);
    // Not that of the beginning: it may have been moved since.
    let (parents, target) = inner.root.place_of(Path::new(name.as_str()))?;
    let published = staging.publish(parents.dir(), &target);
    let published = published.map_err(|error| error.with_path(name.as_str()))?;
    parents.keep();
    drop(turn);
    if let (Some(_), Some(stable)) = (published.md5, &published.stable) {
        inner.legacy.cache_md5(stable, hasher);
    }
    inner.discard_idle(name);
    Ok(published.md5)
}

impl LegacyUpload for LocalUpload {
    async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if let Some(Registered { heard, .. }) = &self.registered {
            heard.touch();
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
        let permit = inner.permits.take_unless_dedicated(Slow::Sync).await;
        let Some(writer) = self.writer.take() else {
            return Err(StoreError::InUse { path: self.name.as_str().into() });
        };
        let registered = self.registered.take();
        let end = move |staging| {
            let _permit = permit;
            // Let go of when the staging is, and not before.
            let Some(_registered) = registered else {
                let result = publish(&inner, &name, staging);
                if result.is_err() {
                    // So little is sent again more easily than it is kept.
                    leftovers::remove(&inner.legacy.dir.get(), id);
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
        let permit = self.store.inner.permits.take_unless_dedicated(Slow::Sync).await;
        let (Some(writer), Some(registered)) = (self.writer.take(), self.registered.take()) else {
            return Ok(());
        };
        let (inner, name, id) = (Arc::clone(&self.store.inner), self.name.clone(), self.id);
        let end = move |staging: Staging| {
            let _permit = permit;
            let (hasher, len) = (staging.hasher().clone(), staging.len());
            let nothing_new = staging.holds_nothing_new();
            // The client may be back already: it waits until this is done.
            let reading = inner.legacy.index(|index| index.reserve(&name, id));
            drop(registered);
            let result = staging.suspend();
            if nothing_new {
                inner.legacy.index(|index| index.remove(&name, id));
            } else if result.is_ok() && hasher.len() + 1 >= len {
                inner.legacy.index(|index| index.release(&name, id, Some(hasher)));
            } else if let Some(reading) = reading {
                // Hashing goes on where it was.
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
    /// A connection that ends without a word, as in a panic, must not keep its staging from others.
    fn drop(&mut self) {
        let Some(slot) = self.writer.take().and_then(|writer| writer.slot()) else { return };
        let registered = self.registered.take();
        let (inner, name, id) = (Arc::clone(&self.store.inner), self.name.clone(), self.id);
        let index = Arc::clone(&inner);
        let release = move || {
            // Nothing to let go of if somebody took the staging over.
            let Some(staging) = slot.take() else { return };
            if staging.holds_nothing_new() {
                if let Err(error) = staging.discard() {
                    warn!(%error, "a staging of no use stays behind");
                }
                index.legacy.index(|index| index.remove(&name, id));
            } else {
                drop(staging);
            }
            drop(registered);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                let permit = inner.permits.take(Slow::Sync).await;
                let _ = at_length(permit, release).await;
            })),
            Err(_) => release(),
        }
    }
}
