//! Connections cut at every place: once bytes of the file have moved, the client comes back by itself until
//! the file is whole.

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Direction, Outcome, Plan, Proxy, Server};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

/// Bytes of requests and replies on one connection, at most.
const TALK: u64 = 1000;

const DIALECTS: [&str; 2] = ["legacy", "native"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A server and a client's directory, one of which holds `a.bin`.
struct Setting {
    way: Way,
    server: Server,
    root: TempDir,
    local: TempDir,
    len: u64,
}

impl Setting {
    fn new(way: Way, len: u64) -> Self {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let source = if way == Way::Up { &local } else { &root };
        write_file(&source.path().join("a.bin"), content(1, len));
        Self { way, server: Server::start(root.path()), root, local, len }
    }

    fn transfer(&self, proxy: &Proxy, dialect: &str) -> Outcome {
        let client = match self.way {
            Way::Up => Client::upload(proxy.addr()),
            Way::Down => Client::download(proxy.addr()),
        };
        client.arg("a.bin").dialect(dialect).current_dir(self.local.path()).run()
    }

    fn target(&self) -> &Path {
        match self.way {
            Way::Up => self.root.path(),
            Way::Down => self.local.path(),
        }
    }

    /// The content is right, and nothing of ours is left beside it.
    fn assert_whole(&self) {
        assert_content(&self.target().join("a.bin"), content(1, self.len));
        let left: Vec<_> = fs::read_dir(self.target())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != ".ftx" && name != "a.bin")
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    fn remove_target(&self) {
        let _ = fs::remove_file(self.target().join("a.bin"));
    }

    /// Which way the file's bytes go.
    fn direction(&self) -> Direction {
        match self.way {
            Way::Up => Direction::ToServer,
            Way::Down => Direction::ToClient,
        }
    }
}

/// Cuts the first connection after each number of bytes, in steps that do not hit the same place
/// of every message. A cut before the first byte of the file ends the run, and the next one succeeds.
fn the_first_connection_is_cut(
    way: Way,
    direction: Direction,
    points: impl Iterator<Item = u64> + Clone,
) {
    let setting = Setting::new(way, 100_000);
    for (dialect, point) in DIALECTS.into_iter().flat_map(|it| points.clone().map(move |p| (it, p)))
    {
        setting.remove_target();
        let proxy = Proxy::start(setting.server.addr(), move |index| match index {
            0 => Plan::default().cut_after(direction, point),
            _ => Plan::default(),
        });
        let mut outcome = setting.transfer(&proxy, dialect);
        if outcome.code == Some(1) {
            let moved = proxy.count(setting.direction());
            assert!(moved <= TALK, "{dialect}, cut after {point} bytes, {moved}: {outcome:#?}");
            outcome = setting.transfer(&proxy, dialect);
        }
        assert_eq!(outcome.code, Some(0), "{dialect}, cut after {point} bytes: {outcome:#?}");
        setting.assert_whole();
        let moved = proxy.count(setting.direction());
        // A busy machine looks distant, and gets more connections, each with its greeting.
        let talk = (1 + proxy.connections() as u64) * TALK;
        assert!(moved <= 2 * setting.len + talk, "{moved} bytes, {dialect}, cut after {point}");
    }
}

/// Every connection is cut after so many bytes; each gets a little further. In the native dialect
/// progress takes at least a block, and a partly sent block may be lost.
fn every_connection_is_cut(way: Way, dialect: &str, every: u64, lost: u64) {
    let setting = Setting::new(way, 12 * MIB);
    let direction = setting.direction();
    let plan = Plan::default().cut_after(direction, every);
    let proxy = Proxy::start(setting.server.addr(), move |_| plan);
    let outcome = setting.transfer(&proxy, dialect);
    assert_eq!(outcome.code, Some(0), "{dialect}, cut after every {every} bytes: {outcome:#?}");
    setting.assert_whole();
    let connections = proxy.connections() as u64;
    assert!(connections >= setting.len / every, "nothing was cut");
    let moved = proxy.count(direction);
    let bound = setting.len + connections * (TALK + lost) + 8 * MIB;
    assert!(moved <= bound, "{moved} bytes for {}, over {connections} connections", setting.len);
}

/// All of the talk, byte by byte or nearly so, and then some places in the file.
fn points(step: usize) -> impl Iterator<Item = u64> + Clone {
    (0..420).step_by(step).chain([1000, 65_536, 99_000, 99_999, 100_000])
}

#[test]
fn an_upload_survives_a_cut_anywhere_towards_the_server() {
    the_first_connection_is_cut(Way::Up, Direction::ToServer, points(13));
}

#[test]
fn an_upload_survives_a_cut_anywhere_towards_the_client() {
    the_first_connection_is_cut(
        Way::Up,
        Direction::ToClient,
        points(13).take_while(|&at| at < 420),
    );
}

#[test]
fn a_download_survives_a_cut_anywhere_towards_the_server() {
    the_first_connection_is_cut(
        Way::Down,
        Direction::ToServer,
        points(13).take_while(|&at| at < 420),
    );
}

#[test]
fn a_download_survives_a_cut_anywhere_towards_the_client() {
    the_first_connection_is_cut(Way::Down, Direction::ToClient, points(13));
}

#[test]
fn an_upload_gets_through_a_line_that_never_holds() {
    every_connection_is_cut(Way::Up, "legacy", MIB + 12_345, 0);
    every_connection_is_cut(Way::Up, "native", 3 * MIB + 12_345, MIB);
}

#[test]
fn a_download_gets_through_a_line_that_never_holds() {
    every_connection_is_cut(Way::Down, "legacy", MIB + 12_345, 0);
    every_connection_is_cut(Way::Down, "native", 3 * MIB + 12_345, MIB);
}

#[test]
fn messages_in_single_bytes_are_understood_on_both_sides() {
    for way in [Way::Up, Way::Down] {
        let setting = Setting::new(way, 20_000);
        for dialect in DIALECTS {
            setting.remove_target();
            let proxy = Proxy::start(setting.server.addr(), |_| Plan::default().pieces_of(1));
            setting.transfer(&proxy, dialect).assert_done();
            setting.assert_whole();
        }
    }
}
