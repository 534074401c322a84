//! Files beyond 2 GiB, where the original programs lose count.
//!
//! One peer each, the original where it is there: a case moves gigabytes.

use std::fs;

use ftx_tests::content::{content, sparse_file, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::{Client, DEADLINE, Direction, Peer, Proxy, Server};
use tempfile::tempdir;

const GIB: u64 = 1 << 30;

fn peer() -> Peer {
    Peer::original(Qt::Five).unwrap_or_else(|| Peer::own(Qt::Five))
}

#[test]
fn an_old_client_uploads_3_gib() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::builder(root.path()).arg("--durability").arg("none").start();
    sparse_file(&local.path().join("big"), 3 * GIB);
    let client = peer().spawn_upload(server.addr(), local.path(), &["big"]);
    client.wait(5 * DEADLINE).assert_done();
    assert_eq!(fs::metadata(root.path().join("big")).unwrap().len(), 3 * GIB);
    let peak = server.peak_rss_kib();
    assert!(peak < 100 * 1024, "the server took {peak} KiB");
}

#[test]
fn an_old_client_is_refused_a_file_it_would_corrupt() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    let proxy = Proxy::plain(server.addr());
    // Its low 32 bits are 0 for 4 GiB: it would say OK and make no file.
    for (name, len) in [("2g", 2 * GIB), ("3g", 3 * GIB), ("4g", 4 * GIB)] {
        sparse_file(&root.path().join(name), len);
        write_file(&local.path().join(name), content(1, 1000));
        let outcome = peer().download(proxy.addr(), local.path(), &[name]);
        outcome.assert_code(1);
        assert!(outcome.stdout.contains("status=-10"), "{outcome:#?}");
        assert_eq!(fs::metadata(local.path().join(name)).unwrap().len(), 1000);
    }
    assert!(proxy.count(Direction::ToClient) < 2000);
}

#[test]
fn the_new_client_downloads_3_gib_from_an_old_server() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer().serve(root.path());
    sparse_file(&root.path().join("big"), 3 * GIB);
    let download = Client::download(server.addr()).args(["big", "--durability", "none"]);
    let client = download.current_dir(local.path()).spawn();
    client.wait(5 * DEADLINE).assert_done();
    assert_eq!(fs::metadata(local.path().join("big")).unwrap().len(), 3 * GIB);
}
