//! Recovery after the process or the machine fails at any moment.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cap_std::fs::{Dir, OpenOptions};

use super::{bytes, create, files, hashed, md5, recover, scratch};
use crate::staging::cache_epoch::cache_epoch;
use crate::{BootId, Journal, PrefixStaging, StoreError};

const CHECKPOINT: usize = 4 << 20;
const HERE: Option<BootId> = Some(BootId([1; 16]));
const ELSEWHERE: Option<BootId> = Some(BootId([2; 16]));

fn recover_in(dir: &Dir, boot: Option<BootId>) -> Option<PrefixStaging> {
    PrefixStaging::recover_with(dir, files(), boot, &mut |_| true).unwrap().map(hashed)
}

/// Leaves data with a checkpoint at each of `lens`, and returns the data.
fn leave(dir: &Dir, lens: &[usize]) -> Vec<u8> {
    leave_in(dir, HERE, lens)
}

fn leave_in(dir: &Dir, boot: Option<BootId>, lens: &[usize]) -> Vec<u8> {
    let data = bytes(lens.iter().copied().max().unwrap_or(0));
    let mut staging = create(dir).with_boot(boot);
    for &len in lens {
        let done = usize::try_from(staging.len()).unwrap();
        staging.write(&data[done..len]).unwrap();
        staging.suspend().unwrap();
        staging = recover_in(dir, boot).unwrap();
    }
    data
}

/// Replaces the existing files as if the new ones had been written in this place. Overwriting would
/// do as well, but some file systems write a truncated file back at once, and this happens
/// thousands of times.
fn put(dir: &Dir, data: &[u8], journal: &[u8]) {
    for path in ["data", "journal"] {
        let _ = dir.remove_file(path);
    }
    dir.write("data", data).unwrap();
    // The journal describes this file.
    let run = cache_epoch(HERE, &dir.open("data").unwrap().into_std());
    dir.write("journal", Journal::retold(journal, run)).unwrap();
}

/// Recovers, checks that the data is a true prefix, and returns its length.
fn recovered_len(dir: &Dir, boot: Option<BootId>, data: &[u8]) -> usize {
    let Some(staging) = recover_in(dir, boot) else {
        assert_eq!(dir.entries().unwrap().count(), 0, "leftovers");
        return 0;
    };
    let len = usize::try_from(staging.len()).unwrap();
    assert_eq!(dir.read("data").unwrap(), data[..len]);
    assert_eq!(staging.digest(), md5(&data[..len]));
    len
}

#[test]
fn journal_cut_at_every_byte_and_data_anywhere() {
    let (_temp, dir) = scratch();
    let lens = [50, 64, 200, 333];
    let data = leave(&dir, &lens);
    let journal = dir.read("journal").unwrap();
    let supported = |len: usize| lens.iter().copied().filter(|&at| at <= len).max().unwrap_or(0);

    for boot in [HERE, ELSEWHERE, None] {
        for data_len in [0, 1, 49, 50, 63, 64, 199, 201, 332, 333] {
            let mut longest = 0;
            for journal_len in 0..=journal.len() {
                put(&dir, &data[..data_len], &journal[..journal_len]);
                let len = recovered_len(&dir, boot, &data);
                assert!(len >= longest && len <= data_len, "{boot:?} {data_len} {journal_len}");
                longest = len;
            }
            // In the same epoch the data is good to its end; otherwise only as far as a hash proves
            // it.
            let first = lens[0];
            let expected =
                if boot == HERE && data_len >= first { data_len } else { supported(data_len) };
            assert_eq!(longest, expected, "{boot:?} {data_len}");
        }
    }
}

#[test]
fn a_wrong_byte_is_noticed_in_another_kernel_run() {
    let (_temp, dir) = scratch();
    let lens = [50, 64, 200, 333];
    let data = leave(&dir, &lens);
    let journal = dir.read("journal").unwrap();
    for boot in [ELSEWHERE, None] {
        for at in 0..data.len() {
            let mut damaged = data.clone();
            damaged[at] ^= 0x10;
            put(&dir, &damaged, &journal);
            let expected = lens.iter().copied().filter(|&len| len <= at).max().unwrap_or(0);
            assert_eq!(recovered_len(&dir, boot, &data), expected, "{boot:?} {at}");
        }
    }
}

