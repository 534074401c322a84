//! Blocks copied from another version.

use std::os::unix::fs::FileExt as _;
use std::time::{Duration, SystemTime};

use cap_std::fs::OpenOptions;
use ftx_core::native::blocks::{BLOCK_BYTES, Manifest};

use super::{
    HERE, block_of, bytes, create, cv_of, is_true, known, publish, recover_in, scratch, source_of,
    store,
};
use crate::{FileIdentity, StoreError};

#[test]
fn blocks_are_taken_over_from_another_version() {
    let (_temp, dir) = scratch();
    let size = 2 * BLOCK_BYTES + 9;
    let (old, new) = (bytes(size, 0), bytes(size, 1));
    dir.write("file", &old).unwrap();
    let source = dir.open("file").unwrap().into_std();
    let staging = create(&dir, size);
    store(&staging, &new, 0);
    let identity = FileIdentity::of_std(&source).unwrap();
    let blocks = [2, 1].map(|index| (index, cv_of(&old, index)));
    staging.copy_blocks(source_of(&source, &identity), &blocks).unwrap();
    is_true(&dir, &staging);
    let mut expected = old.clone();
    expected[..block_of(&new, 0).len()].copy_from_slice(block_of(&new, 0));
    let published = publish(staging, &dir).unwrap();
    assert!(dir.read("file").unwrap() == expected);
    let cvs = (0..3).map(|index| cv_of(&expected, index)).collect();
    assert_eq!(published.manifest, Manifest::new(size, cvs).unwrap());

    // The source has become shorter in the meantime.
    let staging = create(&dir, size);
    let source = dir.open("data").unwrap().into_std();
    let refused = staging.copy_blocks(source_of(&source, &identity), &[(1, cv_of(&old, 1))]);
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    assert_eq!(known(&staging), []);
}

/// A store through a mapping changes neither size nor times.
#[test]
fn copies_are_hashed_even_if_the_source_is_known() {
    let (_temp, dir) = scratch();
    let size = 2 * BLOCK_BYTES;
    let old = bytes(size, 0);
    dir.write("file", &old).unwrap();
    let source = dir.open("file").unwrap().into_std();
    let written = dir.open_with("file", OpenOptions::new().write(true)).unwrap().into_std();
    let blocks = [0, 1].map(|index| (index, cv_of(&old, index)));
    for (bytes, right) in [(&b"changed"[..], false), (&block_of(&old, 1)[..7], true)] {
        written.write_all_at(bytes, BLOCK_BYTES).unwrap();
        // As if it had not shown.
        let identity = FileIdentity::of_std(&source).unwrap();
        let staging = create(&dir, size);
        let taken = staging.copy_blocks(source_of(&source, &identity), &blocks);
        assert_eq!(taken.is_ok(), right, "{taken:?}");
        assert_eq!(known(&staging), if right { vec![0, 1] } else { vec![] });
    }
}

/// A program may set the modification time back.
#[test]
fn nothing_is_taken_over_from_a_version_whose_time_was_set_back() {
    let (_temp, dir) = scratch();
    let old = bytes(BLOCK_BYTES, 0);
    dir.write("file", &old).unwrap();
    let source = dir.open("file").unwrap().into_std();
    let hashed = FileIdentity::of_std(&source).unwrap();
    let nanos = Duration::from_nanos(u64::try_from(hashed.mtime_ns).unwrap());
    // The clock of the file system may stand still for some milliseconds.
    while FileIdentity::of_std(&source).unwrap().ctime_ns == hashed.ctime_ns {
        let written = dir.open_with("file", OpenOptions::new().write(true)).unwrap().into_std();
        written.write_all_at(b"changed", 0).unwrap();
        written.set_modified(SystemTime::UNIX_EPOCH + nanos).unwrap();
    }
    let staging = create(&dir, BLOCK_BYTES);
    let refused = staging.copy_blocks(source_of(&source, &hashed), &[(0, cv_of(&old, 0))]);
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
}

/// The copied bytes may then differ from the hashed ones, and must not be trusted: neither now nor
/// after a crash.
#[test]
fn nothing_is_taken_over_from_a_version_that_has_changed() {
    let (_temp, dir) = scratch();
    let size = 2 * BLOCK_BYTES;
    let old = bytes(size, 0);
    dir.write("file", &old).unwrap();
    let source = dir.open("file").unwrap().into_std();
    let identity = FileIdentity::of_std(&source).unwrap();
    let written = dir.open_with("file", OpenOptions::new().write(true)).unwrap().into_std();
    written.write_all_at(b"changed", BLOCK_BYTES).unwrap();
    written.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let staging = create(&dir, size);
    let blocks = [0, 1].map(|index| (index, cv_of(&old, index)));
    let refused = staging.copy_blocks(source_of(&source, &identity), &blocks);
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    assert_eq!(known(&staging), []);
    drop(staging);
    assert_eq!(recover_in(&dir, HERE).map_or(vec![], |staging| known(&staging)), []);
}
