//! The task that owns a staging and writes to it, behind the connection.
//!
//! ```text
//!  StagingWriter ── Append, Finish ──▶ task: PrefixStaging, guard ──▶ data file
//!        ▲       ◀── replies ─────────  │        │
//!        │                              │        └▶ BackgroundHasher
//!  WriterHandle of others ── Take ─────▶┘
//! ```
//! The task carries out commands in order, each of them where its executor says. Taking the staging
//! ends the task, so the old writer can write no more. A task whose writer is dropped leaves the staging on
//! the disk.

use std::sync::Arc;
use std::time::Instant;

use ftx_store::{CHECKPOINT_BYTES, PrefixHasher, PrefixStaging, StoreError};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::warn;

use crate::legacy::background_hasher::BackgroundHasher;
use crate::{ErrorChain, Executor};

/// The chunks of one staging in flight to the disk: one is being written, one waits, and the next is being
/// received. This is the memory of an upload.
pub(crate) const MAX_CHUNKS_IN_FLIGHT: usize = 3;

/// The chunks written before the blocking thread and its permit go to another staging.
const BURST_CHUNKS: usize = 8;

/// A right that accompanies an open staging, such as an entry in an index. It is dropped after the staging,
/// which then stays on the disk.
pub trait StagingGuard: Send + 'static {
    /// The staging was removed from the disk.
    fn removed(self);
}

impl StagingGuard for () {
    fn removed(self) {}
}

/// An order to the task.
pub(crate) enum Command<G> {
    /// Appends a chunk. There is one reply to each.
    Append(Vec<u8>),
    /// Hands the staging over if it ends with the hashed bytes.
    Take { hashed: PrefixHasher, reply: oneshot::Sender<(PrefixStaging, G)> },
    /// Ends the writing.
    Finish(Box<dyn FnOnce(PrefixStaging, G) + Send>),
}

/// The result of an [`Append`](Command::Append), with its buffer; or the news that the staging was taken.
pub(crate) type Reply = Result<Vec<u8>, StoreError>;

/// A reference to the writer of a staging, for connections that want the staging; clones refer to the same
/// one.
pub struct StagingHandle<G> {
    pub(crate) commands: mpsc::WeakSender<Command<G>>,
    pub(crate) hasher: Arc<BackgroundHasher>,
}

impl<G> StagingHandle<G> {
    /// Hashes all but the last of the bytes written so far, until `deadline`; `None` if the writer has
    /// ended or lost the staging. Blocks.
    #[must_use]
    pub fn hash_all(&self, deadline: Instant) -> Option<PrefixHasher> {
        // Not held meanwhile: it would keep the task of a dropped writer.
        self.commands.upgrade().filter(|commands| !commands.is_closed())?;
        self.hasher.catch_up(self.hasher.written(), deadline);
        Some(self.hasher.snapshot())
    }

    /// Takes the staging from its writer if nothing arrived behind the bytes hashed by `hasher`, apart from
    /// the byte that is never offered. Waits for chunks in flight. From then on the writer fails with
    /// [`StoreError::InUse`].
    pub async fn take_at(&self, hasher: &PrefixHasher) -> Option<(PrefixStaging, G)> {
        let commands = self.commands.upgrade()?;
        let (reply, taken) = oneshot::channel();
        commands.send(Command::Take { hashed: hasher.clone(), reply }).await.ok()?;
        drop(commands);
        taken.await.ok()
    }
}

/// The state of the task.
pub(crate) struct OwnedStaging<G> {
    pub(crate) staging: PrefixStaging,
    pub(crate) guard: G,
    pub(crate) hashing: StopOnDrop,
    pub(crate) replies: mpsc::Sender<Reply>,
    /// A chunk is missing, so nothing can be appended any more.
    pub(crate) is_broken: bool,
}