#[test]
fn two_unknown_kernel_runs_are_not_the_same() {
    let (_temp, dir) = scratch();
    let data = leave_in(&dir, None, &[100, 333]);
    dir.write("data", [&data[..200], &[0; 133]].concat()).unwrap();
    assert_eq!(recovered_len(&dir, None, &data), 100);
}

#[test]
fn the_same_kernel_run_is_believed_without_reading() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[333]);
    dir.write("data", vec![0; 333]).unwrap();
    let staging = recover_in(&dir, HERE).unwrap();
    assert_eq!((staging.len(), staging.digest()), (333, md5(&data)));
}

#[test]
fn bytes_unhashed_at_a_crash_are_hashed_at_recovery() {
    let (_temp, dir) = scratch();
    let data = bytes(CHECKPOINT + 1000);
    let mut staging = create(&dir).with_boot(HERE);
    for piece in data.chunks(1 << 20) {
        // Appended, but never reported as hashed.
        staging.append(piece).unwrap();
    }
    drop(staging);
    assert_eq!(recovered_len(&dir, HERE, &data), data.len());
    drop(recover_in(&dir, HERE));
    // In another epoch nothing proves unhashed bytes; the recovery above has hashed them.
    assert_eq!(recovered_len(&dir, ELSEWHERE, &data), data.len() - 1);
}

#[test]
fn unhashed_bytes_are_not_trusted_after_a_reboot() {
    let (_temp, dir) = scratch();
    let data = bytes(CHECKPOINT + 1000);
    let mut staging = create(&dir).with_boot(HERE);
    staging.append(&data).unwrap();
    drop(staging);
    assert_eq!(recovered_len(&dir, ELSEWHERE, &data), 0);
}

#[test]
fn a_verified_staging_is_believed_from_then_on() {
    let (_temp, dir) = scratch();
    leave(&dir, &[100, 333]);
    drop(recover_in(&dir, ELSEWHERE).unwrap());
    let mut read = false;
    let again = PrefixStaging::recover_with(&dir, files(), ELSEWHERE, &mut |_| {
        read = true;
        true
    });
    assert_eq!((again.unwrap().unwrap().len(), read), (333, false));
    dir.write("data", vec![0; 333]).unwrap();
    assert_eq!(recover_in(&dir, ELSEWHERE).unwrap().len(), 333);
}

#[test]
fn a_staging_that_recovers_short_does_not_grow_back() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100, 200, 300]);
    dir.write("data", &data[..250]).unwrap();
    let mut staging = recover_in(&dir, HERE).unwrap();
    assert_eq!(staging.len(), 250);
    // Long enough for the forgotten checkpoint at 300, with other bytes.
    staging.write(&[0; 200]).unwrap();
    drop(staging);
    let whole = [&data[..250], &[0; 200]].concat();
    assert_eq!(recovered_len(&dir, HERE, &whole), 450);
}

#[test]
fn leftovers_that_are_of_no_use_are_removed() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100]);
    let journal = dir.read("journal").unwrap();
    let with_magic = |rest: &[u8]| [b"FTXJRNL1", rest].concat();
    for (data, journal) in [
        (Some(&data[..]), None),
        (None, Some(journal.clone())),
        (Some(&data[..]), Some(Vec::new())),
        (Some(&data[..]), Some(b"FTXJRNL2 of another version".to_vec())),
        (Some(&data[..]), Some(with_magic(b""))),
        // A staging's journal starts with its name.
        (Some(&data[..]), Some(with_magic(&journal[8 + 8 + 35..]))),
        (Some(&data[..]), Some(with_magic(&[0xff; 100]))),
    ] {
        for path in ["data", "journal"] {
            let _ = dir.remove_file(path);
        }
        if let Some(data) = data {
            dir.write("data", data).unwrap();
        }
        if let Some(journal) = journal {
            dir.write("journal", journal).unwrap();
        }
        assert!(recover_in(&dir, HERE).is_none());
        assert_eq!(dir.entries().unwrap().count(), 0);
    }
}

