//! A file system that a server and its clients receive on, and the ledger of its files.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use ftx_tests::soak::{Ledger, Owner};
use ftx_tests::{FsKind, LoopFs, Server, ServerBuilder, Strace};
use tempfile::TempDir;

use super::figures::Figures;
use super::verify;

/// The steps whose files are kept; those of older steps are removed.
const KEPT_STEPS: usize = 6;

/// How the server is started.
#[derive(Debug)]
pub(crate) enum Start<'a> {
    Plain,
    /// Calls of it fail or take their time.
    Under(&'a Strace),
    /// Its clock is given by a file.
    Clock,
}

pub(crate) struct World<'a> {
    pub(crate) figures: &'a Figures,
    pub(crate) ledger: Ledger,
    pub(crate) disk: LoopFs,
    server: Option<Server>,
    /// The fingerprint of the server's key, which stays.
    pub(crate) fingerprint: String,
    /// The names of each of the last steps.
    steps: VecDeque<Vec<String>>,
    // The clients' sources and caches, which no power cut concerns.
    other: TempDir,
}

impl<'a> World<'a> {
    pub(crate) fn new(kind: FsKind, figures: &'a Figures) -> Self {
        let disk = LoopFs::new(kind).unwrap();
        let other = tempfile::tempdir().unwrap();
        for dir in [disk.path().join("root"), disk.path().join("down"), disk.path().join("state")] {
            fs::create_dir(dir).unwrap();
        }
        fs::create_dir(other.path().join("source")).unwrap();
        // Directories that nobody promised.
        disk.sync();
        let mut world = Self {
            figures,
            ledger: Ledger::default(),
            disk,
            server: None,
            fingerprint: String::new(),
            steps: VecDeque::new(),
            other,
        };
        world.start(&Start::Plain);
        world
    }

    /// The files of the server.
    pub(crate) fn root(&self) -> PathBuf {
        self.disk.path().join("root")
    }

    /// The files that clients have downloaded.
    pub(crate) fn down(&self) -> PathBuf {
        self.disk.path().join("down")
    }

    /// The files that clients upload.
    pub(crate) fn source(&self) -> PathBuf {
        self.other.path().join("source")
    }

    pub(crate) fn cache(&self) -> &Path {
        self.other.path()
    }

    /// The file that gives the server's clock.
    pub(crate) fn clock(&self) -> PathBuf {
        self.other.path().join("clock")
    }

    pub(crate) fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("no server runs")
    }

    /// Ends the server that runs, and starts another one on the same files.
    pub(crate) fn start(&mut self, how: &Start<'_>) {
        self.kill_server();
        let server = self.builder(how).start();
        let fingerprint = server.fingerprint();
        if !self.fingerprint.is_empty() {
            assert_eq!(fingerprint, self.fingerprint, "the server has lost its key");
        }
        self.fingerprint = fingerprint;
        self.server = Some(server);
    }

    fn builder(&self, how: &Start<'_>) -> ServerBuilder {
        let server = Server::builder(&self.root())
            .arg("--state")
            .arg(self.disk.path().join("state"))
            // Uploads whose client has vanished without a word are soon free for the retry.
            .args(["--stall-timeout", "2s", "--log", "error"]);
        match how {
            Start::Plain => server,
            Start::Under(strace) => server.under(strace),
            Start::Clock => super::faults::clock::faked(server, &self.clock()),
        }
    }

    /// Kills the server if one runs.
    pub(crate) fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            let was_running = server.is_running();
            server.kill();
            let log = server.log();
            assert!(!log.contains("panicked"), "the server panicked: {log}");
            assert!(was_running, "the server had ended: {log}");
        }
    }

    /// Takes note of a step's names, and removes the files of the oldest.
    pub(crate) fn keep(&mut self, names: Vec<String>) {
        self.steps.push_back(names);
        if self.steps.len() <= KEPT_STEPS {
            return;
        }
        let names = self.steps.pop_front().unwrap_or_default();
        self.remove(&names);
        for name in names {
            let _ = fs::remove_file(self.source().join(&name));
            self.ledger.remove(Owner::Server, &name);
            if fs::remove_file(self.down().join(&name)).is_ok() {
                // Not by ftx, and not synced.
                self.ledger.abandon(Owner::Client, &name);
            }
        }
    }

    /// Ends it: everything is there, and the server stops in good order.
    pub(crate) fn end(mut self) {
        verify::all(&self, verify::Rest::Nothing);
        let server = self.server.take().expect("no server runs");
        let outcome = server.terminate(ftx_tests::DEADLINE);
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    }
}
