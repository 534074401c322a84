//! The Qt class `FileClient` when a transfer is cut short: cancelled, the line lost, the server
//! killed. With `ftx-server` and with the servers made of Qt.

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::{Make, Qt};
use ftx_tests::qt::{Served, Setting};
use ftx_tests::{DEADLINE, Direction, Plan, Process, Proxy, wait_until, with_each_qt};

const MIB: u64 = 1 << 20;

/// Bytes of the file that is on its way. When half of it has passed, a block is whole on some connection,
/// even where a busy machine is taken for a distant server: then eight connections share the file.
const LEN: u64 = 24 * MIB;

with_each_qt!(
    a_cancelled_upload_resumes_later,
    a_cancelled_download_resumes_later,
    a_killed_server_ends_the_call,
    the_first_loss_gives_the_code_of_the_call,
    the_same_client_resumes,
    a_call_outlives_a_restart_of_the_server,
);

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    fn verb(self) -> &'static str {
        match self {
            Self::Up => "upload",
            Self::Down => "download",
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Up => Direction::ToServer,
            Self::Down => Direction::ToClient,
        }
    }

    /// A program with each server there is, and a file to be moved.
    fn settings(self, qt: Qt, program: &'static str) -> Vec<Setting> {
        let settings = Setting::with_each_server(qt, program);
        for setting in &settings {
            write_file(&self.source(setting), content(1, LEN));
        }
        settings
    }

    fn source(self, setting: &Setting) -> std::path::PathBuf {
        match self {
            Self::Up => setting.local("a.bin"),
            Self::Down => setting.remote("a.bin"),
        }
    }

    fn assert_there(self, setting: &Setting) {
        let target = match self {
            Self::Up => setting.remote("a.bin"),
            Self::Down => setting.local("a.bin"),
        };
        assert_content(&target, content(1, LEN));
    }

    /// Only an original server shows the file before it is whole.
    fn assert_not_there(self, setting: &Setting) {
        match self {
            Self::Up if matches!(setting.server, Served::Qt(..)) => {}
            Self::Up => assert!(!setting.remote("a.bin").exists(), "{}", setting.what),
            Self::Down => assert!(!setting.local("a.bin").exists(), "{}", setting.what),
        }
    }

    /// Whether a second attempt has less to send. Original servers truncate the file before they resume,
    /// so they get all of it.
    fn resumes(self, setting: &Setting) -> bool {
        self == Self::Down || matches!(setting.server, Served::Ours(_))
    }
}

fn slow_line(setting: &Setting) -> Proxy {
    Proxy::start(setting.server.addr(), |_| Plan::default().rate(12 * MIB))
}

/// Starts a program that says when bytes move, and waits until it has.
fn moving(setting: &Setting, line: &Proxy, verb: &str) -> Process {
    let process = Process::spawn(&mut setting.command(line.addr(), verb, &["a.bin"]));
    assert_eq!(process.stdout_line(0, DEADLINE), "moving", "{}", setting.what);
    process
}

/// A second attempt by another process moves only the missing bytes.
fn assert_resumes(setting: Setting, way: Way) {
    let line = Proxy::plain(setting.server.addr());
    let setting = setting.with_program("caller");
    let said = setting.run_at(line.addr(), way.verb(), &["a.bin"]).stdout;
    assert_eq!(said, "0 OK", "{}", setting.what);
    way.assert_there(&setting);
    let moved = line.count(way.direction());
    assert_eq!(moved < LEN, way.resumes(&setting), "{}: {moved} bytes", setting.what);
}

fn assert_cancelled(setting: &Setting, verb: &str) {
    let line = slow_line(setting);
    let said = setting.run_at(line.addr(), verb, &["a.bin"]).stdout;
    assert!(said.starts_with("moving\nerror -5 "), "{}: {said}", setting.what);
    assert!(said.ends_with("finished a.bin -5\n-5 -503"), "{}: {said}", setting.what);
}

fn a_cancelled_upload_resumes_later(qt: Qt) {
    for verb in ["cancel-in-signal", "cancel-elsewhere"] {
        for setting in Way::Up.settings(qt, "features") {
            assert_cancelled(&setting, verb);
            Way::Up.assert_not_there(&setting);
            assert_resumes(setting, Way::Up);
        }
    }
}

