//! The life of a staging without crashes; `crash` and `property` cover the rest.

mod crash;
mod failure;
#[cfg(unix)]
mod foreign;
mod property;

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use ftx_core::legacy::Md5Digest;
use tempfile::TempDir;

use super::{CHECKPOINT_BYTES, PrefixStaging};
use crate::{Durability, FileIdentity, PrefixHasher, StagingFiles, StoreError};

fn scratch() -> (TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

fn files() -> StagingFiles {
    StagingFiles { data: "data".into(), journal: "journal".into() }
}

fn create(dir: &Dir) -> PrefixStaging {
    PrefixStaging::create(dir, files(), "a/name").unwrap()
}

fn recover(dir: &Dir) -> PrefixStaging {
    hashed(PrefixStaging::recover(dir, files()).unwrap().unwrap())
}

/// Returns the staging, hashed to its end, which recovery does not do.
fn hashed(mut staging: PrefixStaging) -> PrefixStaging {
    assert!(staging.hasher().len() + 1 >= staging.len());
    assert!(staging.catch_up(&mut |_| true).unwrap());
    staging
}

/// Bytes without a period that a cut or a shift could hide behind.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(len)
    .collect()
}

fn hasher_of(bytes: &[u8]) -> PrefixHasher {
    let mut hasher = PrefixHasher::new();
    hasher.update(bytes);
    hasher
}

fn md5(bytes: &[u8]) -> Md5Digest {
    hasher_of(bytes).digest()
}

#[test]
fn a_small_file_costs_one_file_and_is_published() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hel").unwrap();
    staging.write(b"lo").unwrap();
    assert_eq!((staging.name(), staging.len()), ("a/name", 5));
    assert_eq!(staging.digest(), md5(b"hello"));
    assert_eq!(dir.entries().unwrap().count(), 1);

    let published = staging.publish(&dir, Path::new("file")).unwrap();
    assert_eq!((published.len, published.md5), (5, Some(md5(b"hello"))));
    assert_eq!(published.identity, FileIdentity::of(&dir.metadata("file").unwrap()));
    assert_eq!(dir.read("file").unwrap(), b"hello");
    assert_eq!(dir.entries().unwrap().count(), 1);
}

#[test]
fn an_empty_file_can_be_published() {
    let (_temp, dir) = scratch();
    let published = create(&dir).publish(&dir, Path::new("file")).unwrap();
    assert_eq!((published.len, published.md5), (0, Some(md5(b""))));
    assert_eq!(dir.read("file").unwrap(), b"");
}

#[test]
fn publishing_replaces_a_file_in_one_step() {
    let (_temp, root) = scratch();
    root.create_dir_all("sub/dir").unwrap();
    root.create_dir("staging").unwrap();
    root.write("sub/dir/file", "old").unwrap();
    let mut reader = root.open("sub/dir/file").unwrap();

    for durability in [Durability::Full, Durability::None] {
        let mut staging = create(&root.open_dir("staging").unwrap()).with_durability(durability);
        let before = root.read("sub/dir/file").unwrap();
        staging.write(format!("new {durability:?}").as_bytes()).unwrap();
        assert_eq!(root.read("sub/dir/file").unwrap(), before);
        let target_dir = root.open_dir("sub").unwrap();
        staging.publish(&target_dir, Path::new("dir/file")).unwrap();
        let now = root.read_to_string("sub/dir/file").unwrap();
        assert_eq!(now, format!("new {durability:?}"));
    }
    let mut seen = String::new();
    std::io::Read::read_to_string(&mut reader, &mut seen).unwrap();
    assert_eq!(seen, "old");
    assert_eq!(root.entries_in("staging"), 0);
}

#[test]
fn recovery_resumes_exactly_at_the_suspended_state() {
    let (_temp, dir) = scratch();
    let data = bytes(1000);
    let mut staging = create(&dir);
    for piece in data.chunks(99) {
        staging.write(piece).unwrap();
        let len = staging.len();
        staging.suspend().unwrap();
        staging = recover(&dir);
        assert_eq!((staging.name(), staging.len()), ("a/name", len));
        assert_eq!(staging.digest(), md5(&data[..usize::try_from(len).unwrap()]));
    }
    staging.publish(&dir, Path::new("file")).unwrap();
    assert_eq!(dir.read("file").unwrap(), data);
    assert_eq!(dir.entries().unwrap().count(), 1);
}

