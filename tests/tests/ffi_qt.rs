//! The Qt classes: one application with `FileClient` and with the original's class, against
//! `ftx-server` and against the original server, and `ftx::qt::Client`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::{Qt, clients};
use ftx_tests::{DEADLINE, Outcome, Peer, PeerServer, Plan, Process, Proxy, Server};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

/// Slow enough that a transfer of some MiB can be met under way.
const SLOW: u64 = 4 << 20;

macro_rules! with_each_qt {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            #[test]
            fn qt5() {
                super::$case(ftx_tests::peer::Qt::Five);
            }

            #[test]
            fn qt6() {
                super::$case(ftx_tests::peer::Qt::Six);
            }
        }
    )+ };
}

with_each_qt!(
    files_go_up_and_down,
    a_file_that_is_there_is_ok,
    a_list_stops_at_the_first_failure,
    missing_files_cannot_be_opened,
    names_mean_what_they_mean_to_the_original,
    a_server_that_is_not_there_cannot_be_reached,
    the_code_macros_are_there_when_asked_for,
    the_signals_tell_what_happens,
    a_cancelled_upload_goes_on_later,
    a_cancelled_download_goes_on_later,
    a_cancelled_list_stops,
    a_client_may_be_destroyed_by_its_own_signal,
    a_killed_server_ends_the_call,
    jobs_go_on_by_themselves,
    the_example_with_widgets_can_be_clicked,
);

enum Served {
    Ours(Server),
    Qt(PeerServer),
}

impl Served {
    fn addr(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.addr(),
            Self::Qt(server) => server.addr(),
        }
    }
}

/// A program, a server and a directory for each.
struct Setting {
    what: String,
    program: &'static str,
    qt: Qt,
    server: Served,
    root: TempDir,
    local: TempDir,
}

impl Setting {
    fn new(qt: Qt, program: &'static str) -> Self {
        let root = tempdir().unwrap();
        let server = Served::Ours(Server::start(root.path()));
        let what = format!("{program} with ftx-server");
        Self { what, program, qt, server, root, local: tempdir().unwrap() }
    }

    fn command(&self, addr: SocketAddr, verb: &str, files: &[&str]) -> Command {
        let mut command = Command::new(clients(self.qt).join(self.program));
        command.arg(addr.ip().to_string()).arg(addr.port().to_string()).arg(verb).args(files);
        command.current_dir(self.local.path());
        command
    }

    fn run(&self, verb: &str, files: &[&str]) -> Outcome {
        let addr = self.server.addr();
        Process::spawn(&mut self.command(addr, verb, files)).wait(DEADLINE)
    }

    fn assert(&self, verb: &str, files: &[&str], expected: &str) {
        assert_eq!(self.run(verb, files).stdout, expected, "{}: {verb} {files:?}", self.what);
    }

    fn local(&self, name: &str) -> std::path::PathBuf {
        self.local.path().join(name)
    }

    fn remote(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }
}

/// The same application with our class and, where it is at hand, the original's, each with every
/// server there is.
fn settings(qt: Qt) -> Vec<Setting> {
    let mut all = Vec::new();
    let original = clients(qt).join("caller-original").exists().then_some("caller-original");
    for program in ["caller"].into_iter().chain(original) {
        all.push(Setting::new(qt, program));
        let peers = [("own", Some(Peer::own(qt))), ("original", Peer::original(qt))];
        for (make, peer) in peers {
            let Some(peer) = peer else { continue };
            let root = tempdir().unwrap();
            let server = Served::Qt(peer.serve(root.path()));
            let what = format!("{program} with the {make} Qt server");
            all.push(Setting { what, program, qt, server, root, local: tempdir().unwrap() });
        }
    }
    all
}

fn files_go_up_and_down(qt: Qt) {
    let names = ["a.bin", "报告 2024.pdf", "😀.txt"];
    for setting in settings(qt) {
        for (name, seed) in names.into_iter().zip(1..) {
            write_file(&setting.local(name), content(seed, 2 * MIB + seed));
        }
        setting.assert("upload", &names[..1], "0 OK");
        setting.assert("upload-list", &names[1..], "0 OK");
        write_file(&setting.local("by-name"), content(9, 10));
        setting.assert("invoke-upload", &["by-name"], "0 OK");
        assert_content(&setting.remote("by-name"), content(9, 10));
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&setting.remote(name), content(seed, 2 * MIB + seed));
            fs::remove_file(setting.local(name)).unwrap();
        }
        setting.assert("download", &names[..2], "0 OK\n0 OK");
        setting.assert("download-list", &names[1..], "0 OK");
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&setting.local(name), content(seed, 2 * MIB + seed));
        }
    }
}

