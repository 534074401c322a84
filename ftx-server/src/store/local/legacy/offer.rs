//! The offer to an uploading client: the prefix from which it can resume.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::File;
use ftx_core::RemoteName;
use ftx_core::legacy::Prefix;
use ftx_io::{ErrorChain, Executor, hash_prefix};
use ftx_store::{Durability, FileIdentity, PrefixHasher, PrefixStaging, ReadSnapshot, StoreError};
use tracing::warn;

use super::OFFER_BUDGET;
use super::writer::{PrefixLease, PrefixWriter};
use crate::store::LegacyOffer;
use crate::store::local::latch::Latch;
use crate::store::local::permits::SlowJob;
use crate::store::local::recovery::StagingId;
use crate::store::local::staging_index::{StagingEntry, StagingKey, StagingState};
use crate::store::local::{LocalStore, StoreInner};

/// How long a client that asks for a name waits for another that is writing to it.
const WRITER_WAIT: Duration = Duration::from_millis(500);

/// The prefix that was offered to a client.
#[derive(Debug)]
pub struct LocalOffer(pub(super) OfferKind);

#[derive(Debug)]
pub(super) enum OfferKind {
    Nothing,
    Staged { id: StagingId, hasher: PrefixHasher },
    UnhashedFile { file: File, identity: FileIdentity, hasher: PrefixHasher },
}

impl OfferKind {
    fn offered(self, limit: u64) -> Option<LegacyOffer<LocalOffer>> {
        let (published, hasher) = match &self {
            Self::Nothing => return None,
            Self::Staged { hasher, .. } => (false, hasher),
            Self::UnhashedFile { hasher, .. } => (true, hasher),
        };
        let len = hasher.len();
        let held = (len > 0 && len <= limit).then(|| Prefix { len, md5: hasher.digest() })?;
        Some(LegacyOffer { held: Some(held), published, offer: LocalOffer(self) })
    }
}

/// Looks for a staging, then for the published file.
pub(super) async fn look_up(
    store: &LocalStore,
    executor: &Executor,
    name: &RemoteName,
    limit: u64,
) -> Result<LegacyOffer<LocalOffer>, StoreError> {
    let deadline = Instant::now() + OFFER_BUDGET;
    // Checked first: a file published after this is seen below.
    let is_staged = !stagings_of(&store.inner, name).is_empty();
    let look = {
        let (inner, name) = (Arc::clone(&store.inner), name.clone());
        move || {
            inner.sweep();
            published(&inner, &name)
        }
    };
    let mut published = executor.run(look).await??;
    if is_staged {
        let staged = staged(store, executor, name, deadline).await?;
        if let Some(offered) = staged.and_then(|staged| staged.offered(limit)) {
            return Ok(offered);
        }
        let (inner, name) = (Arc::clone(&store.inner), name.clone());
        published = executor.run(move || self::published(&inner, &name)).await??;
    }
    let whole = match published {
        Some(published) if (1..=limit).contains(&published.snapshot.identity().size) => {
            let hashed = hash_published(store, executor, name, published, deadline).await?;
            // A client that has just this file takes it for stored, and says no more.
            let (inner, name) = (Arc::clone(&store.inner), name.clone());
            let durable = move || make_durable(&inner, &name, &hashed).map(|()| hashed);
            store.inner.permits.run(executor, SlowJob::Sync, durable).await?
        }
        _ => OfferKind::Nothing,
    };
    let nothing =
        LegacyOffer { held: None, published: false, offer: LocalOffer(OfferKind::Nothing) };
    Ok(whole.offered(limit).unwrap_or(nothing))
}

/// The stagings of a name that may hold something.
fn stagings_of(inner: &StoreInner, name: &RemoteName) -> Vec<StagingEntry<PrefixWriter>> {
    let mut entries = inner.legacy.stagings.of(&StagingKey::legacy(name));
    entries.retain(|entry| !matches!(entry.state, StagingState::Leased { is_new: true, .. }));
    entries
}

