//! Chaining values of blocks on the disk.

use std::io::{ErrorKind, Write as _};
use std::num::NonZeroUsize;

use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, block_count};

use super::{bytes, cv_of};
use crate::hash_blocks;

fn file_of(data: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(data).unwrap();
    file
}

#[test]
fn any_number_of_threads_finds_the_same() {
    for size in [0, 1, BLOCK_BYTES, 7 * BLOCK_BYTES + 3] {
        let data = bytes(size, 0);
        let file = file_of(&data);
        let count = block_count(size);
        let expected: Vec<Cv> = (0..count).map(|index| cv_of(&data, index)).collect();
        for threads in [1, 2, 5, 50].map(NonZeroUsize::new).into_iter().chain([None]) {
            let whole = BlockRange { first: 0, count };
            let found = hash_blocks(&file, size, whole, threads, &mut |_| true).unwrap();
            assert_eq!(found.unwrap(), expected, "{size} {threads:?}");
        }
        let last = BlockRange { first: count.saturating_sub(2), count: count.min(2) };
        let found = hash_blocks(&file, size, last, None, &mut |_| true).unwrap().unwrap();
        assert_eq!(found, expected[expected.len().saturating_sub(2)..]);
    }
}

#[test]
fn hashing_stops_on_request_and_reports_its_progress() {
    let data = bytes(4 * BLOCK_BYTES, 0);
    let whole = BlockRange { first: 0, count: 4 };
    for threads in [1, 3] {
        let mut seen = Vec::new();
        let stopped = hash_blocks(
            &file_of(&data),
            4 * BLOCK_BYTES,
            whole,
            NonZeroUsize::new(threads),
            &mut |done| {
                seen.push(done);
                seen.len() < 3
            },
        );
        if seen.len() < 3 {
            // The helpers were so quick that the calling thread did not reach its third piece.
            assert!(threads > 1 && stopped.unwrap().is_some());
            continue;
        }
        assert_eq!((stopped.unwrap(), seen.len()), (None, 3));
        assert!(seen.is_sorted() && *seen.last().unwrap() < 4 * BLOCK_BYTES);
    }
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let file = file_of(&bytes(2 * BLOCK_BYTES, 0));
    for threads in [1, 4] {
        let range = BlockRange { first: 0, count: 4 };
        let threads = NonZeroUsize::new(threads);
        let error = hash_blocks(&file, 4 * BLOCK_BYTES, range, threads, &mut |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn blocks_that_the_file_does_not_have_are_refused() {
    let file = file_of(b"x");
    for range in [(0, 2), (1, 1), (u64::MAX, 1), (0, u64::MAX)] {
        let range = BlockRange { first: range.0, count: range.1 };
        let error = hash_blocks(&file, 1, range, None, &mut |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
