use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::Cv;
use tempfile::TempDir;

use super::{Journal, JournalRecord};
use crate::{BootId, PrefixHasher, StoreError};

fn scratch() -> (TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

fn begin() -> JournalRecord {
    JournalRecord::Begin { name: "é/b".into(), boot: Some(BootId([7; 16])), created_unix: 1 }
}

fn checkpoint(len: usize) -> JournalRecord {
    let mut hasher = PrefixHasher::new();
    hasher.update(&vec![b'a'; len]);
    JournalRecord::Checkpoint { boot: None, hasher: hasher.save() }
}

fn records(journal: &mut Journal) -> Vec<JournalRecord> {
    let mut records = Vec::new();
    journal
        .for_each(|record, _| {
            records.push(record);
            Ok(true)
        })
        .unwrap();
    records
}

fn path() -> &'static Path {
    Path::new("journal")
}

fn write(dir: &Dir, records: &[JournalRecord]) {
    let mut journal = Journal::create(dir, path()).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
}

/// The bytes are the format: if this test must change, so must the magic.
#[test]
fn the_bytes_are_as_specified() {
    let (_temp, dir) = scratch();
    write(&dir, &[begin(), checkpoint(2), JournalRecord::Distrust]);
    let hex: String = dir.read(path()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    #[rustfmt::skip]
    let golden = [
        "4654584a524e4c31",                 // magic
        "29000000", "1ab961a5",                 // 41 bytes, checksum
        "00000000",                         // Begin
        "0400000000000000", "c3a92f62",     // name
        "01", "07070707070707070707070707070707", // boot
        "0100000000000000",                 // created_unix
        "6d000000", "c94ad58e",                 // 109 bytes, checksum
        "01000000",                         // Checkpoint
        "00",                               // no boot
        "0200000000000000",                 // length of the data
        "5800000000000000",                 // 88 bytes of hasher
        "0123456789abcdeffedcba9876543210", // MD5 state
        "0000000000000000",                 // blocks
        "02", "6161", &"00".repeat(61),     // 2 bytes of the next block
        "04000000", "1819614b",                 // 4 bytes, checksum
        "02000000",                         // Distrust
    ];
    assert_eq!(hex, golden.concat());
}

/// As above, for the records of a staging of blocks.
#[test]
fn the_bytes_of_blocks_are_as_specified() {
    let (_temp, dir) = scratch();
    let boot = Some(BootId([7; 16]));
    write(
        &dir,
        &[
            JournalRecord::Blocks { name: "é/b".into(), size: 3 << 20, boot, created_unix: 1 },
            JournalRecord::Block { index: 2, cv: Cv([0xab; 32]) },
            JournalRecord::Forget { index: 2 },
            JournalRecord::Epoch { boot: None },
        ],
    );
    let hex: String = dir.read(path()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    #[rustfmt::skip]
    let golden = [
        "4654584a524e4c31",                 // magic
        "31000000", "be1b1266",                 // 49 bytes, checksum
        "03000000",                         // Blocks
        "0400000000000000", "c3a92f62",     // name
        "0000300000000000",                 // size
        "01", "07070707070707070707070707070707", // boot
        "0100000000000000",                 // created_unix
        "2c000000", "22bf9004",                 // 44 bytes, checksum
        "04000000",                         // Block
        "0200000000000000",                 // index
        &"ab".repeat(32),                   // chaining value
        "0c000000", "003a81e6",                 // 12 bytes, checksum
        "06000000",                         // Forget
        "0200000000000000",                 // index
        "05000000", "91de7e64",                 // 5 bytes, checksum
        "05000000",                         // Run
        "00",                               // no boot
    ];
    assert_eq!(hex, golden.concat());
}

/// As above, for the first record of a staging that belongs to a principal.
#[test]
fn the_bytes_of_owned_blocks_are_as_specified() {
    let (_temp, dir) = scratch();
    let (name, principal) = ("é/b".into(), "user:é".into());
    let size = 3 << 20;
    write(
        &dir,
        &[JournalRecord::OwnedBlocks { name, size, boot: None, created_unix: 1, principal }],
    );
    let hex: String = dir.read(path()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    #[rustfmt::skip]
    let golden = [
        "4654584a524e4c31",                 // magic
        "30000000", "818c9ed9",                 // 48 bytes, checksum
        "07000000",                         // OwnedBlocks
        "0400000000000000", "c3a92f62",     // name
        "0000300000000000",                 // size
        "00",                               // no boot
        "0100000000000000",                 // created_unix
        "0700000000000000", "757365723ac3a9", // principal
    ];
    assert_eq!(hex, golden.concat());
}

#[test]
fn records_come_back_and_more_can_be_appended() {
    let (_temp, dir) = scratch();
    assert!(Journal::open(&dir, path()).unwrap().is_none());
    write(&dir, &[begin(), checkpoint(1)]);
    let mut journal = Journal::open(&dir, path()).unwrap().unwrap();
    journal.append(&checkpoint(2)).unwrap();
    assert_eq!(records(&mut journal), [begin(), checkpoint(1), checkpoint(2)]);
    drop(journal);
    let mut journal = Journal::open(&dir, path()).unwrap().unwrap();
    assert_eq!(records(&mut journal), [begin(), checkpoint(1), checkpoint(2)]);
}

#[test]
fn cutting_forgets_later_records() {
    let (_temp, dir) = scratch();
    write(&dir, &[begin(), checkpoint(1), checkpoint(2)]);
    let mut journal = Journal::open(&dir, path()).unwrap().unwrap();
    let mut ends = Vec::new();
    journal
        .for_each(|_, end| {
            ends.push(end);
            Ok(ends.len() < 2)
        })
        .unwrap();
    assert_eq!(ends.len(), 2);
    journal.cut(ends[1]).unwrap();
    journal.append(&JournalRecord::Distrust).unwrap();
    assert_eq!(records(&mut journal), [begin(), checkpoint(1), JournalRecord::Distrust]);
}

#[test]
fn a_journal_cut_anywhere_keeps_its_complete_records_and_can_be_appended() {
    let (_temp, dir) = scratch();
    let all = [begin(), checkpoint(70), JournalRecord::Distrust, checkpoint(99)];
    write(&dir, &all);
    let bytes = dir.read(path()).unwrap();
    // Lengths of the file at which all its records are complete.
    let mut ends = vec![8];
    Journal::open(&dir, path())
        .unwrap()
        .unwrap()
        .for_each(|_, end| {
            ends.push(usize::try_from(end).unwrap());
            Ok(true)
        })
        .unwrap();
    let mut kept = 0;
    for len in 0..=bytes.len() {
        dir.write(path(), &bytes[..len]).unwrap();
        let Some(mut journal) = Journal::open(&dir, path()).unwrap() else {
            assert!(len < 8, "{len}");
            continue;
        };
        let found = records(&mut journal);
        assert_eq!(found, all[..found.len()]);
        let torn = dir.metadata(path()).unwrap().len() < len as u64;
        assert_eq!(torn, !ends.contains(&len), "{len}");
        assert!((kept..=kept + 1).contains(&found.len()), "{len}: {}", found.len());
        kept = found.len();
        journal.append(&checkpoint(5)).unwrap();
        drop(journal);
        let mut journal = Journal::open(&dir, path()).unwrap().unwrap();
        assert_eq!(records(&mut journal).len(), kept + 1);
        assert_eq!(records(&mut journal)[kept], checkpoint(5));
    }
    assert_eq!(kept, all.len());
}

#[test]
fn one_wrong_bit_ends_the_reading() {
    let (_temp, dir) = scratch();
    let all = [begin(), checkpoint(70), checkpoint(99)];
    write(&dir, &all);
    let bytes = dir.read(path()).unwrap();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        dir.write(path(), &bytes).unwrap();
        let found = Journal::open(&dir, path()).unwrap().map(|mut journal| records(&mut journal));
        match found {
            None => assert!(at < 8, "{at}"),
            Some(found) => {
                assert!(found.len() < all.len(), "{at}");
                assert_eq!(found, all[..found.len()]);
            }
        }
    }
}

#[test]
fn unknown_records_end_the_reading() {
    let (_temp, dir) = scratch();
    write(&dir, &[begin()]);
    let mut bytes = dir.read(path()).unwrap();
    let payload = [99, 0, 0, 0, 1, 2, 3];
    bytes.extend([7, 0, 0, 0]);
    bytes.extend(super::checksum(7, &payload).to_le_bytes());
    bytes.extend(payload);
    dir.write(path(), &bytes).unwrap();
    let mut journal = Journal::open(&dir, path()).unwrap().unwrap();
    assert_eq!(records(&mut journal), [begin()]);
}

#[test]
fn a_record_that_could_not_be_read_is_not_written() {
    let (_temp, dir) = scratch();
    let mut journal = Journal::create(&dir, path()).unwrap();
    let record = JournalRecord::Begin { name: "x".repeat(1 << 16), boot: None, created_unix: 0 };
    assert!(matches!(journal.append(&record), Err(StoreError::Corrupt { .. })));
    journal.append(&begin()).unwrap();
    assert_eq!(records(&mut journal), [begin()]);
}

#[test]
fn a_journal_that_cannot_begin_leaves_no_file() {
    let (_temp, dir) = scratch();
    let too_long = "x".repeat(70_000);
    let begin = JournalRecord::Begin { name: too_long, boot: None, created_unix: 0 };
    Journal::begin(&dir, path(), &[begin]).unwrap_err();
    assert_eq!(dir.entries().unwrap().count(), 0);
}
