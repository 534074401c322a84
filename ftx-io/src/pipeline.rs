//! Disk and hash, each at its own pace behind the connection.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_store::{CHECKPOINT_BYTES, PrefixHasher, Staging, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blocking;
use crate::lane::Lane;

/// Chunks of one staging that are on their way to the disk and the hash. Enough for each of socket,
/// disk and hash to have one while another waits; what a connection costs in memory.
const IN_FLIGHT: u32 = 3;

/// The place a staging is kept in while it is written. Who takes the staging out becomes its
/// owner; the writer that had it fails with [`StoreError::InUse`] from then on.
#[derive(Clone, Debug)]
pub struct StagingSlot(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    staging: Mutex<Option<Staging>>,
    /// What is hashed; the staging itself knows of it from time to time.
    hasher: Mutex<PrefixHasher>,
    error: Mutex<Option<StoreError>>,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// Locks for one step. Each step leaves things in order, so a panic elsewhere is no reason to stop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StagingSlot {
    /// What is hashed of the staging so far; `None` if it was taken out. Waits for the chunk that
    /// is being hashed: not for reactor threads.
    #[must_use]
    pub fn hasher(&self) -> Option<PrefixHasher> {
        lock(&self.0.staging).as_ref()?;
        Some(lock(&self.0.hasher).clone())
    }

    /// Takes the staging out if it holds just the bytes that `hasher` has taken in, all of them
    /// hashed. Waits for the chunk that is being written: not for reactor threads.
    #[must_use]
    pub fn take_at(&self, hasher: &PrefixHasher) -> Option<Staging> {
        let mut place = lock(&self.0.staging);
        let same = |len| len == hasher.len();
        if place.as_ref().is_some_and(|staging| same(staging.len()))
            && same(lock(&self.0.hasher).len())
        {
            self.0.take(&mut place)
        } else {
            None
        }
    }

    /// Takes the staging out, whatever it holds. What is hashed of it is noted. Waits for the chunk
    /// that is being written: not for reactor threads.
    #[must_use]
    pub fn take(&self) -> Option<Staging> {
        self.0.take(&mut lock(&self.0.staging))
    }
}

impl Slot {
    fn take(&self, place: &mut Option<Staging>) -> Option<Staging> {
        let mut staging = place.take()?;
        staging.hashed(lock(&self.hasher).clone());
        Some(staging)
    }

    fn append(&self, chunk: &[u8], name: &str) -> bool {
        let result = match &mut *lock(&self.staging) {
            // What comes after a chunk that is missing has no place.
            _ if lock(&self.error).is_some() => return false,
            Some(staging) => staging.append(chunk),
            None => Err(StoreError::InUse { path: name.into() }),
        };
        let written = result.is_ok();
        *lock(&self.error) = result.err();
        written
    }

    fn hash(&self, chunk: &[u8], checkpoint_at: &mut u64) {
        let hasher = {
            let mut hasher = lock(&self.hasher);
            hasher.update(chunk);
            if hasher.len() < *checkpoint_at {
                return;
            }
            *checkpoint_at = hasher.len() + CHECKPOINT_BYTES;
            hasher.clone()
        };
        if let Some(staging) = &mut *lock(&self.staging) {
            staging.hashed(hasher);
        }
    }
}

/// A chunk on its way, and the place it takes up among those in flight.
type Chunk = (Vec<u8>, OwnedSemaphorePermit);

/// Writes a staging behind the connection's back: disk and hash work on different chunks at the
/// same time as the socket.
pub(crate) struct Pipeline {
    slot: StagingSlot,
    name: String,
    lane: Lane<Chunk>,
    places: Arc<Semaphore>,
    /// The staging's length when everything that was handed over is written.
    end: u64,
}

impl Pipeline {
    /// A writer of this staging, all of which must be hashed.
    #[must_use]
    pub(crate) fn new(staging: Staging) -> Self {
        let name = staging.name().to_owned();
        let end = staging.len();
        let slot = Arc::new(Slot {
            hasher: Mutex::new(staging.hasher().clone()),
            staging: Mutex::new(Some(staging)),
            error: Mutex::default(),
            spare: Mutex::default(),
        });
        let hash = {
            let slot = Arc::clone(&slot);
            let mut checkpoint_at = end + CHECKPOINT_BYTES;
            Lane::new(move |(chunk, place): Chunk| {
                slot.hash(&chunk, &mut checkpoint_at);
                lock(&slot.spare).push(chunk);
                drop(place);
            })
        };
        let lane = {
            let (slot, name) = (Arc::clone(&slot), name.clone());
            Lane::new(move |(chunk, place): Chunk| {
                if slot.append(&chunk, &name) {
                    hash.push((chunk, place));
                }
            })
        };
        let places = Arc::new(Semaphore::new(IN_FLIGHT as usize));
        Self { slot: StagingSlot(slot), name, lane, places, end }
    }

    /// Where the staging is kept.
    #[must_use]
    pub(crate) fn slot(&self) -> StagingSlot {
        self.slot.clone()
    }

    /// Appends a chunk, as soon as there is room for one more in flight, and gives a spent buffer
    /// back. The chunk is still on its way when this returns.
    ///
    /// # Errors
    /// An earlier chunk could not be written.
    pub(crate) async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| self.broken())?;
        self.check()?;
        self.end += chunk.len() as u64;
        self.lane.push((chunk, place));
        Ok(lock(&self.slot.0.spare).pop().unwrap_or_default())
    }

    /// Waits until everything is written and hashed.
    ///
    /// # Errors
    /// A chunk could not be written.
    pub(crate) async fn settle(&mut self) -> Result<(), StoreError> {
        self.idle().await;
        self.check()?;
        // A chunk is lost without an error only when its thread panicked.
        match self.slot.hasher() {
            Some(hasher) if hasher.len() == self.end => Ok(()),
            Some(_) => Err(self.broken()),
            None => Err(StoreError::InUse { path: self.name.clone().into() }),
        }
    }

    /// Waits for what is in flight and runs the end of the staging's life on a blocking thread.
    ///
    /// # Errors
    /// What `end` says, or [`StoreError::InUse`]. That an earlier chunk could not be written is for
    /// [`settle`](Self::settle) to say: the staging is in good order then, too.
    pub(crate) async fn finish<T: Send + 'static>(
        self,
        end: impl FnOnce(Staging) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.idle().await;
        let path = PathBuf::from(self.name);
        let slot = self.slot;
        blocking(&path.clone(), move || match slot.take() {
            Some(staging) => end(staging),
            None => Err(StoreError::InUse { path }),
        })
        .await
    }

    async fn idle(&self) {
        // Fails only if the semaphore is closed, which nobody does.
        drop(self.places.acquire_many(IN_FLIGHT).await);
    }

    fn check(&self) -> Result<(), StoreError> {
        match lock(&self.slot.0.error).take() {
            Some(error) => {
                // The next one is told as well that nothing can be appended any more.
                let path = self.name.clone().into();
                *lock(&self.slot.0.error) = Some(StoreError::Failed { path });
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn broken(&self) -> StoreError {
        StoreError::io("write", &self.name, std::io::Error::other("a disk thread failed"))
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("name", &self.name).field("end", &self.end).finish()
    }
}
