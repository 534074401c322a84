//! Servers that speak otherwise: the original ones, and one of another version.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, server_preface};
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{Client, Direction, Peer, Proxy, with_every_peer};
use tempfile::tempdir;

use super::{MIB, Setting, Way};

with_every_peer!(
    an_original_server_is_found_out_and_stays_in_order,
    an_original_server_is_refused_where_the_native_dialect_is_asked_for,
);

fn an_original_server_is_found_out_and_stays_in_order(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    let proxy = Proxy::plain(server.addr());
    write_file(&local.path().join("a.bin"), content(1, MIB));
    write_file(&local.path().join("b.bin"), content(2, 1000));
    for round in 0..5 {
        // Old servers give no signs of life, and each further try is a connection.
        let patient = ["--timeout", "100s", "--retries", "0"];
        let upload = Client::upload(proxy.addr()).args(["a.bin", "b.bin", "--dialect", "auto"]);
        upload.args(patient).current_dir(local.path()).run().assert_done();
        let download = Client::download(proxy.addr()).args(["a.bin", "b.bin", "--out-dir", "out"]);
        download.args(patient).current_dir(local.path()).run().assert_done();
        assert_content(&root.path().join("a.bin"), content(1, MIB));
        assert_content(&local.path().join("out/a.bin"), content(1, MIB));
        assert_content(&local.path().join("out/b.bin"), content(2, 1000));
        // One connection each: the one that detected the dialect is kept.
        assert_eq!(proxy.connections(), 2 * (round + 1));
    }
    assert!(proxy.count(Direction::ToServer) < 2 * MIB, "up-to-date data was sent again");
}

fn an_original_server_is_refused_where_the_native_dialect_is_asked_for(peer: &Peer) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = peer.serve(root.path());
    write_file(&local.path().join("a.bin"), content(1, 1000));
    let upload = Way::Up.client(server.addr()).arg("a.bin");
    let outcome = upload.current_dir(local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("original"), "{outcome:#?}");
    assert!(!root.path().join("a.bin").exists());
    let list = Client::new().args(["ls", &server.addr().to_string()]).run();
    list.assert_code(1);
    assert!(list.stderr.contains("original"), "{list:#?}");
    let upload = Client::upload(server.addr()).arg("a.bin").current_dir(local.path());
    upload.run().assert_done();
}

#[test]
fn a_server_of_another_version_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 1000];
        assert!(stream.read(&mut piece).unwrap() > 12);
        stream.write_all(&server_preface(2)).unwrap();
        let message = "versions [1] of FTX are spoken there and [2] here; update one side";
        let goodbye = Reply::goodbye(Reason::NoCommonVersion, message);
        stream.write_all(&goodbye.encode(0).unwrap()).unwrap();
        // Nothing more is asked.
        assert_eq!(stream.read(&mut piece).unwrap(), 0);
    });
    let local = tempdir().unwrap();
    write_file(&local.path().join("a.bin"), content(1, 1000));
    let outcome = Client::upload(addr).arg("a.bin").current_dir(local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("update one side"), "{outcome:#?}");
    server.join().unwrap();
}

/// The peer speaks neither dialect.
#[test]
fn a_server_of_another_kind_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut piece = [0; 1000];
        assert!(stream.read(&mut piece).unwrap() > 12);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read(&mut piece);
    });
    let local = tempdir().unwrap();
    write_file(&local.path().join("a.bin"), content(1, 1000));
    let outcome = Client::upload(addr).arg("a.bin").current_dir(local.path()).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("check the port"), "{outcome:#?}");
    server.join().unwrap();
}

/// A server that knows both is spoken to as it is asked for.
#[test]
fn either_dialect_can_be_chosen() {
    for dialect in ["auto", "native", "legacy"] {
        let setting = Setting::with_file(Way::Up, 1, 2 * MIB);
        let client = Client::upload(setting.server.addr()).args(["a.bin", "--dialect", dialect]);
        client.current_dir(setting.local.path()).run().assert_done();
        setting.assert_arrived(Way::Up, 1, 2 * MIB);
        fs::remove_file(setting.source(Way::Up)).unwrap();
        let client = Client::download(setting.server.addr()).args(["a.bin", "--dialect", dialect]);
        client.current_dir(setting.local.path()).run().assert_done();
        setting.assert_arrived(Way::Down, 1, 2 * MIB);
    }
    let setting = Setting::new();
    let addr = setting.server.addr().to_string();
    let outcome = Client::new().args(["ls", &addr, "--dialect", "legacy"]).run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("original protocol"), "{outcome:#?}");
}
