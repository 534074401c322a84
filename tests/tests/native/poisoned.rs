//! Caches with false statements about a file: the other side detects them, and the file is read again.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BlockRange, Cv, PartialManifest, block_count};
use ftx_store::{
    FileIdentity, MIN_CACHED_BYTES, ManifestCache, ManifestLimits, StableIdentity, hash_blocks,
};
use ftx_tests::content::{content, write_file};
use ftx_tests::{Client, Direction, Plan, Proxy, Server};
use tempfile::{TempDir, tempdir};

use super::setting::{NAME, age, b3sum};
use super::{MIB, Setting, Way};

const LEN: u64 = 3 * MIB;

/// The value of no block.
const WRONG: Cv = Cv([7; 32]);

fn cvs(path: &Path) -> Vec<Option<Cv>> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let range = BlockRange { first: 0, count: block_count(size) };
    let cvs = hash_blocks(&file, size, range, None, &mut |_| true).unwrap().unwrap();
    cvs.into_iter().map(Some).collect()
}

/// Has the cache in `manifests` say this of the blocks of a file; of some, nothing.
fn poison(manifests: &Path, path: &Path, cvs: &[Option<Cv>]) {
    fs::create_dir_all(manifests).unwrap();
    let dir = Dir::open_ambient_dir(manifests, ambient_authority()).unwrap();
    let cache = ManifestCache::in_dir(&dir, ManifestLimits::default()).unwrap();
    let identity = FileIdentity::of_std(&File::open(path).unwrap()).unwrap();
    let mut known = PartialManifest::new(identity.size);
    for (index, cv) in (0..).zip(cvs) {
        assert!(cv.is_none_or(|cv| known.set(index, cv)));
    }
    cache.learn_part(&StableIdentity::assumed(identity), known);
    assert_eq!(dir.entries().unwrap().count(), 1);
}

/// The value of this block of the file is wrong.
fn poison_block(manifests: &Path, path: &Path, index: usize) {
    let mut cvs = cvs(path);
    cvs[index] = Some(WRONG);
    poison(manifests, path, &cvs);
}

/// A client with a cache of its own.
struct Cached {
    setting: Setting,
    way: Way,
    home: TempDir,
}

impl Cached {
    /// With version 1 at the source.
    fn new(way: Way) -> Self {
        Self { setting: Setting::with_file(way, 1, LEN), way, home: tempdir().unwrap() }
    }

    fn manifests(&self) -> std::path::PathBuf {
        self.home.path().join("ftx/manifests")
    }

    fn client(&self, streams: usize) -> Client {
        let client = self.setting.client(self.way, self.setting.server.addr()).streams(streams);
        client.cache_home(self.home.path())
    }

    /// It arrives, though not at the first try.
    fn assert_arrives(&self, streams: usize) {
        let outcome = self.client(streams).arg("--json").run();
        outcome.assert_done();
        assert!(outcome.stdout.contains("\"retrying\""), "{outcome:#?}");
        self.assert_same();
    }

    fn assert_same(&self) {
        let [source, target] = [self.setting.source(self.way), self.setting.target(self.way)];
        assert!(fs::read(source).unwrap() == fs::read(target).unwrap(), "other bytes arrived");
    }
}

#[test]
fn an_upload_with_a_wrong_cache_reads_the_file_again() {
    for (index, streams) in [(0, 1), (1, 3), (2, 1)] {
        let cached = Cached::new(Way::Up);
        poison_block(&cached.manifests(), &cached.setting.source(Way::Up), index);
        cached.assert_arrives(streams);
    }
}

/// The server has all of it but the block that the cache is wrong about.
#[test]
fn an_upload_with_a_wrong_cache_over_another_version_reads_the_file_again() {
    for same in [true, false] {
        let cached = Cached::new(Way::Up);
        let target = cached.setting.target(Way::Up);
        write_file(&target, content(1, LEN));
        if !same {
            let file = File::options().write(true).open(&target).unwrap();
            file.write_all_at(b"another version", MIB + 7).unwrap();
        }
        poison_block(&cached.manifests(), &cached.setting.source(Way::Up), 1);
        cached.assert_arrives(1);
    }
}

