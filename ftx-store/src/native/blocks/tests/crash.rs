//! Recovery after the process or the machine fails at any moment.

use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, OpenOptions};
use ftx_core::native::blocks::BLOCK_BYTES;

use super::{
    BlockStaging, ELSEWHERE, HERE, bytes, create, cv_of, files, is_true, known, publish,
    recover_in, scratch, store,
};
use crate::staging::cache_epoch::cache_epoch;
use crate::{BootId, Journal, JournalRecord, StoreError};

const SIZE: u64 = 3 * BLOCK_BYTES + 100;

/// Leaves a staging with the blocks of `order`, in that order, and returns the whole file.
fn leave(dir: &Dir, order: &[u64]) -> Vec<u8> {
    let data = bytes(SIZE, 0);
    let staging = create(dir, SIZE);
    order.iter().for_each(|&index| store(&staging, &data, index));
    data
}

/// Replaces the existing files as if the new ones had been written in this place.
fn put(dir: &Dir, data: &[u8], journal: &[u8]) {
    for path in ["data", "journal"] {
        let _ = dir.remove_file(path);
    }
    dir.write("data", data).unwrap();
    // The journal describes this file.
    let run = cache_epoch(HERE, &dir.open("data").unwrap().into_std());
    dir.write("journal", Journal::retold(journal, run)).unwrap();
}

/// The ends of the journal's records, starting with its magic.
fn record_ends(dir: &Dir) -> Vec<usize> {
    let mut ends = vec![8];
    let mut journal = Journal::open(dir, "journal".as_ref()).unwrap().unwrap();
    journal
        .for_each(|_, end| {
            ends.push(usize::try_from(end).unwrap());
            Ok(true)
        })
        .unwrap();
    ends
}

/// Recovers, checks that every recovered block is intact and otherwise nothing is left, and returns
/// the blocks.
fn recovered(dir: &Dir, boot: Option<BootId>) -> Vec<u64> {
    let Some(staging) = recover_in(dir, boot) else {
        assert_eq!(dir.entries().unwrap().count(), 0, "leftovers");
        return Vec::new();
    };
    is_true(dir, &staging);
    known(&staging)
}

#[test]
fn a_journal_cut_at_every_byte_keeps_the_recorded_blocks() {
    let (_temp, dir) = scratch();
    let order = [2, 0, 3, 1];
    let data = leave(&dir, &order);
    let journal = dir.read("journal").unwrap();
    let ends = record_ends(&dir);
    for len in 0..=journal.len() {
        put(&dir, &data, &journal[..len]);
        // The magic and the first record come before any block.
        let whole = ends.iter().filter(|&&end| end <= len).count().saturating_sub(2);
        let mut expected = order[..whole].to_vec();
        expected.sort_unstable();
        assert_eq!(recovered(&dir, HERE), expected, "{len}");
    }
    for boot in [ELSEWHERE, None] {
        for &len in &ends {
            put(&dir, &data, &journal[..len - 1]);
            let whole = ends.iter().filter(|&&end| end < len).count().saturating_sub(2);
            assert_eq!(recovered(&dir, boot).len(), whole, "{len}");
        }
    }
}

#[test]
fn data_that_is_too_short_costs_only_its_blocks() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[2, 0, 3, 1]);
    let journal = dir.read("journal").unwrap();
    let blocks = [0, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, SIZE]
        .map(|end| usize::try_from(end).unwrap());
    for boot in [HERE, ELSEWHERE, None] {
        for len in blocks.into_iter().flat_map(|end| [end.saturating_sub(1), end, end + 1]) {
            let len = len.min(data.len());
            put(&dir, &data[..len], &journal);
            let whole = blocks[1..].iter().filter(|&&end| end <= len).count() as u64;
            assert_eq!(recovered(&dir, boot), (0..whole).collect::<Vec<_>>(), "{boot:?} {len}");
        }
    }
}

