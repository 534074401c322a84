//! A disk that is full: an honest status, nothing half made under the name, and going on from
//! there once there is room.

use std::fs;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::{
    Client, DEADLINE, Direction, Outcome, Peer, Process, Proxy, Server, SmallDisk, wait_until,
    with_mounts,
};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;
const LEN: u64 = 16 * MIB;

/// How much has passed when the disk is filled by something else.
const FILLED_AT: u64 = 8 * MIB;

/// Bytes passed on that may still be in memory then.
const UNWRITTEN: u64 = 2 * MIB;

const DIALECTS: [&str; 2] = ["legacy", "native"];

/// Room for the file, until it is taken.
fn disk() -> SmallDisk {
    SmallDisk::mount(24)
}

/// Runs a transfer to its end, the disk being filled in the middle of it.
fn fill_in_the_middle(
    disk: &SmallDisk,
    proxy: &Proxy,
    direction: Direction,
    start: impl FnOnce() -> Process,
) -> Outcome {
    // The rest waits until there is no room for it.
    proxy.let_pass(direction, FILLED_AT);
    let client = start();
    wait_until("half is written", DEADLINE, || disk.used() >= FILLED_AT - UNWRITTEN);
    disk.fill();
    proxy.let_pass(direction, u64::MAX);
    client.wait(DEADLINE)
}

/// Uploads `a.bin` from `local`, the disk being filled meanwhile, and again with room for it.
/// `is_honest` says whether the first outcome names the reason.
fn full_server(start: impl Fn(&Proxy, &TempDir) -> Process, is_honest: impl Fn(&Outcome) -> bool) {
    let (disk, local) = (disk(), tempdir().unwrap());
    let root = disk.path().join("root");
    let server = Server::start(&root);
    let proxy = Proxy::plain(server.addr());
    write_file(&local.path().join("a.bin"), content(1, LEN));
    let outcome = fill_in_the_middle(&disk, &proxy, Direction::ToServer, || start(&proxy, &local));
    outcome.assert_code(1);
    assert!(is_honest(&outcome), "{outcome:#?}");
    assert!(!root.join("a.bin").exists());
    let kept = [".ftx/staging", ".ftx/blocks"].map(|dir| fs::read_dir(root.join(dir)).unwrap());
    assert!(kept.into_iter().flatten().next().is_some(), "nothing is kept");

    disk.free();
    let before = proxy.count(Direction::ToServer);
    start(&proxy, &local).wait(DEADLINE).assert_done();
    assert_content(&root.join("a.bin"), content(1, LEN));
    let sent = proxy.count(Direction::ToServer) - before;
    assert!(sent < LEN - FILLED_AT / 2, "{sent} bytes were sent again");
}

#[test]
fn an_old_client_gets_the_error_and_resumes_later() {
    with_mounts("full_disk::an_old_client_gets_the_error_and_resumes_later", || {
        for qt in [Qt::Five, Qt::Six] {
            for peer in [Some(Peer::own(qt)), Peer::original(qt)].into_iter().flatten() {
                full_server(
                    |proxy, local| peer.spawn_upload(proxy.addr(), local.path(), &["a.bin"]),
                    |outcome| outcome.stdout.contains("status=-1"),
                );
            }
        }
    });
}

#[test]
fn the_new_client_gets_the_error_and_resumes_later() {
    with_mounts("full_disk::the_new_client_gets_the_error_and_resumes_later", || {
        for dialect in DIALECTS {
            full_server(
                |proxy, local| {
                    Client::upload(proxy.addr())
                        .args(["a.bin", "--retries", "0", "--json"])
                        .dialect(dialect)
                        .streams(1)
                        .current_dir(local.path())
                        .spawn()
                },
                |outcome| outcome.stdout.contains("\"status\":-1,"),
            );
        }
    });
}

#[test]
fn a_file_that_will_not_fit_is_refused_before_it_is_sent() {
    with_mounts("full_disk::a_file_that_will_not_fit_is_refused_before_it_is_sent", || {
        let (disk, local) = (disk(), tempdir().unwrap());
        let root = disk.path().join("root");
        let server = Server::start(&root);
        let proxy = Proxy::plain(server.addr());
        write_file(&local.path().join("a.bin"), content(1, 2 * LEN));
        write_file(&root.join("b.bin"), content(2, 1000));
        for peer in [Some(Peer::own(Qt::Five)), Peer::original(Qt::Five)].into_iter().flatten() {
            let outcome = peer.upload(proxy.addr(), local.path(), &["a.bin"]);
            assert!(outcome.stdout.contains("status=-1"), "{outcome:#?}");
        }
        for dialect in DIALECTS {
            let upload = Client::upload(proxy.addr()).args(["a.bin", "--retries", "0"]);
            let outcome = upload.dialect(dialect).current_dir(local.path()).run();
            outcome.assert_code(1);
            let reason = if dialect == "native" { "space" } else { "FILE_WRITE_ERROR" };
            assert!(outcome.stderr.contains(reason), "{outcome:#?}");
        }
        assert!(proxy.count(Direction::ToServer) < 2000);

        let download = Client::download(server.addr()).arg("b.bin").current_dir(local.path());
        download.run().assert_done();
    });
}

