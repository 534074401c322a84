//! Confirming that a file is up to date.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::wire::Meta;
use ftx_store::{Durability, StoreError, apply_meta};

use super::super::Inner;
use super::super::permits::{Slow, at_length};
use super::current::Current;
use crate::store::{ExpectedFile, Progress, Refusal};

/// Confirms that the file that has this name is the expected one. If it is, it gets the expected time
/// and mode, and is durable as if it had been sent.
pub(super) async fn confirm(
    inner: &Arc<Inner>,
    expected: ExpectedFile,
    progress: Progress,
) -> Result<bool, Refusal> {
    let ExpectedFile { name, size, digest, meta } = expected;
    let current = Current::find(inner, &name, Some(size), progress).await?;
    let Some(current) = current.filter(|current| current.digest == digest) else {
        return Ok(false);
    };
    let permit = inner.permits.take(Slow::Sync).await;
    let inner = Arc::clone(inner);
    at_length(permit, move || {
        let turn = inner.turn(&name);
        if !current.is_still_at(&inner, &name) {
            return Ok(false);
        }
        keep(&inner, &name, &current.file, &meta, || drop(turn))?;
        Ok(true)
    })
    .await?
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
