//! Downloads from a local directory.

use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use cap_std::fs::File;
use ftx_core::RemoteName;
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_io::{CHUNK_BYTES, Executor, ReadAhead, hash_prefix};
use ftx_store::{FileIdentity, ReadSnapshot, StoreError};

use super::{OFFER_BUDGET, TooLate};
use crate::store::local::{DescriptorShare, DescriptorUse, LocalStore};
use crate::store::{LegacyDownload, Refusal};

/// One version of a published file.
#[derive(Debug)]
pub struct LocalDownload {
    store: LocalStore,
    name: RemoteName,
    file: File,
    identity: FileIdentity,
    /// The whole of a small file, read when it was opened: it costs no step of its own then.
    head: Option<Vec<u8>>,
    reader: Option<(u64, ReadAhead)>,
    _share: DescriptorShare,
}

impl LocalDownload {
    /// Opens a published file. Blocks.
    pub(super) fn open(store: LocalStore, name: &RemoteName) -> Result<Self, StoreError> {
        let path = Path::new(name.as_str());
        let failed = |error| StoreError::io("read", path, error);
        let share = store.inner.share(name, DescriptorUse::Download)?;
        let (mut file, metadata) = store.inner.root.open_regular(path)?;
        let identity = FileIdentity::of(&metadata);
        let mut head = None;
        if identity.size <= CHUNK_BYTES as u64 {
            let mut whole = Vec::new();
            (&mut file).take(identity.size).read_to_end(&mut whole).map_err(failed)?;
            head = Some(whole);
            unchanged(&file, &identity, name)?;
        }
        let name = name.clone();
        Ok(Self { name, file, identity, head, reader: None, store, _share: share })
    }

    fn failed(&self, error: std::io::Error) -> StoreError {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return StoreError::Changed { path: self.name.as_str().into() };
        }
        StoreError::io("read", self.name.as_str(), error)
    }

    /// Ends the reading ahead: all handles of the file share one position.
    async fn settle(&mut self) {
        if let Some((_, reader)) = self.reader.take() {
            reader.wait().await;
        }
    }

    fn clone_file(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|error| self.failed(error))
    }
}

/// Fails if the file was written to, since the bytes read so far would be a mix. Checked before the last
/// bytes are sent, so that a client that receives all of them has one version.
fn unchanged(file: &File, then: &FileIdentity, name: &RemoteName) -> Result<(), StoreError> {
    let metadata =
        file.metadata().map_err(|error| StoreError::io("look at", name.as_str(), error))?;
    if FileIdentity::of(&metadata).same_content(then) {
        return Ok(());
    }
    Err(StoreError::Changed { path: name.as_str().into() })
}

impl LegacyDownload for LocalDownload {
    fn size(&self) -> u64 {
        self.identity.size
    }

    fn md5(&self) -> Option<Md5Digest> {
        self.store.inner.legacy.cached_md5(&self.identity).map(|hasher| hasher.digest())
    }

    async fn starts_with(&mut self, executor: &Executor, held: Prefix) -> Result<bool, Refusal> {
        let whole = held.len == self.size();
        if let Some(md5) = self.md5().filter(|_| whole) {
            return Ok(md5 == held.md5);
        }
        if held.len > self.size() {
            return Ok(false);
        }
        self.settle().await;
        let deadline = Instant::now() + OFFER_BUDGET;
        let file = self.clone_file()?.into_std();
        let taken = executor.run(move || {
            let snapshot = ReadSnapshot::take(&file);
            snapshot.map(|snapshot| (snapshot, File::from_std(file)))
        });
        let (snapshot, file) = taken.await?.map_err(|error| self.failed(error))?;
        let permit = match self.store.permit_to_hash(held.len, deadline).await {
            Ok(permit) => permit,
            Err(TooLate) => return Ok(false),
        };
        let hashed = hash_prefix(executor, file, held.len, |_| Instant::now() < deadline).await;
        drop(permit);
        let Some((file, hasher)) = hashed.map_err(|error| self.failed(error))? else {
            return Ok(false);
        };
        let digest = hasher.digest();
        if let Some(stable) = snapshot.confirm(&file.into_std()).filter(|_| whole) {
            self.store.inner.legacy.cache_md5(&stable, hasher);
        }
        Ok(digest == held.md5)
    }

    async fn read(
        &mut self,
        executor: &Executor,
        offset: u64,
        len: u64,
        spare: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        if let Some(mut head) = self.head.take() {
            head.drain(..head.len().min(usize::try_from(offset).unwrap_or(usize::MAX)));
            if !head.is_empty() {
                return Ok(head);
            }
        }
        let mut reader = match self.reader.take() {
            Some((next, reader)) if next == offset => reader,
            other => {
                self.reader = other;
                self.settle().await;
                ReadAhead::new(self.clone_file()?, offset, len, None)
                    .map_err(|error| self.failed(error))?
            }
        };
        let chunk = reader.next(executor, spare).await.map_err(|error| self.failed(error))?;
        if chunk.is_empty() {
            return Err(StoreError::Changed { path: self.name.as_str().into() }.into());
        }
        let end = offset + chunk.len() as u64;
        if end == self.size() {
            let (file, identity, name) = (self.clone_file()?, self.identity, self.name.clone());
            executor.run(move || unchanged(&file, &identity, &name)).await??;
        }
        self.reader = Some((end, reader));
        Ok(chunk)
    }
}