/// The longest of the name's stagings.
async fn staged(
    store: &LocalStore,
    executor: &Executor,
    name: &RemoteName,
    deadline: Instant,
) -> Result<Option<OfferKind>, StoreError> {
    loop {
        wait_for_others(&store.inner, name, deadline).await;
        let entries = stagings_of(&store.inner, name);
        if entries.is_empty() {
            return Ok(None);
        }
        let permit = store.inner.permits.take(SlowJob::Read);
        let Ok(permit) = tokio::time::timeout_at(deadline.into(), permit).await else {
            return Ok(None);
        };
        let look = move || {
            let found = longest(entries, deadline);
            drop(permit);
            found
        };
        match executor.run(look).await? {
            Longest::Known(found) => return Ok(found),
            Longest::Unsettled(changed) if Instant::now() < deadline => {
                changed.wait(deadline).await;
            }
            Longest::Unsettled(_) => return Ok(None),
        }
    }
}

/// The longest of some stagings.
enum Longest {
    /// This one, if any is readable.
    Known(Option<OfferKind>),
    /// Unknown before this latch ends: the writer of one has lost it or is ending.
    Unsettled(Latch),
}

/// The longest of these stagings. Blocks.
fn longest(entries: Vec<StagingEntry<PrefixWriter>>, deadline: Instant) -> Longest {
    let mut longest: Option<(StagingId, PrefixHasher)> = None;
    for StagingEntry { id, state } in entries {
        let hasher = match state {
            StagingState::Idle(hasher) => hasher,
            // Its client may have lost it, and be back before that is noticed here.
            StagingState::Written { by, changed, .. } => match by.handle.hash_all(deadline) {
                Some(hasher) => Some(hasher),
                None => return Longest::Unsettled(changed),
            },
            // Reading it takes too long; the next client that asks finds it ready.
            StagingState::Leased { .. } => None,
        };
        longest = longest
            .into_iter()
            .chain(hasher.map(|hasher| (id, hasher)))
            .max_by_key(|(_, hasher)| hasher.len());
    }
    Longest::Known(longest.map(|(id, hasher)| OfferKind::Staged { id, hasher }))
}

/// Waits until the lengths of the name's stagings are known. A writer may be a connection that its
/// client has lost, with bytes still to be read, so it gets a moment to end.
async fn wait_for_others(inner: &Arc<StoreInner>, name: &RemoteName, deadline: Instant) {
    let patience = deadline.min(Instant::now() + WRITER_WAIT);
    // One that could not be read is not read again for the same client.
    let mut tried = BTreeSet::new();
    loop {
        let now = Instant::now();
        let unsettled = stagings_of(inner, name).into_iter().find_map(|entry| {
            match entry.state {
                StagingState::Idle(None) if tried.insert(entry.id) => {
                    Some((start_reading(inner, name, entry.id)?, deadline))
                }
                StagingState::Idle(_) => None,
                StagingState::Leased { changed, .. } => Some((changed, deadline)),
                StagingState::Written { changed, .. } => Some((changed, patience)),
            }
            .filter(|(_, until)| now < *until)
        });
        match unsettled {
            Some((changed, until)) => changed.wait(until).await,
            None => return,
        }
    }
}

/// Reads a staging of an earlier run on a thread of its own. The latch ends when it is read; `None` if it
/// is not idle any more.
fn start_reading(inner: &Arc<StoreInner>, name: &RemoteName, id: StagingId) -> Option<Latch> {
    let stagings = &inner.legacy.stagings;
    let key = StagingKey::legacy(name);
    let lease = stagings.lease(&key, id, None)?;
    let changed = stagings.get(&key, id)?.state.changed().cloned();
    read_in_background(inner, lease);
    changed
}

