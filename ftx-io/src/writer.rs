//! A staging that is written on blocking threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ftx_store::{Staging, StoreError};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::{blocking, panicked};

/// The place a staging is kept in while it is written. Who takes the staging out becomes its
/// owner; the writer that had it fails with [`StoreError::InUse`] from then on.
#[derive(Clone, Debug)]
pub struct StagingSlot(Arc<Mutex<Option<Staging>>>);

impl StagingSlot {
    /// Waits for a write that is under way, and looks at the staging if it is still here. Blocks:
    /// not for reactor threads.
    pub fn with<T>(&self, look: impl FnOnce(&mut Option<Staging>) -> T) -> T {
        // A writer that panicked left the staging as its journal describes it.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes a staging, one chunk behind the connection.
#[derive(Debug)]
pub struct StagingWriter {
    slot: StagingSlot,
    name: String,
    running: Option<JoinHandle<Result<Vec<u8>, StoreError>>>,
}

impl StagingWriter {
    /// A writer of this staging.
    #[must_use]
    pub fn new(staging: Staging) -> Self {
        let name = staging.name().to_owned();
        Self { slot: StagingSlot(Arc::new(Mutex::new(Some(staging)))), name, running: None }
    }

    /// Where the staging is kept.
    #[must_use]
    pub fn slot(&self) -> StagingSlot {
        self.slot.clone()
    }

    /// Appends a chunk, once the one before it is written, and gives a spent buffer back. The
    /// chunk is still on its way when this returns.
    ///
    /// # Errors
    /// An earlier chunk could not be written.
    pub async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let spent = self.settle().await?;
        let slot = self.slot.clone();
        let name = self.name.clone();
        self.running = Some(spawn_blocking(move || {
            slot.with(|staging| match staging {
                Some(staging) => staging.write(&chunk),
                None => Err(StoreError::InUse { path: name.into() }),
            })?;
            Ok(chunk)
        }));
        Ok(spent)
    }

    /// Waits for the last chunk.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn settle(&mut self) -> Result<Vec<u8>, StoreError> {
        match self.running.take() {
            None => Ok(Vec::new()),
            Some(job) => job
                .await
                .unwrap_or_else(|error| Err(StoreError::io("write", &self.name, panicked(error)))),
        }
    }

    /// Waits for the last chunk and runs the end of the staging's life on a blocking thread.
    ///
    /// # Errors
    /// What `end` says, or [`StoreError::InUse`]. That an earlier chunk could not be written
    /// is for [`settle`](Self::settle) to say.
    pub async fn finish<T: Send + 'static>(
        mut self,
        end: impl FnOnce(Staging) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // The staging is in good order after a write that failed, too.
        let _ = self.settle().await;
        let Self { slot, name, .. } = self;
        let path = PathBuf::from(name);
        let place = path.clone();
        blocking(&place, move || match slot.with(Option::take) {
            Some(staging) => end(staging),
            None => Err(StoreError::InUse { path }),
        })
        .await
    }
}