/// A false cache entry is not stored again when an attempt ends early. The entry is wrong about block 0,
/// which is noticed, and claims the server's content for block 10.
#[test]
fn a_wrong_cache_entry_is_dropped_when_the_connection_breaks() {
    const BLOCKS: u64 = MIN_CACHED_BYTES / MIB + 1;
    let cached = Cached::new(Way::Up);
    let (source, target) = (cached.setting.source(Way::Up), cached.setting.target(Way::Up));
    write_file(&source, content(1, BLOCKS * MIB));
    age(&source);
    let mut old = fs::read(&source).unwrap();
    for index in [0, 1, 2, 3, 4, 5, 6, 7, 10] {
        old[(index << 20) + 5] ^= 1;
    }
    fs::write(&target, old).unwrap();
    let mut said = cvs(&target);
    said[0] = Some(WRONG);
    said[1..8].fill(None);
    poison(&cached.manifests(), &source, &said);
    // One block is sent after the other, so the first was found to be another one by then.
    let proxy = Proxy::start(cached.setting.server.addr(), |index| match index {
        0 => Plan::default().cut_after(Direction::ToServer, 4 * MIB),
        _ => Plan::default(),
    });
    let client = cached.setting.client(Way::Up, proxy.addr()).streams(1);
    client.cache_home(cached.home.path()).run().assert_done();
    cached.assert_same();
}

/// Blocks 0 and 1 of the target are other ones than the server's; the cache says of block 0 that it is the
/// server's.
#[test]
fn a_download_onto_a_file_that_the_cache_is_wrong_about_ends_with_the_right_bytes() {
    for streams in [1, 3] {
        let cached = Cached::new(Way::Down);
        let (source, target) = (cached.setting.source(Way::Down), cached.setting.target(Way::Down));
        let mut old = fs::read(&source).unwrap();
        old[5] ^= 1;
        old[(1 << 20) + 5] ^= 1;
        fs::write(&target, old).unwrap();
        let mut said = cvs(&target);
        said[0] = cvs(&source)[0];
        poison(&cached.manifests(), &target, &said);
        cached.client(streams).run().assert_done();
        cached.assert_same();
    }
}

#[test]
fn a_download_onto_a_file_of_which_a_block_is_not_known_ends_with_the_right_bytes() {
    let cached = Cached::new(Way::Down);
    let target = cached.setting.target(Way::Down);
    write_file(&target, content(1, LEN));
    poison_block(&cached.manifests(), &target, 1);
    cached.client(1).run().assert_done();
    cached.assert_same();
}

/// A server that was stopped, and started with a cache that is wrong about a block of its file.
fn poisoned_server(len: u64, index: usize) -> Setting {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let path = root.path().join(NAME);
    write_file(&path, content(1, len));
    poison_block(&root.path().join(".ftx/manifests"), &path, index);
    Setting { server: Server::start(root.path()), root, local }
}

#[test]
fn a_download_from_a_server_with_a_wrong_cache_ends_with_the_right_bytes() {
    for (len, index, streams) in
        [(MIB + 1, 0, 1), (MIB + 1, 1, 1), (LEN, 0, 1), (LEN, 2, 2), (LEN, 1, 3)]
    {
        let setting = poisoned_server(len, index);
        let wrong = setting.digest();
        let client = setting.client(Way::Down, setting.server.addr()).streams(streams);
        client.run().assert_done();
        setting.assert_arrived(Way::Down, 1, len);
        let right = b3sum(&setting.source(Way::Down));
        assert_ne!(wrong, right, "the cache was not wrong");
        assert_eq!(setting.digest(), right);
    }
}

/// The client has a copy; the cache says that it differs from the server's file.
#[test]
fn a_download_onto_a_copy_from_a_server_with_a_wrong_cache_ends_with_the_right_bytes() {
    let setting = poisoned_server(LEN, 1);
    write_file(&setting.target(Way::Down), content(1, LEN));
    setting.client(Way::Down, setting.server.addr()).run().assert_done();
    setting.assert_arrived(Way::Down, 1, LEN);
    assert_eq!(setting.digest(), b3sum(&setting.source(Way::Down)));
}
