//! Confirming that a file is up to date.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::wire::Meta;
use ftx_io::Executor;
use ftx_store::{Durability, StoreError, apply_meta};

use super::super::StoreInner;
use super::super::permits::SlowJob;
use super::published_version::PublishedVersion;
use crate::store::{ExpectedVersion, Refusal, WorkProgress};

/// Confirms that the file that has this name is the expected one. If it is, it gets the expected time
/// and mode, and is durable as if it had been sent.
pub(super) async fn confirm(
    inner: &Arc<StoreInner>,
    executor: &Executor,
    expected: ExpectedVersion,
    progress: WorkProgress,
) -> Result<bool, Refusal> {
    let ExpectedVersion { name, size, digest, meta } = expected;
    let published_version =
        PublishedVersion::find(inner, executor, &name, Some(size), progress).await?;
    let Some(published_version) =
        published_version.filter(|published_version| published_version.digest == digest)
    else {
        return Ok(false);
    };
    let store = Arc::clone(inner);
    let keep = move || {
        let lock = store.lock_name(&name);
        if !published_version.still_has_name(&store, &name) {
            return Ok(false);
        }
        keep(&store, &name, &published_version.file, &meta, || drop(lock))?;
        Ok(true)
    };
    inner.permits.run_long(executor, SlowJob::Sync, keep).await
}

/// Gives a published file its time and mode, and makes it durable: the server that published it may
/// have been killed before its syncs. `named` is called before the syncs.
pub(super) fn keep(
    inner: &StoreInner,
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
