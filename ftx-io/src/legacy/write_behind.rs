//! Write-behind: disk and hash each follow the connection at their own pace.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ftx_store::{CHECKPOINT_BYTES, PrefixHasher, PrefixStaging, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blocking;
use crate::legacy::background_hasher::{BackgroundHasher, HASH_AFTER};
use crate::legacy::serial_executor::SerialExecutor;

/// The chunks of one staging in flight to the disk: one is being written, one waits, and the next
/// is being received. This is the memory of an upload.
const MAX_CHUNKS_IN_FLIGHT: u32 = 3;

/// A staging that is being written, and can be taken over. Taking it out makes the taker its owner;
/// from then on its writer fails with [`StoreError::InUse`].
#[derive(Clone)]
pub struct SharedStaging(Arc<StagingSlot>);

struct StagingSlot {
    staging: Mutex<Option<PrefixStaging>>,
    /// The staging's length, or [`TAKEN_BYTES`]. Changed under the lock of the staging, but read
    /// without it, since the lock's holder may be waiting for a disk.
    len: AtomicU64,
    hasher: Arc<BackgroundHasher>,
    error: Mutex<Option<StoreError>>,
    spare: Mutex<Vec<Vec<u8>>>,
}

/// The length of a staging that was taken out; no file is that long.
const TAKEN_BYTES: u64 = u64::MAX;

/// Locks for one step. Each step leaves a consistent state, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedStaging {
    /// Hashes all but the last of the bytes written so far, until `deadline`; `None` if the staging
    /// was taken out. Blocks: not for reactor threads.
    #[must_use]
    pub fn hash_all(&self, deadline: Instant) -> Option<PrefixHasher> {
        let len = lock(&self.0.staging).as_ref()?.len();
        self.0.hasher.catch_up(len, deadline);
        Some(self.0.hasher.snapshot())
    }

    /// Takes the staging out if nothing arrived behind the bytes hashed by `hasher`, apart from the
    /// byte that is never offered. Waits for the chunk being written: not for reactor threads.
    #[must_use]
    pub fn take_at(&self, hasher: &PrefixHasher) -> Option<PrefixStaging> {
        let mut place = lock(&self.0.staging);
        let quiet = place.as_ref()?.len() <= hasher.len() + 1;
        if quiet && self.0.hasher.hashed() == hasher.len() { self.0.take(&mut place) } else { None }
    }

    /// Takes the staging out in any case, and records its hashed bytes. Waits for the chunk being
    /// written: not for reactor threads.
    #[must_use]
    pub fn take(&self) -> Option<PrefixStaging> {
        self.0.take(&mut lock(&self.0.staging))
    }
}

impl StagingSlot {
    fn take(&self, place: &mut Option<PrefixStaging>) -> Option<PrefixStaging> {
        let mut staging = place.take()?;
        self.len.store(TAKEN_BYTES, Relaxed);
        self.hasher.stop();
        staging.hashed(self.hasher.snapshot());
        Some(staging)
    }

    fn append(&self, chunk: &[u8], name: &str) {
        if lock(&self.error).is_some() {
            // Chunks behind a missing one cannot be appended.
            return;
        }
        let result = match &mut *lock(&self.staging) {
            Some(staging) => staging.append(chunk).map(|()| {
                if self.hasher.hashed() - staging.hasher().len().min(self.hasher.hashed())
                    >= CHECKPOINT_BYTES
                {
                    staging.hashed(self.hasher.snapshot());
                }
                self.len.store(staging.len(), Relaxed);
                staging.len()
            }),
            None => Err(StoreError::InUse { path: name.into() }),
        };
        match result {
            Ok(len) => self.hasher.advance(len),
            Err(error) => *lock(&self.error) = Some(error),
        }
    }
}

impl Drop for StagingSlot {
    fn drop(&mut self) {
        self.hasher.stop();
    }
}

