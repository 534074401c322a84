//! Many clients at once, and two that want the same.

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, md5_file, write_file};
use ftx_tests::{Client, DEADLINE, Peer, Plan, Proxy, Server, with_every_peer};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

with_every_peer!(
    a_hundred_uploads_at_once,
    a_hundred_downloads_at_once,
    two_uploads_to_one_name_leave_one_intact_file,
);

/// A server that does not wait for the disk: it is the crowd that matters.
fn start(root: &Path, threads: u32) -> Server {
    let server = Server::builder(root).arg("--threads").arg(threads.to_string());
    server.args(["--durability", "none"]).start()
}

fn a_hundred_uploads_at_once(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = start(root.path(), 4);
    let names: Vec<String> = (0..100).map(|index| format!("{index}.bin")).collect();
    for (name, seed) in names.iter().zip(0..) {
        write_file(&local.path().join(name), content(seed, MIB));
    }
    let upload = |name: &String| peer.spawn_upload(server.addr(), local.path(), &[name]);
    let clients: Vec<_> = names.iter().map(upload).collect();
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    for (name, seed) in names.iter().zip(0..) {
        assert_content(&root.path().join(name), content(seed, MIB));
    }
    let peak = server.peak_rss_kib();
    assert!(peak < 200 * 1024, "the server took {peak} KiB");
}

fn a_hundred_downloads_at_once(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = start(root.path(), 4);
    write_file(&root.path().join("a.bin"), content(1, MIB));
    let clients: Vec<_> = (0..100)
        .map(|index| {
            let dir = local.path().join(index.to_string());
            fs::create_dir(&dir).unwrap();
            peer.spawn_download(server.addr(), &dir, &["a.bin"])
        })
        .collect();
    for (index, client) in clients.into_iter().enumerate() {
        client.wait(DEADLINE).assert_done();
        assert_content(&local.path().join(format!("{index}/a.bin")), content(1, MIB));
    }
}

fn two_uploads_to_one_name_leave_one_intact_file(peer: &Peer) {
    let (root, one, two) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
    let server = start(root.path(), 2);
    write_file(&one.path().join("a.bin"), content(1, 8 * MIB));
    write_file(&two.path().join("a.bin"), content(2, 12 * MIB));
    // Slowed down, so that they do meet.
    let proxy = Proxy::start(server.addr(), |_| Plan::default().rate(16 * MIB));
    let clients = [&one, &two].map(|dir| peer.spawn_upload(proxy.addr(), dir.path(), &["a.bin"]));
    let done = clients.map(|client| client.wait(DEADLINE).code == Some(0));
    assert!(done.contains(&true), "neither came through");
    let stored = md5_file(&root.path().join("a.bin"));
    let [first, second] = [content(1, 8 * MIB), content(2, 12 * MIB)].map(|whole| whole.md5());
    assert!(stored == first && done[0] || stored == second && done[1], "it is neither of the two");
}

#[test]
fn a_hundred_of_the_new_clients_at_once() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = start(root.path(), 2);
    let names: Vec<String> = (0..100).map(|index| format!("{index}.bin")).collect();
    for (name, seed) in names.iter().zip(0..) {
        write_file(&local.path().join(name), content(seed, MIB / 4));
    }
    let clients: Vec<_> = names
        .iter()
        .map(|name| Client::upload(server.addr()).arg(name).current_dir(local.path()).spawn())
        .collect();
    for client in clients {
        client.wait(DEADLINE).assert_done();
    }
    for (name, seed) in names.iter().zip(0..) {
        assert_content(&root.path().join(name), content(seed, MIB / 4));
    }
}
