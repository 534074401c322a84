//! Hashing in the background, behind the written data.
//!
//! MD5 is slower than a fast connection. A successful transfer does not need it; an interrupted one
//! needs it to resume. So threads of low priority read the written data from the page cache and
//! hash it beside the transfer: with a spare core hashing keeps up, and without one the transfer
//! comes first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ftx_store::PrefixHasher;

use crate::CHUNK_BYTES;

/// The greatest lag of hashing. Beyond it the transfer waits, so that completing the hash of an
/// interrupted one takes only seconds.
const MAX_LAG_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The age of a transfer at which hashing begins. Most are over by then, and even threads of low
/// priority cost the others cache and memory bandwidth.
pub(crate) const HASH_AFTER: Duration = Duration::from_secs(2);

/// The bytes hashed before it is another staging's turn.
const TURN_BYTES: u64 = 2 * 1024 * 1024;

/// The hash of one staging, behind its data.
pub(crate) struct BackgroundHasher {
    hashing: Mutex<HashProgress>,
    /// The number of written bytes, which can be hashed.
    written: AtomicU64,
    /// The number of hashed bytes.
    hashed: AtomicU64,
    /// The time at which hashing begins, unless requested before.
    begins: Instant,
    /// It is queued, or has its turn. Only ever swapped, with both orderings: of the two swaps by
    /// which a writer raises it and a worker lowers it, the second sees all effects before the
    /// first. So either the worker sees the last write, or the writer sees the flag lowered.
    queued: AtomicBool,
    stopped: AtomicBool,
}

struct HashProgress {
    hasher: PrefixHasher,
    /// Positioned behind the hashed bytes.
    file: File,
    buffer: Vec<u8>,
}

impl BackgroundHasher {
    /// Creates a hasher that continues from `hasher`, where `file` is positioned.
    pub(crate) fn new(hasher: PrefixHasher, file: File, patience: Duration) -> Arc<Self> {
        let len = hasher.len();
        Arc::new(Self {
            hashing: Mutex::new(HashProgress { hasher, file, buffer: Vec::new() }),
            written: AtomicU64::new(len),
            hashed: AtomicU64::new(len),
            begins: Instant::now() + patience,
            queued: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        })
    }

    /// Records that the data has `len` bytes now. Helps with the hashing if it has fallen too far
    /// behind. Blocks.
    pub(crate) fn advance(self: &Arc<Self>, len: u64) {
        self.written.store(len, Relaxed);
        if Instant::now() >= self.begins && !self.queued.swap(true, AcqRel) {
            HASH_THREADS.queue(Arc::clone(self));
        }
        while len - self.hashed.load(Relaxed).min(len) > MAX_LAG_BYTES
            && !self.stopped.load(Relaxed)
        {
            self.turn();
        }
    }

    /// Hashes all but the last of `len` bytes, unless it is stopped or `deadline` comes first. Blocks.
    pub(crate) fn catch_up(&self, len: u64, deadline: Instant) {
        while self.hashed() + 1 < len && !self.stopped.load(Relaxed) && Instant::now() < deadline {
            self.turn();
        }
    }

    /// Returns the current state of the hash. Waits for the piece being hashed.
    pub(crate) fn snapshot(&self) -> PrefixHasher {
        self.hashing().hasher.clone()
    }

    /// Returns the number of written bytes.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Returns the number of hashed bytes.
    pub(crate) fn hashed(&self) -> u64 {
        self.hashed.load(Relaxed)
    }

    /// Stops the hashing at any point.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// Hashes for a while; returns whether more is left.
    fn turn(&self) -> bool {
        let mut done = 0;
        while done < TURN_BYTES {
            // Unlocked between pieces, so that no one waits for the whole turn.
            let mut hashing = self.hashing();
            let left = self.written.load(Relaxed).saturating_sub(hashing.hasher.len() + 1);
            if left == 0 || self.stopped.load(Relaxed) {
                hashing.buffer = Vec::new();
                return false;
            }
            match hashing.piece(left) {
                Ok(len) => {
                    done += len;
                    self.hashed.store(hashing.hasher.len(), Relaxed);
                }
                Err(_) => {
                    // Unhashed bytes are read again when they are needed; that reports the error.
                    self.stop();
                    return false;
                }
            }
        }
        true
    }

