//! Writing a staging on blocking threads.

use std::path::Path;
use std::sync::Arc;

use ftx_store::{PrefixStaging, StoreError};
use tokio::sync::Semaphore;

use crate::legacy::write_behind::{SharedStaging, WriteBehind};
use crate::{CHUNK_BYTES, blocking};

/// Creates the staging once all bytes are there. Blocks.
type MakeStaging = Box<dyn FnOnce() -> Result<PrefixStaging, StoreError> + Send>;

/// Writes a staging, some chunks behind the connection.
///
/// A file that fits into one chunk is kept in memory until it is complete, so that it costs a
/// single step on a blocking thread.
pub struct StagingWriter(WriterMode);

enum WriterMode {
    Deferred { name: String, make: MakeStaging, buffered: Vec<u8> },
    Direct(WriteBehind),
}

impl StagingWriter {
    /// The greatest size of a [`deferred`](Self::deferred) file.
    pub const MAX_DEFERRED_BYTES: u64 = CHUNK_BYTES as u64;

    /// Creates a writer of this staging. Blocks.
    ///
    /// # Errors
    /// The staging's data cannot be opened for hashing.
    pub fn new(staging: PrefixStaging) -> Result<Self, StoreError> {
        Ok(Self(WriterMode::Direct(WriteBehind::new(staging)?)))
    }

    /// Makes each chunk hold one of these permits until it is written, so that the number of
    /// permits bounds the threads that wait for a disk.
    #[must_use]
    pub fn sharing(mut self, permits: &Arc<Semaphore>) -> Self {
        if let WriterMode::Direct(write_behind) = &mut self.0 {
            write_behind.share(permits);
        }
        self
    }

    /// Creates a writer of at most [`MAX_DEFERRED_BYTES`](Self::MAX_DEFERRED_BYTES) bytes into a
    /// staging that `make` creates once all of them are there.
    #[must_use]
    pub fn deferred(
        name: &str,
        make: impl FnOnce() -> Result<PrefixStaging, StoreError> + Send + 'static,
    ) -> Self {
        Self(WriterMode::Deferred {
            name: name.to_owned(),
            make: Box::new(make),
            buffered: Vec::new(),
        })
    }

    /// Returns the shared handle of the staging; `None` while there is no staging.
    #[must_use]
    pub fn slot(&self) -> Option<SharedStaging> {
        match &self.0 {
            WriterMode::Deferred { .. } => None,
            WriterMode::Direct(write_behind) => Some(write_behind.slot()),
        }
    }

    /// Appends a chunk as soon as another one may be in flight, and returns a used buffer. The
    /// chunk is still in flight when this returns.
    ///
    /// # Errors
    /// An earlier chunk could not be written.
    pub async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        match &mut self.0 {
            WriterMode::Deferred { buffered, .. } if buffered.is_empty() => {
                Ok(std::mem::replace(buffered, chunk))
            }
            WriterMode::Deferred { buffered, .. } => {
                buffered.extend(&chunk);
                Ok(chunk)
            }
            WriterMode::Direct(write_behind) => write_behind.write(chunk).await,
        }
    }

    /// Waits until everything is written; the hash may be behind.
    ///
    /// # Errors
    /// A chunk could not be written.
    pub async fn drain(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            WriterMode::Deferred { .. } => Ok(()),
            WriterMode::Direct(write_behind) => write_behind.drain().await,
        }
    }

    /// Suspends the staging. A deferred file is dropped, since it is so small.
    ///
    /// # Errors
    /// The progress of the staging could not be recorded.
    pub async fn suspend(self) -> Result<(), StoreError> {
        match self.0 {
            WriterMode::Deferred { .. } => Ok(()),
            WriterMode::Direct(write_behind) => write_behind.finish(PrefixStaging::suspend).await,
        }
    }

    /// Waits for chunks in flight and runs `end` with the staging on a blocking thread. The staging
    /// may not be hashed to its end; callers that need its digest must let it catch up first.
    ///
    /// # Errors
    /// The errors of `end`; [`StoreError::InUse`] if another owner took the staging. An earlier
    /// failure to write a chunk is reported only by [`drain`](Self::drain): the staging is
    /// consistent even then.
    pub async fn finish<T: Send + 'static>(
        self,
        end: impl FnOnce(PrefixStaging) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.0 {
            WriterMode::Deferred { name, make, buffered } => {
                blocking(Path::new(&name), move || {
                    let mut staging = make()?;
                    match staging.write(&buffered) {
                        Ok(()) => end(staging),
                        Err(error) => staging.discard().and(Err(error)),
                    }
                })
                .await
            }
            WriterMode::Direct(write_behind) => write_behind.finish(end).await,
        }
    }
}

impl std::fmt::Debug for StagingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            WriterMode::Deferred { name, buffered, .. } => f
                .debug_struct("Deferred")
                .field("name", name)
                .field("buffered", &buffered.len())
                .finish_non_exhaustive(),
            WriterMode::Direct(write_behind) => write_behind.fmt(f),
        }
    }
}
