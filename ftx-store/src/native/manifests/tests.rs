use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest, PartialManifest, block_count};
use tempfile::TempDir;

use super::{ManifestCache, ManifestLimits};
use crate::{FileIdentity, StableIdentity};

const LIMITS: ManifestLimits =
    ManifestLimits { memory_files: 10, memory_bytes: 100_000, disk_files: 10 };
/// The time of the last change of the files in these tests.
const CHANGED_NS: i128 = 1_000_000_000_000_000_000;

fn stable(identity: FileIdentity) -> StableIdentity {
    StableIdentity::assumed(identity)
}

fn scratch() -> (TempDir, Dir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    (temp, dir)
}

fn identity(ino: u64, size: u64) -> FileIdentity {
    FileIdentity { dev: 1, ino, size, mtime_ns: CHANGED_NS, ctime_ns: CHANGED_NS, nlink: 1 }
}

fn manifest(size: u64) -> Arc<Manifest> {
    Arc::new(Manifest::new(size, (0..block_count(size)).map(cv).collect()).unwrap())
}

fn cv(index: u64) -> Cv {
    Cv([1 + u8::try_from(index % 251).unwrap(); 32])
}

fn entries(dir: &Dir) -> Vec<String> {
    let names = dir.entries().unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[test]
fn blocks_are_learned_one_by_one_until_all_are_known() {
    let (_temp, dir) = scratch();
    for (cache, kept) in
        [(ManifestCache::in_memory(LIMITS), 0), (ManifestCache::in_dir(&dir, LIMITS).unwrap(), 1)]
    {
        let size = 3 * BLOCK_BYTES;
        let (file, whole) = (identity(1, size), manifest(size));
        assert_eq!(cache.partial(&file).known(), 0);
        for index in [2, 0, 3, u64::MAX] {
            cache.learn(&stable(file), index, cv(index));
        }
        assert_eq!(cache.manifest(&file), None);
        let partial = cache.partial(&file);
        assert_eq!((partial.size(), partial.known(), partial.get(2)), (size, 2, Some(cv(2))));
        assert!(entries(&dir).is_empty());

        cache.learn(&stable(file), 1, cv(1));
        assert_eq!(cache.manifest(&file), Some(Arc::clone(&whole)));
        assert!(cache.partial(&file).complete().is_some());
        assert_eq!(entries(&dir).len(), kept);
        // Learning more loses nothing.
        cache.learn(&stable(file), 1, cv(1));
        assert_eq!(cache.manifest(&file), Some(whole));

        cache.forget(&file);
        assert_eq!((cache.manifest(&file), cache.partial(&file).known()), (None, 0));
        assert!(entries(&dir).is_empty());
    }
}

#[test]
fn a_manifest_outlives_the_process_if_the_file_has_more_than_a_block() {
    let (_temp, dir) = scratch();
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    for (ino, size) in [(1, BLOCK_BYTES), (2, BLOCK_BYTES + 1), (3, 40 * BLOCK_BYTES)] {
        cache.learn_all(&stable(identity(ino, size)), &manifest(size));
        assert_eq!(cache.manifest(&identity(ino, size)), Some(manifest(size)));
    }
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    assert_eq!(cache.manifest(&identity(1, BLOCK_BYTES)), None);
    assert_eq!(cache.manifest(&identity(2, BLOCK_BYTES + 1)), Some(manifest(BLOCK_BYTES + 1)));
    assert_eq!(cache.partial(&identity(3, 40 * BLOCK_BYTES)).known(), 40);
    // From here on it is in memory.
    entries(&dir).iter().for_each(|name| dir.remove_file(name).unwrap());
    assert_eq!(cache.manifest(&identity(3, 40 * BLOCK_BYTES)), Some(manifest(40 * BLOCK_BYTES)));
}

#[test]
fn the_partial_manifest_of_a_file_outlives_the_process() {
    let (_temp, dir) = scratch();
    let size = 300 * BLOCK_BYTES + 1;
    let file = identity(1, size);
    let mut known = PartialManifest::new(size);
    for index in [0, 7, 299, 300] {
        assert!(known.set(index, cv(index)));
    }
    ManifestCache::in_dir(&dir, LIMITS).unwrap().learn_part(&stable(file), known.clone());
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    assert_eq!(cache.manifest(&file), None);
    assert_eq!(cache.partial(&file), known);
    // It is written to the disk once, not for each block.
    (0..=300).for_each(|index| cache.learn(&stable(file), index, cv(index)));
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    assert_eq!(cache.manifest(&file), Some(manifest(size)));
    // So is one that turns out to be complete.
    let other = identity(2, size);
    cache.learn_part(&stable(other), PartialManifest::from(&*manifest(size)));
    // It stays, even when a part is learned later.
    cache.learn_part(&stable(other), known.clone());
    assert_eq!(cache.manifest(&other), Some(manifest(size)));
    // A manifest of another size does not belong to this file.
    let third = identity(3, size + 1);
    cache.learn_part(&stable(third), known);
    assert_eq!(cache.partial(&third).known(), 0);
}

#[test]
fn any_change_of_the_file_is_another_identity() {
    let (_temp, dir) = scratch();
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    let size = 2 * BLOCK_BYTES;
    let file = identity(1, size);
    cache.learn_all(&stable(file), &manifest(size));
    for other in [
        FileIdentity { dev: 2, ..file },
        FileIdentity { ino: 2, ..file },
        FileIdentity { size: size - 1, ..file },
        FileIdentity { mtime_ns: file.mtime_ns + 1, ..file },
        FileIdentity { ctime_ns: file.ctime_ns + 1, ..file },
    ] {
        assert_eq!((cache.manifest(&other), cache.partial(&other).known()), (None, 0));
    }
    assert_eq!(cache.manifest(&file), Some(manifest(size)));
    // A manifest of another size does not belong to this file.
    let other = identity(9, size);
    cache.learn_all(&stable(other), &manifest(3 * BLOCK_BYTES));
    assert_eq!(cache.manifest(&other), None);
}

#[test]
fn memory_is_bounded_by_files_and_by_bytes() {
    let cache = ManifestCache::in_memory(LIMITS);
    for ino in 0..50 {
        cache.learn_all(&stable(identity(ino, BLOCK_BYTES)), &manifest(BLOCK_BYTES));
        // A recently used entry stays.
        assert!(cache.manifest(&identity(0, BLOCK_BYTES)).is_some());
    }
    assert_eq!(cache.memory().usage().0, LIMITS.memory_files);
    assert!(cache.manifest(&identity(49, BLOCK_BYTES)).is_some());
    assert!(cache.manifest(&identity(30, BLOCK_BYTES)).is_none());

    let large = 1000 * BLOCK_BYTES;
    for ino in 0..9 {
        cache.learn_all(&stable(identity(ino, large)), &manifest(large));
        let (files, bytes) = cache.memory().usage();
        assert!(files <= LIMITS.memory_files && bytes <= LIMITS.memory_bytes, "{files} {bytes}");
    }
    assert!(cache.manifest(&identity(8, large)).is_some());

    // Too large for the limit: the others stay.
    let usage = cache.memory().usage();
    cache.learn_all(&stable(identity(99, 4 * large)), &manifest(4 * large));
    assert_eq!(cache.memory().usage(), usage);
    for index in 0..2100 {
        cache.learn(&stable(identity(98, 4 * large)), index, Cv([0; 32]));
        assert!(cache.memory().usage().1 <= LIMITS.memory_bytes);
    }
}

#[test]
fn a_damaged_manifest_is_removed_and_not_believed() {
    let (_temp, dir) = scratch();
    let size = 2 * BLOCK_BYTES;
    let file = identity(1, size);
    ManifestCache::in_dir(&dir, LIMITS).unwrap().learn_all(&stable(file), &manifest(size));
    let name = entries(&dir).remove(0);
    let good = dir.read(&name).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..good.len()).map(|len| good[..len].to_vec()).collect();
    damaged.extend((0..good.len()).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    }));
    damaged.push([&good[..], &[0]].concat());
    // Complete, but of another file.
    let other = FileIdentity { ino: 2, ..file };
    damaged.push(super::disk::encode(&other, &super::CachedManifest::Whole(manifest(size))));
    for bytes in damaged {
        dir.write(&name, &bytes).unwrap();
        let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
        assert_eq!(cache.manifest(&file), None);
        assert!(entries(&dir).is_empty());
    }
    dir.write(&name, &good).unwrap();
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    assert_eq!(cache.manifest(&file), Some(manifest(size)));
}

