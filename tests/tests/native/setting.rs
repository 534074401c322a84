//! A server, a directory of a client, and one file on one of the two sides.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Direction, Server};
use tempfile::{TempDir, tempdir_in};

pub(crate) const MIB: u64 = 1 << 20;

/// The name of the file.
pub(crate) const NAME: &str = "a.bin";

/// Where the file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

pub(crate) const WAYS: [Way; 2] = [Way::Up, Way::Down];

/// A server, and a directory that clients run in.
pub(crate) struct Setting {
    pub(crate) server: Server,
    pub(crate) root: TempDir,
    pub(crate) local: TempDir,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self::new_in(&env::temp_dir())
    }

    /// With both directories in `base`.
    pub(crate) fn new_in(base: &Path) -> Self {
        let root = tempdir_in(base).unwrap();
        Self { server: Server::start(root.path()), root, local: tempdir_in(base).unwrap() }
    }

    /// With `content(seed, len)` to be moved this way.
    pub(crate) fn with_file(way: Way, seed: u64, len: u64) -> Self {
        let setting = Self::new();
        write_file(&setting.source(way), content(seed, len));
        setting
    }

    pub(crate) fn source(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.local.path().join(NAME),
            Way::Down => self.root.path().join(NAME),
        }
    }

    pub(crate) fn target(&self, way: Way) -> PathBuf {
        match way {
            Way::Up => self.root.path().join(NAME),
            Way::Down => self.local.path().join(NAME),
        }
    }

    /// The digest of the file on the server, as the server reports it.
    pub(crate) fn digest(&self) -> String {
        let addr = self.server.addr().to_string();
        let outcome = Client::new().args(["digest", &addr, NAME]).run();
        outcome.assert_done();
        outcome.stdout.split_whitespace().next().unwrap().to_owned()
    }

    /// A command for the file, to be given more arguments.
    pub(crate) fn client(&self, way: Way, addr: SocketAddr) -> Client {
        way.client(addr).arg(NAME).current_dir(self.local.path())
    }

    /// The file is there, and nothing of ours is left beside it.
    pub(crate) fn assert_arrived(&self, way: Way, seed: u64, len: u64) {
        let target = self.target(way);
        assert_content(&target, content(seed, len));
        assert_eq!(names_in(target.parent().unwrap()), [NAME]);
    }
}

impl Way {
    pub(crate) fn client(self, addr: SocketAddr) -> Client {
        match self {
            Self::Up => Client::upload(addr),
            Self::Down => Client::download(addr),
        }
        .dialect("native")
    }

    /// Which way the bytes of the file go.
    pub(crate) fn direction(self) -> Direction {
        match self {
            Self::Up => Direction::ToServer,
            Self::Down => Direction::ToClient,
        }
    }
}

/// The names in a directory except the server's own, sorted.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != ".ftx");
    names.sort();
    names
}

/// Sets the modification time back by years, as far as a program can: the file counts as long unchanged,
/// so a cache may store hashes of it.
pub(crate) fn age(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 5);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// The digest of a file, as `digest` prints it.
pub(crate) fn b3sum(path: &Path) -> String {
    blake3::hash(&fs::read(path).unwrap()).to_hex().to_string()
}
