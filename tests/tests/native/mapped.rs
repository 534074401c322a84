//! Files that a program writes to through a shared mapping. A store to a page that is dirty already
//! moves no time of the file, and on tmpfs no store does, so identities say nothing of the contents.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use ftx_tests::content::{content, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Mapping, Proxy, wait_until};
use tempfile::{TempDir, tempdir};

use super::setting::{NAME, age, b3sum};
use super::{MIB, Setting, Way};

/// Where the program stores bytes, in the first block.
const AT: u64 = 1000;

/// When so many bytes have come from the server, it has hashed a file of 64 blocks: their chaining values
/// alone are twice as many.
const MANIFEST_BEGUN: u64 = 1000;

/// A file system that is never written back to a disk.
const TMPFS: &str = "/dev/shm";

/// A file that no cache takes in, and one that is worth it.
const SIZES: [u64; 2] = [3 * MIB, 20 * MIB];

/// A file to be moved this way, which a program has mapped and written to once, long ago.
struct Mapped {
    setting: Setting,
    way: Way,
    dialect: &'static str,
    mapping: Mapping,
    stored: u8,
    /// Of the client's cache.
    home: TempDir,
}

/// Tries a case in both dialects.
fn each_dialect(way: Way, case: impl Fn(&mut Mapped)) {
    each(way, "native", &case);
    each(way, "legacy", &case);
}

/// Tries a case with files of both sizes on both kinds of file systems.
fn each(way: Way, dialect: &'static str, case: impl Fn(&mut Mapped)) {
    for base in [env::temp_dir(), PathBuf::from(TMPFS)] {
        for len in SIZES {
            println!("{len} bytes in {}, {dialect}", base.display());
            let setting = Setting::new_in(&base);
            write_file(&setting.source(way), content(1, len));
            let mapping = Mapping::open(&setting.source(way));
            let home = tempdir().unwrap();
            let mut mapped = Mapped { setting, way, dialect, mapping, stored: 0, home };
            mapped.store();
            age(&mapped.source());
            case(&mut mapped);
        }
    }
}

impl Mapped {
    fn source(&self) -> PathBuf {
        self.setting.source(self.way)
    }

    /// Stores another byte than before.
    fn store(&mut self) {
        self.stored += 1;
        self.mapping.store(AT, self.stored);
    }

    /// The same, and checks that it went unseen where it always does: or these tests would test nothing.
    fn store_unseen(&mut self) {
        let times = |path: &Path| {
            let it = fs::metadata(path).unwrap();
            (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec())
        };
        let before = times(&self.source());
        self.store();
        if self.source().starts_with(TMPFS) {
            assert_eq!(times(&self.source()), before);
        }
    }

    fn run(&self, args: &[&str]) {
        let addr = self.setting.server.addr();
        let client = match self.way {
            Way::Up => Client::upload(addr),
            Way::Down => Client::download(addr),
        };
        let client = client.arg(NAME).args(args).dialect(self.dialect);
        let client = client.current_dir(self.setting.local.path());
        client.cache_home(self.home.path()).run().assert_done();
    }

    /// The two files have the same bytes, and the latest store is among them.
    fn assert_same(&self, target: &Path) {
        let (source, target) = (fs::read(self.source()).unwrap(), fs::read(target).unwrap());
        assert_eq!(source[usize::try_from(AT).unwrap()], self.stored);
        assert!(source == target, "other bytes arrived");
    }
}

#[test]
fn changes_since_the_first_upload_are_uploaded() {
    each_dialect(Way::Up, |mapped| {
        for _ in 0..2 {
            mapped.run(&[]);
            mapped.assert_same(&mapped.setting.target(Way::Up));
        }
        mapped.store_unseen();
        mapped.run(&[]);
        mapped.assert_same(&mapped.setting.target(Way::Up));
    });
}

#[test]
fn the_digest_of_a_server_is_that_of_the_present_contents() {
    each(Way::Down, "native", |mapped| {
        for _ in 0..2 {
            assert_eq!(mapped.setting.digest(), b3sum(&mapped.source()));
        }
        mapped.store_unseen();
        assert_eq!(mapped.setting.digest(), b3sum(&mapped.source()));
    });
}

#[test]
fn a_download_onto_a_copy_brings_the_present_contents() {
    each_dialect(Way::Down, |mapped| {
        for _ in 0..2 {
            mapped.run(&[]);
            mapped.assert_same(&mapped.setting.target(Way::Down));
        }
        mapped.store_unseen();
        mapped.run(&[]);
        mapped.assert_same(&mapped.setting.target(Way::Down));
    });
}

/// As a server sends it from its cache.
#[test]
fn a_file_that_was_hashed_before_the_store_can_be_downloaded() {
    for streams in ["1", "3"] {
        each(Way::Down, "native", |mapped| {
            mapped.setting.digest();
            mapped.store_unseen();
            mapped.run(&["--streams", streams, "--retries", "1"]);
            mapped.assert_same(&mapped.setting.target(Way::Down));
        });
    }
}

/// The client compares its partial file with a manifest that is wrong by the time it asks for the rest.
#[test]
fn a_file_that_is_written_to_after_its_manifest_was_sent_can_be_downloaded() {
    let len = 64 * MIB;
    for streams in ["1", "3"] {
        let setting = Setting::new_in(Path::new(TMPFS));
        write_file(&setting.source(Way::Down), content(1, len));
        let mut mapping = Mapping::open(&setting.source(Way::Down));
        write_file(&setting.target(Way::Down), content(1, len / 2));
        let proxy = Proxy::plain(setting.server.addr());
        proxy.let_pass(Direction::ToClient, MANIFEST_BEGUN);
        let client = setting.client(Way::Down, proxy.addr());
        let client = client.args(["--streams", streams, "--retries", "1"]).spawn();
        wait_until("the manifest is sent", DEADLINE, || {
            proxy.count(Direction::ToClient) >= MANIFEST_BEGUN
        });
        mapping.store(len - AT, b'x');
        proxy.let_pass(Direction::ToClient, u64::MAX);
        client.wait(DEADLINE).assert_done();
        let [source, target] =
            [setting.source(Way::Down), setting.target(Way::Down)].map(|it| fs::read(it).unwrap());
        assert_eq!(source[source.len() - usize::try_from(AT).unwrap()], b'x');
        assert!(source == target, "other bytes arrived, {streams} streams");
    }
}

/// A block of the target is changed after the server has hashed it, and a version arrives that has the
/// block as it was.
#[test]
fn an_upload_over_a_mapped_file_is_published_as_it_was_sent() {
    each(Way::Down, "native", |mapped| {
        mapped.run(&[]);
        mapped.setting.digest();
        // The next version: another last block.
        let (new, len) =
            (mapped.setting.source(Way::Up), fs::metadata(mapped.source()).unwrap().len());
        let file = File::options().write(true).open(&new).unwrap();
        file.write_all_at(b"the next version", len - 100).unwrap();
        let sent = fs::read(&new).unwrap();
        mapped.store_unseen();
        let client = mapped.setting.client(Way::Up, mapped.setting.server.addr());
        client.run().assert_done();
        assert!(fs::read(mapped.source()).unwrap() == sent, "a mixture was published");
        assert_eq!(mapped.setting.digest(), b3sum(&new));
    });
}
