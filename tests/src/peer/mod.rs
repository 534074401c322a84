//! The programs that ftx replaces: clients and servers made of Qt.

mod build;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{Outcome, Process};
use crate::sockets::listening;
use crate::wait::DEADLINE;

/// A Qt client and server, of one make and one version of Qt.
#[derive(Clone, Debug)]
pub struct Peer {
    make: Make,
    dir: PathBuf,
    timeout: Duration,
}

/// A running Qt server on a free port.
#[derive(Debug)]
pub struct PeerServer {
    process: Process,
    addr: SocketAddr,
}

/// Who wrote the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// `tests/qt-peer` of this repository.
    Own,
    /// The published programs.
    Original,
}

/// The directory of the programs that are made of `tests/qt-client`, built if need be. Without the
/// sources of the original, `caller-original` is not among them.
///
/// # Panics
/// If they cannot be built.
#[must_use]
pub fn clients(qt: Qt) -> PathBuf {
    build::clients(qt)
}

/// The version of Qt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qt {
    /// Qt 5, which writes a message's entries by descending key.
    Five,
    /// Qt 6, which writes them by ascending key.
    Six,
}

impl Peer {
    /// Our own peer, built if need be.
    ///
    /// # Panics
    /// If it cannot be built, as when Qt is missing; `scripts/setup` installs it.
    #[must_use]
    pub fn own(qt: Qt) -> Self {
        Self { make: Make::Own, dir: build::own(qt), timeout: Duration::from_secs(30) }
    }

    /// The original, built if need be; `None` where its sources are not at hand. They are looked
    /// for in `FTX_SEED_PEER`, or else in `../shared/seed-peer` beside the workspace.
    ///
    /// # Panics
    /// If the sources are there and cannot be built.
    #[must_use]
    pub fn original(qt: Qt) -> Option<Self> {
        let dir = build::original(qt)?;
        Some(Self { make: Make::Original, dir, timeout: Duration::from_secs(30) })
    }

    /// Runs a case with a peer, unless it is one that this machine does not have.
    pub fn run(make: Make, qt: Qt, name: &str, case: impl FnOnce(&Self)) {
        let peer = match make {
            Make::Own => Some(Self::own(qt)),
            Make::Original => Self::original(qt),
        };
        match peer {
            Some(peer) => case(&peer),
            None => println!("original peer not there: {name} not run"),
        }
    }

    /// Who wrote it.
    #[must_use]
    pub fn make(&self) -> Make {
        self.make
    }

    /// The same peer, whose client waits for an answer this long instead of 30 s. The original has no
    /// such option.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Starts an upload of files, named relative to `dir`.
    #[must_use]
    pub fn spawn_upload(&self, addr: SocketAddr, dir: &Path, files: &[&str]) -> Process {
        self.spawn(addr, dir, "upload", files)
    }

    /// Starts a download of files into `dir`.
    #[must_use]
    pub fn spawn_download(&self, addr: SocketAddr, dir: &Path, files: &[&str]) -> Process {
        self.spawn(addr, dir, "download", files)
    }

    /// Uploads files, named relative to `dir`.
    #[must_use]
    pub fn upload(&self, addr: SocketAddr, dir: &Path, files: &[&str]) -> Outcome {
        self.spawn_upload(addr, dir, files).wait(DEADLINE)
    }

    /// Downloads files into `dir`.
    #[must_use]
    pub fn download(&self, addr: SocketAddr, dir: &Path, files: &[&str]) -> Outcome {
        self.spawn_download(addr, dir, files).wait(DEADLINE)
    }

    /// Starts its server on a directory.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn serve(&self, root: &Path) -> PeerServer {
        let (process, port) = match self.make {
            Make::Own => {
                let mut command = Command::new(self.dir.join("qt-peer"));
                command.args(["server", "--port", "0", "--root"]).arg(root);
                let process = Process::spawn(&mut command);
                let line = process.stdout_line(0, DEADLINE);
                let port = line.strip_prefix("listening on ").unwrap().parse().unwrap();
                (process, port)
            }
            Make::Original => {
                let mut command = Command::new(self.dir.join("seed-server"));
                command.args(["--port", "0"]).current_dir(root);
                let process = Process::spawn(&mut command);
                let port = listening(process.id());
                (process, port)
            }
        };
        PeerServer { process, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) }
    }

    fn spawn(&self, addr: SocketAddr, dir: &Path, verb: &str, files: &[&str]) -> Process {
        let mut command = match self.make {
            Make::Own => {
                let mut command = Command::new(self.dir.join("qt-peer"));
                command.args(["client", "--timeout", &self.timeout.as_secs_f64().to_string()]);
                command
            }
            Make::Original => Command::new(self.dir.join("seed-client")),
        };
        command.arg(addr.ip().to_string()).arg(addr.port().to_string()).arg(verb).args(files);
        Process::spawn(command.current_dir(dir))
    }
}

impl PeerServer {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// Makes of every named function `fn(&Peer)` a module of tests, one for each peer: our own and the
/// original, with Qt 5 and with Qt 6.
#[macro_export]
macro_rules! with_every_peer {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            use $crate::peer::{Make, Peer, Qt};

            #[test]
            fn own_qt5() {
                Peer::run(Make::Own, Qt::Five, stringify!($case), super::$case);
            }

            #[test]
            fn own_qt6() {
                Peer::run(Make::Own, Qt::Six, stringify!($case), super::$case);
            }

            #[test]
            fn original_qt5() {
                Peer::run(Make::Original, Qt::Five, stringify!($case), super::$case);
            }

            #[test]
            fn original_qt6() {
                Peer::run(Make::Original, Qt::Six, stringify!($case), super::$case);
            }
        }
    )+ };
}