#[test]
fn suspending_again_without_news_costs_nothing() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    let len = dir.metadata("journal").unwrap().len();
    for _ in 0..3 {
        recover(&dir).suspend().unwrap();
    }
    assert_eq!(dir.metadata("journal").unwrap().len(), len);
}

#[test]
fn a_dropped_staging_resumes_at_its_last_byte() {
    let (_temp, dir) = scratch();
    let checkpoint = usize::try_from(CHECKPOINT_BYTES).unwrap();
    let data = bytes(2 * checkpoint + checkpoint / 2);
    let mut staging = create(&dir);
    for piece in data.chunks(checkpoint / 4) {
        staging.write(piece).unwrap();
    }
    drop(staging);
    let mut staging = recover(&dir);
    assert_eq!(staging.len(), data.len() as u64);
    assert_eq!(staging.digest(), md5(&data));
    staging.write(b"more").unwrap();
    staging.publish(&dir, Path::new("file")).unwrap();
    assert!(dir.read("file").unwrap() == [&data[..], b"more"].concat());
}

#[test]
fn discarding_and_suspending_nothing_leave_nothing() {
    let (_temp, dir) = scratch();
    create(&dir).suspend().unwrap();
    assert_eq!(dir.entries().unwrap().count(), 0);
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    recover(&dir).discard().unwrap();
    assert_eq!(dir.entries().unwrap().count(), 0);
}

#[test]
fn creating_overwrites_leftovers() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    let mut staging = PrefixStaging::create(&dir, files(), "other").unwrap();
    assert_eq!((staging.len(), dir.read("data").unwrap().len()), (0, 0));
    staging.write(b"longer than before").unwrap();
    // The old journal would have been taken for this staging's.
    drop(staging);
    assert!(PrefixStaging::recover(&dir, files()).unwrap().is_none());
}

#[test]
fn adopting_takes_over_the_start_of_a_file() {
    let (_temp, dir) = scratch();
    let data = bytes(3000);
    dir.write("source", &data).unwrap();
    let source = dir.open("source").unwrap();
    let prefix = hasher_of(&data[..2000]);
    let staging = PrefixStaging::adopt(&dir, files(), "n", &source, prefix.clone()).unwrap();
    assert_eq!((staging.len(), staging.digest()), (2000, prefix.digest()));
    let mut staging = staging.journalled().unwrap();
    staging.write(&data[2000..2500]).unwrap();
    drop(staging);
    let mut staging = recover(&dir);
    assert_eq!(staging.len(), 2500);
    staging.write(&data[2500..]).unwrap();
    let published = staging.publish(&dir, Path::new("source")).unwrap();
    assert_eq!(published.md5, Some(md5(&data)));
    assert_eq!(dir.read("source").unwrap(), data);
}

/// A staging offers all but its last byte, so that there is always something to send; the last byte
/// of a copy has been offered before.
#[test]
fn a_copy_to_which_nothing_was_added_is_not_kept() {
    let (_temp, dir) = scratch();
    dir.write("source", "some bytes").unwrap();
    let adopt = || {
        let source = dir.open("source").unwrap();
        PrefixStaging::adopt(&dir, files(), "n", &source, hasher_of(b"some")).unwrap()
    };
    adopt().suspend().unwrap();
    assert_eq!(dir.entries().unwrap().count(), 1);
    drop(adopt().journalled().unwrap());
    assert!(PrefixStaging::recover(&dir, files()).unwrap().is_none());
    assert_eq!(dir.entries().unwrap().count(), 1);
}

#[test]
fn adopting_more_than_there_is_fails_and_leaves_nothing() {
    let (_temp, dir) = scratch();
    dir.write("source", "short").unwrap();
    let source: File = dir.open("source").unwrap();
    let refused = PrefixStaging::adopt(&dir, files(), "n", &source, hasher_of(b"shorter"));
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    assert_eq!(dir.entries().unwrap().count(), 1);
}

