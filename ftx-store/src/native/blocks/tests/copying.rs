//! Blocks copied from another version.

use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;

use cap_std::fs::OpenOptions;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest};

use super::{
    BlockStaging, HERE, block_of, bytes, create, cv_of, is_true, known, publish, recover_in,
    scratch, store,
};
use crate::StoreError;

/// Copies by the way that the file system asks for, or by the other one.
type Copy = fn(&BlockStaging, &std::fs::File, &[(u64, Cv)]) -> usize;

const WAYS: [Copy; 2] = [
    |staging, source, blocks| staging.copy_hashed(source, blocks, None, &mut |_| true).unwrap(),
    |staging, source, blocks| staging.copy_shared(source, blocks, &mut |_| true).unwrap(),
];

#[test]
fn blocks_are_taken_over_from_another_version() {
    for copy in WAYS {
        let (_temp, dir) = scratch();
        let size = 2 * BLOCK_BYTES + 9;
        let (old, new) = (bytes(size, 0), bytes(size, 1));
        dir.write("file", &old).unwrap();
        let source = dir.open("file").unwrap().into_std();
        let staging = create(&dir, size);
        store(&staging, &new, 0);
        let blocks = [2, 1].map(|index| (index, cv_of(&old, index)));
        assert_eq!(copy(&staging, &source, &blocks), 2);
        is_true(&dir, &staging);
        let mut expected = old.clone();
        expected[..block_of(&new, 0).len()].copy_from_slice(block_of(&new, 0));
        let published = publish(staging, &dir).unwrap();
        assert!(dir.read("file").unwrap() == expected);
        let cvs = (0..3).map(|index| cv_of(&expected, index)).collect();
        assert_eq!(published.manifest, Manifest::new(size, cvs).unwrap());
    }
}

/// Of a partial file, that is as many blocks as it has whole.
#[test]
fn only_whole_blocks_are_taken_over() {
    for len in [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 8, 2 * BLOCK_BYTES + 9] {
        let (_temp, dir) = scratch();
        let size = 2 * BLOCK_BYTES + 9;
        let data = bytes(size, 0);
        dir.write("file", &data[..usize::try_from(len).unwrap()]).unwrap();
        let source = dir.open("file").unwrap().into_std();
        let staging = create(&dir, size);
        let blocks = [0, 1, 2].map(|index| (index, cv_of(&data, index)));
        let whole = if len == size { 3 } else { len / BLOCK_BYTES };
        let copied = staging.copy_blocks(&source, &blocks, &mut |_| true).unwrap();
        assert_eq!((copied as u64, known(&staging)), (whole, (0..whole).collect()), "{len}");
        is_true(&dir, &staging);
    }
}

/// A source that has become shorter since its size was looked at.
#[test]
fn a_source_that_ends_early_has_nothing_more() {
    for copy in WAYS {
        let (_temp, dir) = scratch();
        let data = bytes(2 * BLOCK_BYTES, 0);
        dir.write("file", &data[..data.len() - 1]).unwrap();
        let source = dir.open("file").unwrap().into_std();
        let staging = create(&dir, 2 * BLOCK_BYTES);
        let blocks = [1, 0].map(|index| (index, cv_of(&data, index)));
        assert_eq!((copy(&staging, &source, &blocks), known(&staging)), (1, vec![0]));
        is_true(&dir, &staging);
    }
}

/// The source may have changed without a trace: a store through a mapping changes neither size nor
/// times. The wrong bytes must not be trusted, neither now nor after a crash.
#[test]
fn only_blocks_with_their_chaining_values_are_taken_over() {
    for copy in WAYS {
        let (_temp, dir) = scratch();
        let size = 3 * BLOCK_BYTES;
        let old = bytes(size, 0);
        dir.write("file", &old).unwrap();
        let source = dir.open("file").unwrap().into_std();
        let written = dir.open_with("file", OpenOptions::new().write(true)).unwrap().into_std();
        written.write_all_at(b"changed", BLOCK_BYTES).unwrap();
        let staging = create(&dir, size);
        let blocks = [0, 1, 2].map(|index| (index, cv_of(&old, index)));
        assert_eq!((copy(&staging, &source, &blocks), known(&staging)), (2, vec![0, 2]));
        is_true(&dir, &staging);
        drop(staging);
        let staging = recover_in(&dir, HERE).unwrap();
        assert_eq!(known(&staging), [0, 2]);
        is_true(&dir, &staging);
    }
}

#[test]
fn copying_stops_on_request_and_keeps_the_copies() {
    let (_temp, dir) = scratch();
    let size = 8 * BLOCK_BYTES;
    let data = bytes(size, 0);
    dir.write("file", &data).unwrap();
    let source = dir.open("file").unwrap().into_std();
    let blocks: Vec<_> = (0..8).map(|index| (index, cv_of(&data, index))).collect();
    let staging = create(&dir, size);
    let mut seen = Vec::new();
    let mut keep_going = |done| {
        seen.push(done);
        done < size / 2
    };
    let stopped = staging.copy_hashed(&source, &blocks, NonZeroUsize::new(1), &mut keep_going);
    assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
    assert!(seen.is_sorted() && seen.first() == Some(&0), "{seen:?}");
    assert_eq!(known(&staging), [0, 1, 2]);
    is_true(&dir, &staging);
}
