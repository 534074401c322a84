//! A server, a directory of a client, and one file on one of the two sides.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Direction, Server};
use tempfile::{TempDir, tempdir};

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
        let root = tempdir().unwrap();
        Self { server: Server::start(root.path()), root, local: tempdir().unwrap() }
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

/// What is in a directory but for what the server keeps to itself, sorted.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name != ".ftx");
    names.sort();
    names
}
