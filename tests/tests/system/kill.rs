//! SIGKILL on either side, again and again, until the file is whole.

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Process, Proxy, Server, wait_until, within};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;
const LEN: u64 = 64 * MIB;

/// Bytes that pass before each kill.
const STEP: u64 = 20 * MIB;

/// Bytes that may be sent again after a kill, for each connection that was open.
const SLACK: u64 = 8 * MIB;

/// Connections of a client, in the native dialect.
const STREAMS: usize = 2;

const DIALECTS: [&str; 2] = ["legacy", "native"];

/// Bytes that the server may have read and not counted, on all connections: less than a chunk of each.
const UNCOUNTED: u64 = MIB;

fn upload(proxy: &Proxy, local: &Path, dialect: &str) -> Process {
    start(Client::upload(proxy.addr()), local, dialect)
}

fn download(proxy: &Proxy, local: &Path, dialect: &str) -> Process {
    start(Client::download(proxy.addr()), local, dialect)
}

/// By itself a client takes more connections where answers are slow, as on a busy machine, and gives
/// up a server that is not back soon.
fn start(client: Client, local: &Path, dialect: &str) -> Process {
    let client = client.arg("a.bin").dialect(dialect).streams(STREAMS);
    client.args(["--retries", "20"]).current_dir(local).spawn()
}

/// Lets another step pass and no more, so that a kill falls into the transfer however late it comes.
/// Up to where.
fn let_a_step_pass(proxy: &Proxy, direction: Direction) -> u64 {
    let end = proxy.count(direction) + STEP;
    proxy.let_pass(direction, end);
    end
}

/// Waits until the step is made, or the client is done: whether to kill.
fn is_made(client: &mut Process, proxy: &Proxy, direction: Direction, end: u64) -> bool {
    within(DEADLINE, || match client.ended() {
        Some(_) => Some(false),
        None => (proxy.count(direction) >= end).then_some(true),
    })
    .expect("the transfer stands still")
}

/// Waits until the server has read a step. Bytes still in socket buffers are lost with a connection.
fn wait_until_received(server: &mut Server, before: u64) {
    let end = before + STEP - UNCOUNTED;
    wait_until("the server has read it", DEADLINE, || server.bytes_in() >= end);
}

/// The same for a download.
fn wait_until_read(client: &Process) {
    wait_until("the client has read it", DEADLINE, || client.unread() == 0);
}

#[test]
fn a_client_killed_in_an_upload_resumes() {
    DIALECTS.into_iter().for_each(client_in_upload);
}

fn client_in_upload(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(9, 1000));
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let proxy = Proxy::plain(server.addr());
    let mut kills = 0;
    loop {
        let before = server.bytes_in();
        let end = let_a_step_pass(&proxy, Direction::ToServer);
        let mut client = upload(&proxy, local.path(), dialect);
        if !is_made(&mut client, &proxy, Direction::ToServer, end) {
            client.wait(DEADLINE).assert_done();
            break;
        }
        wait_until_received(&mut server, before);
        client.kill();
        proxy.cut();
        kills += 1;
        assert_bounded(&proxy, Direction::ToServer, kills, dialect);
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
fn a_client_killed_in_a_download_resumes() {
    DIALECTS.into_iter().for_each(client_in_download);
}

fn client_in_download(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(1, LEN));
    let proxy = Proxy::plain(server.addr());
    let mut kills = 0;
    loop {
        let end = let_a_step_pass(&proxy, Direction::ToClient);
        let mut client = download(&proxy, local.path(), dialect);
        if !is_made(&mut client, &proxy, Direction::ToClient, end) {
            client.wait(DEADLINE).assert_done();
            break;
        }
        wait_until_read(&client);
        client.kill();
        proxy.cut();
        kills += 1;
        assert_bounded(&proxy, Direction::ToClient, kills, dialect);
        if local.path().join("a.bin").exists() {
            assert_content(&local.path().join("a.bin"), content(1, LEN));
        }
    }
    assert!(kills >= 2, "{kills} kills");
    assert_content(&local.path().join("a.bin"), content(1, LEN));
    assert_eq!(fs::read_dir(local.path()).unwrap().count(), 1);
    assert_bounded(&proxy, Direction::ToClient, kills, dialect);
}

/// Starts another server in place of the killed one. Bytes held back in between are not for it.
fn restart(server: Server, proxy: &Proxy) -> Server {
    let server = server.restart();
    proxy.cut();
    proxy.set_upstream(server.addr());
    server
}

#[test]
fn an_upload_to_a_killed_server_is_resumed() {
    DIALECTS.into_iter().for_each(server_in_upload);
}

fn server_in_upload(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let proxy = Proxy::plain(server.addr());
    let mut end = let_a_step_pass(&proxy, Direction::ToServer);
    // One client for all of it: it has to come back by itself.
    let mut client = upload(&proxy, local.path(), dialect);
    let mut kills = 0;
    while is_made(&mut client, &proxy, Direction::ToServer, end) {
        wait_until_received(&mut server, 0);
        server = restart(server, &proxy);
        kills += 1;
        assert_bounded(&proxy, Direction::ToServer, kills, dialect);
        end = let_a_step_pass(&proxy, Direction::ToServer);
    }
    client.wait(DEADLINE).assert_done();
    assert!(kills >= 2, "{kills} kills");
    assert_content(&root.path().join("a.bin"), content(1, LEN));
    assert_bounded(&proxy, Direction::ToServer, kills, dialect);
}

#[test]
fn a_download_from_a_killed_server_is_resumed() {
    DIALECTS.into_iter().for_each(server_in_download);
}

fn server_in_download(dialect: &str) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&root.path().join("a.bin"), content(1, LEN));
    let proxy = Proxy::plain(server.addr());
    let mut end = let_a_step_pass(&proxy, Direction::ToClient);
    let mut client = download(&proxy, local.path(), dialect);
    let mut kills = 0;
    while is_made(&mut client, &proxy, Direction::ToClient, end) {
        wait_until_read(&client);
        server = restart(server, &proxy);
        kills += 1;
        assert_bounded(&proxy, Direction::ToClient, kills, dialect);
        end = let_a_step_pass(&proxy, Direction::ToClient);
    }
    client.wait(DEADLINE).assert_done();
    assert!(kills >= 2, "{kills} kills");
    assert_content(&local.path().join("a.bin"), content(1, LEN));
    assert_bounded(&proxy, Direction::ToClient, kills, dialect);
}

#[test]
fn a_confirmed_file_survives_an_immediate_kill() {
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
    let mut server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 30 * MIB));
    let proxy = Proxy::plain(server.addr());
    let _ = let_a_step_pass(&proxy, Direction::ToServer);
    let mut client = upload(&proxy, local.path(), "legacy");
    wait_until_received(&mut server, 0);
    client.kill();
    let _server = restart(server, &proxy);
    proxy.let_pass(Direction::ToServer, u64::MAX);
    upload(&proxy, local.path(), "legacy").wait(DEADLINE).assert_done();
    let staging = root.path().join(".ftx/staging");
    wait_until("the staging is empty", DEADLINE, || {
        fs::read_dir(&staging).unwrap().next().is_none()
    });
}

/// Also after each kill: who kept nothing would never be done.
fn assert_bounded(proxy: &Proxy, direction: Direction, kills: u64, dialect: &str) {
    let again = proxy.count(direction).saturating_sub(LEN);
    let slack = if dialect == "native" { STREAMS as u64 * SLACK } else { SLACK };
    let most = kills * slack + 100_000;
    assert!(again <= most, "{again} bytes were sent again after {kills} kills, {dialect}");
}
