//! A long line: its cost is the number of round trips.

use std::fs;
use std::time::Duration;

use ftx_client::blocking::BlockingClient;
use ftx_client::{ClientConfig, Reason, RemoteName};
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Direction, Plan, Proxy, Server};

use super::setting::WAYS;
use super::{MIB, Setting, Way};

const FILES: u64 = 300;

/// Round trips that many files may take: the handshake, the list, and some for a slow machine that
/// splits the work.
const FEW: u64 = FILES / 10;

fn far(server: &Server, delay: Duration) -> Proxy {
    Proxy::start(server.addr(), move |_| Plan::default().delay(delay))
}

#[test]
fn many_small_files_take_few_round_trips() {
    for way in WAYS {
        let setting = Setting::new();
        let (source, target) = match way {
            Way::Up => (setting.local.path().join("tree"), setting.root.path().join("tree")),
            Way::Down => (setting.root.path().join("tree"), setting.local.path().join("tree")),
        };
        fs::create_dir(&source).unwrap();
        for index in 0..FILES {
            write_file(&source.join(index.to_string()), content(index, 1000));
        }
        let proxy = far(&setting.server, Duration::from_millis(50));
        let name = if way == Way::Up { "tree" } else { "tree/" };
        let client = way.client(proxy.addr()).args([name, "-q"]);
        client.current_dir(setting.local.path()).run().assert_done();
        for index in 0..FILES {
            assert_content(&target.join(index.to_string()), content(index, 1000));
        }
        let round_trips = proxy.round_trips();
        println!("{way:?}: {round_trips} round trips for {FILES} files");
        assert!(round_trips <= FEW, "{round_trips} round trips for {FILES} files, {way:?}");
    }
}

/// The listing comes in four pages. The connection breaks within the third one, or within the first file.
#[test]
fn a_download_that_is_cut_while_the_server_lists_brings_each_file_once() {
    const LISTED: u64 = 1500;
    let setting = Setting::new();
    fs::create_dir(setting.root.path().join("tree")).unwrap();
    for index in 0..LISTED {
        write_file(&setting.root.path().join(format!("tree/{index}")), content(index, 100));
    }
    for (streams, bytes) in [(1, 150_000), (4, 30_000)] {
        let local = tempfile::tempdir().unwrap();
        let proxy = Proxy::start(setting.server.addr(), move |connection| match connection {
            0 => Plan::default().cut_after(Direction::ToClient, bytes),
            _ => Plan::default().delay(Duration::from_millis(5)),
        });
        let client = Way::Down.client(proxy.addr()).args(["tree/", "--json"]).streams(streams);
        let outcome = client.current_dir(local.path()).run();
        outcome.assert_done();
        assert!(proxy.struck() > 0, "{streams} connections: not cut");
        let finished = outcome.stdout.lines().filter(|line| line.contains("\"finished\"")).count();
        assert_eq!(finished as u64, LISTED, "{streams} connections");
        for index in 0..LISTED {
            assert_content(&local.path().join(format!("tree/{index}")), content(index, 100));
        }
    }
}

#[test]
fn questions_about_many_names_take_few_round_trips() {
    let setting = Setting::new();
    let sizes = (0..2 * FILES).filter(|index| index % 3 > 0);
    for size in sizes {
        write_file(&setting.root.path().join(size.to_string()), content(size, size));
    }
    let proxy = far(&setting.server, Duration::from_millis(50));
    let config = ClientConfig::default();
    let mut client =
        BlockingClient::new(proxy.addr().to_string().parse().unwrap(), config).unwrap();
    let names: Vec<_> =
        (0..2 * FILES).map(|index| RemoteName::parse(&index.to_string()).unwrap()).collect();
    let mut next = 0;
    let asked = client.stat_all(&names, |index, entry| {
        assert_eq!(index as u64, next);
        match entry {
            Ok(entry) => assert_eq!(entry.size, next),
            Err(error) => assert_eq!((error.reason(), next % 3), (Reason::NotFound, 0)),
        }
        next += 1;
        true
    });
    asked.unwrap();
    assert_eq!(next, 2 * FILES);
    let round_trips = proxy.round_trips();
    assert!(round_trips <= FEW, "{round_trips} round trips for {next} names");
    // The ids of all these requests are used.
    assert_eq!(client.stat(&names[1]).unwrap().size, 1);
}

/// As many as its window makes necessary, not one for each block. A download takes as many in
/// `ftx-core/tests/native_pair`, where time is exact.
#[test]
fn a_large_file_takes_few_round_trips() {
    let setting = Setting::with_file(Way::Up, 1, 64 * MIB);
    // While both sides talk all the time, the round trips are as many as there is time for.
    let proxy = far(&setting.server, Duration::from_millis(250));
    setting.client(Way::Up, proxy.addr()).streams(1).run().assert_done();
    setting.assert_arrived(Way::Up, 1, 64 * MIB);
    let round_trips = proxy.round_trips();
    println!("{round_trips} round trips for 64 blocks");
    assert!(round_trips <= 40, "{round_trips} round trips for 64 blocks");
}