fn a_file_that_is_there_is_ok(qt: Qt) {
    for setting in settings(qt) {
        write_file(&setting.local("a.bin"), content(1, MIB));
        write_file(&setting.remote("a.bin"), content(1, MIB));
        setting.assert("upload", &["a.bin"], "0 OK");
        setting.assert("download", &["a.bin"], "0 OK");
        // Of the same size, but another one.
        write_file(&setting.local("a.bin"), content(2, MIB));
        setting.assert("upload", &["a.bin"], "0 OK");
        assert_content(&setting.remote("a.bin"), content(2, MIB));
    }
}

fn a_list_stops_at_the_first_failure(qt: Qt) {
    let names = ["1", "2", "3", "4", "5"];
    for setting in settings(qt) {
        for name in ["1", "2", "4", "5"] {
            write_file(&setting.local(name), content(1, 100));
            write_file(&setting.remote(&format!("d{name}")), content(1, 100));
        }
        setting.assert("upload-list", &names, "-2 FILE_OPEN_ERROR");
        let there = names.map(|name| setting.remote(name).exists());
        assert_eq!(there, [true, true, false, false, false], "{}", setting.what);
        setting.assert("download-list", &["d1", "d2", "d3", "d4"], "-2 FILE_OPEN_ERROR");
        let there = ["d1", "d2", "d3", "d4"].map(|name| setting.local(name).exists());
        assert_eq!(there, [true, true, false, false], "{}", setting.what);
    }
}

fn missing_files_cannot_be_opened(qt: Qt) {
    for setting in settings(qt) {
        for name in ["none", "no/where", ""] {
            setting.assert("upload", &[name], "-2 FILE_OPEN_ERROR");
        }
        setting.assert("download", &["none"], "-2 FILE_OPEN_ERROR");
        setting.assert("download", &[""], "-2 FILE_OPEN_ERROR");
        assert!(!setting.local("none").exists());
    }
}

fn names_mean_what_they_mean_to_the_original(qt: Qt) {
    for setting in settings(qt) {
        for directory in [setting.local("d"), setting.remote("d"), setting.local("up")] {
            fs::create_dir(directory).unwrap();
        }
        write_file(&setting.local("up/x.bin"), content(1, 1000));
        setting.assert("upload", &["./up//x.bin"], "0 OK");
        assert_content(&setting.remote("x.bin"), content(1, 1000));
        if setting.program == "caller-original" && matches!(setting.server, Served::Ours(_)) {
            // It sends such names as they are, and ftx-server refuses them; ours are made good.
            continue;
        }
        write_file(&setting.remote("d/y.bin"), content(2, 1000));
        setting.assert("download", &["./d//y.bin"], "0 OK");
        assert_content(&setting.local("d/y.bin"), content(2, 1000));
        // The server looks below its root for an absolute name, too.
        let absolute = setting.local("z.bin");
        let below = setting.remote(absolute.strip_prefix("/").unwrap().to_str().unwrap());
        fs::create_dir_all(below.parent().unwrap()).unwrap();
        write_file(&below, content(3, 1000));
        setting.assert("download", &[absolute.to_str().unwrap()], "0 OK");
        assert_content(&absolute, content(3, 1000));
    }
}

fn a_server_that_is_not_there_cannot_be_reached(qt: Qt) {
    for setting in settings(qt) {
        write_file(&setting.local("a.bin"), content(1, 10));
        let mut command = setting.command(closed_port(), "upload", &["a.bin"]);
        let outcome = Process::spawn(&mut command).wait(DEADLINE);
        assert_eq!(outcome.stdout, "-7 CONNECT_SERVER_ERROR", "{}", setting.what);
    }
}

/// A port that a server has just left.
fn closed_port() -> SocketAddr {
    let root = tempdir().unwrap();
    let mut server = Server::start(root.path());
    server.kill();
    server.addr()
}

fn the_code_macros_are_there_when_asked_for(qt: Qt) {
    let setting = Setting::new(qt, "caller-macros");
    setting.assert("upload", &["none"], "-2 FILE_OPEN_ERROR");
}

fn the_signals_tell_what_happens(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 3 * MIB));
    write_file(&setting.local("b.bin"), content(2, 3 * MIB));
    setting.assert(
        "upload",
        &["a.bin", "b.bin"],
        "moving\nfinished a.bin 0\nfinished b.bin 0\n0 0",
    );
    let outcome = setting.run("download", &["a.bin", "none", "b.bin"]);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[..2], ["moving", "finished a.bin 0"]);
    assert!(lines[2].starts_with("error -2 ") && lines[2].contains("none"), "{lines:?}");
    assert_eq!(lines[3..], ["finished none -2", "-2 -402"]);
}

/// Runs a program over a slow line. What it says.
fn over_a_slow_line(setting: &Setting, verb: &str, files: &[&str]) -> String {
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(SLOW));
    let outcome = Process::spawn(&mut setting.command(line.addr(), verb, files)).wait(DEADLINE);
    outcome.assert_done();
    outcome.stdout
}

