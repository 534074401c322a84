//! Uploads into a local directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::Dir;
use ftx_core::{Md5Digest, RemoteName};
use ftx_io::StagingWriter;
use ftx_store::{FileIdentity, PrefixHasher, Staging, StoreError, check_space, create_parents};

use super::index::{self, Claim, Heard, StagingId, State, Writer};
use super::offer::{Kind, LocalOffer};
use super::{Inner, LocalStore};
use crate::store::{Begin, Upload};

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
    heard: Heard,
    /// The directory that the file will be in, opened when the upload began.
    parent: Option<Dir>,
}

/// Opens a staging. Blocks.
pub(super) fn begin(
    store: LocalStore,
    inner: &Inner,
    name: &RemoteName,
    begin: Begin<LocalOffer>,
    len: u64,
) -> Result<LocalUpload, StoreError> {
    let path = Path::new(name.as_str());
    check_space(&inner.root, path, len)?;
    let parent = create_parents(&inner.root, path, inner.durability)?;
    let (id, staging) = match begin {
        Begin::Anew(LocalOffer(kind)) => {
            // The client knows what was offered and has no use for it, so nobody has.
            if let Kind::Staged { id, .. } = kind
                && let Claim::Idle = inner.index(|index| index.claim(name, id))
            {
                index::remove(&inner.staging, id);
            }
            let id = inner.index(index::Index::new_id);
            (id, Staging::create(&inner.staging, id.files(), name.as_str())?)
        }
        Begin::Resume(LocalOffer(Kind::Nothing)) => {
            return Err(StoreError::Changed { path: path.into() });
        }
        Begin::Resume(LocalOffer(Kind::Staged { id, hasher })) => resume(inner, name, id, hasher)?,
        Begin::Resume(LocalOffer(Kind::Published { file, identity, hasher })) => {
            let metadata = file.metadata().map_err(|error| StoreError::io("open", path, error))?;
            if FileIdentity::of(&metadata) != identity {
                return Err(StoreError::Changed { path: path.into() });
            }
            adopt(inner, name, &file, hasher)?
        }
    };
    let writer = StagingWriter::new(staging.with_durability(inner.durability));
    let heard = Heard::now();
    let state = State::Written(Writer { slot: writer.slot(), heard: heard.clone() });
    inner.index(|index| index.add(name.clone(), id, state));
    let name = name.clone();
    Ok(LocalUpload { store, name, id, writer: Some(writer), heard, parent: Some(parent) })
}

/// Publishes a staging that a client has shown to be whole. Blocks.
pub(super) fn conclude(
    inner: &Inner,
    name: &RemoteName,
    LocalOffer(kind): &LocalOffer,
) -> Result<(), StoreError> {
    let Kind::Staged { id, hasher } = kind else { return Ok(()) };
    let Claim::Idle = inner.index(|index| index.claim(name, *id)) else { return Ok(()) };
    let result = match Staging::recover(&inner.staging, id.files())? {
        Some(staging) if staging.len() == hasher.len() => {
            let parent = create_parents(&inner.root, Path::new(name.as_str()), inner.durability)?;
            return publish(inner, name, staging.with_durability(inner.durability), &parent)
                .map(|_| ());
        }
        _ => Ok(()),
    };
    inner.index(|index| index.add(name.clone(), *id, State::Idle(None)));
    result
}

fn resume(
    inner: &Inner,
    name: &RemoteName,
    id: StagingId,
    hasher: PrefixHasher,
) -> Result<(StagingId, Staging), StoreError> {
    let changed = || StoreError::Changed { path: name.as_str().into() };
    match inner.index(|index| index.claim(name, id)) {
        Claim::Gone => Err(changed()),
        Claim::Idle => match Staging::recover(&inner.staging, id.files())? {
            Some(staging) if staging.len() == hasher.len() => Ok((id, staging)),
            _ => Err(changed()),
        },
        Claim::Written(writer) => {
            let taken = writer.slot.with(|place| {
                let same = place.as_ref().is_some_and(|staging| staging.len() == hasher.len());
                if same && writer.heard.silence() >= SILENT { place.take() } else { None }
            });
            if let Some(staging) = taken {
                inner.index(|index| index.remove(name, id));
                return Ok((id, staging));
            }
            let file = inner
                .staging
                .open(id.files().data)
                .map_err(|error| StoreError::io("open", name.as_str(), error))?;
            adopt(inner, name, &file, hasher)
        }
    }
}

/// A new staging with the bytes that `hasher` has seen of `source`.
fn adopt(
    inner: &Inner,
    name: &RemoteName,
    source: &cap_std::fs::File,
    hasher: PrefixHasher,
) -> Result<(StagingId, Staging), StoreError> {
    let id = inner.index(index::Index::new_id);
    Ok((id, Staging::adopt(&inner.staging, id.files(), name.as_str(), source, hasher)?))
}

fn publish(
    inner: &Inner,
    name: &RemoteName,
    staging: Staging,
    parent: &Dir,
) -> Result<Md5Digest, StoreError> {
    let path = Path::new(name.file_name());
    let hasher = staging.hasher().clone();
    let published = staging.publish(parent, path)?;
    let md5 = hasher.digest();
    inner.remember(published.identity, hasher);
    for id in inner.index(|index| index.claim_idle(name)) {
        index::remove(&inner.staging, id);
    }
    Ok(md5)
}

impl Upload for LocalUpload {
    async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        self.heard.touch();
        match &mut self.writer {
            Some(writer) => writer.write(chunk).await,
            None => Err(StoreError::InUse { path: self.name.as_str().into() }),
        }
    }

    async fn publish(mut self) -> Result<Md5Digest, StoreError> {
        let (Some(mut writer), Some(parent)) = (self.writer.take(), self.parent.take()) else {
            return Err(StoreError::InUse { path: self.name.as_str().into() });
        };
        if let Err(error) = writer.settle().await {
            self.writer = Some(writer);
            self.suspend().await?;
            return Err(error);
        }
        let inner = Arc::clone(&self.store.inner);
        let (name, id) = (self.name.clone(), self.id);
        writer
            .finish(move |staging| {
                let result = publish(&inner, &name, staging, &parent);
                inner.index(|index| match &result {
                    Ok(_) => index.remove(&name, id),
                    Err(_) => index.release(&name, id, None),
                });
                result
            })
            .await
    }

    async fn suspend(mut self) -> Result<(), StoreError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let inner = Arc::clone(&self.store.inner);
        let (name, id) = (self.name.clone(), self.id);
        writer
            .finish(move |staging| {
                let hasher = staging.hasher().clone();
                let result = staging.suspend();
                inner.index(|index| match (&result, hasher.len()) {
                    (Ok(_), 1..) => index.release(&name, id, Some(hasher)),
                    (Err(_), 1..) => index.release(&name, id, None),
                    (_, 0) => index.remove(&name, id),
                });
                result
            })
            .await
    }
}

impl Drop for LocalUpload {
    /// A connection that ends without a word, as in a panic, must not keep its staging from others.
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        let slot = writer.slot();
        let inner = Arc::clone(&self.store.inner);
        let (name, id) = (self.name.clone(), self.id);
        let release = move || {
            // Nothing to release if somebody took the staging over.
            if slot.with(Option::take).is_some() {
                inner.index(|index| index.release(&name, id, None));
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(release)),
            Err(_) => release(),
        }
    }
}
