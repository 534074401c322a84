//! A server keeps running, whatever happens to its parent process, its root or its limits.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, RawSocket, Server, bins, wait_until};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

const DIALECTS: [&str; 2] = ["native", "legacy"];

/// The capacity of a pipe made as small as possible.
const PIPE_BYTES: usize = 4096;

/// A server whose standard output and error are read only when a test says so.
struct Unread {
    child: Child,
    addr: std::net::SocketAddr,
    stdout: BufReader<File>,
    stderr: BufReader<File>,
}

fn small_pipe() -> (File, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    rustix::pipe::fcntl_setpipe_size(&write, PIPE_BYTES).unwrap();
    (read.into(), write)
}

impl Unread {
    fn start(root: &Path, log: &str) -> Self {
        let ((stdout, to_stdout), (stderr, to_stderr)) = (small_pipe(), small_pipe());
        let mut command = Command::new(bins::server());
        command.args(["--listen", "127.0.0.1:0", "--log", log, "--root"]).arg(root);
        command.stdin(Stdio::null()).stdout(to_stdout).stderr(to_stderr);
        let child = command.spawn().unwrap();
        // It holds the other ends of the pipes.
        drop(command);
        let (mut stdout, stderr) = (BufReader::new(stdout), BufReader::new(stderr));
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let addr = line.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, addr, stdout, stderr }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Asks for something that is logged.
    fn ask(&self) {
        assert!(RawSocket::connect(self.addr).download_header("none").is_some());
    }

    fn assert_ends(&mut self) {
        self.signal(Signal::TERM);
        let mut ended = None;
        wait_until("it ends", DEADLINE, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// More bytes than a line of the log has, and than a report has.
const LINE_BYTES: usize = 200;
const REPORT_BYTES: usize = 1500;

/// Whether another write of up to `len` bytes may have to wait.
fn is_full(pipe: &impl AsFd, len: usize) -> bool {
    rustix::io::ioctl_fionread(pipe).unwrap() > u64::try_from(PIPE_BYTES - len).unwrap()
}

#[test]
fn an_unread_log_stops_nothing() {
    let root = tempdir().unwrap();
    let mut server = Unread::start(root.path(), "debug");
    let mut dropped = 0;
    let mut asked = 0;
    while dropped == 0 {
        for _ in 0..50 {
            server.ask();
        }
        asked += 50;
        assert!(asked < 20_000, "nothing is ever dropped");
        server.signal(Signal::USR1);
        let mut line = String::new();
        while !line.starts_with("total ") {
            line.clear();
            server.stdout.read_line(&mut line).unwrap();
        }
        let count = line.trim_end().rsplit_once(" dropped_lines=").unwrap().1;
        dropped = count.parse().unwrap();
    }
    // Once the pipe is read, the count stands where the lines are missing.
    let mut line = String::new();
    while !line.contains(" lines were dropped here") {
        line.clear();
        assert!(server.stderr.read_line(&mut line).unwrap() > 0);
    }
    server.ask();
    server.assert_ends();
}

#[test]
fn unread_reports_stop_nothing() {
    let root = tempdir().unwrap();
    let mut server = Unread::start(root.path(), "error");
    wait_until("the pipe is full", DEADLINE, || {
        server.signal(Signal::USR1);
        is_full(server.stdout.get_ref(), REPORT_BYTES)
    });
    for _ in 0..100 {
        server.signal(Signal::USR1);
        server.ask();
    }
    server.assert_ends();
    let mut rest = String::new();
    server.stdout.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("total connections="), "{rest}");
}

#[test]
fn an_unread_log_does_not_keep_it_from_its_end() {
    let root = tempdir().unwrap();
    let mut server = Unread::start(root.path(), "debug");
    wait_until("the pipe is full", DEADLINE, || {
        server.ask();
        is_full(server.stderr.get_ref(), LINE_BYTES)
    });
    server.assert_ends();
}

#[test]
fn outputs_that_take_nothing_stop_nothing() {
    let root = tempdir().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let taken = tempdir().unwrap();
    // The address is not to be had from it, so it is looked for in vain; the lock says that it is there.
    let mut command = Command::new(bins::server());
    command.args(["--listen", "127.0.0.1:0", "--log", "debug", "--root"]).arg(root.path());
    command.stdin(Stdio::null()).stdout(full()).stderr(full()).current_dir(taken.path());
    let mut child = command.spawn().unwrap();
    wait_until("it is there", DEADLINE, || root.path().join(".ftx/lock").exists());
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    // It may not handle signals yet: a report that it does not know ends it.
    wait_until("it handles signals", DEADLINE, || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    });
    for signal in [Signal::USR1, Signal::HUP, Signal::PIPE, Signal::TERM] {
        kill_process(pid, signal).unwrap();
    }
    let mut ended = None;
    wait_until("it ends", DEADLINE, || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[test]
fn a_hangup_ends_no_server() {
    let root = tempdir().unwrap();
    let mut server = Server::start(root.path());
    for signal in [Signal::HUP, Signal::PIPE] {
        server.signal(signal);
        assert_eq!(server.monitor().active, [0]);
    }
    wait_until("it is logged", DEADLINE, || server.log().contains("SIGHUP"));
    server.terminate(DEADLINE).assert_done();
}

#[test]
fn a_file_larger_than_the_limit_is_an_error_of_its_upload() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    write_file(&local.path().join("large"), content(1, 3_000_000));
    write_file(&local.path().join("small"), content(2, 1000));
    let mut server = Server::builder(root.path()).within_limit("-f 1000").start();
    for dialect in DIALECTS {
        let upload = |name| {
            let client = Client::upload(server.addr()).args([name, "--retries", "0"]);
            client.dialect(dialect).current_dir(local.path()).run()
        };
        upload("large").assert_code(1);
        upload("small").assert_done();
    }
    assert!(server.is_running());
    assert!(!root.path().join("large").exists());
    server.terminate(DEADLINE).assert_done();
}

#[test]
fn a_file_larger_than_the_limit_is_an_error_of_its_download() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    write_file(&root.path().join("large"), content(1, 3_000_000));
    let server = Server::start(root.path());
    for dialect in DIALECTS {
        let client = Client::download(server.addr()).args(["large", "--retries", "0"]);
        let client = client.dialect(dialect).current_dir(local.path());
        let outcome = client.within_limit("-f 1000").run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("large"), "{outcome:#?}");
    }
    let client = Client::download(server.addr()).arg("large").current_dir(local.path());
    client.run().assert_done();
    assert_content(&local.path().join("large"), content(1, 3_000_000));
}

