//! A disk that is full: an honest status, nothing half made under the name, and going on from
//! there once there is room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::{Client, Direction, Peer, Proxy, Server, SmallDisk, with_mounts};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;
const LEN: u64 = 16 * MIB;

/// A disk of 24 MiB on which something else takes 14.
fn crowded_disk() -> SmallDisk {
    let disk = SmallDisk::mount(24);
    write_file(&ballast(&disk), content(99, 14 * MIB));
    disk
}

fn ballast(disk: &SmallDisk) -> std::path::PathBuf {
    disk.path().join("ballast")
}

#[test]
fn an_old_client_hears_of_it_and_goes_on_later() {
    with_mounts("an_old_client_hears_of_it_and_goes_on_later", || {
        for qt in [Qt::Five, Qt::Six] {
            for peer in [Some(Peer::own(qt)), Peer::original(qt)].into_iter().flatten() {
                full_server(|proxy, dir| {
                    let outcome = peer.upload(proxy.addr(), dir, &["a.bin"]);
                    let honest = outcome.stdout.contains("status=-1");
                    (outcome.code == Some(0), honest)
                });
            }
        }
    });
}

#[test]
fn the_new_client_hears_of_it_and_goes_on_later() {
    with_mounts("the_new_client_hears_of_it_and_goes_on_later", || {
        full_server(|proxy, dir| {
            let client = Client::upload(proxy.addr()).args(["a.bin", "--retries", "0", "--json"]);
            let outcome = client.current_dir(dir).run();
            let honest = outcome.stdout.contains("\"status\":-1,");
            (outcome.code == Some(0), honest)
        });
    });
}

/// Uploads `a.bin` to a server whose disk is full at first; `upload` says whether it succeeded and
/// whether it named the reason.
fn full_server(upload: impl Fn(&Proxy, &Path) -> (bool, bool)) {
    let (disk, local) = (crowded_disk(), tempdir().unwrap());
    let root = disk.path().join("root");
    let server = Server::start(&root);
    let proxy = Proxy::plain(server.addr());
    write_file(&local.path().join("a.bin"), content(1, LEN));
    assert_eq!(upload(&proxy, local.path()), (false, true));
    assert!(!root.join("a.bin").exists());
    assert!(fs::read_dir(root.join(".ftx/staging")).unwrap().next().is_some());

    fs::remove_file(ballast(&disk)).unwrap();
    let before = proxy.count(Direction::ToServer);
    assert!(upload(&proxy, local.path()).0);
    assert_content(&root.join("a.bin"), content(1, LEN));
    let sent = proxy.count(Direction::ToServer) - before;
    // Some 10 MiB found room, of which all but the last few are kept.
    assert!(sent < LEN - 2 * MIB, "{sent} bytes were sent again");
}

#[test]
fn a_full_server_serves_on() {
    with_mounts("a_full_server_serves_on", || {
        let (disk, local) = (crowded_disk(), tempdir().unwrap());
        let root = disk.path().join("root");
        let server = Server::start(&root);
        write_file(&local.path().join("a.bin"), content(1, LEN));
        write_file(&root.join("b.bin"), content(2, 1000));
        let upload = Client::upload(server.addr()).args(["a.bin", "--retries", "0"]);
        upload.current_dir(local.path()).run().assert_code(1);
        let download = Client::download(server.addr()).arg("b.bin").current_dir(local.path());
        download.run().assert_done();
        assert_content(&local.path().join("b.bin"), content(2, 1000));
    });
}

#[test]
fn a_download_onto_a_full_disk_goes_on_later() {
    with_mounts("a_download_onto_a_full_disk_goes_on_later", || {
        let (disk, root) = (crowded_disk(), tempdir().unwrap());
        let server = Server::start(root.path());
        let proxy = Proxy::plain(server.addr());
        write_file(&root.path().join("a.bin"), content(1, LEN));
        let target = disk.path().join("a.bin");
        let download = || {
            let client = Client::download(proxy.addr()).args(["a.bin", "--retries", "0"]);
            client.current_dir(disk.path())
        };
        let outcome = download().run();
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
        assert!(!target.exists());

        fs::remove_file(ballast(&disk)).unwrap();
        let before = proxy.count(Direction::ToClient);
        download().run().assert_done();
        assert_content(&target, content(1, LEN));
        let sent = proxy.count(Direction::ToClient) - before;
        assert!(sent < LEN - 2 * MIB, "{sent} bytes were sent again");
    });
}

/// The original's thread would be lost if the client left in the middle.
#[test]
fn a_download_onto_a_full_disk_does_not_cost_an_old_server_a_thread() {
    with_mounts("a_download_onto_a_full_disk_does_not_cost_an_old_server_a_thread", || {
        let peers = [Some(Peer::own(Qt::Five)), Peer::original(Qt::Five)];
        for peer in peers.into_iter().flatten() {
            let (disk, root) = (crowded_disk(), tempdir().unwrap());
            let server = peer.serve(root.path());
            write_file(&root.path().join("a.bin"), content(1, LEN));
            write_file(&root.path().join("b.bin"), content(2, 1000));
            let download = |name| {
                let client = Client::download(server.addr()).args([name, "--retries", "0"]);
                client.current_dir(disk.path()).run()
            };
            download("a.bin").assert_code(1);
            fs::remove_file(ballast(&disk)).unwrap();
            download("b.bin").assert_done();
            assert_content(&disk.path().join("b.bin"), content(2, 1000));
        }
    });
}
