//! The version of a file that is published now, and its digest.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_io::Executor;
use ftx_store::{FileIdentity, StoreError};

use super::super::permits::SlowJob;
use super::super::{SHORT_HASH_BYTES, StoreInner};
use super::block_map::{FileRef, all_blocks, has_name, manifest_of, unread_bytes};
use crate::store::{Refusal, WorkProgress};

/// The published version of a file, whose digest is known from the cache or was just read.
#[derive(Debug)]
pub(super) struct PublishedVersion {
    pub(super) file: File,
    pub(super) digest: Digest,
    identity: FileIdentity,
}

impl PublishedVersion {
    /// The version that is published as `name`, if it has `size` bytes where that is given. `None` if
    /// there is none, it cannot be read, or it changes meanwhile.
    ///
    /// Reading a large file needs a permit to hash, and holds neither a permit to sync nor the name lock.
    ///
    /// # Errors
    /// It cannot be read to its end, or the request was cancelled.
    pub(super) async fn find(
        inner: &Arc<StoreInner>,
        executor: &Executor,
        name: &RemoteName,
        size: Option<u64>,
        progress: WorkProgress,
    ) -> Result<Option<Self>, Refusal> {
        let (store, owned) = (Arc::clone(inner), name.clone());
        let open = move || open(&store, &owned, size);
        let Some((file, identity, unread_bytes)) = executor.run(open).await?? else {
            return Ok(None);
        };
        let kind = if unread_bytes > SHORT_HASH_BYTES { SlowJob::Hash } else { SlowJob::Read };
        let (store, owned) = (Arc::clone(inner), name.clone());
        let read = move || {
            let file_ref = FileRef { name: &owned, file: &file, identity: &identity };
            match manifest_of(&store, file_ref, &progress) {
                Ok(manifest) => Ok(Some(Self { digest: manifest.digest(), file, identity })),
                Err(StoreError::Changed { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        inner.permits.run_long(executor, kind, read).await
    }

    /// Whether `name` still stands for this version. Blocks.
    pub(super) fn still_has_name(&self, inner: &StoreInner, name: &RemoteName) -> bool {
        has_name(&self.identity, inner, name)
    }
}

/// The published file, and the number of bytes to read. A file that cannot be opened can still be
/// replaced.
fn open(
    inner: &StoreInner,
    name: &RemoteName,
    size: Option<u64>,
) -> Result<Option<(File, FileIdentity, u64)>, StoreError> {
    let path = Path::new(name.as_str());
    let file = match inner.root.open_regular(path) {
        Ok((file, metadata)) if size.is_none_or(|size| metadata.len() == size) => file.into_std(),
        // That cannot be replaced either.
        Err(error @ (StoreError::NotRegular { .. } | StoreError::IsDirectory { .. })) => {
            return Err(error);
        }
        // It says nothing about the file.
        Err(error) if error.is_general() => return Err(error),
        Ok(_) | Err(_) => return Ok(None),
    };
    let identity = FileIdentity::of_std(&file);
    let identity = identity.map_err(|error| StoreError::io("look at", path, error))?;
    let unread_bytes = unread_bytes(inner, &identity, all_blocks(&identity));
    Ok(Some((file, identity, unread_bytes)))
}
