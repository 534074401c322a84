//! Failing disks, and competition for the same file.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::PoisonError;

use cap_std::fs::Dir;
use ftx_core::native::blocks::BLOCK_BYTES;

use super::{
    BlockStaging, ELSEWHERE, HERE, bytes, create, cv_of, files, is_true, known, publish,
    recover_in, scratch, store,
};
use crate::staging::flusher::Flusher;
use crate::staging::locked_file::LockedFile;
use crate::{Durability, SYNC_INTERVAL_BYTES, StoreError};

/// A file opened for reading refuses writes, as a full disk does.
fn unwritable(dir: &Dir, path: &str) -> std::fs::File {
    dir.open(path).unwrap().into_std()
}

/// Otherwise a full disk would leave data without a journal, which nobody takes for a staging.
#[test]
fn a_staging_that_cannot_begin_leaves_nothing() {
    let (_temp, dir) = scratch();
    let too_long = "x".repeat(70_000);
    BlockStaging::create(&dir, files(), &too_long, BLOCK_BYTES).unwrap_err();
    assert_eq!(dir.entries().unwrap().count(), 0);
    // The journal's name is taken by something that cannot be removed.
    dir.create_dir("journal").unwrap();
    BlockStaging::create(&dir, files(), "name", BLOCK_BYTES).unwrap_err();
    assert!(!dir.exists("data"));
}

#[test]
fn a_failed_write_costs_only_its_block() {
    let (_temp, dir) = scratch();
    let data = bytes(3 * BLOCK_BYTES, 0);
    let mut staging = create(&dir, 3 * BLOCK_BYTES);
    store(&staging, &data, 0);
    store(&staging, &data, 1);
    let good = staging.locked.swap_file(unwritable(&dir, "data"));
    for block in [1, 2] {
        let refused = staging.write_at(block * BLOCK_BYTES, b"other");
        assert!(matches!(refused, Err(StoreError::Io { op: "write", .. })), "{refused:?}");
    }
    // The disk may have taken part of it.
    assert_eq!(known(&staging), [0]);
    staging.locked.swap_file(good);
    store(&staging, &data, 2);
    drop(staging);
    let staging = recover_in(&dir, HERE).unwrap();
    assert_eq!(known(&staging), [0, 2]);
    store(&staging, &data, 1);
    publish(staging, &dir).unwrap();
    assert!(dir.read("file").unwrap() == data);
}

#[test]
fn a_failing_journal_keeps_the_known_blocks() {
    let (_temp, dir) = scratch();
    let data = bytes(2 * BLOCK_BYTES, 0);
    let mut staging = create(&dir, 2 * BLOCK_BYTES);
    store(&staging, &data, 0);
    let journal = unwritable(&dir, "journal");
    let entries = staging.log.entries.get_mut().unwrap();
    let good = entries.journal.swap_file(journal);

    staging.write_at(BLOCK_BYTES, &data[..5]).unwrap();
    let refused = staging.stored(1, cv_of(&data, 1));
    assert!(matches!(refused, Err(StoreError::Io { op: "write", .. })), "{refused:?}");
    // A block that cannot be forgotten must not be overwritten either.
    let refused = staging.write_at(0, b"other");
    assert!(matches!(refused, Err(StoreError::Io { op: "write", .. })), "{refused:?}");
    assert_eq!(known(&staging), [0]);
    is_true(&dir, &staging);

    staging.log.entries.get_mut().unwrap().journal.swap_file(good);
    store(&staging, &data, 1);
    drop(staging);
    let staging = recover_in(&dir, HERE).unwrap();
    assert_eq!(known(&staging), [0, 1]);
    is_true(&dir, &staging);
}

#[test]
fn bytes_beyond_the_end_are_refused() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, BLOCK_BYTES + 1);
    for (offset, len) in [(BLOCK_BYTES + 1, 1), (BLOCK_BYTES, 2), (u64::MAX, 1), (u64::MAX - 1, 4)]
    {
        let refused = staging.write_at(offset, &vec![0; len]);
        assert!(matches!(refused, Err(StoreError::Io { .. })), "{offset}");
    }
    let cv = cv_of(b"x", 0);
    let source = dir.open("data").unwrap().into_std();
    for index in [2, u64::MAX] {
        assert!(matches!(staging.stored(index, cv), Err(StoreError::Io { .. })));
        let taken = staging.copy_blocks(&source, &[(index, cv)], &mut |_| true);
        assert!(matches!(taken, Err(StoreError::Io { .. })));
    }
    assert_eq!((known(&staging), dir.metadata("data").unwrap().len()), (vec![], 0));
}

fn failing() -> Flusher {
    Flusher::ending_with(Err(io::Error::from_raw_os_error(5)))
}