#[test]
fn names_are_single_components() {
    let (_temp, dir) = scratch();
    for bad in ["", ".", "..", "a/b", "/a", "a/"] {
        for files in [
            StagingFiles { data: bad.into(), journal: "j".into() },
            StagingFiles { data: "d".into(), journal: bad.into() },
        ] {
            let created = PrefixStaging::create(&dir, files.clone(), "n");
            assert!(matches!(created, Err(StoreError::BadName { .. })), "{bad}");
            let recovered = PrefixStaging::recover(&dir, files);
            assert!(matches!(recovered, Err(StoreError::BadName { .. })), "{bad}");
        }
    }
    assert_eq!(dir.entries().unwrap().count(), 0);
}

#[test]
fn a_staging_can_move_between_threads() {
    fn sendable<T: Send + 'static>() {}
    sendable::<PrefixStaging>();
}

trait EntriesIn {
    fn entries_in(&self, path: &str) -> usize;
}

impl EntriesIn for Dir {
    fn entries_in(&self, path: &str) -> usize {
        self.read_dir(path).unwrap().count()
    }
}

/// The byte is replaced once another one takes its place, and not before: a client that was offered
/// all but that byte must not find out later that it was everything.
#[test]
fn a_staging_keeps_its_last_byte_until_another_takes_its_place() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.append(b"hello").unwrap();
    staging.hashed(hasher_of(b"hell"));
    staging.suspend().unwrap();
    for suspended in [true, false] {
        let staging = recover(&dir).rewound(hasher_of(b"hell")).unwrap();
        assert_eq!(staging.len(), 4);
        if suspended {
            staging.suspend().unwrap()
        } else {
            drop(staging)
        }
        let staging = recover(&dir);
        assert_eq!((staging.len(), staging.digest()), (5, md5(b"hello")));
    }
    let mut staging = recover(&dir).rewound(hasher_of(b"hell")).unwrap();
    staging.append(b"s").unwrap();
    drop(staging);
    let staging = recover(&dir).rewound(hasher_of(b"hell")).unwrap();
    assert_eq!(dir.read(files().data).unwrap(), b"hells");
    staging.publish_beside(Path::new("published")).unwrap();
    assert_eq!(dir.read("published").unwrap(), b"hell");
}

#[test]
fn a_rewound_staging_forgets_later_bytes() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello, ").unwrap();
    let hasher = staging.hasher().clone();
    staging.write(b"world").unwrap();
    staging.suspend().unwrap();
    let mut staging = recover(&dir).rewound(hasher).unwrap();
    assert_eq!((staging.len(), staging.digest()), (7, md5(b"hello, ")));
    staging.write(b"again and again").unwrap();
    drop(staging);
    assert_eq!(recover(&dir).digest(), md5(b"hello, again and again"));
}

/// It may have lost some since they were offered.
#[test]
fn a_staging_is_not_rewound_to_more_than_it_has() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir);
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    let refused = recover(&dir).rewound(hasher_of(b"hello, world"));
    assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
    assert_eq!(recover(&dir).digest(), md5(b"hello"));
}

#[test]
fn a_journal_that_is_there_from_the_start_keeps_every_byte() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir).journalled().unwrap();
    staging.append(b"hello").unwrap();
    drop(staging);
    assert_eq!(recover(&dir).digest(), md5(b"hello"));
    // A journal without data is useless.
    drop(create(&dir).journalled().unwrap());
    assert!(PrefixStaging::recover(&dir, files()).unwrap().is_none());
}

#[test]
fn a_resumed_upload_always_has_something_to_send() {
    let (_temp, dir) = scratch();
    let mut staging = create(&dir).journalled().unwrap();
    staging.append(b"hello").unwrap();
    staging.suspend().unwrap();
    let mut staging = PrefixStaging::recover(&dir, files()).unwrap().unwrap();
    assert_eq!((staging.len(), staging.hasher().len()), (5, 4));
    // Writing first hashes the bytes left out.
    staging.write(b", world").unwrap();
    assert_eq!(staging.digest(), md5(b"hello, world"));
}
