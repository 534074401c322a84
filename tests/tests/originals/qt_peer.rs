//! The Qt peer against the original and against itself: it stands for the original in the other
//! tests, so it has to behave as one.

use std::fs;
use std::time::Duration;

use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::peer::Qt;
use ftx_tests::{Direction, NOBODY, Peer, Proxy, with_every_peer};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

with_every_peer!(
    files_go_up_and_down,
    an_identical_file_is_not_sent_again,
    a_resumed_upload_has_zeros_in_front,
    a_resumed_download_has_zeros_in_front,
    missing_files_end_with_minus_2,
    an_empty_upload_is_never_confirmed,
    a_dead_server_ends_with_minus_7,
);

/// Both of our clients against a server of `peer`, and a client of `peer` against both of ours.
fn pairs(peer: &Peer) -> Vec<(Peer, Peer)> {
    let own = [Qt::Five, Qt::Six].map(Peer::own);
    let as_server = own.iter().map(|client| (client.clone(), peer.clone()));
    as_server.chain(own.iter().map(|server| (peer.clone(), server.clone()))).collect()
}

fn files_go_up_and_down(peer: &Peer) {
    for (client, server) in pairs(peer) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = server.serve(root.path());
        for (name, seed) in [("a.bin", 1), ("报告 2024.pdf", 2), ("😀.txt", 3)] {
            write_file(&local.path().join(name), content(seed, 3 * MIB + seed));
        }
        let names = ["a.bin", "报告 2024.pdf", "😀.txt"];
        client.upload(server.addr(), local.path(), &names).assert_done();
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&root.path().join(name), content(seed, 3 * MIB + seed));
            fs::remove_file(local.path().join(name)).unwrap();
        }
        client.download(server.addr(), local.path(), &names).assert_done();
        for (name, seed) in names.into_iter().zip(1..) {
            assert_content(&local.path().join(name), content(seed, 3 * MIB + seed));
        }
    }
}

fn an_identical_file_is_not_sent_again(peer: &Peer) {
    for (client, server) in pairs(peer) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = server.serve(root.path());
        let proxy = Proxy::plain(server.addr());
        for dir in [&root, &local] {
            write_file(&dir.path().join("a.bin"), content(1, MIB));
        }
        client.upload(proxy.addr(), local.path(), &["a.bin"]).assert_done();
        // The 100 request is 49 + 2 * 5 bytes, the reply 179.
        assert_eq!((proxy.count(Direction::ToServer), proxy.count(Direction::ToClient)), (59, 179));
        client.download(proxy.addr(), local.path(), &["a.bin"]).assert_done();
        assert_eq!(proxy.count(Direction::ToServer), 59 + 185);
        assert_eq!(proxy.count(Direction::ToClient), 179 + 121);
    }
}

fn a_resumed_upload_has_zeros_in_front(peer: &Peer) {
    for (client, server) in pairs(peer) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = server.serve(root.path());
        write_file(&root.path().join("a.bin"), content(1, MIB));
        write_file(&local.path().join("a.bin"), content(1, 2 * MIB));
        client.upload(server.addr(), local.path(), &["a.bin"]).assert_done();
        assert_zeros_then_rest(&fs::read(root.path().join("a.bin")).unwrap());
    }
}

fn a_resumed_download_has_zeros_in_front(peer: &Peer) {
    for (client, server) in pairs(peer) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = server.serve(root.path());
        write_file(&root.path().join("a.bin"), content(1, 2 * MIB));
        write_file(&local.path().join("a.bin"), content(1, MIB));
        client.download(server.addr(), local.path(), &["a.bin"]).assert_done();
        assert_zeros_then_rest(&fs::read(local.path().join("a.bin")).unwrap());
    }
}

fn assert_zeros_then_rest(bytes: &[u8]) {
    let half = usize::try_from(MIB).unwrap();
    assert_eq!(bytes.len(), 2 * half);
    assert!(bytes[..half].iter().all(|&byte| byte == 0));
    assert!(bytes[half..] == content(1, 2 * MIB).from(MIB).bytes());
}

fn missing_files_end_with_minus_2(peer: &Peer) {
    for (client, server) in pairs(peer) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = server.serve(root.path());
        let upload = client.upload(server.addr(), local.path(), &["none.bin"]);
        let download = client.download(server.addr(), local.path(), &["none.bin"]);
        for outcome in [upload, download] {
            outcome.assert_code(1);
            assert!(outcome.stdout.contains("status=-2"), "{outcome:#?}");
        }
        assert!(!local.path().join("none.bin").exists());
    }
}

/// Only our client, which has an option for a shorter wait than 30 s.
fn an_empty_upload_is_never_confirmed(peer: &Peer) {
    let client = Peer::own(Qt::Five).with_timeout(Duration::from_secs(2));
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    sparse_file(&local.path().join("empty"), 0);
    let outcome = client.upload(server.addr(), local.path(), &["empty"]);
    assert!(outcome.stdout.contains("status=-5"), "{outcome:#?}");
    assert_content(&root.path().join("empty"), content(1, 0));
}

fn a_dead_server_ends_with_minus_7(peer: &Peer) {
    let local = tempdir().unwrap();
    write_file(&local.path().join("a.bin"), content(1, 10));
    let outcome = peer.upload(NOBODY, local.path(), &["a.bin"]);
    assert!(outcome.stdout.contains("status=-7"), "{outcome:#?}");
}