#[test]
fn a_crash_after_the_renaming_leaves_the_published_file_alone() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100]);
    dir.rename("data", &dir, "file").unwrap();
    assert!(recover_in(&dir, HERE).is_none());
    assert_eq!(dir.read("file").unwrap(), data);
    assert_eq!(dir.entries().unwrap().count(), 1);
}

#[test]
fn verifying_can_be_stopped_and_started_again() {
    let (_temp, dir) = scratch();
    let len = 1_000_000;
    let data = leave(&dir, &[len]);
    let mut done = Vec::new();
    let stopped = PrefixStaging::recover_with(&dir, files(), ELSEWHERE, &mut |bytes| {
        done.push(bytes);
        done.len() < 3
    });
    assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
    assert_eq!(done.len(), 3);
    assert_eq!(recovered_len(&dir, ELSEWHERE, &data), len);
}

#[test]
fn recovering_writing_and_publishing_gives_the_complete_file() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100, 333]);
    dir.write("data", [&data[..], b"torn"].concat()).unwrap();
    let mut staging = recover_in(&dir, ELSEWHERE).unwrap();
    staging.write(b" and the rest").unwrap();
    staging.publish(&dir, Path::new("file")).unwrap();
    assert_eq!(dir.read("file").unwrap(), [&data[..], b" and the rest"].concat());
}

#[test]
fn the_true_boot_id_is_the_default() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    dir.write("data", "jello").unwrap();
    // Without a boot id, everything is verified.
    let found = PrefixStaging::recover(&dir, files()).unwrap();
    assert_eq!(found.is_some(), BootId::current().is_some());
    drop(found);
    dir.write("data", "hello").unwrap();
    if BootId::current().is_some() {
        assert_eq!(recover(&dir).digest(), md5(b"hello"));
    }
}

/// Its age decides when it is removed, and a server recovers all stagings at each start.
#[test]
fn looking_at_a_staging_does_not_make_it_younger() {
    let (_temp, dir) = scratch();
    leave(&dir, &[100, 333]);
    let age = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for boot in [HERE, ELSEWHERE] {
        for path in ["data", "journal"] {
            let file = dir.open_with(path, OpenOptions::new().write(true)).unwrap();
            file.into_std().set_modified(age).unwrap();
        }
        drop(recover_in(&dir, boot).unwrap());
        for path in ["data", "journal"] {
            let modified = dir.metadata(path).unwrap().modified().unwrap().into_std();
            assert_eq!(modified, age, "{path} {boot:?}");
        }
    }
}

/// The epoch covers the bytes written to a file, not those of a copy, which may be older than the
/// journal.
#[test]
fn a_copy_of_a_staging_is_not_believed_unread() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100, 333]);
    dir.create_dir("copy").unwrap();
    let copy = dir.open_dir("copy").unwrap();
    dir.copy("data", &copy, "data").unwrap();
    dir.copy("journal", &copy, "journal").unwrap();
    copy.write("data", [&data[..200], &[0; 133]].concat()).unwrap();
    assert_eq!(recovered_len(&copy, HERE, &data), 100);
    assert_eq!(recovered_len(&dir, HERE, &data), 333);
}

#[cfg(unix)]
#[test]
fn a_staging_with_another_name_is_gone_on_with_and_leaves_that_alone() {
    let (_temp, dir) = scratch();
    let data = leave(&dir, &[100, 333]);
    dir.hard_link("data", &dir, "backup").unwrap();
    let mut staging = recover_in(&dir, HERE).unwrap();
    staging.write(b" and the rest").unwrap();
    staging.publish(&dir, Path::new("file")).unwrap();
    assert_eq!(dir.read("file").unwrap(), [&data[..], b" and the rest"].concat());
    assert_eq!(dir.read("backup").unwrap(), data);
    assert_eq!(dir.entries().unwrap().count(), 2);
}
