//! The server under a service manager: a socket that is passed, messages, and the units of systemd.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, NOBODY, Process, Server, bins, lacks_program, wait_until};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use tempfile::tempdir;

/// The highest exposure that is accepted, in tenths.
const MAX_EXPOSURE_TENTHS: &str = "20";

/// Starts a server to which a service manager passes a descriptor, `copies` times.
fn activated(root: &Path, passed: OwnedFd, copies: usize, args: &[&str]) -> Process {
    let pass: String =
        (3..3 + copies).map(|descriptor| format!("exec {descriptor}<&0; ")).collect();
    let script =
        format!("{pass}LISTEN_FDS={copies} LISTEN_PID=${{PASSED_TO:-$$}} exec \"$@\" </dev/null");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash"]).arg(bins::server()).arg("--root").arg(root).args(args);
    Process::spawn_fed(&mut command, Stdio::from(passed))
}

fn tcp_listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_passed_socket_is_served_in_place_of_listen() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let (listener, address) = tcp_listener();
    let elsewhere = NOBODY.to_string();
    let mut server = activated(root.path(), listener.into(), 1, &["--listen", &elsewhere]);
    assert_eq!(server.stdout_line(0, DEADLINE), format!("listening on {address}"));
    wait_until("it says so", DEADLINE, || server.stderr().contains("in place of --listen"));
    write_file(&local.path().join("a"), content(1, 300_000));
    Client::upload(address).arg(local.path().join("a")).run().assert_done();
    assert_content(&root.path().join("a"), content(1, 300_000));
    server.signal(Signal::TERM);
    server.wait(DEADLINE).assert_done();
}

#[test]
fn a_passed_socket_that_other_machines_reach_has_to_be_asked_for() {
    let root = tempdir().unwrap();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let outcome = activated(root.path(), listener.into(), 1, &[]).wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("--insecure"), "{outcome:#?}");
}

#[test]
fn other_sockets_are_refused() {
    let root = tempdir().unwrap();
    let said = |passed: OwnedFd, copies: usize| {
        let outcome = activated(root.path(), passed, copies, &[]).wait(DEADLINE);
        outcome.assert_code(1);
        assert_eq!(outcome.stdout, "");
        outcome.stderr
    };
    let two = said(tcp_listener().0.into(), 2);
    assert!(two.contains("2 sockets; one ListenStream= is served"), "{two}");
    let datagrams = said(UdpSocket::bind("127.0.0.1:0").unwrap().into(), 1);
    assert!(datagrams.contains("something else than a socket of TCP"), "{datagrams}");
    let file = said(fs::File::open("/dev/null").unwrap().into(), 1);
    assert!(file.contains("something else than a socket of TCP"), "{file}");
    let (listener, address) = tcp_listener();
    let connected = std::net::TcpStream::connect(address).unwrap();
    let connected = said(connected.into(), 1);
    assert!(connected.contains("does not listen"), "{connected}");
    drop(listener);
}

/// The variables are inherited by processes that they are not for.
#[test]
fn a_socket_for_another_process_is_left_alone() {
    let root = tempdir().unwrap();
    let (listener, address) = tcp_listener();
    let mut command = Command::new("bash");
    let script = "exec 3<&0; LISTEN_FDS=1 LISTEN_PID=1 exec \"$@\" </dev/null";
    command.args(["-c", script, "bash"]).arg(bins::server()).arg("--root").arg(root.path());
    let stdin = OwnedFd::from(listener).into();
    let server = Process::spawn_fed(command.args(["--listen", "127.0.0.1:0"]), stdin);
    let line = server.stdout_line(0, DEADLINE);
    assert!(line.starts_with("listening on 127.0.0.1:") && !line.ends_with(&address.to_string()));
}

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn message(&self) -> String {
        let mut buffer = [0; 4096];
        let len = self.0.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    fn is_silent(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let received = self.0.recv(&mut [0; 16]);
        self.0.set_nonblocking(false).unwrap();
        received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[test]
fn the_service_manager_hears_of_start_reload_and_end() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(DEADLINE)).unwrap();
    let config = dir.path().join("server.toml");
    fs::write(&config, "").unwrap();
    let server = Server::configured(&config, &dir.path().join("files")).env("NOTIFY_SOCKET", &path);
    let mut server = server.start();
    assert_eq!(manager.message(), "READY=1\n");
    // A reload that fails ends, too.
    for text in ["", "unknown = 1\n"] {
        fs::write(&config, text).unwrap();
        let before = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap();
        server.signal(Signal::HUP);
        let message = manager.message();
        let microseconds = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let microseconds = microseconds.and_then(|text| text.strip_suffix('\n'));
        let at = Duration::from_micros(microseconds.expect(&message).parse().unwrap());
        let after = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap();
        assert!(
            before <= at + Duration::from_micros(1) && at <= after,
            "{before:?} {at:?} {after:?}"
        );
        assert_eq!(manager.message(), "READY=1\n");
    }
    assert!(manager.is_silent());
    server.terminate(DEADLINE).assert_done();
    assert_eq!(manager.message(), "STOPPING=1\n");
    assert!(manager.is_silent());
}

#[test]
fn a_server_that_cannot_start_is_not_ready() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    let root = dir.path().join("file");
    fs::write(&root, "").unwrap();
    let server = Server::builder(&root).env("NOTIFY_SOCKET", &path);
    server.spawn().wait(DEADLINE).assert_code(1);
    assert!(manager.is_silent());
}

#[test]
fn the_units_are_valid_and_hardened() {
    if lacks_program("systemd-analyze") {
        return;
    }
    let dir = tempdir().unwrap();
    let packaging = bins::workspace().join("packaging");
    let service = fs::read_to_string(packaging.join("ftx-server.service")).unwrap();
    // It is not installed here.
    let start = format!("ExecStart={} --config ", bins::server().display());
    let service = service.replace("ExecStart=ftx-server --config ", &start);
    assert!(service.contains(&start));
    let unit = dir.path().join("ftx-server.service");
    fs::write(&unit, service).unwrap();
    let socket = dir.path().join("ftx-server.socket");
    fs::copy(packaging.join("ftx-server.socket"), &socket).unwrap();
    let analyze = |args: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(args).arg("--no-pager").arg(&unit);
        Process::spawn(&mut command).wait(DEADLINE)
    };
    let socket = socket.to_str().unwrap();
    let verified = analyze(&["verify", "--man=no", socket]);
    verified.assert_done();
    assert_eq!(verified.stderr, "");
    let threshold = format!("--threshold={MAX_EXPOSURE_TENTHS}");
    let judged = analyze(&["security", "--offline=true", &threshold]);
    judged.assert_done();
}
