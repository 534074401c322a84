//! Partial files that other users could have written, and access to our own.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use cap_std::fs::{Dir, Permissions, PermissionsExt as _};
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::Meta;

use super::{HERE, bytes, create, cv_of, files, known, recover_in, scratch, store};
use crate::staging::cache_epoch::cache_epoch;
use crate::{BlockStaging, Existing, Journal, JournalRecord};

const SIZE: u64 = 3 * BLOCK_BYTES + 100;

/// Leaves all blocks of a file, with a journal of the present epoch.
fn leave(dir: &Dir, seed: u8) -> Vec<u8> {
    let data = bytes(SIZE, seed);
    let staging = create(dir, SIZE);
    (0..4).for_each(|index| store(&staging, &data, index));
    data
}

fn recovered(dir: &Dir) -> Vec<u64> {
    recover_in(dir, HERE).map(|staging| known(&staging)).unwrap_or_default()
}

fn mode(dir: &Dir, path: &str) -> u32 {
    dir.metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(dir: &Dir, path: &str, mode: u32) {
    dir.set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn give_to_our_group(path: &Path) {
    chown(path, None, Some(rustix::process::getegid().as_raw())).unwrap();
}

/// Starts anew over the existing file: the old bytes are not in the new file, and the old file is
/// not written to.
fn begins_anew(dir: &Dir) {
    let mut before = dir.open("data").unwrap();
    let old_bytes = dir.read("data").unwrap();
    let staging = create(dir, SIZE);
    let now = staging.reader().unwrap().metadata().unwrap();
    assert!(now.ino() != before.try_clone().unwrap().into_std().metadata().unwrap().ino());
    assert_eq!((now.len(), now.mode() & 0o7777), (0, 0o600));
    assert_eq!(mode(dir, "journal"), 0o600);
    assert!(staging.block_map().known() == 0);
    let new = bytes(SIZE, 9);
    (0..4).for_each(|index| store(&staging, &new, index));
    drop(staging);
    assert_eq!(recovered(dir), [0, 1, 2, 3]);
    assert!(dir.read("data").unwrap() == new);
    let mut kept = Vec::new();
    before.read_to_end(&mut kept).unwrap();
    assert!(kept == old_bytes);
}

#[test]
fn data_that_others_can_write_is_not_resumed() {
    let (_temp, dir) = scratch();
    for bits in [0o666, 0o602, 0o646] {
        leave(&dir, 0);
        set_mode(&dir, "data", bits);
        assert_eq!(recovered(&dir), [0_u64; 0], "{bits:o}");
        begins_anew(&dir);
    }
}

#[test]
fn data_is_not_resumed_with_a_journal_that_others_can_write() {
    let (_temp, dir) = scratch();
    leave(&dir, 0);
    set_mode(&dir, "journal", 0o666);
    assert_eq!(BlockStaging::purpose_of(&dir, &files()).unwrap(), None);
    assert_eq!(recovered(&dir), [0_u64; 0]);
    leave(&dir, 0);
    set_mode(&dir, "journal", 0o666);
    begins_anew(&dir);
}

#[test]
fn of_data_that_our_group_can_write_the_right_blocks_are_resumed() {
    let (temp, dir) = scratch();
    for (bits, flipped, expected) in [
        (0o664, false, vec![0, 1, 2, 3]),
        (0o664, true, vec![0, 2, 3]),
        // Data that only this user could have written is not read.
        (0o644, true, vec![0, 1, 2, 3]),
    ] {
        let mut data = leave(&dir, 0);
        data[usize::try_from(BLOCK_BYTES).unwrap() + 5] ^= u8::from(flipped);
        dir.write("data", &data).unwrap();
        give_to_our_group(&temp.path().join("data"));
        set_mode(&dir, "data", bits);
        assert_eq!(recovered(&dir), expected, "{bits:o} {flipped}");
        // Every time: after a verification it may have been written to again.
        assert_eq!(recovered(&dir), expected, "{bits:o} {flipped}");
    }
}

/// A verification does not count for the next recovery.
#[test]
fn data_that_our_group_can_write_is_read_each_time_it_is_resumed() {
    let (temp, dir) = scratch();
    let mut data = leave(&dir, 0);
    give_to_our_group(&temp.path().join("data"));
    set_mode(&dir, "data", 0o664);
    assert_eq!(recovered(&dir), [0, 1, 2, 3]);
    data[5] ^= 1;
    dir.write("data", &data).unwrap();
    assert_eq!(recovered(&dir), [1, 2, 3]);
}

/// Its records are trusted no more than the data would be.
#[test]
fn a_journal_that_our_group_can_write_is_compared_with_the_data() {
    let (temp, dir) = scratch();
    for (bits, expected) in [(0o664, vec![0]), (0o644, vec![0, 1])] {
        let data = bytes(SIZE, 0);
        let staging = create(&dir, SIZE);
        store(&staging, &data, 0);
        store(&staging, &bytes(SIZE, 1), 3);
        drop(staging);
        let mut journal = Journal::open(&dir, Path::new("journal")).unwrap().unwrap();
        journal.append(&JournalRecord::Forget { index: 3 }).unwrap();
        journal.append(&JournalRecord::Block { index: 1, cv: cv_of(&data, 1) }).unwrap();
        drop(journal);
        give_to_our_group(&temp.path().join("journal"));
        set_mode(&dir, "journal", bits);
        assert_eq!(recovered(&dir), expected, "{bits:o}");
    }
}

#[test]
fn a_link_in_the_place_of_a_partial_file_is_replaced_and_not_followed() {
    for name in ["data", "journal"] {
        let (_temp, dir) = scratch();
        leave(&dir, 0);
        dir.rename(name, &dir, "target").unwrap();
        dir.symlink("target", name).unwrap();
        let target = dir.read("target").unwrap();
        assert_eq!(recovered(&dir), [0_u64; 0], "{name}");
        if !dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink()) {
            dir.symlink("target", name).unwrap();
        }
        let staging = create(&dir, SIZE);
        store(&staging, &bytes(SIZE, 9), 2);
        drop(staging);
        assert!(dir.symlink_metadata(name).unwrap().is_file(), "{name}");
        assert!(dir.read("target").unwrap() == target, "{name}");
        assert_eq!(recovered(&dir), [2], "{name}");
    }
}

#[test]
fn a_partial_file_of_another_user_is_not_resumed() {
    let (temp, dir) = scratch();
    for name in ["data", "journal"] {
        leave(&dir, 0);
        if chown(temp.path().join(name), Some(65534), None).is_err() {
            println!("skipped: this user cannot give files away");
            return;
        }
        assert_eq!(recovered(&dir), [0_u64; 0], "{name}");
        leave(&dir, 0);
        chown(temp.path().join(name), Some(65534), None).unwrap();
        begins_anew(&dir);
    }
}

/// A copy of data with a second name belongs to this user alone; the origin of its bytes is another
/// question.
#[test]
fn data_with_another_name_is_read_before_it_is_resumed() {
    let (_temp, dir) = scratch();
    let mut data = leave(&dir, 0);
    data[5] ^= 1;
    dir.write("data", &data).unwrap();
    dir.hard_link("data", &dir, "other").unwrap();
    assert_eq!(recovered(&dir), [1, 2, 3]);
    assert_eq!(mode(&dir, "data"), 0o600);
}

#[test]
fn a_file_is_open_to_others_only_when_it_is_published() {
    let (_temp, dir) = scratch();
    dir.write("new", "").unwrap();
    let new = mode(&dir, "new");
    for executable in [false, true] {
        let data = leave(&dir, 0);
        assert_eq!((mode(&dir, "data"), mode(&dir, "journal")), (0o600, 0o600));
        let meta = Meta { executable, ..Meta::default() };
        let staging = recover_in(&dir, HERE).unwrap();
        staging.publish(&dir, Path::new("file"), &meta, Existing::Replace).unwrap();
        let expected = if executable { new | (new & 0o444) >> 2 } else { new };
        assert_eq!(mode(&dir, "file"), expected);
        assert!(dir.read("file").unwrap() == data);
    }
}

/// The cache epoch of the data is not secret, so it makes no journal trustworthy.
#[test]
fn a_planted_pair_that_names_this_kernel_run_is_not_resumed() {
    let (_temp, dir) = scratch();
    leave(&dir, 0);
    let journal = dir.read("journal").unwrap();
    for path in ["data", "journal"] {
        dir.remove_file(path).unwrap();
    }
    dir.write("data", bytes(SIZE, 1)).unwrap();
    let run = cache_epoch(HERE, &dir.open("data").unwrap().into_std());
    dir.write("journal", Journal::retold(&journal, run)).unwrap();
    for path in ["data", "journal"] {
        set_mode(&dir, path, 0o666);
    }
    assert_eq!(recovered(&dir), [0_u64; 0]);
    begins_anew(&dir);
}