/// A chunk in flight, its permit among those of this staging, and its permit among those of all
/// stagings.
type QueuedChunk = (Vec<u8>, OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// Writes a staging behind the connection.
pub(crate) struct WriteBehind {
    slot: SharedStaging,
    name: String,
    executor: SerialExecutor<QueuedChunk>,
    permits_in_flight: Arc<Semaphore>,
    /// Permits shared by the chunks of all stagings.
    shared: Option<Arc<Semaphore>>,
    /// The staging's length once all queued chunks are written.
    end: u64,
}

impl WriteBehind {
    /// Creates a writer of this staging.
    ///
    /// # Errors
    /// The staging's data cannot be opened for hashing.
    pub(crate) fn new(staging: PrefixStaging) -> Result<Self, StoreError> {
        let name = staging.name().to_owned();
        let end = staging.len();
        let hasher = BackgroundHasher::new(staging.hasher().clone(), staging.reader()?, HASH_AFTER);
        let slot = Arc::new(StagingSlot {
            staging: Mutex::new(Some(staging)),
            len: AtomicU64::new(end),
            hasher,
            error: Mutex::default(),
            spare: Mutex::default(),
        });
        let executor = {
            let (slot, name) = (Arc::clone(&slot), name.clone());
            SerialExecutor::new(move |(chunk, place, permit): QueuedChunk| {
                slot.append(&chunk, &name);
                lock(&slot.spare).push(chunk);
                drop((place, permit));
            })
        };
        let permits_in_flight = Arc::new(Semaphore::new(MAX_CHUNKS_IN_FLIGHT as usize));
        Ok(Self { slot: SharedStaging(slot), name, executor, permits_in_flight, shared: None, end })
    }

    /// Makes each chunk hold one of these permits until it is written.
    pub(crate) fn share(&mut self, permits: &Arc<Semaphore>) {
        self.shared = Some(Arc::clone(permits));
    }

    pub(crate) fn slot(&self) -> SharedStaging {
        self.slot.clone()
    }

    pub(crate) async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let place =
            Arc::clone(&self.permits_in_flight).acquire_owned().await.map_err(|_| self.broken())?;
        let permit = match &self.shared {
            Some(shared) => Arc::clone(shared).acquire_owned().await.ok(),
            None => None,
        };
        self.check()?;
        self.end += chunk.len() as u64;
        self.executor.push((chunk, place, permit));
        Ok(lock(&self.slot.0.spare).pop().unwrap_or_default())
    }

    pub(crate) async fn drain(&mut self) -> Result<(), StoreError> {
        self.idle().await;
        self.check()?;
        // The last chunk was written before idling ended. If the staging is taken out just now, the
        // next step notices.
        match self.slot.0.len.load(Relaxed) {
            len if len == self.end => Ok(()),
            TAKEN_BYTES => Err(StoreError::InUse { path: self.name.clone().into() }),
            // A chunk is lost without an error only when its thread panicked.
            _ => Err(self.broken()),
        }
    }

    pub(crate) async fn finish<T: Send + 'static>(
        self,
        end: impl FnOnce(PrefixStaging) -> Result<T, StoreError> + Send + 'static,
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
        // Fails only if the semaphore is closed, which never happens.
        drop(self.permits_in_flight.acquire_many(MAX_CHUNKS_IN_FLIGHT).await);
    }

    fn check(&self) -> Result<(), StoreError> {
        let mut place = lock(&self.slot.0.error);
        match place.take() {
            Some(error) => {
                // Nothing can be appended any more, so later calls fail too.
                *place = Some(StoreError::Failed { path: self.name.clone().into() });
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn broken(&self) -> StoreError {
        StoreError::io("write", &self.name, std::io::Error::other("a disk thread failed"))
    }
}

impl std::fmt::Debug for WriteBehind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteBehind").field("name", &self.name).field("end", &self.end).finish()
    }
}

impl std::fmt::Debug for SharedStaging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedStaging").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_store::{PrefixStaging, StagingFiles, StoreError};

    use super::{WriteBehind, lock};

    fn in_staging(test: impl AsyncFnOnce(WriteBehind)) {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let files = StagingFiles { data: "a.data".into(), journal: "a.journal".into() };
        let staging = PrefixStaging::create(&dir, files, "a").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(test(WriteBehind::new(staging).unwrap()));
    }

    #[test]
    fn settling_does_not_wait_for_a_holder_of_the_staging() {
        in_staging(async |mut write_behind| {
            write_behind.write(b"hello".to_vec()).await.unwrap();
            write_behind.drain().await.unwrap();
            let slot = write_behind.slot();
            let (held, is_held) = mpsc::channel();
            let (settled, let_go) = mpsc::channel();
            let holder = thread::spawn(move || {
                let _staging = lock(&slot.0.staging);
                held.send(()).unwrap();
                // If draining waits for the lock, this times out.
                let_go.recv_timeout(Duration::from_secs(60))
            });
            is_held.recv().unwrap();
            write_behind.drain().await.unwrap();
            settled.send(()).unwrap_or_default();
            assert!(holder.join().unwrap().is_ok(), "it waited");
        });
    }

    #[test]
    fn settling_reports_a_taken_staging() {
        in_staging(async |mut write_behind| {
            write_behind.write(b"hello".to_vec()).await.unwrap();
            write_behind.drain().await.unwrap();
            assert_eq!(write_behind.slot().take().unwrap().len(), 5);
            assert!(matches!(write_behind.drain().await, Err(StoreError::InUse { .. })));
        });
    }
}
