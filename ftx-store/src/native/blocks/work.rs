//! Work on the blocks of a file that several threads share.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::StoreError;

/// The blocks to work on, and the threads' progress.
pub(super) struct BlockWork<'a, B> {
    blocks: &'a [B],
    progress: WorkProgress,
}

/// The progress of all threads together.
struct WorkProgress {
    /// The number of bytes in all blocks.
    total: u64,
    /// The position in the list of the next unclaimed block.
    next: AtomicUsize,
    /// The number of bytes done.
    done: AtomicU64,
    stopped: AtomicBool,
}

/// One thread's report of its progress.
pub(super) struct Advance<'a> {
    progress: &'a WorkProgress,
    keep_going: &'a mut dyn FnMut(u64) -> bool,
}

/// The results of some blocks, with their positions in the list. `None` for a block that was stopped
/// half-way.
type Found<T, E> = Vec<(usize, Result<Option<T>, E>)>;

impl<'a, B: Sync> BlockWork<'a, B> {
    /// Work on `blocks`, which have `total` bytes together.
    pub(super) fn new(blocks: &'a [B], total: u64) -> Self {
        let progress = WorkProgress {
            total,
            next: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        };
        Self { blocks, progress }
    }

    /// Calls `each` for every block, with a buffer of `buffer_bytes` for each thread, and returns the
    /// results in the order of the list. `None` when the work was stopped: `each` returns `None` when
    /// [`Advance::by`] tells it to.
    ///
    /// Uses `threads` threads including the calling one, or as many as there are cores if `None`. Calls
    /// `keep_going` at the start and whenever a block advances, on the calling thread, with the bytes
    /// done so far, but not once everything is done.
    pub(super) fn run<T: Send, E: From<ThreadPanicked> + Send>(
        &self,
        threads: Option<NonZeroUsize>,
        buffer_bytes: usize,
        keep_going: &mut dyn FnMut(u64) -> bool,
        each: impl Fn(&B, &mut [u8], &mut Advance<'_>) -> Result<Option<T>, E> + Sync,
    ) -> Result<Option<Vec<T>>, E> {
        // The helpers may finish everything before this thread gets to ask.
        if !self.blocks.is_empty() && !keep_going(0) {
            return Ok(None);
        }
        let threads = threads.or_else(|| thread::available_parallelism().ok());
        let helpers =
            threads.map_or(0, |threads| threads.get() - 1).min(self.blocks.len().max(1) - 1);
        let each = &each;
        let mut found = thread::scope(|scope| {
            let spawn = |_| {
                let builder = thread::Builder::new().name("ftx-blocks".into());
                let share = || self.share(buffer_bytes, &mut |_| true, each);
                // With fewer threads it only takes longer.
                builder.spawn_scoped(scope, share).ok()
            };
            let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
            let mut found = self.share(buffer_bytes, keep_going, each);
            for helper in helpers {
                let helped = helper.join();
                found.extend(helped.unwrap_or_else(|_| vec![(0, Err(ThreadPanicked.into()))]));
            }
            found
        });
        found.sort_by_key(|&(at, _)| at);
        let results = found.into_iter().filter_map(|(_, result)| result.transpose());
        let results: Vec<T> = results.collect::<Result<_, E>>()?;
        Ok((results.len() == self.blocks.len()).then_some(results))
    }

    /// Works on blocks until none is left or the work is stopped.
    fn share<T, E>(
        &self,
        buffer_bytes: usize,
        keep_going: &mut dyn FnMut(u64) -> bool,
        each: impl Fn(&B, &mut [u8], &mut Advance<'_>) -> Result<Option<T>, E>,
    ) -> Found<T, E> {
        let mut buffer = vec![0; buffer_bytes];
        let mut found = Vec::new();
        loop {
            let at = self.progress.next.fetch_add(1, Ordering::Relaxed);
            let Some(block) = self.blocks.get(at) else { return found };
            let mut advance = Advance { progress: &self.progress, keep_going };
            let result = each(block, &mut buffer, &mut advance);
            let is_over = !matches!(result, Ok(Some(_)));
            if result.is_err() {
                self.progress.stopped.store(true, Ordering::Relaxed);
            }
            found.push((at, result));
            if is_over {
                return found;
            }
        }
    }
}

impl Advance<'_> {
    /// Reports `bytes` more, and returns whether to go on.
    pub(super) fn by(&mut self, bytes: u64) -> bool {
        let Self { progress, keep_going } = self;
        let done = progress.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if done < progress.total && !keep_going(done) {
            progress.stopped.store(true, Ordering::Relaxed);
        }
        done >= progress.total || !progress.stopped.load(Ordering::Relaxed)
    }
}

/// A thread that shared the work panicked; the panic hook has printed the panic.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadPanicked;

impl From<ThreadPanicked> for io::Error {
    fn from(_: ThreadPanicked) -> Self {
        Self::other("a hashing thread panicked")
    }
}

impl From<ThreadPanicked> for StoreError {
    fn from(panicked: ThreadPanicked) -> Self {
        Self::io("read", "a file", panicked.into())
    }
}
