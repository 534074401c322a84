//! Computing the chaining values of blocks on the disk, with several threads.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::num::NonZeroUsize;

use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, block_count, block_len, block_offset};

use super::work::{Advance, BlockWork};
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
    let positioned = Positioned::default();
    let total = indices.iter().map(|&index| block_len(size, index)).sum();
    let work = BlockWork::new(indices, total);
    work.run(threads, PIECE_BYTES, keep_going, |&index, buffer, advance| {
        read_hashed((file, &positioned), size, index, buffer, advance)
    })
}

/// Reads one block of a file and computes its chaining value; `None` when the work is stopped. A
/// buffer of a whole block has its bytes afterwards, a shorter one is used again for each piece.
pub(super) fn read_hashed(
    (file, positioned): (&File, &Positioned),
    size: u64,
    index: u64,
    buffer: &mut [u8],
    advance: &mut Advance<'_>,
) -> io::Result<Option<Cv>> {
    let mut hasher = BlockHasher::new(size, index);
    let mut offset = block_offset(index);
    while hasher.left() > 0 {
        for piece in buffer.chunks_mut(PIECE_BYTES) {
            let wanted = usize::try_from(hasher.left()).unwrap_or(PIECE_BYTES).min(piece.len());
            let piece = piece.get_mut(..wanted).unwrap_or_default();
            if piece.is_empty() {
                break;
            }
            positioned.read_exact_at(file, piece, offset)?;
            hasher.update(piece);
            let len = piece.len() as u64;
            offset = offset.saturating_add(len);
            if !advance.by(len) {
                return Ok(None);
            }
        }
    }
    hasher.finish().map(Some).map_err(io::Error::other)
}