/// The bytes are the format: if this test must change, so must the magic.
#[test]
fn the_bytes_are_as_specified() {
    let (_temp, dir) = scratch();
    let file =
        FileIdentity { dev: 1, ino: 2, size: BLOCK_BYTES + 1, mtime_ns: -1, ctime_ns: 3, nlink: 1 };
    let whole = Arc::new(Manifest::new(file.size, vec![Cv([0xab; 32]), Cv([0xcd; 32])]).unwrap());
    ManifestCache::in_dir(&dir, LIMITS).unwrap().learn_all(&stable(file), &whole);
    assert_eq!(entries(&dir), ["a952602966370c3328d3b122a78b8dcd"]);
    let bytes = dir.read(&entries(&dir)[0]).unwrap();
    let name = blake3::hash(&bytes[8..64]).to_hex();
    assert_eq!(entries(&dir), [name[..32].to_owned()]);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    #[rustfmt::skip]
    let golden = [
        "4654584d414e4933",                 // magic
        "0100000000000000",                 // dev
        "0200000000000000",                 // ino
        "0100100000000000",                 // size
        "ffffffffffffffffffffffffffffffff", // mtime_ns
        "03000000000000000000000000000000", // ctime_ns
        &"ab".repeat(32),                   // block 0
        &"cd".repeat(32),                   // block 1
        "cc8aee0f",                         // checksum
    ];
    assert_eq!(hex, golden.concat());
}

