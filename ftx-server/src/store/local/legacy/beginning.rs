//! The bytes that an upload begins with.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cap_std::fs::File;
use ftx_core::RemoteName;
use ftx_io::Executor;
use ftx_store::{FileIdentity, PrefixHasher, PrefixStaging, StoreError, check_space};

use super::OFFER_BUDGET;
use super::offer::{LocalOffer, OfferKind};
use super::writer::{PrefixGuard, PrefixLease};
use crate::store::LegacyBegin;
use crate::store::local::permits::SlowJob;
use crate::store::local::recovery::StagingId;
use crate::store::local::staging_index::{Access, Claimant, StagingKey};
use crate::store::local::{LocalStore, StoreInner};

/// The bytes that an upload begins with.
pub(super) enum Beginning {
    /// None. The client declined this staging.
    Nothing { declined: Option<StagingId> },
    /// The published file.
    Published { file: File, identity: FileIdentity, hasher: PrefixHasher },
    /// The bytes of the staging `id` that `hasher` has hashed.
    Staged { id: StagingId, hasher: PrefixHasher, access: StagingAccess },
}

/// What the upload may do with the staging that was offered to its client.
pub(super) enum StagingAccess {
    Leased(PrefixLease),
    TakenOver(Box<(PrefixStaging, PrefixGuard)>),
    /// Copy its first bytes, which do not change, whatever its writer does.
    Alive,
}

impl Beginning {
    /// Claims the offered bytes for an upload of `len` more.
    pub(super) async fn of(
        store: &LocalStore,
        executor: &Executor,
        name: &RemoteName,
        begin: LegacyBegin<LocalOffer>,
        len: u64,
    ) -> Result<Self, StoreError> {
        match begin {
            LegacyBegin::Anew(LocalOffer(OfferKind::Staged { id, .. })) => {
                Ok(Self::Nothing { declined: Some(id) })
            }
            LegacyBegin::Anew(_) => Ok(Self::Nothing { declined: None }),
            LegacyBegin::Resume(LocalOffer(OfferKind::Nothing)) => Err(changed(name)),
            LegacyBegin::Resume(LocalOffer(OfferKind::UnhashedFile { file, identity, hasher })) => {
                Ok(Self::Published { file, identity, hasher })
            }
            LegacyBegin::Resume(LocalOffer(OfferKind::Staged { id, hasher })) => {
                // A staging is taken from its writer only for an upload that can begin.
                let (inner, owned) = (Arc::clone(&store.inner), name.clone());
                let check = move || check(&inner, &owned, len);
                store.inner.permits.run(executor, SlowJob::Write, check).await?;
                let access = access(&store.inner, name, id, &hasher).await?;
                Ok(Self::Staged { id, hasher, access })
            }
        }
    }

    /// Opens a staging that ends with these bytes. Blocks.
    pub(super) fn open(
        self,
        inner: &StoreInner,
        name: &RemoteName,
        len: u64,
    ) -> Result<(PrefixStaging, PrefixLease), StoreError> {
        match self {
            Self::Nothing { declined } => {
                // Only this client could use it, and the upload may need the space.
                let (stagings, key) = (&inner.legacy.stagings, StagingKey::legacy(name));
                let declined = declined.and_then(|id| stagings.lease(&key, id, None));
                if let Some(lease) = declined {
                    lease.discard();
                }
                check(inner, name, len)?;
                create(inner, name)
            }
            Self::Published { file, identity, hasher } => {
                check(inner, name, len)?;
                let metadata = file.metadata();
                let metadata =
                    metadata.map_err(|error| StoreError::io("open", name.as_str(), error))?;
                if FileIdentity::of(&metadata) != identity {
                    return Err(changed(name));
                }
                copy(inner, name, hasher, |lease, hasher| {
                    let (dir, name) = (lease.dir().get(), name.as_str());
                    PrefixStaging::adopt(&dir, lease.files(), name, &file, hasher)
                })
            }
            Self::Staged { id, hasher, access } => resume(inner, name, id, hasher, access),
        }
    }
}

/// Reports an error before bytes are sent in vain. The check at the end may find another one. Blocks.
fn check(inner: &StoreInner, name: &RemoteName, len: u64) -> Result<(), StoreError> {
    let path = Path::new(name.as_str());
    check_space(inner.root.dir(), path, len)?;
    inner.root.check_target(path)?;
    inner.root.check_not_mounted(path)
}

