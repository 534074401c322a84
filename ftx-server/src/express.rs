//! A thread to itself for a connection that moves small files one after another.
//!
//! For a small file, waking a disk thread and being woken by it takes longer than what the disk
//! thread does. A client that asks for one small file after another would wait for that most of
//! the time. So its connection moves, for as long as it goes on like this, to a blocking thread
//! with a runtime of its own, where disk work needs no other thread: if the disk is slow there,
//! nobody waits but this client. Each worker has one such place, since the thread is one of its own
//! blocking threads, which its other connections need too; who finds none stays where it is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftx_io::{BufferedStream, StreamError, dedicate_thread_of, spawn_blocking};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Span, debug};

use crate::legacy::driver::{LegacyError, Patience, Session, Stop};
use crate::store::{LegacyStore, Store};

/// Small files in a row before a connection moves.
pub(crate) const STREAK: u32 = 3;

/// How long a client may pause before its connection moves back.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Connections of one worker that may have a thread to themselves at the same time.
const PLACES: usize = 1;

/// The same for those that speak the native dialect: the streams of one client at least, since each
/// of them keeps its thread busy.
const NATIVE_PLACES: usize = 4;

/// Threads that have gone to connections at most.
pub(crate) const ALL_PLACES: usize = PLACES + NATIVE_PLACES;

/// The places of one worker; clones are the same places.
#[derive(Clone)]
pub(crate) struct Places {
    legacy: Arc<Semaphore>,
    native: Arc<Semaphore>,
}

impl Places {
    pub(crate) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { legacy: places(PLACES), native: places(NATIVE_PLACES) }
    }

    /// Takes a place, if one is free, until the permit is dropped.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.legacy).try_acquire_owned().ok()
    }

    /// Takes a place of those for the native dialect.
    pub(crate) fn take_native(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.native).try_acquire_owned().ok()
    }
}

/// Runs a session on a thread to itself until its client pauses; `None` when it has left.
pub(crate) async fn run<S: Store + LegacyStore>(
    mut session: Session<S>,
    wire: BufferedStream,
    permit: OwnedSemaphorePermit,
) -> Result<Option<(Session<S>, BufferedStream)>, LegacyError> {
    let parked = wire.detach()?;
    let (span, lender) = (Span::current(), Handle::current());
    let moved = spawn_blocking(move || -> Result<_, LegacyError> {
        let _entered = span.enter();
        let _permit = permit;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                debug!(%error, "a busy connection stays where it is");
                session.stay();
                return Ok(Some((session, parked)));
            }
        };
        dedicate_thread_of(lender, || {
            runtime.block_on(async {
                let mut wire = parked.attach()?.with_busy_poll()?;
                match session.run(&mut wire, Patience::Express).await? {
                    Stop::Left => Ok(None),
                    Stop::Quiet | Stop::Streak(_) => Ok(Some((session, wire.detach()?))),
                }
            })
        })
    });
    match moved.await.map_err(|_| LegacyError::Panicked)?? {
        Some((session, parked)) => Ok(Some((session, parked.attach()?))),
        None => Ok(None),
    }
}

impl From<io::Error> for LegacyError {
    fn from(error: io::Error) -> Self {
        StreamError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{PLACES, Places};

    #[test]
    fn one_workers_places_are_not_anothers() {
        let (one, other) = (Places::new(), Places::new());
        let taken: Vec<_> = std::iter::from_fn(|| one.clone().take()).collect();
        assert_eq!(taken.len(), PLACES);
        assert!(other.take().is_some());
        drop(taken);
        assert!(one.take().is_some());
    }
}
