//! The same upload, started more than once.

use std::fs;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Direction, Outcome, Plan, Process, Proxy, Server, wait_until};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use super::setting::{NAME, names_in};
use super::{MIB, Way};

const LEN: u64 = 32 * MIB;

/// Bytes sent to the server besides the file.
const AROUND: u64 = MIB / 4;

struct Runs {
    server: Server,
    root: TempDir,
    local: TempDir,
    /// In the way of the first.
    slow: Proxy,
    /// In that of the others.
    plain: Proxy,
}

impl Runs {
    fn new(args: &[&str]) -> Self {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        write_file(&local.path().join(NAME), content(1, LEN));
        let server = args.iter().fold(Server::builder(root.path()), |it, arg| it.arg(arg)).start();
        let slow = Proxy::start(server.addr(), |_| Plan::default().rate(64 * MIB));
        let plain = Proxy::plain(server.addr());
        Self { server, root, local, slow, plain }
    }

    fn upload(&self, proxy: &Proxy, names: &[&str]) -> Process {
        let client = Way::Up.client(proxy.addr()).arg("--json").args(names);
        client.current_dir(self.local.path()).spawn()
    }

    /// A first run that has sent so much and gets no further, and others that wait for it.
    fn first_and_others(&self, sent: u64, others: usize) -> (Process, Vec<Process>) {
        self.slow.let_pass(Direction::ToServer, sent);
        let first = self.upload(&self.slow, &[NAME]);
        wait_until("it has begun", DEADLINE, || self.sent() >= sent);
        let others: Vec<_> = (0..others).map(|_| self.upload(&self.plain, &[NAME])).collect();
        for other in &others {
            wait_until("it waits", DEADLINE, || waits(&other.stdout()));
        }
        (first, others)
    }

    /// Bytes that all of them have sent.
    fn sent(&self) -> u64 {
        [&self.slow, &self.plain].map(|proxy| proxy.count(Direction::ToServer)).iter().sum()
    }

    fn assert_arrived(&self) {
        assert_content(&self.root.path().join(NAME), content(1, LEN));
        assert_eq!(names_in(self.root.path()), [NAME]);
        assert_eq!(fs::read_dir(self.server.file(".ftx/blocks")).unwrap().count(), 0);
    }
}

fn waits(stdout: &str) -> bool {
    stdout.contains("\"waiting\"")
}

/// It had nothing to send.
fn assert_found_there(outcome: &Outcome) {
    outcome.assert_done();
    let last = outcome.stdout.lines().last().unwrap();
    assert!(last.contains("\"already_there\":true") && last.contains("\"moved\":0"), "{last}");
}

#[test]
fn four_runs_send_the_file_once_and_all_are_done() {
    let runs = Runs::new(&[]);
    let (first, others) = runs.first_and_others(4 * MIB, 3);
    runs.slow.let_pass(Direction::ToServer, u64::MAX);
    first.wait(DEADLINE).assert_done();
    for other in others {
        assert_found_there(&other.wait(DEADLINE));
    }
    runs.assert_arrived();
    assert!(runs.sent() <= LEN + AROUND, "{} bytes were sent", runs.sent());
}

/// With nothing to say who is the first.
#[test]
fn four_runs_at_once_send_the_file_once_and_all_are_done() {
    let runs = Runs::new(&["--threads", "2"]);
    let clients = [(); 4].map(|()| runs.upload(&runs.slow, &[NAME]));
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    runs.assert_arrived();
    assert!(runs.sent() <= LEN + AROUND, "{} bytes were sent", runs.sent());
}

#[test]
fn lists_in_another_order_are_sent_once_and_none_waits_for_ever() {
    let runs = Runs::new(&[]);
    let names = ["a", "b", "c", "d"];
    for (seed, name) in (1..).zip(names) {
        write_file(&runs.local.path().join(name), content(seed, 6 * MIB));
    }
    let mut reversed = names;
    reversed.reverse();
    let clients = [names, reversed, names].map(|names| runs.upload(&runs.slow, &names));
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    for (seed, name) in (1..).zip(names) {
        assert_content(&runs.root.path().join(name), content(seed, 6 * MIB));
    }
    assert!(runs.sent() <= 24 * MIB + AROUND, "{} bytes were sent", runs.sent());
}

#[test]
fn a_run_that_stands_still_is_overtaken_and_finds_the_file_there() {
    let runs = Runs::new(&["--stall-timeout", "2s"]);
    let (first, others) = runs.first_and_others(20 * MIB, 1);
    for other in others {
        other.wait(DEADLINE).assert_done();
    }
    runs.assert_arrived();
    runs.slow.let_pass(Direction::ToServer, u64::MAX);
    first.wait(DEADLINE).assert_done();
    runs.assert_arrived();
    let again = runs.sent().saturating_sub(LEN);
    assert!(again <= 2 * 8 * MIB + AROUND, "{again} bytes were sent again");
}

#[test]
fn a_killed_run_is_resumed_by_the_next() {
    let runs = Runs::new(&[]);
    let (mut first, others) = runs.first_and_others(20 * MIB, 2);
    first.kill();
    for other in others {
        other.wait(DEADLINE).assert_done();
    }
    runs.assert_arrived();
    let again = runs.sent().saturating_sub(LEN);
    assert!(again <= 2 * 8 * MIB + AROUND, "{again} bytes were sent again");
}

#[test]
fn a_run_that_waits_can_be_interrupted() {
    let runs = Runs::new(&[]);
    let (first, mut others) = runs.first_and_others(4 * MIB, 2);
    let mut waiting = others.remove(0);
    waiting.signal(Signal::INT);
    waiting.wait(DEADLINE).assert_code(130);
    runs.slow.let_pass(Direction::ToServer, u64::MAX);
    first.wait(DEADLINE).assert_done();
    assert_found_there(&others.remove(0).wait(DEADLINE));
    runs.assert_arrived();
}

/// A line that breaks all the time: each run that gets its turn resumes from the staged blocks.
#[test]
fn runs_over_a_breaking_line_resend_only_bytes_in_flight() {
    let runs = Runs::new(&[]);
    let plan = Plan::default().rate(64 * MIB).cut_after(Direction::ToServer, 7 * MIB + 4321);
    let proxy = Proxy::start(runs.server.addr(), move |_| plan);
    let clients = [(); 3].map(|()| runs.upload(&proxy, &[NAME]));
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    runs.assert_arrived();
    let cuts = proxy.connections() as u64;
    let again = proxy.count(Direction::ToServer).saturating_sub(LEN);
    assert!(again <= cuts * MIB * 8, "{again} bytes again over {cuts} connections");
}

/// Output that is no terminal gets one line.
#[test]
fn people_see_that_it_waits() {
    let runs = Runs::new(&[]);
    let (first, _others) = runs.first_and_others(4 * MIB, 0);
    let told = Way::Up.client(runs.plain.addr()).arg(NAME).current_dir(runs.local.path()).spawn();
    let line = "a.bin: waiting: another upload of this file is running";
    wait_until("it reports the wait", DEADLINE, || told.stderr().contains(line));
    runs.slow.let_pass(Direction::ToServer, u64::MAX);
    first.wait(DEADLINE).assert_done();
    told.wait(DEADLINE).assert_done();
}
