//! The offer to an uploading client: the prefix from which it can resume.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cap_std::fs::File;
use ftx_core::RemoteName;
use ftx_core::legacy::Prefix;
use ftx_io::{ErrorChain, hash_prefix};
use ftx_store::{Durability, FileIdentity, PrefixHasher, PrefixStaging, ReadSnapshot, StoreError};
use tracing::warn;

use super::OFFER_BUDGET;
use super::index::PrefixState;
use crate::store::LegacyOffer;
use crate::store::local::latch::Latch;
use crate::store::local::permits::SlowJob;
use crate::store::local::recovery::StagingId;
use crate::store::local::{LocalStore, RELEASE_POLL_INTERVAL, StoreInner};

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
    name: &RemoteName,
    limit: u64,
) -> Result<LegacyOffer<LocalOffer>, StoreError> {
    let deadline = Instant::now() + OFFER_BUDGET;
    // Checked first: a file published after this is seen below.
    let is_staged = store.inner.legacy.index(|index| !index.of(name).is_empty());
    let look = store.blocking(name, |inner, name| {
        inner.sweep();
        published(inner, name)
    });
    let mut published = look.await?;
    if is_staged {
        let staged = staged(store, name, deadline).await?;
        if let Some(offered) = staged.and_then(|staged| staged.offered(limit)) {
            return Ok(offered);
        }
        published = store.blocking(name, |inner, name| self::published(inner, name)).await?;
    }
    let whole = match published {
        Some(published) if (1..=limit).contains(&published.snapshot.identity().size) => {
            let hashed = hash_published(store, name, published, deadline).await?;
            // A client that has just this file takes it for stored, and says no more.
            let durable = move |inner: &Arc<StoreInner>, name: &RemoteName| {
                make_durable(inner, name, &hashed).map(|()| hashed)
            };
            store.slowly(SlowJob::Sync, name, durable).await?
        }
        _ => OfferKind::Nothing,
    };
    let nothing =
        LegacyOffer { held: None, published: false, offer: LocalOffer(OfferKind::Nothing) };
    Ok(whole.offered(limit).unwrap_or(nothing))
}

/// The longest of the name's stagings.
async fn staged(
    store: &LocalStore,
    name: &RemoteName,
    deadline: Instant,
) -> Result<Option<OfferKind>, StoreError> {
    loop {
        wait_for_others(&store.inner, name, deadline).await;
        let states = store.inner.legacy.index(|index| index.of(name));
        if states.is_empty() {
            return Ok(None);
        }
        let permit = store.inner.permits.take(SlowJob::Read);
        let Ok(permit) = tokio::time::timeout_at(deadline.into(), permit).await else {
            return Ok(None);
        };
        let look = store.blocking(name, move |_, _| {
            let found = longest(states, deadline);
            drop(permit);
            Ok(found)
        });
        match look.await? {
            Longest::Known(found) => return Ok(found),
            // Its writer suspends it just now, and the index will soon show that.
            Longest::Unsettled if Instant::now() < deadline => {
                tokio::time::sleep(RELEASE_POLL_INTERVAL).await;
            }
            Longest::Unsettled => return Ok(None),
        }
    }
}

/// The longest of some stagings.
enum Longest {
    /// This one, if any is readable.
    Known(Option<OfferKind>),
    /// Unknown: one of them changes hands.
    Unsettled,
}

/// The longest of these stagings. Blocks.
fn longest(states: Vec<(StagingId, PrefixState)>, deadline: Instant) -> Longest {
    let mut longest: Option<(StagingId, PrefixHasher)> = None;
    for (id, state) in states {
        let hasher = match state {
            PrefixState::Idle(hasher) => hasher,
            // Its client may have lost it, and be back before that is noticed here.
            PrefixState::Written(writer) => match writer.slot.hash_all(deadline) {
                Some(hasher) => Some(hasher),
                None => return Longest::Unsettled,
            },
            // It takes too long; the next client that asks finds it ready.
            PrefixState::Reading(_) => None,
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
        let unsettled =
            inner.legacy.index(|index| index.of(name)).into_iter().find_map(|(id, state)| {
                match state {
                    PrefixState::Idle(None) if tried.insert(id) => {
                        Some((start_reading(inner, name, id), deadline))
                    }
                    PrefixState::Idle(None) => None,
                    PrefixState::Reading(reading) if reading.has_ended() => None,
                    PrefixState::Reading(reading) => Some((reading, deadline)),
                    PrefixState::Written(writer) if writer.done.has_ended() => None,
                    PrefixState::Written(writer) => Some((writer.done, patience)),
                    PrefixState::Idle(Some(_)) => None,
                }
                .filter(|(_, until)| now < *until)
            });
        match unsettled {
            Some((latch, until)) => latch.wait(until).await,
            None => return,
        }
    }
}

/// Reads a staging of an earlier run on a thread of its own.
fn start_reading(inner: &Arc<StoreInner>, name: &RemoteName, id: StagingId) -> Latch {
    match inner.legacy.index(|index| index.begin_reading(name, id)) {
        Some(reading) => go_on_reading(inner, name, id, reading),
        None => {
            let ended = Latch::default();
            ended.end();
            ended
        }
    }
}

/// Reads a reserved staging on a thread of its own, since it may take longer than anybody waits.
pub(super) fn go_on_reading(
    inner: &Arc<StoreInner>,
    name: &RemoteName,
    id: StagingId,
    reading: Latch,
) -> Latch {
    let (reader, owned, ends) = (Arc::clone(inner), name.clone(), reading.clone());
    let read = move || finish_reading(&reader, &owned, id, &ends);
    if let Err(error) = std::thread::Builder::new().name("ftx-recover".to_owned()).spawn(read) {
        warn!(%error, "no thread to read an interrupted upload with");
        inner.legacy.index(|index| index.release(name, id, None));
        reading.end();
    }
    reading
}

/// Reads an idle staging for its MD5 state. Blocks until the remaining bytes are hashed.
pub(super) fn read(inner: &StoreInner, name: &RemoteName, id: StagingId) {
    if let Some(reading) = inner.legacy.index(|index| index.begin_reading(name, id)) {
        finish_reading(inner, name, id, &reading);
    }
}

fn finish_reading(inner: &StoreInner, name: &RemoteName, id: StagingId, reading: &Latch) {
    match PrefixStaging::recover(&inner.legacy.dir.get(), id.files()) {
        Ok(Some(staging)) => {
            let hasher = staging.hasher().clone();
            // Releases the files before another connection may open them.
            drop(staging);
            inner.legacy.index(|index| index.release(name, id, Some(hasher)));
        }
        Ok(None) => inner.legacy.index(|index| index.remove(name, id)),
        Err(error) => {
            // Perhaps it can be later.
            warn!(error = %ErrorChain(&error), name = name.as_str(), "an interrupted upload cannot be read");
            inner.legacy.index(|index| index.release(name, id, None));
        }
    }
    reading.end();
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
    let hashed = hash_prefix(file, identity.size, |_| Instant::now() < deadline).await;
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
