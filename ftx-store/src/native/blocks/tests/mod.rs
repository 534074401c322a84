//! The life of a staging of blocks without crashes; `copying`, `crash`, `failure` and `property`
//! cover the rest.

mod copying;
mod crash;
mod failure;
#[cfg(unix)]
mod foreign;
mod hashing;
mod property;

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, block_count, block_cv, block_len};
use ftx_core::native::wire::{Meta, Mtime};
use tempfile::TempDir;

use super::{BlockStaging, StagingPurpose};
use crate::{BootId, Durability, Existing, FileIdentity, StagingFiles, StoreError, meta_of};

const HERE: Option<BootId> = Some(BootId([1; 16]));
const ELSEWHERE: Option<BootId> = Some(BootId([2; 16]));

fn scratch() -> (TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

fn files() -> StagingFiles {
    StagingFiles { data: "data".into(), journal: "journal".into() }
}

fn create(dir: &Dir, size: u64) -> BlockStaging {
    BlockStaging::create_with(dir, files(), "a/name", size, HERE)
        .unwrap()
        .with_durability(Durability::None)
}

fn recover_in(dir: &Dir, boot: Option<BootId>) -> Option<BlockStaging> {
    let recovered = BlockStaging::recover_with(dir, files(), boot, &mut |_| true).unwrap();
    recovered.staging().map(|staging| staging.with_durability(Durability::None))
}

/// A file whose every byte differs with `seed`, and with its place.
fn bytes(size: u64, seed: u8) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32 ^ u32::from(seed) << 8;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    })
    .take(usize::try_from(size).unwrap())
    .collect()
}

fn block_of(data: &[u8], index: u64) -> &[u8] {
    data.chunks(usize::try_from(BLOCK_BYTES).unwrap()).nth(usize::try_from(index).unwrap()).unwrap()
}

fn cv_of(data: &[u8], index: u64) -> Cv {
    block_cv(data.len() as u64, index, block_of(data, index)).unwrap()
}

fn store(staging: &BlockStaging, data: &[u8], index: u64) {
    staging.write_at(index * BLOCK_BYTES, block_of(data, index)).unwrap();
    staging.stored(index, cv_of(data, index)).unwrap();
}

fn known(staging: &BlockStaging) -> Vec<u64> {
    staging.block_map().known_from(0).map(|(index, _)| index).collect()
}

/// Every block that the staging claims is in the data, with its chaining value.
fn is_true(dir: &Dir, staging: &BlockStaging) {
    let data = dir.read("data").unwrap();
    for (index, cv) in staging.block_map().known_from(0) {
        let start = usize::try_from(index * BLOCK_BYTES).unwrap();
        let end = start + usize::try_from(block_len(staging.size(), index)).unwrap();
        let found = block_cv(staging.size(), index, &data[start..end]).unwrap();
        assert_eq!(found, cv, "block {index}");
    }
}

fn publish(staging: BlockStaging, dir: &Dir) -> Result<super::PublishedBlocks, StoreError> {
    staging.publish(dir, Path::new("file"), &Meta::default(), Existing::Replace)
}

#[test]
fn blocks_in_any_order_become_the_file() {
    for size in [0, 1, BLOCK_BYTES, 3 * BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
        let (_temp, dir) = scratch();
        let data = bytes(size, 0);
        let staging = create(&dir, size);
        assert_eq!((staging.name(), staging.size()), ("a/name", size));
        for index in (0..block_count(size)).rev() {
            store(&staging, &data, index);
            is_true(&dir, &staging);
        }
        let manifest = staging.block_map().complete().unwrap();
        let published = publish(staging, &dir).unwrap();
        assert_eq!(published.manifest, manifest);
        assert_eq!(published.identity, FileIdentity::of(&dir.metadata("file").unwrap()));
        assert!(dir.read("file").unwrap() == data);
        assert_eq!(dir.entries().unwrap().count(), 1);
    }
}

