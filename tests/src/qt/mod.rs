//! The programs of `tests/qt-client`, each with a server and a directory of its own.

mod screen;
mod valgrind;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::{TempDir, tempdir};

pub use self::screen::Screen;
pub use self::valgrind::under_valgrind;
use crate::peer::{Peer, PeerServer, Qt, clients};
use crate::process::{Outcome, Process};
use crate::server::Server;
use crate::wait::DEADLINE;

/// A server that a program is a client of.
#[derive(Debug)]
pub enum Served {
    /// `ftx-server`.
    Ours(Server),
    /// A server made of Qt, and the peer that starts another one.
    Qt(PeerServer, Peer),
}

/// A program, a server, and a directory for each.
#[derive(Debug)]
pub struct Setting {
    /// Description for messages.
    pub what: String,
    /// The program, as `tests/qt-client` names it.
    pub program: &'static str,
    /// The version of Qt it is built with.
    pub qt: Qt,
    /// The server.
    pub server: Served,
    root: TempDir,
    local: TempDir,
}

impl Served {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.addr(),
            Self::Qt(server, _) => server.addr(),
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        match self {
            Self::Ours(server) => server.kill(),
            Self::Qt(server, _) => server.kill(),
        }
    }
}

impl Setting {
    /// A program with `ftx-server`.
    #[must_use]
    pub fn new(qt: Qt, program: &'static str) -> Self {
        let root = tempdir().unwrap();
        let server = Served::Ours(Server::start(root.path()));
        let what = format!("{program} with ftx-server");
        Self { what, program, qt, server, root, local: tempdir().unwrap() }
    }

    /// A program with each server there is: `ftx-server`, the Qt server of this repository and,
    /// where it is at hand, the original's.
    #[must_use]
    pub fn with_each_server(qt: Qt, program: &'static str) -> Vec<Self> {
        let peers = [("own", Some(Peer::own(qt))), ("original", Peer::original(qt))];
        let with_peers = peers.into_iter().filter_map(|(make, peer)| {
            let peer = peer?;
            let root = tempdir().unwrap();
            let server = Served::Qt(peer.serve(root.path()), peer);
            let what = format!("{program} with the {make} Qt server");
            Some(Self { what, program, qt, server, root, local: tempdir().unwrap() })
        });
        std::iter::once(Self::new(qt, program)).chain(with_peers).collect()
    }

    /// A command line of the program, with another address than the server's: a proxy's, say.
    #[must_use]
    pub fn command(&self, addr: SocketAddr, verb: &str, files: &[&str]) -> Command {
        let mut command = Command::new(self.path());
        command.args(arguments(addr, verb, files)).current_dir(self.local.path());
        command
    }

    /// Runs the program to its end.
    #[must_use]
    pub fn run(&self, verb: &str, files: &[&str]) -> Outcome {
        self.run_at(self.server.addr(), verb, files)
    }

    /// The same with another address than the server's.
    #[must_use]
    pub fn run_at(&self, addr: SocketAddr, verb: &str, files: &[&str]) -> Outcome {
        Process::spawn(&mut self.command(addr, verb, files)).wait(DEADLINE)
    }

    /// Asserts the program's output.
    ///
    /// # Panics
    /// If the output differs.
    pub fn assert(&self, verb: &str, files: &[&str], expected: &str) {
        assert_eq!(self.run(verb, files).stdout, expected, "{}: {verb} {files:?}", self.what);
    }

    /// Starts another server in place of the one there was, which is killed if it still runs.
    pub fn restart_server(&mut self) {
        self.server.kill();
        self.server = match &self.server {
            Served::Ours(_) => Served::Ours(Server::start(self.root.path())),
            Served::Qt(_, peer) => Served::Qt(peer.serve(self.root.path()), peer.clone()),
        };
    }

    /// Where the program is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        clients(self.qt).join(self.program)
    }

    /// Another program in the place of this one.
    #[must_use]
    pub fn with_program(self, program: &'static str) -> Self {
        Self { program, ..self }
    }

    /// The directory that the program runs in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.local.path()
    }

    /// A file in the directory that the program runs in.
    #[must_use]
    pub fn local(&self, name: &str) -> PathBuf {
        self.local.path().join(name)
    }

    /// A file of the server.
    #[must_use]
    pub fn remote(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

/// The arguments of every program.
fn arguments(addr: SocketAddr, verb: &str, files: &[&str]) -> Vec<String> {
    let mut all = vec![addr.ip().to_string(), addr.port().to_string(), verb.to_owned()];
    all.extend(files.iter().map(|&file| file.to_owned()));
    all
}

/// Makes of every named function `fn(Qt)` a module of tests, one for each version of Qt.
#[macro_export]
macro_rules! with_each_qt {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            #[test]
            fn qt5() {
                super::$case($crate::peer::Qt::Five);
            }

            #[test]
            fn qt6() {
                super::$case($crate::peer::Qt::Six);
            }
        }
    )+ };
}
