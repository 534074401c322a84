//! Partial files that other users could have written, and access to our own.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use cap_std::fs::{Dir, Permissions, PermissionsExt as _};

use super::{bytes, create, files, hasher_of, scratch};
use crate::{BootId, Journal, JournalRecord, PrefixStaging, StoreError};

const HERE: Option<BootId> = Some(BootId([1; 16]));

/// The size of the partial file left behind.
const LEFT_BYTES: usize = 5000;

/// Leaves a partial file with a journal of the present epoch.
fn leave(dir: &Dir) -> Vec<u8> {
    let data = bytes(LEFT_BYTES);
    let mut staging = create(dir).with_boot(HERE);
    staging.write(&data).unwrap();
    staging.suspend().unwrap();
    data
}

fn recovered(dir: &Dir) -> Option<u64> {
    let recovered = PrefixStaging::recover_with(dir, files(), HERE, &mut |_| true);
    recovered.unwrap().map(|staging| staging.len())
}

fn mode(dir: &Dir, path: &str) -> u32 {
    dir.metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(dir: &Dir, path: &str, mode: u32) {
    dir.set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Starts anew over the existing file: the old bytes are not in the new file, and the old file is
/// not written to.
fn begins_anew(dir: &Dir) {
    let before = dir.open("data").unwrap().into_std();
    let old_bytes = dir.read("data").unwrap();
    let mut staging = PrefixStaging::create(dir, files(), "a/name").unwrap();
    let now = staging.open_data().unwrap().metadata().unwrap();
    assert!(now.ino() != before.metadata().unwrap().ino());
    assert_eq!((now.len(), now.mode() & 0o7777), (0, 0o600));
    staging.write(b"new").unwrap();
    staging.suspend().unwrap();
    assert_eq!((mode(dir, "data"), mode(dir, "journal")), (0o600, 0o600));
    assert_eq!(dir.read("data").unwrap(), b"new");
    let mut kept = Vec::new();
    std::io::Read::read_to_end(&mut &before, &mut kept).unwrap();
    assert!(kept == old_bytes);
}

#[test]
fn data_that_others_can_write_is_not_resumed() {
    let (_temp, dir) = scratch();
    for bits in [0o666, 0o602, 0o646] {
        leave(&dir);
        set_mode(&dir, "data", bits);
        assert_eq!(recovered(&dir), None, "{bits:o}");
        begins_anew(&dir);
    }
}

#[test]
fn data_is_not_resumed_with_a_journal_that_others_can_write() {
    let (_temp, dir) = scratch();
    leave(&dir);
    set_mode(&dir, "journal", 0o666);
    assert_eq!(PrefixStaging::name_of(&dir, &files()).unwrap(), None);
    assert_eq!(recovered(&dir), None);
    leave(&dir);
    set_mode(&dir, "journal", 0o666);
    begins_anew(&dir);
    assert_eq!(recovered(&dir), Some(3));
}

#[test]
fn data_that_our_group_can_write_is_resumed_only_as_far_as_it_is_right() {
    let (temp, dir) = scratch();
    for (bits, flipped, expected) in [
        (0o664, false, Some(LEFT_BYTES as u64)),
        (0o664, true, None),
        // Data that only this user could have written is not read.
        (0o644, true, Some(LEFT_BYTES as u64)),
    ] {
        let mut data = leave(&dir);
        let group = rustix::process::getegid().as_raw();
        chown(temp.path().join("data"), None, Some(group)).unwrap();
        data[100] ^= u8::from(flipped);
        dir.write("data", &data).unwrap();
        set_mode(&dir, "data", bits);
        assert_eq!(recovered(&dir), expected, "{bits:o} {flipped}");
    }
}

/// Its records are trusted no more than the data would be.
#[test]
fn a_journal_that_our_group_can_write_is_compared_with_the_data() {
    let (temp, dir) = scratch();
    for (bits, expected) in [(0o664, 5), (0o644, LEFT_BYTES as u64)] {
        let mut staging = create(&dir).with_boot(HERE);
        staging.write(b"right").unwrap();
        staging.suspend().unwrap();
        let boot =
            crate::staging::cache_epoch::cache_epoch(HERE, &dir.open("data").unwrap().into_std());
        dir.write("data", [b"right", &bytes(LEFT_BYTES - 5)[..]].concat()).unwrap();
        let mut journal = Journal::open(&dir, Path::new("journal")).unwrap().unwrap();
        let hasher = hasher_of(&bytes(LEFT_BYTES)).save();
        journal.append(&JournalRecord::Checkpoint { boot, hasher }).unwrap();
        drop(journal);
        let group = rustix::process::getegid().as_raw();
        chown(temp.path().join("journal"), None, Some(group)).unwrap();
        set_mode(&dir, "journal", bits);
        assert_eq!(recovered(&dir), Some(expected), "{bits:o}");
    }
}

#[test]
fn a_link_in_the_place_of_a_partial_file_is_replaced_and_not_followed() {
    for name in ["data", "journal"] {
        let (_temp, dir) = scratch();
        leave(&dir);
        dir.rename(name, &dir, "target").unwrap();
        dir.symlink("target", name).unwrap();
        let target = dir.read("target").unwrap();
        assert_eq!(recovered(&dir), None, "{name}");
        if !dir.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink()) {
            dir.symlink("target", name).unwrap();
        }
        let mut staging = PrefixStaging::create(&dir, files(), "a/name").unwrap();
        staging.write(b"new").unwrap();
        staging.suspend().unwrap();
        assert!(dir.symlink_metadata(name).unwrap().is_file(), "{name}");
        assert!(dir.read("target").unwrap() == target, "{name}");
        assert_eq!(recovered(&dir), Some(3), "{name}");
    }
}

#[test]
fn a_partial_file_of_another_user_is_not_resumed() {
    let (temp, dir) = scratch();
    for name in ["data", "journal"] {
        leave(&dir);
        if chown(temp.path().join(name), Some(65534), None).is_err() {
            println!("skipped: this user cannot give files away");
            return;
        }
        assert_eq!(recovered(&dir), None, "{name}");
        leave(&dir);
        chown(temp.path().join(name), Some(65534), None).unwrap();
        begins_anew(&dir);
        assert_eq!(recovered(&dir), Some(3), "{name}");
    }
}

#[test]
fn a_file_is_open_to_others_only_when_it_is_published() {
    let (_temp, dir) = scratch();
    dir.write("source", "some bytes").unwrap();
    let new = mode(&dir, "source");
    let source = dir.open("source").unwrap();
    let adopted = PrefixStaging::adopt(&dir, files(), "n", &source, hasher_of(b"some")).unwrap();
    assert_eq!(mode(&dir, "data"), 0o600);
    adopted.discard().unwrap();
    let mut staging = create(&dir).journalled().unwrap();
    staging.write(b"bytes").unwrap();
    staging.suspend().unwrap();
    assert_eq!((mode(&dir, "data"), mode(&dir, "journal")), (0o600, 0o600));
    super::recover(&dir).publish(&dir, Path::new("file")).unwrap();
    assert_eq!(mode(&dir, "file"), new);
}

#[test]
fn a_source_with_other_bytes_than_were_hashed_is_not_adopted() {
    let (_temp, dir) = scratch();
    let data = bytes(300_000);
    for at in [0, 150_000, 199_999] {
        let mut changed = data.clone();
        changed[at] ^= 1;
        dir.write("source", &changed).unwrap();
        let source = dir.open("source").unwrap();
        let hasher = hasher_of(&data[..200_000]);
        let refused = PrefixStaging::adopt(&dir, files(), "n", &source, hasher.clone());
        assert!(matches!(refused, Err(StoreError::Changed { .. })), "{at}: {refused:?}");
        assert_eq!(dir.entries().unwrap().count(), 1);
        // The bytes of a staging, which only this user could have written, are not read.
        let staging = PrefixStaging::adopt_private(&dir, files(), "n", &source, hasher).unwrap();
        assert_eq!(staging.len(), 200_000);
        staging.discard().unwrap();
    }
    // Bytes beyond do not matter.
    let mut changed = data.clone();
    changed[200_000] ^= 1;
    dir.write("source", &changed).unwrap();
    let source = dir.open("source").unwrap();
    PrefixStaging::adopt(&dir, files(), "n", &source, hasher_of(&data[..200_000])).unwrap();
}
