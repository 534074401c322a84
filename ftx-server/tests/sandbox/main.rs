//! The rules of the sandbox. Each test enters one with a thread of its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use ftx_server::process::{SandboxMode, SandboxRules, SandboxStatus};
use ftx_tests::lacks;
use tempfile::TempDir;

/// Directories: `root` is writable, the files of `etc` are read, and `outside` is denied.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["root/a", "root/b", "etc", "outside"] {
            fs::create_dir_all(place.path(name)).unwrap();
        }
        for name in ["root/a/file", "etc/key.pem", "outside/file"] {
            fs::write(place.path(name), "content").unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn rules(&self) -> SandboxRules {
        SandboxRules { writable: vec![self.path("root")], read: vec![self.path("etc/key.pem")] }
    }

    /// Calls `act` in the sandbox, unless this kernel has none of this version.
    fn inside(&self, abi: u32, act: impl FnOnce() + Send) {
        let rules = self.rules();
        thread::scope(|scope| {
            let joined = scope.spawn(|| {
                let sandbox = rules.enter(SandboxMode::Auto).unwrap();
                match sandbox.status() {
                    SandboxStatus::Landlock { abi: has } if *has >= abi => act(),
                    status => assert!(lacks(&format!("Landlock ABI {abi}; {status}"))),
                }
            });
            joined.join().unwrap();
        });
    }
}

fn assert_denied<T: std::fmt::Debug>(result: io::Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
}

#[test]
fn all_that_a_store_does_is_allowed() {
    let place = Place::new();
    place.inside(2, || {
        let path = |name| place.path(name);
        fs::create_dir_all(path("root/c/d")).unwrap();
        let mut file = OpenOptions::new().append(true).create(true).open(path("root/c/x")).unwrap();
        file.write_all(b"more").unwrap();
        file.set_len(2).unwrap();
        file.sync_all().unwrap();
        fs::rename(path("root/c/x"), path("root/b/x")).unwrap();
        fs::hard_link(path("root/b/x"), path("root/a/y")).unwrap();
        fs::rename(path("root/a"), path("root/b/a")).unwrap();
        assert_eq!(fs::read(path("root/b/a/y")).unwrap(), b"mo");
        assert_eq!(fs::copy(path("root/b/x"), path("root/z")).unwrap(), 2);
        assert_eq!(fs::read_dir(path("root")).unwrap().count(), 3);
        File::open(path("root")).unwrap().sync_all().unwrap();
        fs::remove_dir_all(path("root/b")).unwrap();
    });
}

#[test]
fn nothing_outside_is_read_written_made_or_run() {
    let place = Place::new();
    place.inside(3, || {
        let path = |name| place.path(name);
        for outside in [path("outside/file"), "/etc/passwd".into(), "/proc/1/status".into()] {
            assert_denied(fs::read(outside));
        }
        assert_denied(fs::read_dir(path("outside")));
        assert_denied(fs::read_dir("/"));
        assert_denied(OpenOptions::new().write(true).open(path("outside/file")));
        assert_denied(File::create(path("outside/new")));
        assert_denied(fs::create_dir(path("outside/new")));
        assert_denied(fs::remove_file(path("outside/file")));
        assert_denied(truncate(&path("outside/file")));
        let moves = |from: &Path, to: &Path| {
            assert_denied_or_crossing(fs::rename(from, to));
            assert_denied_or_crossing(fs::hard_link(from, to));
        };
        moves(&path("outside/file"), &path("root/stolen"));
        moves(&path("root/a/file"), &path("outside/leaked"));
        moves(&path("etc/key.pem"), &path("root/stolen"));
        assert_denied(Command::new("/bin/true").status());
        // Inside there are only files and directories.
        assert_denied(std::os::unix::fs::symlink("/etc/passwd", path("root/link")));
        assert_denied(UnixListener::bind(path("root/socket")));
        assert_denied(make_pipe(&path("root/pipe")));
    });
    assert_eq!(fs::read(place.path("outside/file")).unwrap(), b"content");
}

fn truncate(path: &Path) -> io::Result<()> {
    // The other right that it needs is denied as well.
    OpenOptions::new().write(true).truncate(true).open(path).map(drop)
}