#[test]
fn a_block_may_arrive_in_pieces_and_from_several_threads() {
    let (_temp, dir) = scratch();
    let size = 8 * BLOCK_BYTES + 77;
    let data = bytes(size, 0);
    let staging = create(&dir, size).with_durability(Durability::Full);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (staging, data) = (&staging, &data);
            scope.spawn(move || {
                for index in (thread..block_count(size)).step_by(3) {
                    let mut offset = index * BLOCK_BYTES;
                    for piece in block_of(data, index).chunks(100_000) {
                        staging.write_at(offset, piece).unwrap();
                        offset += piece.len() as u64;
                    }
                    staging.stored(index, cv_of(data, index)).unwrap();
                }
            });
        }
    });
    publish(staging, &dir).unwrap();
    assert!(dir.read("file").unwrap() == data);
}

#[test]
fn a_missing_block_prevents_publishing() {
    let (_temp, dir) = scratch();
    let data = bytes(3 * BLOCK_BYTES, 0);
    let staging = create(&dir, 3 * BLOCK_BYTES);
    store(&staging, &data, 1);
    let refused = publish(staging, &dir);
    assert!(matches!(refused, Err(StoreError::Incomplete { missing: 2, .. })), "{refused:?}");
    assert_eq!(known(&recover_in(&dir, HERE).unwrap()), [1]);
}

#[test]
fn publishing_replaces_or_keeps_the_existing_file() {
    let (_temp, root) = scratch();
    root.create_dir_all("sub/dir").unwrap();
    root.create_dir("staging").unwrap();
    root.write("sub/dir/file", "old").unwrap();
    let (dir, target_dir) = (root.open_dir("staging").unwrap(), root.open_dir("sub").unwrap());
    let target = Path::new("dir/file");
    for durability in [Durability::None, Durability::Full] {
        let staging = create(&dir, 3).with_durability(durability);
        store(&staging, b"new", 0);
        let before = root.read("sub/dir/file").unwrap();
        let refused = staging.publish(&target_dir, target, &Meta::default(), Existing::Keep);
        assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })), "{refused:?}");
        assert_eq!(root.read("sub/dir/file").unwrap(), before);

        let staging = recover_in(&dir, HERE).unwrap().with_durability(durability);
        staging.publish(&target_dir, target, &Meta::default(), Existing::Replace).unwrap();
        assert_eq!(root.read("sub/dir/file").unwrap(), b"new");

        let staging = create(&dir, 3).with_durability(durability);
        store(&staging, b"one", 0);
        let target = format!("dir/{durability:?}");
        let meta = Meta::default();
        staging.publish(&target_dir, Path::new(&target), &meta, Existing::Keep).unwrap();
        assert_eq!(target_dir.read(target).unwrap(), b"one");
        assert_eq!(dir.entries().unwrap().count(), 0);
    }
}

#[test]
fn time_and_mode_are_the_files() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 1);
    store(&staging, b"x", 0);
    let mtime = Mtime::new(1_000_000_000, 5000);
    let meta = Meta { mtime, executable: true, ..Meta::default() };
    let published = staging.publish_beside(Path::new("file"), &meta, Existing::Replace).unwrap();
    let metadata = dir.metadata("file").unwrap();
    assert_eq!(meta_of(&metadata).mtime, meta.mtime);
    assert_eq!(meta_of(&metadata).executable, cfg!(unix));
    assert_eq!(published.identity, FileIdentity::of(&metadata));
}

#[test]
fn a_longer_version_leaves_nothing_behind() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 3);
    store(&staging, b"new", 0);
    std::io::Write::write_all(&mut staging.locked.file(), b"newer and longer").unwrap();
    publish(staging, &dir).unwrap();
    assert_eq!(dir.read("file").unwrap(), b"new");
}

/// Another file has taken the place of the data, and must not be published.
#[test]
fn only_written_bytes_get_the_name() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 3);
    store(&staging, b"new", 0);
    dir.write("other", "another's").unwrap();
    dir.rename("other", &dir, "data").unwrap();
    let refused = publish(staging, &dir);
    assert!(matches!(refused, Err(StoreError::Vanished { .. })), "{refused:?}");
    assert!(!dir.exists("file"));
    assert_eq!(dir.read_to_string("data").unwrap(), "another's");
}