/// Claims a staging that was offered with the bytes of `hasher`.
async fn access(
    inner: &StoreInner,
    name: &RemoteName,
    id: StagingId,
    hasher: &PrefixHasher,
) -> Result<StagingAccess, StoreError> {
    let (stagings, key) = (&inner.legacy.stagings, StagingKey::legacy(name));
    let claimant = Claimant { owner: None, takeover_after: inner.legacy.takeover_after };
    let deadline = Instant::now() + OFFER_BUDGET;
    loop {
        let entry = stagings.get(&key, id).ok_or_else(|| changed(name))?;
        let change = entry.state.changed().cloned();
        match (entry.access(&claimant), change) {
            (Access::Lease, _) => {
                if let Some(lease) = stagings.lease(&key, id, None) {
                    return Ok(StagingAccess::Leased(lease));
                }
            }
            (Access::TakeOver { from }, _) => {
                let taken = from.handle.take_at(hasher).await;
                return Ok(taken.map_or(StagingAccess::Alive, |taken| {
                    StagingAccess::TakenOver(Box::new(taken))
                }));
            }
            (Access::Alive, _) => return Ok(StagingAccess::Alive),
            // It is being read, suspended or published.
            (Access::Leased | Access::Wait(_) | Access::Reclaim { .. }, Some(change))
                if Instant::now() < deadline =>
            {
                change.wait(deadline).await;
            }
            (Access::Leased | Access::Wait(_) | Access::Reclaim { .. }, _) => {
                return Err(StoreError::InUse { path: name.as_str().into() });
            }
        }
    }
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
    access: StagingAccess,
) -> Result<(PrefixStaging, PrefixLease), StoreError> {
    let resumed = match access {
        StagingAccess::Leased(lease) => recover(name, lease, &hasher)?,
        StagingAccess::TakenOver(taken) => {
            let (staging, PrefixGuard { mut lease, .. }) = *taken;
            lease.hold(None);
            Some((staging, lease))
        }
        StagingAccess::Alive => None,
    };
    if let Some((staging, lease)) = resumed {
        return Ok((staging.rewound(hasher)?, lease));
    }
    let file = match inner.legacy.stagings.dir().get().open(id.files().data) {
        // Published just now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(changed(name)),
        opened => opened.map_err(|error| StoreError::io("open", name.as_str(), error))?,
    };
    copy(inner, name, hasher, |lease, hasher| {
        let (dir, name) = (lease.dir().get(), name.as_str());
        PrefixStaging::adopt_private(&dir, lease.files(), name, &file, hasher)
    })
}

/// Opens an idle staging; `None` if more bytes have arrived since the offer, as another client may have
/// been offered them.
fn recover(
    name: &RemoteName,
    lease: PrefixLease,
    hasher: &PrefixHasher,
) -> Result<Option<(PrefixStaging, PrefixLease)>, StoreError> {
    let Some(staging) = PrefixStaging::recover(&lease.dir().get(), lease.files())? else {
        lease.remove();
        return Err(changed(name));
    };
    let len = staging.len();
    if (hasher.len()..=hasher.len() + 1).contains(&len) {
        return Ok(Some((staging, lease)));
    }
    let known = staging.hasher().clone();
    drop(staging);
    lease.release(Some(known));
    // Some of the offered bytes may have turned out to be lost.
    if len < hasher.len() { Err(changed(name)) } else { Ok(None) }
}

/// Makes a staging of the bytes of `hasher`, which `adopt` copies.
fn copy(
    inner: &StoreInner,
    name: &RemoteName,
    hasher: PrefixHasher,
    adopt: impl FnOnce(&PrefixLease, PrefixHasher) -> Result<PrefixStaging, StoreError>,
) -> Result<(PrefixStaging, PrefixLease), StoreError> {
    check_space(inner.root.dir(), Path::new(name.as_str()), hasher.len())?;
    leased(inner, name, |lease| adopt(lease, hasher))
}

/// An empty staging. Blocks.
pub(super) fn create(
    inner: &StoreInner,
    name: &RemoteName,
) -> Result<(PrefixStaging, PrefixLease), StoreError> {
    leased(inner, name, |lease| {
        let created =
            lease.dir().make(|dir| PrefixStaging::create(dir, lease.files(), name.as_str()));
        let staging = created.map_err(|error| error.with_path(name.as_str()))?;
        Ok(staging.with_durability(inner.root.durability()))
    })
}

fn leased(
    inner: &StoreInner,
    name: &RemoteName,
    make: impl FnOnce(&PrefixLease) -> Result<PrefixStaging, StoreError>,
) -> Result<(PrefixStaging, PrefixLease), StoreError> {
    let lease = inner.legacy.stagings.create(&StagingKey::legacy(name), None);
    match make(&lease) {
        Ok(staging) => Ok((staging, lease)),
        Err(error) => {
            lease.discard();
            Err(error)
        }
    }
}

fn changed(name: &RemoteName) -> StoreError {
    StoreError::Changed { path: name.as_str().into() }
}