fn make_pipe(path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    Ok(mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0)?)
}

/// A file that may not be seen elsewhere cannot be moved there, whichever of the two errors says so.
fn assert_denied_or_crossing(result: io::Result<()>) {
    let error = result.unwrap_err();
    let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::CrossesDevices];
    assert!(kinds.contains(&error.kind()), "{error}");
}

#[test]
fn files_to_read_may_be_replaced_and_not_written() {
    let place = Place::new();
    let path = |name| place.path(name);
    let (replace, replaced) = std::sync::mpsc::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            is_ready.recv().unwrap();
            fs::write(path("etc/new.pem"), "new").unwrap();
            fs::rename(path("etc/new.pem"), path("etc/key.pem")).unwrap();
            replace.send(()).unwrap();
        });
        place.inside(2, move || {
            assert_eq!(fs::read(path("etc/key.pem")).unwrap(), b"content");
            ready.send(()).unwrap();
            replaced.recv().unwrap();
            assert_eq!(fs::read(path("etc/key.pem")).unwrap(), b"new");
            assert_denied(OpenOptions::new().write(true).open(path("etc/key.pem")));
            assert_denied(fs::remove_file(path("etc/key.pem")));
            assert_denied(File::create(path("etc/other.pem")));
        });
    });
}

#[test]
fn no_port_is_bound_and_no_connection_made() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    place.inside(4, || {
        assert_denied(TcpStream::connect(address));
        assert_denied(TcpListener::bind("127.0.0.1:0"));
        // A socket that listens already accepts.
        listener.accept().unwrap().0.write_all(b"accepted").unwrap();
        client.read_exact(&mut [0; 8]).unwrap();
    });
}

#[test]
fn no_abstract_socket_of_another_process_is_reached() {
    let place = Place::new();
    let name = format!("ftx-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let receiver = UnixDatagram::bind_addr(&address).unwrap();
    place.inside(6, || {
        let socket = UnixDatagram::unbound().unwrap();
        assert_denied(socket.connect_addr(&address));
    });
    drop(receiver);
}

/// The link may be changed to another file in its own directory, or in that of the former file.
#[test]
fn the_files_behind_links_are_allowed() {
    let place = Place::new();
    let link = place.path("etc/live.pem");
    std::os::unix::fs::symlink(place.path("outside/file"), &link).unwrap();
    let mut rules = place.rules();
    rules.read = vec![link.clone()];
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let sandbox = rules.enter(SandboxMode::Auto).unwrap();
            assert_eq!(fs::read(&link).unwrap(), b"content");
            assert!(sandbox.allows_reading(&link));
            assert!(sandbox.allows_reading(&place.path("root/a/file")));
            assert!(sandbox.allows_reading(&place.path("missing")));
            if matches!(sandbox.status(), SandboxStatus::Landlock { .. }) {
                assert!(!sandbox.allows_reading(Path::new("/etc/passwd")));
            }
        });
        inside.join().unwrap();
    });
}

#[test]
fn without_a_sandbox_everything_stays_allowed() {
    let place = Place::new();
    let rules = place.rules();
    let sandbox = rules.enter(SandboxMode::Off).unwrap();
    assert_eq!(sandbox.status(), &SandboxStatus::Off);
    assert!(sandbox.allows_reading(Path::new("/etc/passwd")));
    fs::read(place.path("outside/file")).unwrap();
}

#[test]
fn a_missing_root_is_an_error() {
    let rules = SandboxRules { writable: vec!["/no/such/directory".into()], read: Vec::new() };
    for mode in [SandboxMode::Auto, SandboxMode::Require] {
        let error = rules.enter(mode).unwrap_err().to_string();
        assert!(error.contains("/no/such/directory"), "{error}");
    }
}

#[test]
fn the_status_names_missing_parts() {
    let shown = |abi| SandboxStatus::Landlock { abi }.to_string();
    assert_eq!(shown(7), "Landlock ABI 7");
    assert_eq!(shown(5), "Landlock ABI 5, partially: without signals and abstract sockets");
    assert!(
        shown(2).ends_with("without truncation, network, devices, signals and abstract sockets")
    );
}