fn assert_cancelled(said: &str, file: &str) {
    assert!(said.starts_with("moving\nerror -5 "), "{said}");
    assert!(said.ends_with(&format!("finished {file} -5\n-5 -503")), "{said}");
}

fn a_cancelled_upload_goes_on_later(qt: Qt) {
    for verb in ["cancel-in-signal", "cancel-elsewhere"] {
        let setting = Setting::new(qt, "features");
        write_file(&setting.local("a.bin"), content(1, 8 * MIB));
        assert_cancelled(&over_a_slow_line(&setting, verb, &["a.bin"]), "a.bin");
        assert!(!setting.remote("a.bin").exists());
        assert_rest_is_moved(&setting, "upload");
        assert_content(&setting.remote("a.bin"), content(1, 8 * MIB));
    }
}

fn a_cancelled_download_goes_on_later(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.remote("a.bin"), content(1, 8 * MIB));
    let said = over_a_slow_line(&setting, "cancel-download", &["a.bin"]);
    assert_cancelled(&said, "a.bin");
    assert!(!setting.local("a.bin").exists());
    assert_rest_is_moved(&setting, "download");
    assert_content(&setting.local("a.bin"), content(1, 8 * MIB));
}

/// A second try moves less than the whole file.
fn assert_rest_is_moved(setting: &Setting, verb: &str) {
    let line = Proxy::plain(setting.server.addr());
    let caller = Setting::new(setting.qt, "caller");
    let mut command = caller.command(line.addr(), verb, &["a.bin"]);
    command.current_dir(setting.local.path());
    assert_eq!(Process::spawn(&mut command).wait(DEADLINE).stdout, "0 OK");
    let direction = match verb {
        "upload" => ftx_tests::Direction::ToServer,
        _ => ftx_tests::Direction::ToClient,
    };
    let moved = line.count(direction);
    assert!(moved < 8 * MIB, "{moved} bytes");
}

fn a_cancelled_list_stops(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 10));
    write_file(&setting.local("b.bin"), content(2, 10));
    let said = setting.run("cancel-list", &["a.bin", "b.bin"]).stdout;
    assert!(said.contains("finished a.bin 0\nerror -5 "), "{said}");
    assert!(said.ends_with("finished b.bin -5\n-5 -503"), "{said}");
    assert!(!setting.remote("b.bin").exists());
}

fn a_client_may_be_destroyed_by_its_own_signal(qt: Qt) {
    let setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 8 * MIB));
    let said = over_a_slow_line(&setting, "destroy", &["a.bin", "b.bin"]);
    assert_eq!(said, "moving\n-5 destroyed");
}

fn a_killed_server_ends_the_call(qt: Qt) {
    let mut setting = Setting::new(qt, "features");
    write_file(&setting.local("a.bin"), content(1, 8 * MIB));
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(SLOW));
    let process = Process::spawn(&mut setting.command(line.addr(), "upload", &["a.bin"]));
    assert_eq!(process.stdout_line(0, DEADLINE), "moving");
    setting.server = Served::Ours(restarted(setting.server, setting.root.path(), &line));
    let said = process.wait(DEADLINE).stdout;
    assert!(said.contains("\nerror -"), "{said}");
    assert!(!setting.remote("a.bin").exists());
    assert_rest_is_moved(&setting, "upload");
    assert_content(&setting.remote("a.bin"), content(1, 8 * MIB));
}

/// Kills a server, with the lines to it, and starts another one in its place.
fn restarted(server: Served, root: &Path, line: &Proxy) -> Server {
    drop(server);
    line.cut();
    Server::start(root)
}

fn jobs_go_on_by_themselves(qt: Qt) {
    let setting = Setting::new(qt, "jobs");
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(SLOW));
    let directory = setting.local.path().to_str().unwrap();
    let outcome = Process::spawn(&mut setting.command(line.addr(), directory, &[])).wait(DEADLINE);
    assert_eq!(outcome.stdout, "done", "{outcome:#?}");
}

fn the_example_with_widgets_can_be_clicked(qt: Qt) {
    let setting = Setting::new(qt, "clicks");
    let line = Proxy::start(setting.server.addr(), |_| Plan::default().rate(SLOW));
    write_file(&setting.local("a.bin"), content(1, 6 * MIB));
    write_file(&setting.local("b.bin"), content(2, 6 * MIB));
    let mut command = setting.command(line.addr(), "window.png", &["a.bin", "b.bin"]);
    // Without a screen, unless one is named, as by xvfb-run.
    if std::env::var_os("DISPLAY").is_none() {
        command.env("QT_QPA_PLATFORM", "offscreen");
    }
    let outcome = Process::spawn(&mut command).wait(DEADLINE);
    outcome.assert_done();
    assert!(fs::metadata(setting.local("window.png")).unwrap().len() > 1000);
    assert_content(&setting.remote("a.bin"), content(1, 6 * MIB));
    assert!(!setting.remote("b.bin").exists());
}
