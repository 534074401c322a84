//! The clients that are out there against `ftx-server`: Qt 5 and Qt 6, ours and the original.

use std::fs;
use std::path::Path;

use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::{DEADLINE, Direction, Peer, Proxy, Server, with_every_peer};
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

with_every_peer!(
    a_new_file_goes_up_and_comes_down,
    an_identical_file_is_not_sent_again,
    a_changed_file_of_the_same_size_is_sent_in_full,
    a_longer_copy_is_replaced_in_both_directions,
    a_list_goes_over_one_connection,
    a_list_stops_at_the_missing_file,
    names_arrive_as_they_are,
    an_empty_file_goes_up_and_cannot_come_down,
    missing_files_end_with_minus_2,
    a_partial_local_copy_is_not_resumed_into_zeros,
    a_directory_and_an_unreadable_file_end_with_minus_2,
);

/// A server, its root, and a directory for its client.
fn setting() -> (Server, TempDir, TempDir) {
    let root = tempdir().unwrap();
    (Server::start(root.path()), root, tempdir().unwrap())
}

/// The names that a user sees in the root.
fn visible(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".ftx")
        .collect();
    names.sort();
    names
}

fn a_new_file_goes_up_and_comes_down(peer: &Peer) {
    let (server, root, local) = setting();
    let path = local.path().join("a.bin");
    write_file(&path, content(1, 5 * MIB + 1));
    peer.upload(server.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 5 * MIB + 1));
    assert_eq!(visible(root.path()), ["a.bin"]);
    fs::remove_file(&path).unwrap();
    peer.download(server.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&path, content(1, 5 * MIB + 1));
}

fn an_identical_file_is_not_sent_again(peer: &Peer) {
    let (server, _root, local) = setting();
    write_file(&local.path().join("a.bin"), content(1, MIB));
    peer.upload(server.addr(), local.path(), &["a.bin"]).assert_done();
    let proxy = Proxy::plain(server.addr());
    peer.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    // A request and its reply, as the original would have answered.
    assert_eq!((proxy.count(Direction::ToServer), proxy.count(Direction::ToClient)), (59, 179));
    peer.download(proxy.addr(), local.path(), &["a.bin"]).assert_done();
    assert_eq!(proxy.count(Direction::ToServer), 59 + 185);
    assert_eq!(proxy.count(Direction::ToClient), 179 + 121);
}

fn a_changed_file_of_the_same_size_is_sent_in_full(peer: &Peer) {
    let (server, root, local) = setting();
    let (up, down) = (local.path().join("up"), local.path().join("down"));
    write_file(&up, content(1, 2 * MIB));
    write_file(&root.path().join("up"), content(2, 2 * MIB));
    write_file(&root.path().join("down"), content(3, 2 * MIB));
    write_file(&down, content(4, 2 * MIB));
    peer.upload(server.addr(), local.path(), &["up"]).assert_done();
    peer.download(server.addr(), local.path(), &["down"]).assert_done();
    assert_content(&root.path().join("up"), content(1, 2 * MIB));
    assert_content(&down, content(3, 2 * MIB));
}

fn a_longer_copy_is_replaced_in_both_directions(peer: &Peer) {
    let (server, root, local) = setting();
    let (up, down) = (local.path().join("up"), local.path().join("down"));
    write_file(&up, content(1, MIB));
    write_file(&root.path().join("up"), content(1, 2 * MIB));
    write_file(&root.path().join("down"), content(2, MIB));
    write_file(&down, content(2, 2 * MIB));
    peer.upload(server.addr(), local.path(), &["up"]).assert_done();
    peer.download(server.addr(), local.path(), &["down"]).assert_done();
    assert_content(&root.path().join("up"), content(1, MIB));
    assert_content(&down, content(2, MIB));
}

fn a_list_goes_over_one_connection(peer: &Peer) {
    let (server, root, local) = setting();
    let proxy = Proxy::plain(server.addr());
    let names: Vec<String> = (0..20).map(|index| format!("{index}.bin")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, seed) in names.iter().zip(1..) {
        write_file(&local.path().join(name), content(seed, 1 + seed * 7000));
    }
    peer.upload(proxy.addr(), local.path(), &names).assert_done();
    assert_eq!(proxy.connections(), 1);
    for (name, seed) in names.iter().zip(1..) {
        assert_content(&root.path().join(name), content(seed, 1 + seed * 7000));
        fs::remove_file(local.path().join(name)).unwrap();
    }
    peer.download(proxy.addr(), local.path(), &names).assert_done();
    assert_eq!(proxy.connections(), 2);
    for (name, seed) in names.iter().zip(1..) {
        assert_content(&local.path().join(name), content(seed, 1 + seed * 7000));
    }
}