/// After the data has grown again, a hole must not be taken for the lost block.
#[test]
fn a_block_that_was_lost_does_not_come_back() {
    for boot in [HERE, ELSEWHERE] {
        let (_temp, dir) = scratch();
        let data = leave(&dir, &[0, 1, 2]);
        dir.write("data", &data[..usize::try_from(BLOCK_BYTES).unwrap()]).unwrap();
        let staging = recover_in(&dir, boot).unwrap();
        assert_eq!(known(&staging), [0]);
        store(&staging, &data, 3);
        drop(staging);
        assert_eq!(recovered(&dir, boot), [0, 3]);
    }
}

#[test]
fn a_wrong_byte_is_noticed_in_another_kernel_run() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[2, 0, 3, 1]);
    let journal = dir.read("journal").unwrap();
    for boot in [ELSEWHERE, None] {
        for at in [0, BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7, 3 * BLOCK_BYTES, SIZE - 1]
        {
            let mut damaged = data.clone();
            damaged[usize::try_from(at).unwrap()] ^= 0x10;
            put(&dir, &damaged, &journal);
            let expected: Vec<u64> = (0..4).filter(|&index| index != at / BLOCK_BYTES).collect();
            assert_eq!(recovered(&dir, boot), expected, "{boot:?} {at}");
        }
    }
}

#[test]
fn the_same_kernel_run_is_believed_without_reading() {
    let (_temp, dir) = scratch();
    leave(&dir, &[1, 3]);
    dir.write("data", vec![0; usize::try_from(SIZE).unwrap()]).unwrap();
    assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [1, 3]);
    // Two unknown epochs are not equal.
    assert_eq!(recovered(&dir, None), []);
}

#[test]
fn verified_blocks_are_trusted_afterwards() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[0, 1, 2]);
    let at = usize::try_from(BLOCK_BYTES).unwrap();
    dir.write("data", [&data[..at], &vec![0; at], &data[2 * at..]].concat()).unwrap();
    let staging = recover_in(&dir, ELSEWHERE).unwrap();
    assert_eq!(known(&staging), [0, 2]);
    store(&staging, &data, 3);
    drop(staging);
    let journal = dir.metadata("journal").unwrap().len();
    let mut read = false;
    let again = BlockStaging::recover_with(&dir, files(), ELSEWHERE, &mut |_| {
        read = true;
        true
    });
    assert_eq!((known(&again.unwrap().staging().unwrap()), read), (vec![0, 2, 3], false));
    assert_eq!(dir.metadata("journal").unwrap().len(), journal);
    // In a third run everything is verified first.
    dir.write("data", vec![0; data.len()]).unwrap();
    assert_eq!(recovered(&dir, HERE), []);
}

#[test]
fn only_blocks_of_another_run_are_read() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[0]);
    let staging = recover_in(&dir, ELSEWHERE).unwrap();
    store(&staging, &data, 1);
    drop(staging);
    dir.write("data", vec![0; data.len()]).unwrap();
    // The last recovery verified block 0.
    assert_eq!(known(&recover_in(&dir, ELSEWHERE).unwrap()), [0, 1]);
    assert_eq!(recovered(&dir, HERE), []);
}

#[test]
fn verifying_can_be_stopped_and_started_again() {
    let (_temp, dir) = scratch();
    leave(&dir, &[0, 1, 2, 3]);
    let stopped = BlockStaging::recover_with(&dir, files(), ELSEWHERE, &mut |_| false);
    assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
    assert_eq!(recovered(&dir, ELSEWHERE), [0, 1, 2, 3]);
}

#[test]
fn leftovers_that_are_of_no_use_are_removed() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[0]);
    let journal = dir.read("journal").unwrap();
    for (has_data, left) in [
        (true, None),
        (false, Some(journal.clone())),
        (true, Some(Vec::new())),
        (true, Some(b"FTXJRNL2 of another version".to_vec())),
        (true, Some(journal[..record_ends(&dir)[1]].to_vec())),
        (true, Some([&journal[..8], &journal[record_ends(&dir)[1]..]].concat())),
    ] {
        put(&dir, &data, left.as_deref().unwrap_or_default());
        if !has_data {
            dir.remove_file("data").unwrap();
        }
        if left.is_none() {
            dir.remove_file("journal").unwrap();
        }
        assert_eq!(recovered(&dir, HERE), []);
        put(&dir, &data, &journal);
    }
}

