//! The local file of an upload.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ftx_core::native::blocks::BlockHasher;
use ftx_core::native::wire::Meta;
use ftx_io::{CHUNK_BYTES, Executor};
use ftx_store::{FileIdentity, Positioned, ReadSnapshot, StoreError, check_size, meta_of};

use super::OpenUpload;
use crate::{LocalPath, TransferError};

/// A local file as it was when it was opened.
pub(super) struct UploadSource {
    pub(super) local: LocalPath,
    pub(super) file: File,
    pub(super) identity: FileIdentity,
    pub(super) meta: Meta,
    pub(super) positioned: Positioned,
    pub(super) snapshot: ReadSnapshot,
}

impl UploadSource {
    pub(super) async fn open(executor: &Executor, local: LocalPath) -> Result<Self, TransferError> {
        let opened = executor.run(move || {
            let (file, metadata) = local.open_regular()?;
            let (meta, file) = (meta_of(&metadata), file.into_std());
            let snapshot = ReadSnapshot::take(&file)
                .map_err(|error| StoreError::io("look at", local.path(), error))?;
            let (identity, positioned) = (*snapshot.identity(), Positioned::default());
            check_size(local.path(), &file, &identity)?;
            Ok::<_, StoreError>(Self { local, file, identity, meta, positioned, snapshot })
        });
        Ok(opened.await??)
    }

    pub(super) fn path(&self) -> &Path {
        self.local.path()
    }

    /// Reads `len` bytes from `offset` into `chunk`, and returns file and chunk.
    pub(super) async fn read(
        self,
        executor: &Executor,
        offset: u64,
        len: u64,
        mut chunk: Vec<u8>,
    ) -> Result<(Self, Vec<u8>), TransferError> {
        let read = executor.run(move || {
            self.fill(offset, len, &mut chunk, |_| {})?;
            Ok::<_, StoreError>((self, chunk))
        });
        Ok(read.await??)
    }

    /// Reads `len` bytes from `offset`, and passes them to `see` while they are in the processor's
    /// cache.
    pub(super) fn fill(
        &self,
        mut offset: u64,
        len: u64,
        chunk: &mut Vec<u8>,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(), StoreError> {
        chunk.resize(usize::try_from(len).unwrap_or(CHUNK_BYTES), 0);
        for piece in chunk.chunks_mut(CHUNK_BYTES) {
            self.positioned
                .read_exact_at(&self.file, piece, offset)
                .map_err(|error| StoreError::io("read", self.path(), error))?;
            offset += piece.len() as u64;
            see(piece);
        }
        Ok(())
    }

    /// Fails if the file has changed since it was opened. A change of its attributes counts, since a
    /// program may write to the file and set its time back.
    pub(super) async fn unchanged(&self) -> Result<(), TransferError> {
        let now = FileIdentity::of_std(&self.file)
            .map_err(|error| StoreError::io("look at", self.path(), error))?;
        if now == self.identity {
            return Ok(());
        }
        Err(TransferError::local_changed(self.path()))
    }
}

/// Reads and hashes `len` bytes from `offset` of a file.
pub(super) async fn read_hashed(
    executor: &Executor,
    open: &Arc<OpenUpload>,
    offset: u64,
    len: u64,
    mut chunk: Vec<u8>,
    mut hasher: BlockHasher,
) -> Result<(Vec<u8>, BlockHasher), TransferError> {
    let reading = Arc::clone(open);
    let read = executor.run(move || {
        reading.source.fill(offset, len, &mut chunk, |piece| hasher.update(piece))?;
        Ok::<_, StoreError>((chunk, hasher))
    });
    Ok(read.await??)
}
