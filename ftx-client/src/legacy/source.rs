//! The local file of an upload in the legacy dialect.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cap_std::fs::File;
use ftx_io::{CHUNK_BYTES, Executor, ReadAhead, hash_prefix};
use ftx_store::{FileIdentity, PrefixHasher, StoreError, check_size};

use crate::{Cancel, Event, LocalPath, Observer, TransferError};

/// A local file, as it was when it was opened.
pub(crate) struct LegacySource {
    path: PathBuf,
    identity: FileIdentity,
    file: File,
    /// All bytes of a small file, read when it was opened to save a step.
    head: Option<Vec<u8>>,
    /// The state of the last hashing, to continue from.
    hashed: Option<PrefixHasher>,
}

impl LegacySource {
    /// Opens a regular file.
    pub(crate) async fn open(executor: &Executor, path: &LocalPath) -> Result<Self, TransferError> {
        let owned = path.clone();
        let opened = executor.run(move || {
            let (file, metadata) = owned.open_regular()?;
            let path = owned.path().to_owned();
            let identity = FileIdentity::of(&metadata);
            let file = file.into_std();
            check_size(&path, &file, &identity)?;
            let mut file = File::from_std(file);
            let mut head = None;
            if identity.size <= CHUNK_BYTES as u64 {
                let mut whole = Vec::new();
                let read = (&mut file).take(identity.size).read_to_end(&mut whole);
                read.map_err(|error| StoreError::io("read", &path, error))?;
                head = Some(whole);
            }
            Ok::<_, StoreError>(Self { path, identity, file, head, hashed: None })
        });
        Ok(opened.await??)
    }

    /// The file's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.identity.size
    }

    /// Hashes the first `len` bytes; the state is kept for [`reader`](Self::reader).
    pub(crate) async fn hash(
        &mut self,
        executor: &Executor,
        len: u64,
        observer: &Observer,
        cancel: &Cancel,
    ) -> Result<ftx_core::legacy::Md5Digest, TransferError> {
        observer.tell(&Event::Hashing { done: 0, total: len });
        let file = self.clone_file()?;
        let hashed = hash_prefix(executor, file, len, |done| {
            observer.tell(&Event::Hashing { done, total: len });
            !cancel.is_cancelled()
        });
        let (_, hasher) = hashed
            .await
            .map_err(|error| StoreError::io("read", &self.path, error))?
            .ok_or(TransferError::cancelled())?;
        let digest = hasher.digest();
        self.hashed = Some(hasher);
        Ok(digest)
    }

    /// The whole file, if it is small.
    pub(crate) fn take_head(&mut self) -> Option<Vec<u8>> {
        self.head.take()
    }

    /// Reads `len` bytes from `offset`, and hashes the file meanwhile if `hash` is set.
    pub(crate) fn reader(
        &mut self,
        offset: u64,
        len: u64,
        hash: bool,
    ) -> Result<ReadAhead, TransferError> {
        let hashed = self.hashed.take().filter(|hasher| hasher.len() == offset);
        let fresh = || (offset == 0).then(PrefixHasher::new);
        let hasher = if hash { hashed.or_else(fresh) } else { None };
        let file = self.clone_file()?;
        ReadAhead::new(file, offset, len, hasher)
            .map_err(|error| StoreError::io("read", &self.path, error).into())
    }

    /// Fails if the file has changed since it was opened.
    pub(crate) fn unchanged(&self) -> Result<(), TransferError> {
        let metadata =
            self.file.metadata().map_err(|error| StoreError::io("look at", &self.path, error))?;
        if FileIdentity::of(&metadata) == self.identity {
            return Ok(());
        }
        Err(TransferError::local_changed(&self.path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn clone_file(&self) -> Result<File, StoreError> {
        self.file.try_clone().map_err(|error| StoreError::io("open", &self.path, error))
    }
}
