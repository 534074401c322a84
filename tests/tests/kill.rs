//! SIGKILL on either side, again and again, until the file is whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Plan, Process, Proxy, Server, wait_until, within};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;
const LEN: u64 = 64 * MIB;

/// What passes before each kill.
const STEP: u64 = 20 * MIB;

/// What may be sent again after a kill, for each connection that there was.
const SLACK: u64 = 8 * MIB;

const DIALECTS: [&str; 2] = ["legacy", "native"];

/// Slow enough that a kill falls into the transfer.
fn slow(server: &Server) -> Proxy {
    Proxy::start(server.addr(), |_| Plan::default().rate(128 * MIB))
}

fn upload(proxy: &Proxy, local: &Path, dialect: &str) -> Process {
    Client::upload(proxy.addr()).arg("a.bin").dialect(dialect).current_dir(local).spawn()
}

fn download(proxy: &Proxy, local: &Path, dialect: &str) -> Process {
    Client::download(proxy.addr()).arg("a.bin").dialect(dialect).current_dir(local).spawn()
}

/// Waits until the transfer is another step further, or its client is done: whether to kill.
fn a_step_further(client: &mut Process, proxy: &Proxy, direction: Direction) -> bool {
    let from = proxy.count(direction);
    within(DEADLINE, || match client.ended() {
        Some(_) => Some(false),
        None => (proxy.count(direction) >= from + STEP).then_some(true),
    })
    .expect("the transfer stands still")
}

#[test]
fn a_client_killed_in_an_upload_goes_on() {
    DIALECTS.into_iter().for_each(client_in_upload);
}

fn client_in_upload(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(9, 1000));
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let proxy = slow(&server);
    let mut kills = 0;
    loop {
        let mut client = upload(&proxy, local.path(), dialect);
        if !a_step_further(&mut client, &proxy, Direction::ToServer) {
            client.wait(DEADLINE).assert_done();
            break;
        }
        client.kill();
        kills += 1;
        // Who comes back sooner is another matter, see takeover.rs.
        wait_until("it is gone", DEADLINE, || server.monitor().active == [0]);
        // The old version, or the new one if all that was missing was on its way already.
        if fs::metadata(root.path().join("a.bin")).unwrap().len() == 1000 {
            assert_content(&root.path().join("a.bin"), content(9, 1000));
        } else {
            assert_content(&root.path().join("a.bin"), content(1, LEN));
        }
    }
    assert!(kills >= 2, "{kills} kills");
    assert_content(&root.path().join("a.bin"), content(1, LEN));
    assert_bounded(&proxy, Direction::ToServer, kills, dialect);
}

#[test]
fn a_client_killed_in_a_download_goes_on() {
    DIALECTS.into_iter().for_each(client_in_download);
}

fn client_in_download(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(1, LEN));
    let proxy = slow(&server);
    let mut kills = 0;
    loop {
        let mut client = download(&proxy, local.path(), dialect);
        if !a_step_further(&mut client, &proxy, Direction::ToClient) {
            client.wait(DEADLINE).assert_done();
            break;
        }
        client.kill();
        kills += 1;
        if local.path().join("a.bin").exists() {
            assert_content(&local.path().join("a.bin"), content(1, LEN));
        }
    }
    assert!(kills >= 2, "{kills} kills");
    assert_content(&local.path().join("a.bin"), content(1, LEN));
    assert_eq!(fs::read_dir(local.path()).unwrap().count(), 1);
    assert_bounded(&proxy, Direction::ToClient, kills, dialect);
}

#[test]
fn a_server_killed_in_an_upload_is_gone_on_with() {
    DIALECTS.into_iter().for_each(server_in_upload);
}

fn server_in_upload(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let proxy = slow(&server);
    // One client for all of it: it has to come back by itself.
    let mut client = upload(&proxy, local.path(), dialect);
    let mut kills = 0;
    while a_step_further(&mut client, &proxy, Direction::ToServer) {
        server = server.restart();
        proxy.set_upstream(server.addr());
        kills += 1;
    }
    client.wait(DEADLINE).assert_done();
    assert!(kills >= 2, "{kills} kills");
    assert_content(&root.path().join("a.bin"), content(1, LEN));
    assert_bounded(&proxy, Direction::ToServer, kills, dialect);
}

#[test]
fn a_server_killed_in_a_download_is_gone_on_with() {
    DIALECTS.into_iter().for_each(server_in_download);
}

fn server_in_download(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(1, LEN));
    let proxy = slow(&server);
    let mut client = download(&proxy, local.path(), dialect);
    let mut kills = 0;
    while a_step_further(&mut client, &proxy, Direction::ToClient) {
        server = server.restart();
        proxy.set_upstream(server.addr());
        kills += 1;
    }
    client.wait(DEADLINE).assert_done();
    assert!(kills >= 2, "{kills} kills");
    assert_content(&local.path().join("a.bin"), content(1, LEN));
    assert_bounded(&proxy, Direction::ToClient, kills, dialect);
}

#[test]
fn what_was_confirmed_survives_a_kill_at_once() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    for seed in 0..10 {
        let name = format!("{seed}.bin");
        write_file(&local.path().join(&name), content(seed, 300_000));
        let client = Client::upload(server.addr()).arg(&name).current_dir(local.path());
        client.run().assert_done();
        server = server.restart();
    }
    for seed in 0..10 {
        assert_content(&root.path().join(format!("{seed}.bin")), content(seed, 300_000));
    }
}

#[test]
fn leftovers_of_a_finished_upload_are_removed() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 30 * MIB));
    let proxy = slow(&server);
    let mut client = upload(&proxy, local.path(), "legacy");
    wait_until("some has passed", DEADLINE, || proxy.count(Direction::ToServer) > 4 * MIB);
    client.kill();
    let server = server.restart();
    proxy.set_upstream(server.addr());
    upload(&proxy, local.path(), "legacy").wait(DEADLINE).assert_done();
    let staging = root.path().join(".ftx/staging");
    wait_until("the staging is empty", DEADLINE, || {
        fs::read_dir(&staging).unwrap().next().is_none()
    });
}

fn assert_bounded(proxy: &Proxy, direction: Direction, kills: u64, dialect: &str) {
    let again = proxy.count(direction) - LEN;
    // By itself the client takes two connections.
    let slack = if dialect == "native" { 2 * SLACK } else { SLACK };
    let most = kills * slack + 100_000;
    assert!(again <= most, "{again} bytes were sent again after {kills} kills, {dialect}");
}