    fn hashing(&self) -> MutexGuard<'_, HashProgress> {
        self.hashing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HashProgress {
    fn piece(&mut self, left: u64) -> io::Result<u64> {
        let len = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
        self.buffer.clear();
        (&mut self.file).take(len as u64).read_to_end(&mut self.buffer)?;
        if self.buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(&self.buffer);
        Ok(self.buffer.len() as u64)
    }
}

/// The pool of hashing threads.
struct HashThreads {
    queue: Mutex<VecDeque<Arc<BackgroundHasher>>>,
    more: Condvar,
}

static HASH_THREADS: LazyLock<&'static HashThreads> = LazyLock::new(|| {
    let workers: &'static HashThreads =
        Box::leak(Box::new(HashThreads { queue: Mutex::default(), more: Condvar::new() }));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for index in 0..threads {
        let thread = std::thread::Builder::new().name(format!("ftx-hash-{index}"));
        // With fewer threads or none, hashing is late; advance() and catch_up() do it then.
        let _ = thread.spawn(|| workers.run());
    }
    workers
});

impl HashThreads {
    fn queue(&self, hasher: Arc<BackgroundHasher>) {
        self.lock().push_back(hasher);
        self.more.notify_one();
    }

    fn run(&self) {
        yield_to_others();
        loop {
            let mut queue = self.lock();
            let hasher = loop {
                match queue.pop_front() {
                    Some(hasher) => break hasher,
                    None => {
                        queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(queue);
            let more = hasher.turn();
            // Lowered before the last look, so that no concurrent write is missed: advance() either
            // sees the flag lowered, or its write is seen here. A plain store could be reordered
            // with the look that follows, even on processors that keep all other orders.
            hasher.queued.swap(false, AcqRel);
            let missed = hasher.written.load(Relaxed) > hasher.hashed() + 1;
            if (more || missed)
                && !hasher.stopped.load(Relaxed)
                && !hasher.queued.swap(true, AcqRel)
            {
                self.queue(hasher);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<BackgroundHasher>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lowers the priority of the calling thread, where priorities belong to threads.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // A thread that keeps its priority still hashes.
        let _ = rustix::process::setpriority_process(None, 19);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};
    use std::time::{Duration, Instant};

    use ftx_store::PrefixHasher;

    use super::{BackgroundHasher, HASH_AFTER, MAX_LAG_BYTES};

    #[test]
    fn the_hash_follows_the_written_bytes_except_the_last() {
        let mut data = tempfile::NamedTempFile::new().unwrap();
        let hasher =
            BackgroundHasher::new(PrefixHasher::new(), data.reopen().unwrap(), Duration::ZERO);
        let whole = vec![7; 5_000_000];
        for piece in whole.chunks(100_000) {
            data.write_all(piece).unwrap();
            hasher.advance(data.as_file().metadata().unwrap().len());
        }
        while hasher.hashed() + 1 < whole.len() as u64 {
            std::thread::yield_now();
        }
        let expected = PrefixHasher::of(&whole[1..]);
        assert_eq!(hasher.snapshot().digest(), expected.digest());
    }

    /// A worker that has just finished must not miss a write at that moment.
    #[test]
    fn the_last_written_byte_is_never_missed() {
        let mut data = tempfile::NamedTempFile::new().unwrap();
        let hasher =
            BackgroundHasher::new(PrefixHasher::new(), data.reopen().unwrap(), Duration::ZERO);
        // The number of rounds depends on the machine: other threads take precedence over these.
        let enough = Instant::now() + Duration::from_secs(20);
        for round in 1..=20_000 {
            data.write_all(b"xx").unwrap();
            hasher.advance(2 * round - 1);
            // Meets the worker at a different point of its turn each time.
            for _ in 0..round % 500 {
                std::hint::spin_loop();
            }
            hasher.advance(2 * round);
            let deadline = Instant::now() + Duration::from_secs(60);
            while hasher.hashed() + 1 < 2 * round {
                assert!(Instant::now() < deadline, "round {round} is not hashed");
                std::thread::yield_now();
            }
            if Instant::now() > enough {
                break;
            }
        }
    }

    #[test]
    fn unhashed_bytes_are_hashed_on_request() {
        let mut data = tempfile::NamedTempFile::new().unwrap();
        let patience = Duration::from_secs(3600);
        let hasher = BackgroundHasher::new(PrefixHasher::new(), data.reopen().unwrap(), patience);
        data.write_all(b"hello").unwrap();
        hasher.advance(5);
        assert_eq!(hasher.hashed(), 0);
        hasher.catch_up(5, Instant::now() + patience);
        assert_eq!(hasher.snapshot().digest(), PrefixHasher::of(b"hell").digest());
    }

    #[test]
    fn it_never_falls_further_behind_than_allowed() {
        let mut data = tempfile::NamedTempFile::new().unwrap();
        let hasher = BackgroundHasher::new(PrefixHasher::new(), data.reopen().unwrap(), HASH_AFTER);
        let len = MAX_LAG_BYTES + 10_000_000;
        data.seek(SeekFrom::Start(len)).unwrap();
        data.write_all(b"x").unwrap();
        hasher.advance(len);
        assert!(hasher.hashed() >= len - MAX_LAG_BYTES);
        hasher.stop();
    }
}