/// Reads a staging on a thread of its own, since it may take longer than anybody waits.
pub(super) fn read_in_background(inner: &Arc<StoreInner>, lease: PrefixLease) {
    // No other server may open the store meanwhile.
    let inner = Arc::clone(inner);
    let work = move || {
        read(lease);
        drop(inner);
    };
    if let Err(error) = std::thread::Builder::new().name("ftx-recover".to_owned()).spawn(work) {
        warn!(%error, "no thread to read an interrupted upload with");
    }
}

/// Reads a staging for its MD5 state. Blocks until the remaining bytes are hashed.
pub(super) fn read(lease: PrefixLease) {
    match PrefixStaging::recover(&lease.dir().get(), lease.files()) {
        Ok(Some(staging)) => {
            let hasher = staging.hasher().clone();
            // Releases the files before another connection may open them.
            drop(staging);
            lease.release(Some(hasher));
        }
        Ok(None) => lease.remove(),
        Err(error) => {
            // Perhaps it can be later.
            let name = lease.key().name().as_str();
            warn!(error = %ErrorChain(&error), name, "an interrupted upload cannot be read");
        }
    }
}

/// The published file, before it is read.
struct UnhashedFile {
    file: File,
    snapshot: ReadSnapshot,
}

/// The published file, if there is one. An error where there can be none.
fn published(inner: &StoreInner, name: &RemoteName) -> Result<Option<UnhashedFile>, StoreError> {
    let file = match inner.root.open_regular(Path::new(name.as_str())) {
        Err(StoreError::NotFound { .. }) => return Ok(None),
        opened => opened?.0.into_std(),
    };
    let snapshot = ReadSnapshot::take(&file);
    let snapshot = snapshot.map_err(|error| StoreError::io("look at", name.as_str(), error))?;
    Ok(Some(UnhashedFile { file: File::from_std(file), snapshot }))
}

/// Makes a published file durable that is about to be offered: the server that published it may have
/// been killed before its syncs.
fn make_durable(
    inner: &StoreInner,
    name: &RemoteName,
    offer: &OfferKind,
) -> Result<(), StoreError> {
    let path = Path::new(name.as_str());
    match offer {
        OfferKind::UnhashedFile { file, .. } if inner.root.durability() == Durability::Full => {
            let synced = file.sync_all().and_then(|()| inner.root.make_durable(path));
            synced.map_err(|error| StoreError::io("sync", path, error))
        }
        _ => Ok(()),
    }
}

async fn hash_published(
    store: &LocalStore,
    executor: &Executor,
    name: &RemoteName,
    published: UnhashedFile,
    deadline: Instant,
) -> Result<OfferKind, StoreError> {
    let UnhashedFile { file, snapshot } = published;
    let identity = *snapshot.identity();
    if let Some(hasher) = store.inner.legacy.cached_md5(&identity) {
        return Ok(OfferKind::UnhashedFile { file, identity, hasher });
    }
    let Ok(permit) = store.permit_to_hash(identity.size, deadline).await else {
        return Ok(OfferKind::Nothing);
    };
    let hashed = hash_prefix(executor, file, identity.size, |_| Instant::now() < deadline).await;
    drop(permit);
    match hashed.map_err(|error| StoreError::io("read", name.as_str(), error))? {
        Some((file, hasher)) => {
            let file = file.into_std();
            if let Some(stable) = snapshot.confirm(&file) {
                store.inner.legacy.cache_md5(&stable, hasher.clone());
            }
            let now = FileIdentity::of_std(&file)
                .map_err(|error| StoreError::io("look at", name.as_str(), error))?;
            let file = File::from_std(file);
            // Otherwise the hashed bytes may be a mix.
            let unchanged = now.same_content(&identity);
            Ok(if unchanged {
                OfferKind::UnhashedFile { file, identity, hasher }
            } else {
                OfferKind::Nothing
            })
        }
        None => Ok(OfferKind::Nothing),
    }
}