#[test]
fn records_that_make_no_sense_end_the_reading() {
    let senseless = |index| JournalRecord::Block { index, cv: cv_of(b"x", 0) };
    let blocks = JournalRecord::Blocks { name: "n".into(), size: 1, boot: HERE, created_unix: 0 };
    for record in [senseless(4), senseless(u64::MAX), blocks] {
        let (_temp, dir) = scratch();
        let data = leave(&dir, &[0, 1]);
        let mut journal = Journal::open(&dir, "journal".as_ref()).unwrap().unwrap();
        journal.append(&record).unwrap();
        journal.append(&JournalRecord::Forget { index: 0 }).unwrap();
        drop(journal);
        let staging = recover_in(&dir, HERE).unwrap();
        assert_eq!(known(&staging), [0, 1]);
        // Blocks stored behind that record must still be recovered.
        store(&staging, &data, 2);
        drop(staging);
        assert_eq!(recovered(&dir, HERE), [0, 1, 2]);
    }
}

#[test]
fn a_crash_after_the_renaming_leaves_the_published_file_alone() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[0, 1, 2, 3]);
    dir.rename("data", &dir, "file").unwrap();
    assert!(recover_in(&dir, HERE).is_none());
    assert!(dir.read("file").unwrap() == data);
    assert_eq!(dir.entries().unwrap().count(), 1);
}

/// Its age decides when it is removed.
#[test]
fn looking_at_a_staging_does_not_make_it_younger() {
    let (_temp, dir) = scratch();
    leave(&dir, &[0, 1]);
    let age = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for path in ["data", "journal"] {
        let file = dir.open_with(path, OpenOptions::new().write(true)).unwrap();
        file.into_std().set_modified(age).unwrap();
    }
    assert_eq!(recovered(&dir, HERE), [0, 1]);
    for path in ["data", "journal"] {
        let modified = dir.metadata(path).unwrap().modified().unwrap().into_std();
        assert_eq!(modified, age, "{path}");
    }
}

/// The epoch covers the bytes written to a file, not those of a copy, which may be older than the
/// journal.
#[test]
fn a_copy_of_a_staging_is_not_believed_unread() {
    let (_temp, dir) = scratch();
    let mut data = leave(&dir, &[0, 1, 2, 3]);
    dir.create_dir("copy").unwrap();
    let copy = dir.open_dir("copy").unwrap();
    dir.copy("data", &copy, "data").unwrap();
    dir.copy("journal", &copy, "journal").unwrap();
    data[..usize::try_from(BLOCK_BYTES).unwrap()].fill(0);
    copy.write("data", &data).unwrap();
    assert_eq!(recovered(&copy, HERE), [1, 2, 3]);
    assert_eq!(recovered(&dir, HERE), [0, 1, 2, 3]);
}

/// A backup made of links, or publishing by a link: the file of the second name must stay as it is,
/// and the staged data must not be lost.
#[cfg(unix)]
#[test]
fn a_staging_with_another_name_is_gone_on_with_and_leaves_that_alone() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[1, 3]);
    let before = dir.read("data").unwrap();
    dir.hard_link("data", &dir, "backup").unwrap();
    let staging = recover_in(&dir, HERE).unwrap();
    assert_eq!(known(&staging), [1, 3]);
    is_true(&dir, &staging);
    store(&staging, &data, 0);
    store(&staging, &data, 2);
    publish(staging, &dir).unwrap();
    assert!(dir.read("file").unwrap() == data);
    assert!(dir.read("backup").unwrap() == before);
    assert_eq!(dir.entries().unwrap().count(), 2);
}
