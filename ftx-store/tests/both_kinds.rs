//! Both kinds of staging: they leave each other alone, and a staging of blocks can become one of bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockHasher};

use ftx_store::{
    BlockStaging, Journal, JournalRecord, PrefixHasher, PrefixStaging, Recovered, StagingFiles,
    StoreError,
};

const SIZE: u64 = 4 * BLOCK_BYTES + 7;

fn files() -> StagingFiles {
    StagingFiles { data: "data".into(), journal: "journal".into() }
}

fn converted(
    blocks: BlockStaging,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> Result<Option<PrefixStaging>, StoreError> {
    match blocks.into_prefix()? {
        Some(prefix) => PrefixStaging::from_prefix(prefix, keep_going).map(Some),
        None => Ok(None),
    }
}

/// A staging that holds these blocks, each full of its index.
fn holding(dir: &Dir, indices: &[u64]) -> BlockStaging {
    let staging = BlockStaging::create(dir, files(), "name", SIZE).unwrap();
    for &index in indices {
        let bytes = vec![u8::try_from(index).unwrap(); usize::try_from(BLOCK_BYTES).unwrap()];
        let mut hasher = BlockHasher::new(SIZE, index);
        hasher.update(&bytes);
        staging.write_at(index * BLOCK_BYTES, &bytes).unwrap();
        staging.stored(index, hasher.finish().unwrap()).unwrap();
    }
    staging
}

#[test]
fn the_bytes_before_the_first_gap_stay() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let blocks = holding(&dir, &[0, 1, 3]);
    let staging = converted(blocks, &mut |_| true).unwrap().unwrap();
    assert_eq!((staging.len(), staging.name()), (2 * BLOCK_BYTES, "name"));
    drop(staging);
    let mut staging = PrefixStaging::recover(&dir, files()).unwrap().unwrap();
    assert_eq!(staging.len(), 2 * BLOCK_BYTES);
    staging.write(b"and more").unwrap();
    let mut hasher = PrefixHasher::new();
    hasher.update(&vec![0; usize::try_from(BLOCK_BYTES).unwrap()]);
    hasher.update(&vec![1; usize::try_from(BLOCK_BYTES).unwrap()]);
    hasher.update(b"and more");
    assert_eq!(staging.digest(), hasher.digest());
}

#[test]
fn nothing_is_made_of_nothing_and_nothing_is_lost_when_it_is_stopped() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let stopped = converted(holding(&dir, &[0, 1, 3]), &mut |_| false);
    assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
    let blocks = BlockStaging::recover(&dir, files()).unwrap().staging().unwrap();
    assert_eq!(blocks.block_map().known(), 3);
    drop(blocks);
    assert!(converted(holding(&dir, &[1]), &mut |_| true).unwrap().is_none());
    assert!(!dir.exists("data") && !dir.exists("journal"));
}

#[test]
fn each_kind_of_staging_leaves_the_other_alone() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    drop(holding(&dir, &[0]));
    assert!(PrefixStaging::recover(&dir, files()).unwrap().is_none());
    assert_eq!(PrefixStaging::name_of(&dir, &files()).unwrap(), None);
    let first = Journal::peek(&dir, Path::new("journal")).unwrap();
    assert!(
        matches!(&first, Some(JournalRecord::Blocks { name, size: SIZE, .. }) if name == "name"),
        "{first:?}"
    );
    let blocks = BlockStaging::recover(&dir, files()).unwrap().staging().unwrap();
    assert_eq!(blocks.block_map().known(), 1);
    blocks.discard().unwrap();

    let mut staging = PrefixStaging::create(&dir, files(), "n").unwrap();
    staging.write(b"hello").unwrap();
    staging.suspend().unwrap();
    let recovered = BlockStaging::recover(&dir, files()).unwrap();
    assert!(matches!(recovered, Recovered::OtherKind), "{recovered:?}");
    assert_eq!(PrefixStaging::name_of(&dir, &files()).unwrap().as_deref(), Some("n"));
    assert_eq!(PrefixStaging::recover(&dir, files()).unwrap().unwrap().len(), 5);
}
