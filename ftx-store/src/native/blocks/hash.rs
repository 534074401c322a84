//! Computing the chaining values of blocks on the disk, with several threads.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, block_count, block_len, block_offset};

use crate::file::positioned::Positioned;

/// Size of one piece in bytes: small enough to stay in a core's cache while it is hashed.
const PIECE_BYTES: usize = 128 * 1024;

/// Computes the chaining values of the blocks `range` of `file`, which has `size` bytes.
///
/// Uses `threads` threads including the calling one, or as many as there are cores if `None`. Calls
/// `keep_going` at the start and now and then, on the calling thread, with the bytes hashed so far;
/// if it returns `false`, the result is `None`. It is not called once everything is hashed.
///
/// # Errors
/// Read errors; [`ErrorKind::UnexpectedEof`] when the file is too short, which
/// [`StoreError::io`](crate::StoreError::io) classifies as changed; [`ErrorKind::InvalidInput`]
/// when a file of this size has no such blocks.
pub fn hash_blocks(
    file: &File,
    size: u64,
    range: BlockRange,
    threads: Option<NonZeroUsize>,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<Vec<Cv>>> {
    if range.end() > block_count(size) {
        let text = format!("a file of {size} bytes has no blocks {range:?}");
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    let indices: Vec<u64> = (range.first..range.end()).collect();
    hash_listed(file, size, &indices, threads, keep_going)
}

/// As [`hash_blocks`], for a list of indices, all of which must exist in a file of this size.
pub(super) fn hash_listed(
    file: &File,
    size: u64,
    indices: &[u64],
    threads: Option<NonZeroUsize>,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<Vec<Cv>>> {
    // The helpers may finish everything before this thread gets to ask.
    if !indices.is_empty() && !keep_going(0) {
        return Ok(None);
    }
    let work = HashJob {
        file,
        positioned: Positioned::default(),
        size,
        indices,
        total: indices.iter().map(|&index| block_len(size, index)).sum(),
        next: AtomicUsize::new(0),
        done: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    };
    let threads = threads.or_else(|| thread::available_parallelism().ok());
    let helpers = threads.map_or(0, |threads| threads.get() - 1).min(indices.len().max(1) - 1);
    let mut found =
        thread::scope(|scope| {
            let spawn = |_| {
                let builder = thread::Builder::new().name("ftx-blocks".into());
                // With fewer threads it only takes longer.
                builder.spawn_scoped(scope, || work.share(&mut |_| true)).ok()
            };
            let helpers: Vec<_> = (0..helpers).filter_map(spawn).collect();
            let mut found = work.share(keep_going);
            for helper in helpers {
                found.extend(helper.join().unwrap_or_else(|_| {
                    vec![(0, Err(io::Error::other("a hashing thread panicked")))]
                }));
            }
            found
        });
    found.sort_by_key(|&(at, _)| at);
    let cvs: Vec<Cv> = found.into_iter().map(|(_, cv)| cv).collect::<io::Result<_>>()?;
    Ok((cvs.len() == indices.len()).then_some(cvs))
}

/// The state shared by the threads.
struct HashJob<'a> {
    file: &'a File,
    positioned: Positioned,
    size: u64,
    indices: &'a [u64],
    /// The number of bytes in all blocks.
    total: u64,
    /// The position in the list of the next unclaimed block.
    next: AtomicUsize,
    /// The number of bytes hashed.
    done: AtomicU64,
    stopped: AtomicBool,
}

impl HashJob<'_> {
    /// Hashes blocks until none is left or the work is stopped. Returns results with their
    /// positions in the list.
    fn share(&self, keep_going: &mut dyn FnMut(u64) -> bool) -> Vec<(usize, io::Result<Cv>)> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut found = Vec::new();
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(&index) = self.indices.get(at) else { return found };
            match self.hash(index, &mut buffer, keep_going) {
                Ok(None) => return found,
                Ok(Some(cv)) => found.push((at, Ok(cv))),
                Err(error) => {
                    self.stopped.store(true, Ordering::Relaxed);
                    found.push((at, Err(error)));
                    return found;
                }
            }
        }
    }

    /// Computes the chaining value of one block; `None` when the work is stopped.
    fn hash(
        &self,
        index: u64,
        buffer: &mut [u8],
        keep_going: &mut dyn FnMut(u64) -> bool,
    ) -> io::Result<Option<Cv>> {
        let mut hasher = BlockHasher::new(self.size, index);
        let mut offset = block_offset(index);
        while hasher.left() > 0 {
            let wanted = usize::try_from(hasher.left()).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            self.positioned.read_exact_at(self.file, piece, offset)?;
            hasher.update(piece);
            let len = piece.len() as u64;
            offset = offset.saturating_add(len);
            let done = self.done.fetch_add(len, Ordering::Relaxed) + len;
            if done < self.total && !keep_going(done) {
                self.stopped.store(true, Ordering::Relaxed);
            }
            if self.stopped.load(Ordering::Relaxed) && done < self.total {
                return Ok(None);
            }
        }
        hasher.finish().map(Some).map_err(io::Error::other)
    }
}
