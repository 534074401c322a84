//! Writing a staging, some chunks behind the connection.

use std::sync::Arc;

use ftx_store::{PrefixStaging, StoreError};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::legacy::background_hasher::{BackgroundHasher, HASH_AFTER};
use crate::legacy::write_task::{
    self, Command, MAX_CHUNKS_IN_FLIGHT, OwnedStaging, Reply, StagingGuard, StagingHandle,
    StopOnDrop,
};
use crate::{CHUNK_BYTES, Executor};

/// Creates the staging once all bytes are there. Blocks.
type MakeStaging<G> = Box<dyn FnOnce() -> Result<(PrefixStaging, G), StoreError> + Send>;

/// Writes a staging, some chunks behind the connection.
///
/// A task owns the staging, and the guard that accompanies it. A file that fits into one chunk is kept in
/// memory until it is complete, so that it costs a single step on a blocking thread. Dropping the writer
/// leaves the staging on the disk.
pub struct StagingWriter<G = ()> {
    executor: Executor,
    mode: WriterMode<G>,
}

enum WriterMode<G> {
    Deferred { make: MakeStaging<G>, buffered: Vec<u8> },
    Direct(TaskClient<G>),
}

/// The connection's side of a task.
struct TaskClient<G> {
    name: String,
    commands: mpsc::Sender<Command<G>>,
    replies: mpsc::Receiver<Reply>,
    /// Chunks without a reply.
    in_flight: usize,
    /// Another writer has the staging.
    is_taken: bool,
}

impl StagingWriter {
    /// The greatest size of a [`deferred`](Self::deferred) file.
    pub const MAX_DEFERRED_BYTES: u64 = CHUNK_BYTES as u64;
}

impl<G: StagingGuard> StagingWriter<G> {
    /// Starts the task that writes to this staging. `guard` makes the companion of the staging. Where the
    /// executor hands work to other threads, each burst of chunks holds one of the `permits`, so that their
    /// number bounds the threads that wait for a disk. Blocks.
    ///
    /// # Errors
    /// The staging's data cannot be opened for hashing.
    ///
    /// # Panics
    /// The caller is in no runtime.
    pub fn start(
        executor: &Executor,
        permits: Option<&Arc<Semaphore>>,
        guard: impl FnOnce(StagingHandle<G>) -> G,
        // The last one: in an error it is closed before the guard is dropped.
        staging: PrefixStaging,
    ) -> Result<Self, StoreError> {
        let name = staging.name().to_owned();
        let hasher = BackgroundHasher::new(staging.hasher().clone(), staging.reader()?, HASH_AFTER);
        let (sender, commands) = mpsc::channel(MAX_CHUNKS_IN_FLIGHT);
        // One more, for the news of a takeover.
        let (reply, replies) = mpsc::channel(MAX_CHUNKS_IN_FLIGHT + 1);
        let handle = StagingHandle { commands: sender.downgrade(), hasher: Arc::clone(&hasher) };
        let (guard, hashing) = (guard(handle), StopOnDrop(hasher));
        let owned = OwnedStaging { staging, guard, hashing, replies: reply, is_broken: false };
        let permits = permits.filter(|_| !executor.is_inline()).cloned();
        tokio::spawn(write_task::run(owned, commands, executor.clone(), permits));
        let client = TaskClient { name, commands: sender, replies, in_flight: 0, is_taken: false };
        Ok(Self { executor: executor.clone(), mode: WriterMode::Direct(client) })
    }

    /// Creates a writer of at most [`MAX_DEFERRED_BYTES`](StagingWriter::MAX_DEFERRED_BYTES) bytes into a
    /// staging that `make` creates once all of them are there.
    #[must_use]
    pub fn deferred(
        executor: &Executor,
        make: impl FnOnce() -> Result<(PrefixStaging, G), StoreError> + Send + 'static,
    ) -> Self {
        let mode = WriterMode::Deferred { make: Box::new(make), buffered: Vec::new() };
        Self { executor: executor.clone(), mode }
    }

