//! A staging that is written on blocking threads.

use std::path::Path;
use std::sync::Arc;

use ftx_store::{Staging, StoreError};
use tokio::sync::Semaphore;

use crate::legacy::write_behind::{SharedStaging, WriteBehind};
use crate::{CHUNK_BYTES, blocking};

/// Makes the staging, when its time has come. Blocks.
type MakeStaging = Box<dyn FnOnce() -> Result<Staging, StoreError> + Send>;

/// Writes a staging, some chunks behind the connection.
///
/// What fits into one chunk is kept in memory until it is whole, so that a small file costs one
/// step on a blocking thread and not one for each thing that is done to it.
pub struct StagingWriter(WriterMode);

enum WriterMode {
    Deferred { name: String, make: MakeStaging, buffered: Vec<u8> },
    Direct(WriteBehind),
}

impl StagingWriter {
    /// How many bytes at most make a file that is [`deferred`](Self::deferred).
    pub const MAX_DEFERRED_BYTES: u64 = CHUNK_BYTES as u64;

    /// A writer of this staging. Blocks.
    ///
    /// # Errors
    /// The staging's data cannot be opened for hashing.
    pub fn new(staging: Staging) -> Result<Self, StoreError> {
        Ok(Self(WriterMode::Direct(WriteBehind::new(staging)?)))
    }

    /// Has it take one of these permits for each chunk until that is written: so no more threads than
    /// there are permits wait for a disk, however many stagings there are.
    #[must_use]
    pub fn sharing(mut self, permits: &Arc<Semaphore>) -> Self {
        if let WriterMode::Direct(write_behind) = &mut self.0 {
            write_behind.share(permits);
        }
        self
    }

    /// A writer of at most [`MAX_DEFERRED_BYTES`](Self::MAX_DEFERRED_BYTES) bytes into a staging that `make` creates
    /// when they are all there.
    #[must_use]
    pub fn deferred(
        name: &str,
        make: impl FnOnce() -> Result<Staging, StoreError> + Send + 'static,
    ) -> Self {
        Self(WriterMode::Deferred {
            name: name.to_owned(),
            make: Box::new(make),
            buffered: Vec::new(),
        })
    }

    /// Where the staging is kept; `None` while there is none.
    #[must_use]
    pub fn slot(&self) -> Option<SharedStaging> {
        match &self.0 {
            WriterMode::Deferred { .. } => None,
            WriterMode::Direct(write_behind) => Some(write_behind.slot()),
        }
    }

    /// Appends a chunk, as soon as there is room for one more in flight, and gives a spent buffer
    /// back. The chunk is still on its way when this returns.
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

    /// Keeps what was written for later. What is still in memory only is so little that it is
    /// dropped.
    ///
    /// # Errors
    /// How far the staging got could not be recorded.
    pub async fn suspend(self) -> Result<(), StoreError> {
        match self.0 {
            WriterMode::Deferred { .. } => Ok(()),
            WriterMode::Direct(write_behind) => write_behind.finish(Staging::suspend).await,
        }
    }

    /// Waits for what is in flight and runs the end of the staging's life on a blocking thread.
    /// The staging may not be hashed to its end: what needs its digest lets it catch up first.
    ///
    /// # Errors
    /// What `end` says; [`StoreError::InUse`] if somebody took the staging over. That an earlier
    /// chunk could not be written is for [`drain`](Self::drain) to say: the staging is in good
    /// order then, too.
    pub async fn finish<T: Send + 'static>(
        self,
        end: impl FnOnce(Staging) -> Result<T, StoreError> + Send + 'static,
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