/// Hashes until it is dropped.
pub(crate) struct StopOnDrop(pub(crate) Arc<BackgroundHasher>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Carries out commands until the staging has another owner, or all its writers are gone. Each burst of
/// chunks holds one of the `permits`, if there are any.
pub(crate) async fn run<G: StagingGuard>(
    mut owned: OwnedStaging<G>,
    mut commands: mpsc::Receiver<Command<G>>,
    executor: Executor,
    permits: Option<Arc<Semaphore>>,
) {
    let mut next = None;
    while let Some(command) = or_receive(next.take(), &mut commands).await {
        let Command::Append(chunk) = command else {
            match executor.run(move || owned.hand_over(command)).await {
                Ok(Some(kept)) => owned = kept,
                // A panic has dropped it.
                Ok(None) | Err(_) => return,
            }
            continue;
        };
        let permit = permit(permits.as_ref()).await;
        let work = move || {
            let next = owned.append_burst(chunk, &mut commands);
            drop(permit);
            (owned, commands, next)
        };
        match executor.run(work).await {
            Ok(done) => (owned, commands, next) = done,
            Err(_) => return,
        }
    }
    let permit = permit(permits.as_ref()).await;
    let abandon = move || {
        owned.abandon();
        drop(permit);
    };
    // A panic has dropped it, too.
    let _ = executor.run_long(abandon).await;
}

async fn or_receive<G>(
    next: Option<Command<G>>,
    commands: &mut mpsc::Receiver<Command<G>>,
) -> Option<Command<G>> {
    match next {
        Some(command) => Some(command),
        None => commands.recv().await,
    }
}

async fn permit(permits: Option<&Arc<Semaphore>>) -> Option<tokio::sync::OwnedSemaphorePermit> {
    // Fails only if the semaphore is closed, which never happens.
    Arc::clone(permits?).acquire_owned().await.ok()
}

impl<G: StagingGuard> OwnedStaging<G> {
    /// Appends a chunk, and those that wait behind it. Returns the next command, if one is there. Blocks.
    fn append_burst(
        &mut self,
        mut chunk: Vec<u8>,
        commands: &mut mpsc::Receiver<Command<G>>,
    ) -> Option<Command<G>> {
        for _ in 1..BURST_CHUNKS {
            self.append(chunk);
            match commands.try_recv().ok()? {
                Command::Append(next) => chunk = next,
                other => return Some(other),
            }
        }
        self.append(chunk);
        None
    }

    fn append(&mut self, chunk: Vec<u8>) {
        let appended = if self.is_broken {
            Err(StoreError::Failed { path: self.staging.name().into() })
        } else {
            self.staging.append(&chunk)
        };
        self.is_broken |= appended.is_err();
        if appended.is_ok() {
            let hashing = &self.hashing.0;
            if hashing.hashed().saturating_sub(self.staging.hasher().len()) >= CHECKPOINT_BYTES {
                self.staging.hashed(hashing.snapshot());
            }
            hashing.advance(self.staging.len());
        }
        // There is room for a reply to each chunk in flight. Without its writer none matters.
        let _ = self.replies.try_send(appended.map(|()| chunk));
    }

    /// Gives the staging away; returns it if it stays here. Blocks.
    fn hand_over(self, command: Command<G>) -> Option<Self> {
        match command {
            Command::Append(_) => Some(self),
            Command::Take { hashed, .. } if !self.ends_with(&hashed) => Some(self),
            Command::Take { reply, .. } => {
                let taken = Err(StoreError::InUse { path: self.staging.name().into() });
                let _ = self.replies.try_send(taken);
                // A taker that is gone leaves it on the disk.
                let _ = reply.send(self.into_parts());
                None
            }
            Command::Finish(end) => {
                let (staging, guard) = self.into_parts();
                end(staging, guard);
                None
            }
        }
    }

    fn ends_with(&self, hashed: &PrefixHasher) -> bool {
        self.staging.len() <= hashed.len() + 1 && self.hashing.0.hashed() == hashed.len()
    }

    /// The staging, which knows what is hashed.
    fn into_parts(self) -> (PrefixStaging, G) {
        let Self { mut staging, guard, hashing, .. } = self;
        hashing.0.stop();
        staging.hashed(hashing.0.snapshot());
        (staging, guard)
    }

    /// Leaves the staging on the disk, unless it is of no use there. Blocks.
    fn abandon(self) {
        let (staging, guard) = self.into_parts();
        abandon(staging, guard);
    }
}

/// Closes a staging that has lost its writer. Blocks.
pub(crate) fn abandon<G: StagingGuard>(staging: PrefixStaging, guard: G) {
    if !staging.holds_nothing_new() {
        // Released before the guard.
        drop(staging);
        return;
    }
    match staging.discard() {
        Ok(()) => guard.removed(),
        Err(error) => warn!(error = %ErrorChain(&error), "a staging of no use stays behind"),
    }
}

impl<G> Clone for StagingHandle<G> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone(), hasher: Arc::clone(&self.hasher) }
    }
}

impl<G> std::fmt::Debug for StagingHandle<G> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StagingHandle").finish_non_exhaustive()
    }
}