fn a_cancelled_download_resumes_later(qt: Qt) {
    for setting in Way::Down.settings(qt, "features") {
        assert_cancelled(&setting, "cancel-download");
        Way::Down.assert_not_there(&setting);
        assert_resumes(setting, Way::Down);
    }
}

fn a_killed_server_ends_the_call(qt: Qt) {
    for way in [Way::Up, Way::Down] {
        for mut setting in way.settings(qt, "features") {
            let line = slow_line(&setting);
            let process = moving(&setting, &line, way.verb());
            setting.server.kill();
            line.cut();
            let said = process.wait(DEADLINE).stdout;
            assert!(said.contains("\nerror -5 "), "{}: {said}", setting.what);
            way.assert_not_there(&setting);
            setting.restart_server();
            assert_resumes(setting, way);
        }
    }
}

/// Later attempts, which find no server, do not replace it.
fn the_first_loss_gives_the_code_of_the_call(qt: Qt) {
    for way in [Way::Up, Way::Down] {
        for mut setting in way.settings(qt, "caller") {
            let line = slow_line(&setting);
            let mut command = setting.command(line.addr(), way.verb(), &["a.bin"]);
            let process = Process::spawn(&mut command);
            let begun = || line.count(way.direction()) > MIB;
            wait_until("the transfer has begun", DEADLINE, begun);
            setting.server.kill();
            drop(line);
            let said = process.wait(DEADLINE).stdout;
            assert_eq!(said, "-5 RECV_DATA_TIMEOUT_ERROR", "{way:?}, {}", setting.what);
        }
    }
}

/// The next call of the same object, behind one that the lost line has ended.
fn the_same_client_resumes(qt: Qt) {
    for (way, verb) in [(Way::Up, "again-upload"), (Way::Down, "again-download")] {
        for mut setting in way.settings(qt, "features") {
            if way == Way::Down && is_original(&setting) {
                // Its thread is lost with the line.
                continue;
            }
            let line = Proxy::plain(setting.server.addr());
            line.let_pass(way.direction(), LEN / 2);
            let process = moving(&setting, &line, verb);
            let half = || line.count(way.direction()) >= LEN / 2;
            wait_until("half has passed", DEADLINE, half);
            // Bytes still in socket buffers would be lost with the line.
            wait_until("most was read", DEADLINE, || match (way, &mut setting.server) {
                (Way::Up, Served::Ours(server)) => server.bytes_in() >= LEN / 4,
                (Way::Up, Served::Qt(..)) => true,
                (Way::Down, _) => process.unread() == 0,
            });
            line.cut();
            line.let_pass(way.direction(), u64::MAX);
            let said = process.wait(DEADLINE).stdout;
            assert!(said.contains("finished a.bin -5\n"), "{}: {said}", setting.what);
            assert!(said.ends_with("finished a.bin 0\n0 0"), "{}: {said}", setting.what);
            way.assert_there(&setting);
            let again = line.count(way.direction()) - LEN / 2;
            assert_eq!(again < LEN, way.resumes(&setting), "{}: {again} bytes", setting.what);
        }
    }
}

fn is_original(setting: &Setting) -> bool {
    matches!(&setting.server, Served::Qt(_, peer) if peer.make() == Make::Original)
}

/// With the retries that a client has by default, its caller sees nothing of it.
fn a_call_outlives_a_restart_of_the_server(qt: Qt) {
    for way in [Way::Up, Way::Down] {
        for mut setting in way.settings(qt, "caller") {
            let line = slow_line(&setting);
            let mut command = setting.command(line.addr(), way.verb(), &["a.bin"]);
            let process = Process::spawn(&mut command);
            let begun = || line.count(way.direction()) > MIB;
            wait_until("the transfer has begun", DEADLINE, begun);
            // While nothing passes, the client does not see that the server goes.
            line.hold(true);
            setting.restart_server();
            line.set_upstream(setting.server.addr());
            line.cut();
            line.hold(false);
            assert_eq!(process.wait(DEADLINE).stdout, "0 OK", "{}", setting.what);
            way.assert_there(&setting);
        }
    }
}