#[test]
fn a_hangup_stops_a_client_softly_unless_it_is_ignored() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&root.path().join("a"), content(1, 8 << 20));
    let line = ftx_tests::Proxy::start(server.addr(), |_| ftx_tests::Plan::default().rate(8 << 20));
    for is_ignored in [false, true] {
        let client = Client::download(line.addr()).arg("a").current_dir(local.path());
        let before = line.count(ftx_tests::Direction::ToClient);
        let mut client = client.with_hangups(is_ignored).spawn();
        wait_until("it is under way", DEADLINE, || {
            line.count(ftx_tests::Direction::ToClient) > before + (1 << 20)
        });
        client.signal(Signal::HUP);
        client.wait(DEADLINE).assert_code(if is_ignored { 0 } else { 130 });
    }
    assert_content(&local.path().join("a"), content(1, 8 << 20));
}

/// A pipe may keep a client waiting, but not after a signal to end.
#[test]
fn a_client_with_unread_output_ends_on_a_signal() {
    let root = tempdir().unwrap();
    for number in 0..500 {
        write_file(&root.path().join(format!("{number}")), content(1, 0));
    }
    let server = Server::start(root.path());
    let (output, to_output) = small_pipe();
    let mut command = Command::new(bins::client());
    command.arg("ls").arg(server.addr().to_string());
    let mut client = command.stdin(Stdio::null()).stdout(to_output).spawn().unwrap();
    drop(command);
    wait_until("the pipe is full", DEADLINE, || is_full(&output, LINE_BYTES));
    let pid = i32::try_from(client.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let mut ended = None;
    wait_until("it ends", DEADLINE, || {
        ended = client.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(130));
}

#[test]
fn few_descriptors_are_reported_and_are_enough() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    write_file(&local.path().join("a"), content(1, 3_000_000));
    let server = Server::builder(root.path()).within_limit("-n 256").start();
    let mut idle = Vec::new();
    // As many as there may be, and some more: those are closed.
    for _ in 0..300 {
        idle.push(RawSocket::connect(server.addr()));
    }
    assert!(idle.last_mut().unwrap().is_closed_within(DEADLINE));
    wait_until("it is logged", DEADLINE, || server.log().contains("kept out: "));
    let told = server.log().matches("kept out: ").count();
    assert!(told < 20, "{told} lines");
    wait_until("it says what follows", DEADLINE, || server.log().contains("fewer connections"));
    idle.clear();
    wait_until("it has closed them", DEADLINE, || server.open_connections() == 0);
    for dialect in DIALECTS {
        let upload = Client::upload(server.addr()).args(["a", "--as", dialect]);
        upload.dialect(dialect).current_dir(local.path()).run().assert_done();
        assert_content(&root.path().join(dialect), content(1, 3_000_000));
    }
}

#[test]
fn a_root_that_was_made_again_is_noticed_by_the_client() {
    let (above, local) = (tempdir().unwrap(), tempdir().unwrap());
    let root = above.path().join("root");
    write_file(&local.path().join("a"), content(1, 1000));
    let server = Server::start(&root);
    let run = |client: Client| client.current_dir(local.path()).run();
    run(Client::upload(server.addr()).arg("a")).assert_done();
    std::fs::remove_dir_all(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    let listed = run(Client::new().args(["ls", &server.addr().to_string()]));
    listed.assert_code(1);
    assert!(listed.stderr.contains("restart the server"), "{listed:#?}");
    for dialect in DIALECTS {
        for client in [Client::upload(server.addr()), Client::download(server.addr())] {
            run(client.args(["a", "--retries", "0"]).dialect(dialect)).assert_code(1);
        }
    }
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
}