#[test]
fn after_a_failed_sync_only_the_bytes_on_disk_count() {
    let outcomes: [fn(BlockStaging) -> Result<(), StoreError>; 3] = [
        |staging| {
            let cv = staging.block_map().get(1).unwrap();
            (0..SYNC_INTERVAL_BYTES / BLOCK_BYTES).try_for_each(|_| staging.stored(1, cv))
        },
        BlockStaging::suspend,
        |staging| publish(staging, &scratch().1).map(|_| ()),
    ];
    for outcome in outcomes {
        let (_temp, dir) = scratch();
        let data = bytes(2 * BLOCK_BYTES, 0);
        let staging = create(&dir, 2 * BLOCK_BYTES).with_durability(Durability::Full);
        store(&staging, &data, 0);
        store(&staging, &data, 1);
        *staging.log.flusher.lock().unwrap() = failing();
        let told = outcome(staging);
        assert!(matches!(told, Err(StoreError::Io { op: "sync", .. })), "{told:?}");
        // The pages of the second block were lost.
        let mut lost = data.clone();
        lost[usize::try_from(BLOCK_BYTES).unwrap()..].fill(0);
        dir.write("data", lost).unwrap();
        let staging = recover_in(&dir, HERE).unwrap();
        assert_eq!(known(&staging), [0]);
        store(&staging, &data, 1);
        drop(staging);
        // Verified blocks, and later ones, are believed again.
        dir.write("data", vec![0; data.len()]).unwrap();
        assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [0, 1]);
    }
}

#[test]
fn a_staging_that_failed_to_sync_does_no_more() {
    let (_temp, dir) = scratch();
    let data = bytes(BLOCK_BYTES, 0);
    let staging = create(&dir, BLOCK_BYTES);
    store(&staging, &data, 0);
    assert!(staging.log.note_sync(Err(io::Error::from_raw_os_error(5))).is_err());
    assert!(matches!(staging.write_at(0, b"x"), Err(StoreError::Failed { .. })));
    assert!(matches!(staging.stored(0, cv_of(&data, 0)), Err(StoreError::Failed { .. })));
    let refused = publish(staging, &dir);
    assert!(matches!(refused, Err(StoreError::Failed { .. })), "{refused:?}");
    assert!(!dir.exists("file"));
}

#[test]
fn a_failed_sync_that_cannot_be_noted_gives_the_staging_up() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir, 1);
    store(&staging, b"x", 0);
    staging.log.entries.get_mut().unwrap().journal.swap_file(unwritable(&dir, "journal"));
    *staging.log.flusher.lock().unwrap_or_else(PoisonError::into_inner) = failing();
    assert!(staging.suspend().is_err());
    assert!(recover_in(&dir, HERE).is_none());
}

#[test]
fn a_publish_that_fails_costs_nothing() {
    let (_temp, dir) = scratch();
    dir.create_dir_all("file/full").unwrap();
    let staging = create(&dir, 1);
    store(&staging, b"x", 0);
    let refused = publish(staging, &dir);
    assert!(matches!(refused, Err(StoreError::IsDirectory { .. })), "{refused:?}");
    dir.remove_dir_all("file").unwrap();
    publish(recover_in(&dir, ELSEWHERE).unwrap(), &dir).unwrap();
    assert_eq!(dir.read("file").unwrap(), b"x");
}

#[test]
fn a_staging_has_its_files_for_itself() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 1);
    store(&staging, b"x", 0);
    let second = BlockStaging::create(&dir, files(), "n", 1);
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    let second = BlockStaging::recover(&dir, files());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    staging.suspend().unwrap();
    assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [0]);
}

/// Unreadable is not unusable: the file may become readable later.
#[test]
fn an_unreadable_staging_is_not_destroyed() {
    for path in ["journal", "data"] {
        let (_temp, dir) = scratch();
        let staging = create(&dir, 1);
        store(&staging, b"x", 0);
        drop(staging);
        dir.rename(path, &dir, "away").unwrap();
        dir.create_dir(path).unwrap();
        let refused = BlockStaging::recover_with(&dir, files(), HERE, &mut |_| true);
        assert!(refused.is_err(), "{refused:?}");
        dir.remove_dir(path).unwrap();
        dir.rename("away", &dir, path).unwrap();
        assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [0]);
    }
}

/// The kernel reports lost pages once: if no one notices, the next sync seems to succeed.
#[test]
fn a_sync_that_fails_when_nothing_waits_for_it_is_noted() {
    let ends: [fn(BlockStaging); 3] = [
        drop,
        |staging| assert!(publish(staging, &scratch().1).is_err()),
        |staging| assert!(staging.into_prefix().is_err()),
    ];
    for end in ends {
        let (_temp, dir) = scratch();
        let data = bytes(3 * BLOCK_BYTES, 0);
        let staging = create(&dir, 3 * BLOCK_BYTES).with_durability(Durability::Full);
        store(&staging, &data, 0);
        store(&staging, &data, 1);
        *staging.log.flusher.lock().unwrap() = failing();
        end(staging);
        let locked = LockedFile::open(&dir, "data".as_ref(), &mut |_| true).unwrap().unwrap();
        locked.file().write_all_at(&[0; 100], BLOCK_BYTES).unwrap();
        drop(locked);
        assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [0]);
    }
}

/// A discarded staging needs no sync, and must not touch the journal of another one.
#[test]
fn a_discarded_staging_waits_for_nothing() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 1);
    store(&staging, b"x", 0);
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    *staging.log.flusher.lock().unwrap() = Flusher::waiting_for(receiver);
    staging.discard().unwrap();
    drop(sender);
    assert_eq!(dir.entries().unwrap().count(), 0);
}
