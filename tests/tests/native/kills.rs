//! SIGKILL at random moments, on either side, until the file is whole.

use std::fs;
use std::path::Path;

use blake3::Hash;
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Plan, Process, Proxy, Random, Server, seed, wait_until, within};
use tempfile::tempdir;

use super::setting::{NAME, WAYS, names_in};
use super::{MIB, Setting, Way};

const LEN: u64 = 24 * MIB;

/// Kills of one run; there are eight runs.
const KILLS: u64 = 7;

/// Bytes that a killed connection may cost.
const SLACK: u64 = 8 * MIB;

/// Whose process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Waits until `step` more bytes have passed, or the client is done: whether to kill.
fn has_moved(client: &mut Process, proxy: &Proxy, way: Way, step: u64) -> bool {
    let from = proxy.count(way.direction());
    within(DEADLINE, || match client.ended() {
        Some(_) => Some(false),
        None => (proxy.count(way.direction()) >= from + step).then_some(true),
    })
    .expect("the transfer stands still")
}

/// Moves a file again and again, and kills a side in the middle of it so many times.
fn is_killed(side: Side, way: Way, streams: usize) {
    let seed = seed();
    let mut random = Random::new(seed);
    let run = format!("{side:?} {way:?} {streams} streams, seed {seed}");
    let Setting { mut server, root, local } = Setting::with_file(way, 0, LEN);
    let proxy = Proxy::start(server.addr(), |_| Plan::default().rate(96 * MIB));
    let (source, target) = match way {
        Way::Up => (local.path(), root.path()),
        Way::Down => (root.path(), local.path()),
    };
    write_file(&target.join(NAME), content(99, 1000));
    let start = |local: &Path| {
        let client = way.client(proxy.addr()).arg(NAME).streams(streams);
        client.args(["--retries", "20"]).current_dir(local).spawn()
    };
    let (mut version, mut kills, mut sent) = (0, 0, 0);
    let mut before = digest(&target.join(NAME));
    while kills < KILLS {
        version += 1;
        write_file(&source.join(NAME), content(version, LEN));
        let wanted = digest(&source.join(NAME));
        let mut client = start(local.path());
        let counted = proxy.count(way.direction());
        // Up to a whole file, so that the end is met, too.
        while has_moved(&mut client, &proxy, way, random.below(LEN) + 1) {
            kills += 1;
            if side == Side::Server {
                server = server.restart();
                proxy.set_upstream(server.addr());
            } else {
                client.kill();
                wait_until("it is gone", DEADLINE, || server.monitor().active == [0]);
                client = start(local.path());
            }
            let found = digest(&target.join(NAME));
            assert!([before, wanted].contains(&found), "{run}: half a file has the name");
        }
        let outcome = client.wait(DEADLINE);
        assert_eq!(outcome.code, Some(0), "{run}: {outcome:#?}");
        assert_eq!(digest(&target.join(NAME)), wanted, "{run}: something else arrived");
        before = wanted;
        sent += proxy.count(way.direction()) - counted;
    }
    let again = sent.saturating_sub(version * LEN);
    let bound = kills * streams as u64 * SLACK + MIB;
    println!("{run}: {kills} kills, {version} files, {again} bytes sent again, {bound} allowed");
    assert!(again <= bound, "{run}: {again} bytes sent again after {kills} kills");
    assert_eq!(names_in(target), [NAME], "{run}");
}

fn digest(path: &Path) -> Hash {
    blake3::hash(&fs::read(path).unwrap())
}

#[test]
fn a_client_is_killed_at_random() {
    for way in WAYS {
        for streams in [1, 3] {
            is_killed(Side::Client, way, streams);
        }
    }
}

#[test]
fn a_server_is_killed_at_random() {
    for way in WAYS {
        for streams in [1, 3] {
            is_killed(Side::Server, way, streams);
        }
    }
}

/// A confirmed file survives an immediate kill.
#[test]
fn a_confirmed_file_survives_a_kill() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    let sizes = [0, 1, 1000, 300_000, MIB, MIB + 1, 5 * MIB];
    for (seed, len) in (0..).zip(sizes) {
        let name = format!("{seed}.bin");
        write_file(&local.path().join(&name), content(seed, len));
        Way::Up.client(server.addr()).arg(&name).current_dir(local.path()).run().assert_done();
        server = server.restart();
    }
    for (seed, len) in (0..).zip(sizes) {
        assert_content(&root.path().join(format!("{seed}.bin")), content(seed, len));
    }
}