#[test]
fn a_block_that_is_written_again_is_unknown_meanwhile() {
    let (_temp, dir) = scratch();
    let size = 3 * BLOCK_BYTES;
    let (old, new) = (bytes(size, 0), bytes(size, 1));
    let staging = create(&dir, size);
    (0..3).for_each(|index| store(&staging, &old, index));
    staging.write_at(5, b"").unwrap();
    assert_eq!(known(&staging), [0, 1, 2]);
    // The last byte of a block and the first of the next.
    staging.write_at(BLOCK_BYTES - 1, &new[..2]).unwrap();
    assert_eq!(known(&staging), [2]);
    drop(staging);
    let staging = recover_in(&dir, HERE).unwrap();
    assert_eq!(known(&staging), [2]);
    store(&staging, &new, 1);
    is_true(&dir, &staging);
}

#[test]
fn recovery_resumes_exactly_at_the_suspended_state() {
    let (_temp, dir) = scratch();
    let size = 4 * BLOCK_BYTES + 1;
    let data = bytes(size, 0);
    let mut staging = create(&dir, size);
    for index in [3, 0, 4, 1, 2] {
        store(&staging, &data, index);
        let block_map = staging.block_map();
        let journal = dir.metadata("journal").unwrap().len();
        staging.suspend().unwrap();
        staging = recover_in(&dir, HERE).unwrap();
        assert_eq!((staging.name(), staging.size()), ("a/name", size));
        assert_eq!(staging.block_map(), block_map);
        assert_eq!(dir.metadata("journal").unwrap().len(), journal, "suspending costs nothing");
    }
    publish(staging, &dir).unwrap();
    assert!(dir.read("file").unwrap() == data);
}

#[test]
fn discarding_and_suspending_nothing_leave_nothing() {
    let (_temp, dir) = scratch();
    create(&dir, BLOCK_BYTES).suspend().unwrap();
    assert_eq!(dir.entries().unwrap().count(), 0);
    let staging = create(&dir, 1);
    store(&staging, b"x", 0);
    staging.discard().unwrap();
    assert_eq!(dir.entries().unwrap().count(), 0);
}

#[test]
fn creating_overwrites_leftovers() {
    let (_temp, dir) = scratch();
    let staging = create(&dir, 5);
    store(&staging, b"hello", 0);
    drop(staging);
    let staging = create(&dir, 9);
    assert_eq!((known(&staging), dir.read("data").unwrap().len()), (vec![], 0));
    staging.write_at(0, b"goodbye").unwrap();
    drop(staging);
    // The old journal would have been taken for this staging's.
    assert!(recover_in(&dir, HERE).is_none());
    assert_eq!(dir.entries().unwrap().count(), 0);
}

#[test]
fn names_are_single_components() {
    let (_temp, dir) = scratch();
    let files = StagingFiles { data: "a/b".into(), journal: "j".into() };
    let created = BlockStaging::create(&dir, files.clone(), "n", 1);
    assert!(matches!(created, Err(StoreError::BadName { .. })), "{created:?}");
    let recovered = BlockStaging::recover(&dir, files);
    assert!(matches!(recovered, Err(StoreError::BadName { .. })), "{recovered:?}");
}

#[test]
fn a_staging_can_be_shared_and_moved() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<BlockStaging>();
}

/// The principal is known from the first record on, and stays known; a staging without one has none.
#[test]
fn a_staging_keeps_its_principal() {
    let (_temp, dir) = scratch();
    let data = bytes(3, 0);
    for principal in [None, Some("user:alice".to_owned())] {
        let purpose = StagingPurpose { name: "a/name".into(), principal };
        let staging = BlockStaging::create_for(&dir, files(), purpose.clone(), 3).unwrap();
        assert_eq!(BlockStaging::purpose_of(&dir, &files()).unwrap(), Some(purpose.clone()));
        store(&staging, &data, 0);
        staging.suspend().unwrap();
        for boot in [HERE, ELSEWHERE] {
            let staging = recover_in(&dir, boot).unwrap();
            assert_eq!((staging.name(), known(&staging)), ("a/name", vec![0]));
        }
        assert_eq!(BlockStaging::purpose_of(&dir, &files()).unwrap(), Some(purpose));
        assert!(crate::PrefixStaging::recover(&dir, files()).unwrap().is_none());
        publish(recover_in(&dir, HERE).unwrap(), &dir).unwrap();
    }
}
