//! What a client that wants to upload can go on from.

use std::path::Path;
use std::time::Instant;

use cap_std::fs::File;
use ftx_core::RemoteName;
use ftx_core::legacy::Held;
use ftx_io::hash_prefix;
use ftx_store::{FileIdentity, PrefixHasher, Staging, StoreError, check_regular};
use tracing::warn;

use super::index::{Claim, StagingId, State};
use super::{Inner, LocalStore, OFFER_BUDGET};
use crate::store::Offered;

/// What was offered to a client.
#[derive(Debug)]
pub struct LocalOffer(pub(super) Kind);

#[derive(Debug)]
pub(super) enum Kind {
    Nothing,
    Staged { id: StagingId, hasher: PrefixHasher },
    Published { file: File, identity: FileIdentity, hasher: PrefixHasher },
}

impl Kind {
    fn offered(self, limit: u64) -> Option<Offered<LocalOffer>> {
        let (published, hasher) = match &self {
            Self::Nothing => return None,
            Self::Staged { hasher, .. } => (false, hasher),
            Self::Published { hasher, .. } => (true, hasher),
        };
        let len = hasher.len();
        let held = (len > 0 && len <= limit).then(|| Held { len, md5: hasher.digest() })?;
        Some(Offered { held: Some(held), published, offer: LocalOffer(self) })
    }
}

/// Looks for a staging, then for the published file.
pub(super) async fn look_up(
    store: &LocalStore,
    name: &RemoteName,
    limit: u64,
) -> Result<Offered<LocalOffer>, StoreError> {
    let deadline = Instant::now() + OFFER_BUDGET;
    let look = store.blocking(name, |inner, name| {
        let published = published(inner, name)?;
        let unread = inner.index(|index| index.of(name)).iter().any(|(_, state)| state.is_unread());
        Ok((published, if unread { None } else { staged(inner, name) }, unread))
    });
    let (published, mut staging, unread) = look.await?;
    if unread {
        let read = store.blocking(name, |inner, name| Ok(staged(inner, name)));
        // If it takes too long it still goes on; the next client that asks finds it ready.
        if let Ok(read) = tokio::time::timeout_at(deadline.into(), read).await {
            staging = read?;
        }
    }
    if let Some(offered) = staging.and_then(|staging| staging.offered(limit)) {
        return Ok(offered);
    }
    let whole = match published {
        Some((file, identity)) if (1..=limit).contains(&identity.size) => {
            hash_published(store, name, file, identity, deadline).await?
        }
        _ => Kind::Nothing,
    };
    let nothing = Offered { held: None, published: false, offer: LocalOffer(Kind::Nothing) };
    Ok(whole.offered(limit).unwrap_or(nothing))
}

/// The longest of the name's stagings.
fn staged(inner: &Inner, name: &RemoteName) -> Option<Kind> {
    let stagings = inner.index(|index| index.of(name)).into_iter();
    let known = stagings.filter_map(|(id, state)| {
        let hasher = match state {
            State::Idle(Some(hasher)) => Some(hasher),
            State::Idle(None) => recovered(inner, name, id),
            State::Written(writer) => writer.slot.hasher(),
        }?;
        Some((id, hasher))
    });
    let (id, hasher) = known.max_by_key(|(_, hasher)| hasher.len())?;
    Some(Kind::Staged { id, hasher })
}

/// How far a staging of an earlier run got. It is out of the index meanwhile, so that nobody writes
/// to what is being put in order.
fn recovered(inner: &Inner, name: &RemoteName, id: StagingId) -> Option<PrefixHasher> {
    let Claim::Idle = inner.index(|index| index.claim(name, id)) else { return None };
    match Staging::recover(&inner.staging, id.files()) {
        Ok(staging) => {
            let hasher = staging?.hasher().clone();
            let state = State::Idle(Some(hasher.clone()));
            inner.index(|index| index.add(name.clone(), id, state));
            Some(hasher)
        }
        Err(error) => {
            warn!(%error, name = name.as_str(), "an interrupted upload cannot be read");
            None
        }
    }
}

/// The published file, if there is one. An error where there can be none.
fn published(inner: &Inner, name: &RemoteName) -> Result<Option<(File, FileIdentity)>, StoreError> {
    let path = Path::new(name.as_str());
    let metadata = match inner.root.metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|error| StoreError::io("open", path, error))?,
    };
    check_regular(path, &metadata)?;
    let file = inner.root.open(path).map_err(|error| StoreError::io("open", path, error))?;
    let metadata = file.metadata().map_err(|error| StoreError::io("open", path, error))?;
    Ok(Some((file, FileIdentity::of(&metadata))))
}

async fn hash_published(
    store: &LocalStore,
    name: &RemoteName,
    file: File,
    identity: FileIdentity,
    deadline: Instant,
) -> Result<Kind, StoreError> {
    if let Some(hasher) = store.inner.known(&identity) {
        return Ok(Kind::Published { file, identity, hasher });
    }
    let hashed = hash_prefix(file, identity.size, |_| Instant::now() < deadline).await;
    match hashed.map_err(|error| StoreError::io("read", name.as_str(), error))? {
        Some((file, hasher)) => {
            store.inner.remember(identity, hasher.clone());
            Ok(Kind::Published { file, identity, hasher })
        }
        None => Ok(Kind::Nothing),
    }
}
