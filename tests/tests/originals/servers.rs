//! `ftx-client` against the servers that are out there: Qt 5 and Qt 6, ours and the original.

use std::fs;
use std::time::{Duration, Instant};

use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::{Client, DEADLINE, Direction, Peer, Plan, Proxy, wait_until, with_every_peer};
use rustix::process::Signal;
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

with_every_peer!(
    files_go_up_and_come_down,
    a_client_at_the_least_rate_is_served,
    an_identical_file_is_not_sent_again,
    an_upload_is_never_resumed_into_zeros,
    an_upload_replaces_a_differing_file,
    an_interrupted_download_is_resumed,
    an_empty_file_goes_up_and_comes_down,
    missing_files_fail,
    an_upload_that_the_server_could_not_confirm_is_refused,
    an_interrupted_user_does_not_cost_the_server_a_thread,
);

fn files_go_up_and_come_down(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    let names = ["a.bin", "报告 2024.pdf", "😀.txt", " two  spaces "];
    for (name, seed) in names.into_iter().zip(1..) {
        write_file(&local.path().join(name), content(seed, 2 * MIB + seed));
    }
    Client::upload(server.addr()).args(names).current_dir(local.path()).run().assert_done();
    for (name, seed) in names.into_iter().zip(1..) {
        assert_content(&root.path().join(name), content(seed, 2 * MIB + seed));
        fs::remove_file(local.path().join(name)).unwrap();
    }
    Client::download(server.addr()).args(names).current_dir(local.path()).run().assert_done();
    for (name, seed) in names.into_iter().zip(1..) {
        assert_content(&local.path().join(name), content(seed, 2 * MIB + seed));
    }
}

/// Without a retry, though a file takes longer than every time limit of the client.
fn a_client_at_the_least_rate_is_served(peer: &Peer) {
    const LEN: u64 = 24 << 10;
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let limits = ["--limit-rate", "8KiB", "--timeout", "1s", "--stall-timeout", "1s"];
    let limited = |client: Client| {
        let start = Instant::now();
        let client = client.arg("a.bin").args(limits).args(["--retries", "0"]);
        client.current_dir(local.path()).run().assert_done();
        assert!(start.elapsed() >= Duration::from_millis(2700), "{:?}", start.elapsed());
    };
    limited(Client::upload(server.addr()));
    assert_content(&root.path().join("a.bin"), content(1, LEN));
    fs::remove_file(local.path().join("a.bin")).unwrap();
    limited(Client::download(server.addr()));
    assert_content(&local.path().join("a.bin"), content(1, LEN));
}

fn an_identical_file_is_not_sent_again(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    let proxy = Proxy::plain(server.addr());
    for dir in [&root, &local] {
        write_file(&dir.path().join("a.bin"), content(1, MIB));
    }
    Client::upload(proxy.addr()).arg("a.bin").current_dir(local.path()).run().assert_done();
    Client::download(proxy.addr()).arg("a.bin").current_dir(local.path()).run().assert_done();
    let passed = proxy.count(Direction::ToServer) + proxy.count(Direction::ToClient);
    assert!(passed < 2000, "{passed} bytes for nothing");
}

fn an_upload_is_never_resumed_into_zeros(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    write_file(&root.path().join("a.bin"), content(1, MIB));
    write_file(&local.path().join("a.bin"), content(1, 2 * MIB));
    Client::upload(server.addr()).arg("a.bin").current_dir(local.path()).run().assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 2 * MIB));
}

fn an_upload_replaces_a_differing_file(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    for (name, len) in [("same", MIB), ("longer", 2 * MIB)] {
        write_file(&root.path().join(name), content(2, len));
        write_file(&local.path().join(name), content(1, MIB));
    }
    let client = Client::upload(server.addr()).args(["same", "longer"]);
    client.current_dir(local.path()).run().assert_done();
    for name in ["same", "longer"] {
        assert_content(&root.path().join(name), content(1, MIB));
    }
}

fn an_interrupted_download_is_resumed(peer: &Peer) {
    let (len, cut) = (32 * MIB, 20 * MIB);
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = peer.serve(root.path());
    write_file(&root.path().join("a.bin"), content(1, len));
    let proxy = Proxy::start(server.addr(), move |index| match index {
        0 => Plan::default().cut_after(Direction::ToClient, cut),
        _ => Plan::default(),
    });
    let download = || Client::download(proxy.addr()).arg("a.bin").current_dir(local.path());
    download().args(["--retries", "0"]).run().assert_code(1);
    assert!(!local.path().join("a.bin").exists());

    // The original's thread is lost to the interruption, so another one takes its place.
    server.kill();
    let server = peer.serve(root.path());
    proxy.set_upstream(server.addr());
    download().run().assert_done();
    assert_content(&local.path().join("a.bin"), content(1, len));
    let again = proxy.count(Direction::ToClient) - len;
    assert!(again <= 8 * MIB + 2000, "{again} bytes were sent again");
}

fn an_empty_file_goes_up_and_comes_down(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    sparse_file(&local.path().join("empty"), 0);
    write_file(&local.path().join("next"), content(1, 1000));
    let upload = Client::upload(server.addr()).args(["empty", "next"]).current_dir(local.path());
    upload.run().assert_done();
    assert_content(&root.path().join("empty"), content(1, 0));
    assert_content(&root.path().join("next"), content(1, 1000));
    fs::remove_file(local.path().join("empty")).unwrap();
    let download = Client::download(server.addr()).arg("empty").current_dir(local.path());
    download.run().assert_done();
    assert_content(&local.path().join("empty"), content(1, 0));
}

fn missing_files_fail(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    let upload = Client::upload(server.addr()).arg("none").current_dir(local.path()).run();
    let download = Client::download(server.addr()).arg("none").current_dir(local.path()).run();
    for outcome in [upload, download] {
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("none"), "{outcome:#?}");
    }
    assert!(fs::read_dir(local.path()).unwrap().next().is_none());
}

fn an_upload_that_the_server_could_not_confirm_is_refused(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    sparse_file(&local.path().join("big"), 1 << 31);
    let proxy = Proxy::plain(server.addr());
    let outcome = Client::upload(proxy.addr()).arg("big").current_dir(local.path()).run();
    outcome.assert_code(1);
    assert!(proxy.count(Direction::ToServer) < 1000);
    assert!(!root.path().join("big").exists());
}

/// The original's thread would be lost if the client left in the middle of a download.
fn an_interrupted_user_does_not_cost_the_server_a_thread(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    write_file(&root.path().join("a.bin"), content(1, 16 * MIB));
    let proxy = Proxy::plain(server.addr());
    let mut passing = MIB;
    proxy.let_pass(Direction::ToClient, passing);
    let download = Client::download(proxy.addr()).args(["a.bin", "--json"]);
    let mut client = download.current_dir(local.path()).spawn();
    let begun = || proxy.count(Direction::ToClient) >= MIB;
    wait_until("the download has begun", DEADLINE, begun);
    client.signal(Signal::INT);
    // It looks whether it is interrupted when something comes. So little at a time that it is not
    // done before it has heard of the signal.
    wait_until("it has heard of the signal", DEADLINE, || {
        passing += 4096;
        proxy.let_pass(Direction::ToClient, passing);
        client.stdout().contains("\"draining\"")
    });
    proxy.let_pass(Direction::ToClient, u64::MAX);
    client.wait(DEADLINE).assert_code(130);

    let download = Client::download(server.addr()).arg("a.bin").current_dir(local.path());
    download.args(["--retries", "0"]).run().assert_done();
    assert_content(&local.path().join("a.bin"), content(1, 16 * MIB));
}