    /// Whether the file has no staging before it is complete.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        matches!(self.mode, WriterMode::Deferred { .. })
    }

    /// Appends a chunk as soon as another one may be in flight, and returns a used buffer. The
    /// chunk is still in flight when this returns.
    ///
    /// # Errors
    /// An earlier chunk could not be written, which is said once; or another writer took the staging
    /// ([`StoreError::InUse`]).
    pub async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        match &mut self.mode {
            WriterMode::Deferred { buffered, .. } if buffered.is_empty() => {
                Ok(std::mem::replace(buffered, chunk))
            }
            WriterMode::Deferred { buffered, .. } => {
                buffered.extend(&chunk);
                Ok(chunk)
            }
            WriterMode::Direct(task) => task.write(chunk).await,
        }
    }

    /// Waits until everything is written; the hash may be behind.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn drain(&mut self) -> Result<(), StoreError> {
        match &mut self.mode {
            WriterMode::Deferred { .. } => Ok(()),
            WriterMode::Direct(task) => task.drain().await,
        }
    }

    /// Suspends the staging. A deferred file is dropped, since it is so small.
    ///
    /// # Errors
    /// The progress of the staging could not be recorded.
    pub async fn suspend(self) -> Result<(), StoreError> {
        match self.mode {
            WriterMode::Deferred { .. } => Ok(()),
            WriterMode::Direct(task) => task.finish(|staging, _guard| staging.suspend()).await,
        }
    }

    /// Waits for chunks in flight and runs `end` with the staging where it may block. The staging may not
    /// be hashed to its end; callers that need its digest must let it catch up first.
    ///
    /// # Errors
    /// The errors of `end`; [`StoreError::InUse`] if another writer took the staging. An earlier
    /// failure to write a chunk is reported only by [`drain`](Self::drain): the staging is
    /// consistent even then.
    pub async fn finish<T: Send + 'static>(
        self,
        end: impl FnOnce(PrefixStaging, G) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.mode {
            WriterMode::Deferred { make, buffered } => {
                let work = move || {
                    let (mut staging, guard) = make()?;
                    match staging.write(&buffered) {
                        Ok(()) => end(staging, guard),
                        Err(error) => {
                            write_task::abandon(staging, guard);
                            Err(error)
                        }
                    }
                };
                self.executor.run(work).await?
            }
            WriterMode::Direct(task) => task.finish(end).await,
        }
    }
}

impl<G: StagingGuard> TaskClient<G> {
    async fn write(&mut self, chunk: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        let spare = if self.in_flight < MAX_CHUNKS_IN_FLIGHT {
            self.replied()?.unwrap_or_default()
        } else {
            let reply = self.replies.recv().await;
            self.take_reply(reply)?
        };
        if self.commands.send(Command::Append(chunk)).await.is_err() {
            return Err(self.ended().await);
        }
        self.in_flight += 1;
        Ok(spare)
    }

    async fn drain(&mut self) -> Result<(), StoreError> {
        while self.in_flight > 0 {
            let reply = self.replies.recv().await;
            self.take_reply(reply)?;
        }
        self.replied().map(drop)
    }

    async fn finish<T: Send + 'static>(
        mut self,
        end: impl FnOnce(PrefixStaging, G) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        let end = move |staging, guard| {
            // The caller may be gone.
            let _ = reply.send(end(staging, guard));
        };
        // A task that has ended drops the command, and so the sender of the result.
        let _ = self.commands.send(Command::Finish(Box::new(end))).await;
        match result.await {
            Ok(result) => result,
            Err(_) => Err(self.ended().await),
        }
    }

    /// A reply, if one is there.
    fn replied(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        match self.replies.try_recv() {
            Err(mpsc::error::TryRecvError::Empty) => Ok(None),
            reply => self.take_reply(reply.ok()).map(Some),
        }
    }

    fn take_reply(&mut self, reply: Option<Reply>) -> Reply {
        self.in_flight = self.in_flight.saturating_sub(1);
        let reply = reply.unwrap_or_else(|| Err(self.no_task()));
        self.is_taken |= matches!(reply, Err(StoreError::InUse { .. }));
        reply
    }

    /// Why the task has ended.
    async fn ended(&mut self) -> StoreError {
        while let Some(reply) = self.replies.recv().await {
            // Errors of chunks are of no interest now.
            let _ = self.take_reply(Some(reply));
        }
        self.no_task()
    }

    /// The task ends by itself when the staging is taken, or in a panic.
    fn no_task(&self) -> StoreError {
        if self.is_taken {
            return StoreError::InUse { path: self.name.clone().into() };
        }
        StoreError::io("write", &self.name, std::io::Error::other("a disk thread failed"))
    }
}

impl<G> std::fmt::Debug for StagingWriter<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("StagingWriter");
        match &self.mode {
            WriterMode::Deferred { buffered, .. } => f.field("buffered", &buffered.len()),
            WriterMode::Direct(task) => {
                f.field("name", &task.name).field("in_flight", &task.in_flight)
            }
        };
        f.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
