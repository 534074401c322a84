//! The initial tree, the command, and the expected result of a scenario.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Outcome, Server, ServerBuilder};
use tempfile::TempDir;

/// The state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A file: a seed, and its length in bytes.
    File(u64, u64),
    Directory,
    Nothing,
}

/// Names below a directory.
pub(crate) type Tree = &'static [(&'static str, Node)];

/// Whose disk it is that may lose its power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// A command, and its initial state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    /// Those in which it is run.
    pub(crate) dialects: &'static [&'static str],
    /// The tree on the other side.
    pub(crate) source: Tree,
    /// The tree on disk, synced.
    pub(crate) before: Tree,
    /// Changes made to it afterwards by another process that does not sync.
    pub(crate) unsynced: Tree,
    /// The client's arguments. `DISK` is the directory on the disk; the server's address follows the first.
    pub(crate) command: &'static [&'static str],
    /// The exit code.
    pub(crate) code: i32,
    /// The tree on disk afterwards, even across a power loss.
    pub(crate) after: Tree,
    /// The exit code when the same is asked again.
    pub(crate) again: i32,
}

/// A scenario in its place.
pub(crate) struct Place<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) dialect: &'static str,
    /// The directory on the disk.
    pub(crate) disk: &'a Path,
    other: TempDir,
}

impl Scenario {
    /// Puts everything in its place that is there before.
    pub(crate) fn prepare<'a>(&'a self, dialect: &'static str, disk: &'a Path) -> Place<'a> {
        let other = tempfile::tempdir().unwrap();
        write(self.source, other.path());
        write(self.before, disk);
        Place { scenario: self, dialect, disk, other }
    }
}

impl Place<'_> {
    pub(crate) fn server(&self) -> ServerBuilder {
        Server::builder(match self.scenario.side {
            Side::Server => self.disk,
            Side::Client => self.other.path(),
        })
        // What is promised is read from the bytes on the line.
        .args(["--compress", "never"])
    }

    /// The client, which has one connection and tries once.
    pub(crate) fn client(&self, addr: SocketAddr) -> Client {
        let disk = self.disk.to_str().unwrap();
        let (first, others) = self.scenario.command.split_first().unwrap();
        let client = Client::new().arg(first).arg(addr.to_string());
        let client = client.args(others.iter().map(|arg| arg.replace("DISK", disk)));
        let client = match *first {
            "upload" => client.args(["--no-cache", "--streams", "1"]),
            "download" => client.args(["--durability", "full", "--no-cache", "--streams", "1"]),
            _ => client,
        };
        client
            .args(["--json", "--retries", "0"])
            .dialect(self.dialect)
            .current_dir(self.other.path())
    }

    /// Another process changes the disk.
    pub(crate) fn change(&self) {
        write(self.scenario.unsynced, self.disk);
    }

    pub(crate) fn assert_after(&self) {
        for (name, node) in self.scenario.after {
            let path = self.disk.join(name);
            match *node {
                Node::File(seed, len) => assert_content(&path, content(seed, len)),
                Node::Directory => assert!(path.is_dir(), "no directory {}", path.display()),
                Node::Nothing => assert!(!path.exists(), "{} is there again", path.display()),
            }
        }
    }
}

/// Makes the entries of a tree, and removes those that it lists as absent.
fn write(tree: Tree, dir: &Path) {
    for (name, node) in tree {
        let path = dir.join(name);
        match *node {
            Node::File(seed, len) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                write_file(&path, content(seed, len));
            }
            Node::Directory => fs::create_dir_all(&path).unwrap(),
            Node::Nothing => fs::remove_file(&path).unwrap(),
        }
    }
}

/// An empty directory at this path, whatever was there.
pub(crate) fn make_empty(path: &Path) {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{}: {error}", path.display()),
        _ => fs::create_dir(path).unwrap(),
    }
}

/// The names that a client has reported so far in events of this kind.
pub(crate) fn reported_names(event: &str, stdout: &str) -> Vec<String> {
    let told = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_meant = line.get("event")? == event;
        is_meant.then(|| line.get("name")?.as_str().map(str::to_owned))?
    };
    stdout.lines().filter_map(told).collect()
}

/// Asserts the exit code.
pub(crate) fn assert_code(outcome: &Outcome, code: i32, when: &str) {
    assert_eq!(outcome.code, Some(code), "{when}: {outcome:#?}");
}