#[test]
fn a_download_onto_a_full_disk_resumes_later() {
    with_mounts("full_disk::a_download_onto_a_full_disk_resumes_later", || {
        for dialect in DIALECTS {
            full_client(dialect);
        }
    });
}

fn full_client(dialect: &str) {
    let (disk, root) = (disk(), tempdir().unwrap());
    let server = Server::start(root.path());
    let proxy = Proxy::plain(server.addr());
    write_file(&root.path().join("a.bin"), content(1, LEN));
    let target = disk.path().join("a.bin");
    let download = || {
        let client = Client::download(proxy.addr()).args(["a.bin", "--retries", "0"]);
        client.dialect(dialect).streams(1).current_dir(disk.path()).spawn()
    };
    let outcome = fill_in_the_middle(&disk, &proxy, Direction::ToClient, download);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("a.bin"), "{outcome:#?}");
    assert!(!target.exists());

    disk.free();
    let before = proxy.count(Direction::ToClient);
    download().wait(DEADLINE).assert_done();
    assert_content(&target, content(1, LEN));
    let sent = proxy.count(Direction::ToClient) - before;
    assert!(sent < LEN - FILLED_AT / 2, "{sent} bytes were sent again, {dialect}");
}

/// The original's thread would be lost if the client left in the middle.
#[test]
fn a_download_onto_a_full_disk_does_not_cost_an_old_server_a_thread() {
    with_mounts(
        "full_disk::a_download_onto_a_full_disk_does_not_cost_an_old_server_a_thread",
        || {
            let peers = [Some(Peer::own(Qt::Five)), Peer::original(Qt::Five)];
            for peer in peers.into_iter().flatten() {
                let (disk, root) = (disk(), tempdir().unwrap());
                let server = peer.serve(root.path());
                let proxy = Proxy::plain(server.addr());
                write_file(&root.path().join("a.bin"), content(1, LEN));
                write_file(&root.path().join("b.bin"), content(2, 1000));
                let download = |name| {
                    let client = Client::download(proxy.addr()).args([name, "--retries", "0"]);
                    client.current_dir(disk.path()).spawn()
                };
                let start = || download("a.bin");
                fill_in_the_middle(&disk, &proxy, Direction::ToClient, start).assert_code(1);
                disk.free();
                download("b.bin").wait(DEADLINE).assert_done();
                assert_content(&disk.path().join("b.bin"), content(2, 1000));
            }
        },
    );
}

/// A disk that is full in the middle of many small files.
#[test]
fn small_files_are_refused_one_by_one() {
    with_mounts("full_disk::small_files_are_refused_one_by_one", || {
        let (disk, local) = (SmallDisk::mount(3), tempdir().unwrap());
        let root = disk.path().join("root");
        let server = Server::start(&root);
        let files = local.path().join("files");
        fs::create_dir(&files).unwrap();
        // The last of them are tiny.
        let files: Vec<(String, u64)> = (0..60)
            .map(|index| (format!("{index:02}"), if index < 50 { 100_000 } else { 1 }))
            .collect();
        for (seed, (name, len)) in (0..).zip(&files) {
            write_file(&local.path().join("files").join(name), content(seed, *len));
        }
        let upload = Client::upload(server.addr()).args(["files", "--keep-going", "--json"]);
        let upload = upload.dialect("native").streams(1).current_dir(local.path());
        let outcome = upload.run();
        outcome.assert_code(1);
        let told = |name: &str, event: &str| {
            let [name, event] = [("name", format!("files/{name}")), ("event", event.to_owned())]
                .map(|(key, value)| format!("\"{key}\":\"{value}\""));
            outcome.stdout.lines().any(|line| line.contains(&name) && line.contains(&event))
        };
        let mut stored = 0;
        for (seed, (name, len)) in (0..).zip(&files) {
            let path = root.join("files").join(name);
            assert_eq!(path.exists(), told(name, "finished"), "{name}: {outcome:#?}");
            assert_ne!(path.exists(), told(name, "failed"), "{name}: {outcome:#?}");
            if path.exists() {
                assert_content(&path, content(seed, *len));
                stored += 1;
            }
        }
        // There is room for all tiny files, and for 30 large ones less the server's own needs.
        assert!((36..=41).contains(&stored), "{stored}: {outcome:#?}");
        let failed = outcome.stdout.lines().filter(|line| line.contains("\"failed\""));
        for line in failed {
            assert!(line.contains("no space"), "{line}");
        }
    });
}