fn a_list_stops_at_the_missing_file(peer: &Peer) {
    let (server, root, local) = setting();
    for name in ["1", "2", "4"] {
        write_file(&local.path().join(name), content(1, 1000));
    }
    let outcome = peer.upload(server.addr(), local.path(), &["1", "2", "3", "4"]);
    assert!(outcome.stdout.contains("status=-2"), "{outcome:#?}");
    assert_eq!(visible(root.path()), ["1", "2"]);
    for name in ["1", "2"] {
        fs::remove_file(local.path().join(name)).unwrap();
    }
    let outcome = peer.download(server.addr(), local.path(), &["1", "3", "2"]);
    assert!(outcome.stdout.contains("status=-2"), "{outcome:#?}");
    assert_content(&local.path().join("1"), content(1, 1000));
    assert!(!local.path().join("2").exists());
}

fn names_arrive_as_they_are(peer: &Peer) {
    let (server, root, local) = setting();
    let longest = "報".repeat(85);
    assert_eq!(longest.len(), 255);
    let names = [
        "报告 2024.pdf",
        "😀.txt",
        " two  spaces ",
        "cafe\u{301}",
        "-n",
        "back\\slash",
        "a'b\"c",
        &longest,
    ];
    for (name, seed) in names.into_iter().zip(1..) {
        write_file(&local.path().join(name), content(seed, 1000));
    }
    peer.upload(server.addr(), local.path(), &names).assert_done();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(visible(root.path()), sorted);
    for (name, seed) in names.into_iter().zip(1..) {
        assert_content(&root.path().join(name), content(seed, 1000));
        fs::remove_file(local.path().join(name)).unwrap();
    }
    peer.download(server.addr(), local.path(), &names).assert_done();
    for (name, seed) in names.into_iter().zip(1..) {
        assert_content(&local.path().join(name), content(seed, 1000));
    }
}

fn an_empty_file_goes_up_and_cannot_come_down(peer: &Peer) {
    let (server, root, local) = setting();
    sparse_file(&local.path().join("empty"), 0);
    write_file(&local.path().join("next"), content(1, 1000));
    // Nothing is sent between the last two answers. A client that does not run for the 200 ms that
    // the server leaves it between them reads both as one, and waits for another one in vain.
    let upload = || peer.upload(server.addr(), local.path(), &["empty", "next"]);
    let mut outcome = upload();
    for _ in 0..3 {
        if outcome.stdout.contains("status=-5") {
            outcome = upload();
        }
    }
    outcome.assert_done();
    assert_content(&root.path().join("empty"), content(1, 0));
    assert_content(&root.path().join("next"), content(1, 1000));
    // It would take the announcement of no bytes for "already there", make no file and say OK.
    fs::remove_file(local.path().join("empty")).unwrap();
    let outcome = peer.download(server.addr(), local.path(), &["empty"]);
    assert!(outcome.stdout.contains("status=-10"), "{outcome:#?}");
}

fn missing_files_end_with_minus_2(peer: &Peer) {
    let (server, root, local) = setting();
    for outcome in [
        peer.upload(server.addr(), local.path(), &["none"]),
        peer.download(server.addr(), local.path(), &["none"]),
    ] {
        outcome.assert_code(1);
        assert!(outcome.stdout.contains("status=-2"), "{outcome:#?}");
    }
    assert!(!local.path().join("none").exists());
    assert!(visible(root.path()).is_empty());
}

/// The client truncates its file in any case, so the server must not offer to resume.
fn a_partial_local_copy_is_not_resumed_into_zeros(peer: &Peer) {
    let (server, root, local) = setting();
    write_file(&root.path().join("a.bin"), content(1, 2 * MIB));
    write_file(&local.path().join("a.bin"), content(1, MIB));
    peer.download(server.addr(), local.path(), &["a.bin"]).assert_done();
    assert_content(&local.path().join("a.bin"), content(1, 2 * MIB));
}

fn a_directory_and_an_unreadable_file_end_with_minus_2(peer: &Peer) {
    let (server, root, local) = setting();
    fs::create_dir(root.path().join("dir")).unwrap();
    // Below a file there can be none: unreadable for root, too.
    write_file(&root.path().join("file"), content(1, 10));
    write_file(&local.path().join("dir"), content(1, 10));
    let upload = peer.upload(server.addr(), local.path(), &["dir"]);
    fs::remove_file(local.path().join("dir")).unwrap();
    let directory = peer.download(server.addr(), local.path(), &["dir"]);
    let below = peer.spawn_download(server.addr(), local.path(), &["file/x"]).wait(DEADLINE);
    for outcome in [upload, directory, below] {
        assert!(outcome.stdout.contains("status=-2"), "{outcome:#?}");
    }
    assert!(root.path().join("dir").is_dir());
}
