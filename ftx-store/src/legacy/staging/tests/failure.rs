//! Failing disks, and competition for the same file.

use std::io::{self, Write as _};
use std::path::Path;

use cap_std::fs::OpenOptions;

use super::{bytes, create, files, hasher_of, md5, recover, scratch};
use crate::staging::flusher::Flusher;
use crate::{PrefixStaging, StoreError};

#[test]
fn a_failed_write_can_be_tried_again() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello ").unwrap();
    // A file opened for reading refuses both the write and the cutting back.
    let unwritable = dir.open("data").unwrap().into_std();
    let mut good = staging.data.swap_file(unwritable);
    good.write_all(b"wor").unwrap();
    assert!(matches!(staging.write(b"world"), Err(StoreError::Io { op: "write", .. })));
    assert_eq!((staging.len(), staging.digest()), (6, md5(b"hello ")));
    staging.data.swap_file(good);
    staging.write(b"world").unwrap();
    staging.publish(&dir, Path::new("file")).unwrap();
    assert_eq!(dir.read("file").unwrap(), b"hello world");
}

#[test]
fn a_torn_write_is_cut_off_before_anything_else() {
    for publish_at_once in [true, false] {
        let (_temp, dir) = scratch();
        let mut staging = create(&dir);
        staging.write(b"hello").unwrap();
        staging.data.tear(b"half of something longer");
        let mut expected = b"hello".to_vec();
        if !publish_at_once {
            staging.write(b"!").unwrap();
            expected.push(b'!');
        }
        let published = staging.publish(&dir, Path::new("file")).unwrap();
        assert_eq!(dir.read("file").unwrap(), expected);
        assert_eq!((published.len, published.md5), (expected.len() as u64, Some(md5(&expected))));
    }
}

#[test]
fn a_publish_that_fails_costs_nothing() {
    let (_temp, dir) = scratch();
    dir.create_dir_all("taken/by").unwrap();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    let refused = staging.publish(&dir, Path::new("taken"));
    assert!(matches!(refused, Err(StoreError::IsDirectory { .. })), "{refused:?}");
    let refused = recover(&dir).publish(&dir, Path::new("no/such/place"));
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    recover(&dir).publish(&dir, Path::new("file")).unwrap();
    assert_eq!(dir.read("file").unwrap(), b"hello");
}

#[test]
fn after_a_failed_sync_only_the_bytes_on_disk_count() {
    let failing = || Flusher::ending_with(Err(io::Error::from_raw_os_error(5)));
    let outcomes: [fn(PrefixStaging) -> Result<(), StoreError>; 3] = [
        |mut staging| {
            let told = staging.write(b"more");
            // Hashing continues for a while, and a checkpoint becomes due.
            staging.checkpoint_or_warn();
            told
        },
        |staging| staging.suspend(),
        |staging| staging.publish(&scratch().1, Path::new("file")).map(|_| ()),
    ];
    for outcome in outcomes {
        let (_temp, dir) = scratch();
        let mut staging = create(&dir);
        for piece in ["hello ", "world"] {
            staging.write(piece.as_bytes()).unwrap();
            staging.suspend().unwrap();
            staging = recover(&dir);
        }
        staging.flusher = failing();
        let told = outcome(staging);
        assert!(matches!(told, Err(StoreError::Io { op: "sync", .. })), "{told:?}");
        // The pages of the second half were lost.
        dir.write("data", "hello \0\0\0\0\0").unwrap();
        let staging = recover(&dir);
        assert_eq!((staging.len(), staging.digest()), (6, md5(b"hello ")));
    }
}

#[test]
fn a_staging_that_failed_to_sync_does_no_more() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.flusher = Flusher::ending_with(Err(io::Error::from_raw_os_error(5)));
    assert!(staging.write(b"x").is_err());
    assert!(matches!(staging.write(b"x"), Err(StoreError::Failed { .. })));
    let refused = staging.publish(&dir, Path::new("file"));
    assert!(matches!(refused, Err(StoreError::Failed { .. })));
    assert!(!dir.exists("file"));
}

#[test]
fn a_staging_has_its_files_for_itself() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    let second = PrefixStaging::create(&dir, files(), "n");
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    let second = PrefixStaging::recover(&dir, files());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    staging.write(b"!").unwrap();
    staging.suspend().unwrap();
    assert_eq!(recover(&dir).digest(), md5(b"hello!"));
}

#[test]
fn a_sync_under_way_does_not_keep_the_file() {
    let (_temp, dir) = scratch();
    let staging = create(&dir);
    let clone = staging.data.file().try_clone().unwrap();
    drop(staging);
    drop(create(&dir));
    drop(clone);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_way_is_not_followed() {
    let (_temp, dir) = scratch();
    dir.write("precious", "bytes").unwrap();
    dir.symlink("precious", "data").unwrap();
    let mut staging = PrefixStaging::create(&dir, files(), "n").unwrap();
    staging.write(b"other").unwrap();
    assert_eq!(dir.read("precious").unwrap(), b"bytes");
    assert!(dir.symlink_metadata("data").unwrap().is_file());
}

#[test]
fn a_journal_that_cannot_be_written_does_not_stop_the_data() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    dir.create_dir("journal").unwrap();
    let data = bytes(5 << 20);
    staging.write(&data).unwrap();
    dir.remove_dir("journal").unwrap();
    staging.publish(&dir, Path::new("file")).unwrap();
    assert!(dir.read("file").unwrap() == data);
}

/// The kernel reports lost pages once: if no one notices, the next sync seems to succeed.
#[test]
fn a_sync_that_fails_when_nothing_waits_for_it_is_noted() {
    let ends: [fn(PrefixStaging); 2] =
        [drop, |staging| assert!(staging.rewound(hasher_of(b"hello world!")).is_err())];
    for end in ends {
        let (_temp, dir) = scratch();
        let mut staging = create(&dir);
        for piece in ["hello ", "world"] {
            staging.write(piece.as_bytes()).unwrap();
            staging.suspend().unwrap();
            staging = recover(&dir);
        }
        staging.flusher = Flusher::ending_with(Err(io::Error::from_raw_os_error(5)));
        end(staging);
        let mut data = dir.open_with("data", OpenOptions::new().write(true)).unwrap();
        data.write_all(b"hello \0\0\0\0\0").unwrap();
        let staging = recover(&dir);
        assert_eq!((staging.len(), staging.digest()), (6, md5(b"hello ")));
    }
}

#[test]
fn a_discarded_staging_waits_for_nothing() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    staging.flusher = Flusher::waiting_for(receiver);
    staging.discard().unwrap();
    drop(sender);
    assert_eq!(dir.entries().unwrap().count(), 0);
}