#[test]
fn the_oldest_on_the_disk_give_way() {
    let (_temp, dir) = scratch();
    let size = 2 * BLOCK_BYTES;
    dir.write("left.0.tmp", "by a crash").unwrap();
    let cache = ManifestCache::in_dir(&dir, LIMITS).unwrap();
    assert!(entries(&dir).is_empty());
    let mut seen = Vec::new();
    for ino in 0..10 {
        cache.learn_all(&stable(identity(ino, size)), &manifest(size));
        let new = entries(&dir).into_iter().find(|name| !seen.contains(name)).unwrap();
        // The first is the youngest.
        let file = dir.open_with(&new, cap_std::fs::OpenOptions::new().write(true)).unwrap();
        file.into_std().set_modified(SystemTime::now() - Duration::from_secs(ino)).unwrap();
        seen.push(new);
    }
    assert_eq!(entries(&dir).len(), LIMITS.disk_files);
    cache.learn_all(&stable(identity(10, size)), &manifest(size));
    let left = entries(&dir);
    assert_eq!(left.len(), 9);
    assert!(seen[..8].iter().all(|name| left.contains(name)));

    // Opening with a lower limit removes the others.
    let limits = ManifestLimits { disk_files: 3, ..LIMITS };
    let cache = ManifestCache::in_dir(&dir, limits).unwrap();
    assert_eq!(entries(&dir).len(), 3);
    assert!(cache.manifest(&identity(10, size)).is_some());
    assert!(cache.manifest(&identity(7, size)).is_none());
}

/// A read-only disk must not stop lookups.
#[test]
fn a_vanished_cache_directory_costs_only_its_entries() {
    let (temp, dir) = scratch();
    dir.create_dir("manifests").unwrap();
    let cache = ManifestCache::in_dir(&dir.open_dir("manifests").unwrap(), LIMITS).unwrap();
    dir.remove_dir_all("manifests").unwrap();
    let size = 2 * BLOCK_BYTES;
    cache.learn_all(&stable(identity(1, size)), &manifest(size));
    assert!(cache.manifest(&identity(1, size)).is_some());
    assert!(cache.manifest(&identity(2, size)).is_none());
    cache.forget(&identity(1, size));
    drop(temp);
}
