//! Repeated transfers of trees: files that are up to date are not moved again.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Outcome, Proxy, wait_until};

use super::{MIB, Setting, Way};

/// Files of the tree and their length; another one has a block.
const FILES: u64 = 320;
const LEN: u64 = 128 * 1024;
const TOTAL: u64 = FILES * LEN + MIB;

/// Bytes a client may send before it learns that a file is up to date: the window of its only
/// connection, and a file.
const UNHEARD: u64 = 8 * MIB + 2 * LEN;

/// The most bytes of requests and replies.
const TALK: u64 = 256 * 1024;

fn name(at: u64) -> String {
    format!("{}/{at}.bin", at % 7)
}

fn make(dir: &Path) {
    for at in 0..FILES {
        let path = dir.join(name(at));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, content(at, LEN));
    }
    write_file(&dir.join("block"), content(1000, MIB));
    write_file(&dir.join("empty"), content(0, 0));
}

fn assert_made(dir: &Path, changed: &[u64]) {
    for at in 0..FILES {
        let seed = if changed.contains(&at) { at + 5000 } else { at };
        assert_content(&dir.join(name(at)), content(seed, LEN));
    }
    assert_content(&dir.join("block"), content(1000, MIB));
    assert_content(&dir.join("empty"), content(0, 0));
}

fn inodes(dir: &Path) -> BTreeMap<u64, u64> {
    (0..FILES).map(|at| (at, fs::metadata(dir.join(name(at))).unwrap().ino())).collect()
}

/// A tree that is on both sides; the source's and the target's directory.
struct Trees {
    setting: Setting,
    way: Way,
}

impl Trees {
    fn new(way: Way) -> Self {
        Self { setting: Setting::new(), way }
    }

    fn source(&self) -> std::path::PathBuf {
        match self.way {
            Way::Up => self.setting.local.path().join("tree"),
            Way::Down => self.setting.root.path().join("tree"),
        }
    }

    fn target(&self) -> std::path::PathBuf {
        match self.way {
            Way::Up => self.setting.root.path().join("tree"),
            Way::Down => self.setting.local.path().join("tree"),
        }
    }

    /// Moves the tree through this proxy, and says how many bytes of files went.
    fn run(&self, proxy: &Proxy, args: &[&str]) -> (Outcome, u64) {
        let before = proxy.count(self.way.direction());
        let outcome = self.client(proxy, args).run();
        (outcome, proxy.count(self.way.direction()) - before)
    }

    fn client(&self, proxy: &Proxy, args: &[&str]) -> Client {
        let tree = if self.way == Way::Up { "tree" } else { "tree/" };
        let client = self.way.client(proxy.addr()).arg(tree).args(args).streams(1);
        client.current_dir(self.setting.local.path())
    }

    /// Bytes that may go although nothing has changed.
    fn slack(&self) -> u64 {
        match self.way {
            Way::Up => UNHEARD + TALK,
            Way::Down => TALK,
        }
    }
}

#[test]
fn up_to_date_files_are_not_moved() {
    for way in [Way::Up, Way::Down] {
        let trees = Trees::new(way);
        make(&trees.source());
        let proxy = Proxy::plain(trees.setting.server.addr());
        let (outcome, moved) = trees.run(&proxy, &[]);
        outcome.assert_done();
        assert!(moved > TOTAL, "{way:?}: {moved}");
        let before = inodes(&trees.target());

        let (outcome, moved) = trees.run(&proxy, &[]);
        outcome.assert_done();
        assert!(moved < trees.slack(), "{way:?}: {moved} bytes for nothing");
        assert_made(&trees.target(), &[]);
        assert_eq!(inodes(&trees.target()), before, "{way:?}: they are the same files");
    }
}

/// Files among them that are other ones by now arrive, and so do times and modes.
#[test]
fn changed_files_are_moved() {
    for way in [Way::Up, Way::Down] {
        let trees = Trees::new(way);
        make(&trees.source());
        let proxy = Proxy::plain(trees.setting.server.addr());
        trees.run(&proxy, &[]).0.assert_done();
        let changed: Vec<u64> = (0..FILES).step_by(40).collect();
        for at in &changed {
            write_file(&trees.source().join(name(*at)), content(at + 5000, LEN));
        }
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 5000);
        let touched = trees.source().join(name(300));
        fs::set_permissions(&touched, Permissions::from_mode(0o755)).unwrap();
        File::options().write(true).open(&touched).unwrap().set_modified(time).unwrap();
        // And one that is other only where it was moved to.
        write_file(&trees.target().join(name(301)), content(7, LEN));

        let (outcome, moved) = trees.run(&proxy, &[]);
        outcome.assert_done();
        assert_made(&trees.target(), &changed);
        let metadata = fs::metadata(trees.target().join(name(300))).unwrap();
        assert_eq!(metadata.modified().unwrap(), time, "{way:?}");
        assert_eq!(metadata.permissions().mode() & 0o111, 0o111, "{way:?}");
        let most = (changed.len() as u64 + 1) * (LEN + 1000) + trees.slack();
        assert!(moved < most, "{way:?}: {moved} bytes for {} files", changed.len() + 1);
    }
}

/// A large file that is there gets its time, too.
#[test]
fn the_time_of_a_large_file_is_kept_when_nothing_else_is_moved() {
    for way in [Way::Up, Way::Down] {
        let setting = Setting::with_file(way, 1, 3 * MIB);
        setting.client(way, setting.server.addr()).run().assert_done();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_500_000_000, 5000);
        File::options().write(true).open(setting.source(way)).unwrap().set_modified(time).unwrap();
        setting.client(way, setting.server.addr()).run().assert_done();
        let metadata = fs::metadata(setting.target(way)).unwrap();
        assert_eq!(metadata.modified().unwrap(), time, "{way:?}");
    }
}

/// An interrupted run resumes with the missing files.
#[test]
fn an_interrupted_tree_is_resumed() {
    for way in [Way::Up, Way::Down] {
        let trees = Trees::new(way);
        make(&trees.source());
        let proxy = Proxy::plain(trees.setting.server.addr());
        proxy.let_pass(way.direction(), TOTAL / 4 * 3);
        let mut client = trees.client(&proxy, &[]).spawn();
        let is_there = |at: &u64| trees.target().join(name(*at)).exists();
        let there = || (0..FILES).filter(is_there).count() as u64;
        wait_until("half of it is there", DEADLINE, || there() >= FILES / 2);
        client.kill();
        proxy.cut();
        proxy.let_pass(way.direction(), u64::MAX);

        let most = TOTAL - there() * LEN + trees.slack();
        let (outcome, moved) = trees.run(&proxy, &[]);
        outcome.assert_done();
        assert_made(&trees.target(), &[]);
        assert!(moved < most, "{way:?}: {moved} bytes, of {TOTAL} in all");
    }
}

/// A file that is not to be replaced is none that need not be sent.
#[test]
fn one_that_must_not_be_there_is_refused_though_it_is_the_same() {
    let trees = Trees::new(Way::Up);
    make(&trees.source());
    let proxy = Proxy::plain(trees.setting.server.addr());
    trees.run(&proxy, &[]).0.assert_done();
    let (outcome, _) = trees.run(&proxy, &["--overwrite", "fail", "--keep-going"]);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("0/0.bin"), "{}", outcome.stderr);
}
