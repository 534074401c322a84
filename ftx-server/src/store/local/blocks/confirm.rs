//! Confirming that a file is up to date.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::wire::Meta;
use ftx_io::blocking;
use ftx_store::{Durability, FileIdentity, StoreError, apply_meta};

use super::super::Inner;
use super::at_length;
use super::table::{About, SHORT, is_at, manifest_of, unread, whole};
use crate::store::native::{ExpectedFile, Progress, Refusal};

/// Confirms that the file that has this name is the expected one. If it is, it gets the expected time
/// and mode, and is durable as if it had been sent.
pub(super) async fn confirm(
    inner: &Arc<Inner>,
    expected: ExpectedFile,
    progress: Progress,
) -> Result<bool, Refusal> {
    let (store, name, size) = (Arc::clone(inner), expected.name.clone(), expected.size);
    let open = move || open(&store, &name, size);
    let Some((opened, identity, unread)) =
        blocking(Path::new(expected.name.as_str()), open).await?
    else {
        return Ok(false);
    };
    let reader = if unread > SHORT { Some(inner.blocks.leave_to_read().await?) } else { None };
    let sync = inner.blocks.leave_to_sync().await?;
    let inner = Arc::clone(inner);
    at_length(move || {
        let _permits = (reader, sync);
        let ExpectedFile { name, digest, meta, .. } = &expected;
        let about = About { name, file: &opened, identity: &identity };
        match manifest_of(&inner, about, &progress) {
            Ok(manifest) if manifest.digest() == *digest => {}
            Ok(_) | Err(StoreError::Changed { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        let turn = inner.turns.take([name.clone()]);
        if !is_at(&identity, &inner, name) {
            return Ok(false);
        }
        keep(&inner, name, &opened, meta, || drop(turn))?;
        Ok(true)
    })
    .await?
}

/// The published file of this size, and how much of it is to be read. `None` without one; a file that
/// cannot be read can still be replaced.
fn open(
    inner: &Inner,
    name: &RemoteName,
    size: u64,
) -> Result<Option<(File, FileIdentity, u64)>, StoreError> {
    let path = Path::new(name.as_str());
    let file = match inner.root.open_regular(path) {
        Ok((file, metadata)) if metadata.len() == size => file.into_std(),
        // That can't be replaced either.
        Err(error @ (StoreError::NotRegular { .. } | StoreError::IsDirectory { .. })) => {
            return Err(error);
        }
        Ok(_) | Err(_) => return Ok(None),
    };
    let identity = FileIdentity::of_std(&file);
    let identity = identity.map_err(|error| StoreError::io("look at", path, error))?;
    let unread = unread(inner, &identity, whole(&identity));
    Ok(Some((file, identity, unread)))
}

/// Gives a published file its time and mode, and makes it durable: the server that published it may
/// have been killed before its syncs. `named` is called before the syncs.
pub(super) fn keep(
    inner: &Inner,
    name: &RemoteName,
    file: &File,
    meta: &Meta,
    named: impl FnOnce(),
) -> Result<(), StoreError> {
    let path = Path::new(name.as_str());
    apply_meta(meta, file, path);
    named();
    if inner.root.durability() == Durability::None {
        return Ok(());
    }
    let synced = file.sync_all().and_then(|()| inner.root.make_durable(path));
    synced.map_err(|error| StoreError::io("sync", path, error))
}
