//! The hashes of a file's blocks, and small files published in a batch.
//!
//! The files are below `TMPDIR`.

use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use criterion::{BatchSize, Criterion, Throughput};
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange};
use ftx_core::native::wire::{Meta, Mtime};
use ftx_store::{BatchFile, BatchPublisher, Durability, Existing, StagingName, hash_blocks};

const HASHED_BLOCKS: u64 = 32;
const FILES: u32 = 100;
const FILE_BYTES: usize = 4096;

/// A file of 32 MiB in the page cache.
pub(crate) fn hashing(criterion: &mut Criterion) {
    let mut file = tempfile::tempfile().unwrap();
    let size = HASHED_BLOCKS * BLOCK_BYTES;
    let block = vec![7; usize::try_from(BLOCK_BYTES).unwrap()];
    (0..HASHED_BLOCKS).for_each(|_| file.write_all(&block).unwrap());

    let mut group = criterion.benchmark_group("hash_blocks");
    group.throughput(Throughput::Bytes(size));
    for (name, threads) in [("one thread", NonZeroUsize::new(1)), ("a thread a core", None)] {
        group.bench_function(name, |bench| bench.iter(|| hash_all(&file, size, threads)));
    }
    group.finish();
}

fn hash_all(file: &File, size: u64, threads: Option<NonZeroUsize>) {
    let all = BlockRange { first: 0, count: HASHED_BLOCKS };
    let cvs = hash_blocks(file, size, all, threads, &mut |_| true).unwrap();
    assert!(cvs.is_some());
}

/// A hundred files of 4 KiB. Creating, writing and renaming them is the least that it could cost.
pub(crate) fn publishing(criterion: &mut Criterion) {
    let temp = tempfile::tempdir().unwrap();
    let root = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    for name in ["staging", "target"] {
        root.create_dir(name).unwrap();
    }
    let (staging, target) = (root.open_dir("staging").unwrap(), root.open_dir("target").unwrap());
    let names: Vec<PathBuf> = (0..FILES).map(|i| format!("{i:016x}.data").into()).collect();
    let bytes = vec![7; FILE_BYTES];
    // Replacing a file costs something else than creating it.
    let clear = || names.iter().for_each(|name| target.remove_file(name).unwrap_or_default());

    let mut group = criterion.benchmark_group("100 small files");
    group.throughput(Throughput::Elements(FILES.into()));
    group.bench_function("create, write, rename", |bench| {
        let each = || {
            for name in &names {
                staging.write(name, &bytes).unwrap();
                staging.rename(name, &target, name).unwrap();
            }
        };
        bench.iter_batched(clear, |()| each(), BatchSize::PerIteration);
    });
    for durability in [Durability::None, Durability::Full] {
        let meta = Meta { mtime: Mtime::new(1_700_000_000, 0), ..Meta::default() };
        let file = |name| BatchFile {
            staging: StagingName::Own(name),
            target_dir: &target,
            target: name,
            bytes: &bytes,
            meta,
            existing: Existing::Replace,
        };
        let files: Vec<_> = names.iter().map(|name| file(Path::new(name))).collect();
        let publisher = BatchPublisher::new(&staging, durability).unwrap();
        let publish = || {
            for outcome in publisher.publish(&files) {
                outcome.unwrap();
            }
        };
        group.bench_function(format!("publish, durability {durability:?}"), |bench| {
            bench.iter_batched(clear, |()| publish(), BatchSize::PerIteration);
        });
    }
    group.finish();
}
