//! `ftx-server` as a process: start, reports, end and fairness.

use std::time::{Duration, Instant};

use ftx_core::Status;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest};
use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::{
    Client, DEADLINE, Direction, Monitor, Plan, Proxy, RawSocket, Server, encoded, wait_until,
};
use rustix::process::Signal;
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

#[test]
fn the_first_line_names_the_port_that_was_taken() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    assert!(server.addr().ip().is_loopback());
    assert_ne!(server.addr().port(), 0);
    assert!(RawSocket::connect(server.addr()).download_header("x").is_some());
}

#[test]
fn listening_beyond_this_machine_has_to_be_asked_for() {
    let root = tempdir().unwrap();
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let open = Server::builder(root.path()).arg("--listen").arg(addr);
        let outcome = open.spawn().wait(DEADLINE);
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("--insecure"), "{outcome:#?}");
        assert_eq!(outcome.stdout, "");
    }
    let asked = Server::builder(root.path()).arg("--listen").arg("0.0.0.0:0").arg("--insecure");
    assert!(asked.start().addr().ip().is_unspecified());
}

#[test]
fn a_root_has_one_server() {
    let root = tempdir().unwrap();
    let mut first = Server::start(root.path());
    let outcome = Server::builder(root.path()).spawn().wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains(root.path().to_str().unwrap()), "{outcome:#?}");
    first.kill();
    drop(Server::start(root.path()));
}

#[test]
fn wrong_arguments_end_with_2() {
    let root = tempdir().unwrap();
    for args in [["--threads", "0"], ["--threads", "many"], ["--grace", "soon"]] {
        let outcome = Server::builder(root.path()).arg(args[0]).arg(args[1]).spawn().wait(DEADLINE);
        outcome.assert_code(2);
        assert!(outcome.stderr.contains(args[0]), "{outcome:#?}");
    }
}

#[test]
fn an_idle_server_ends_at_once() {
    let root = tempdir().unwrap();
    let server = Server::builder(root.path()).arg("--grace").arg("10m").start();
    let mut idle = RawSocket::connect(server.addr());
    let _ = idle.download_header("none");
    // Idle connections are no reason to use the grace.
    server.terminate(Duration::from_secs(60)).assert_done();
    assert!(idle.is_closed_within(DEADLINE));
}

#[test]
fn a_transfer_under_way_may_end_within_the_grace() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::builder(root.path()).arg("--grace").arg("60s").start();
    write_file(&local.path().join("a.bin"), content(1, 8 * MIB));
    let proxy = Proxy::start(server.addr(), |_| Plan::default().rate(8 * MIB));
    let client = Client::upload(proxy.addr()).arg("a.bin").current_dir(local.path()).spawn();
    wait_until("it has begun", DEADLINE, || proxy.count(Direction::ToServer) > MIB);
    let start = Instant::now();
    server.terminate(DEADLINE).assert_done();
    assert!(start.elapsed() < Duration::from_secs(30));
    client.wait(DEADLINE).assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 8 * MIB));
}

#[test]
fn a_transfer_that_outlives_the_grace_is_kept() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::builder(root.path()).arg("--grace").arg("100ms").start();
    let whole = content(1, 4 * MIB).bytes();
    write_file(&local.path().join("a.bin"), content(1, 4 * MIB));
    let mut stalled = RawSocket::connect(server.addr());
    let _ = stalled.upload_header("a.bin");
    let _ = stalled.upload_pos(0, 4 << 20);
    stalled.send_bytes(&whole[..3 << 20]);
    // The grace may be over before the server has read the bytes in socket buffers.
    wait_until("all has arrived", DEADLINE, || server.bytes_in() == 3 * MIB);
    let start = Instant::now();
    server.terminate(DEADLINE).assert_done();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());

    let server = Server::start(root.path());
    let proxy = Proxy::plain(server.addr());
    let client = Client::upload(proxy.addr()).arg("a.bin").dialect("legacy");
    client.current_dir(local.path()).run().assert_done();
    assert_content(&root.path().join("a.bin"), content(1, 4 * MIB));
    let sent = proxy.count(Direction::ToServer);
    assert!(sent < 2 * MIB, "{sent} bytes were sent of the last MiB");
}

#[test]
fn connections_are_spread_over_the_threads() {
    let root = tempdir().unwrap();
    let mut server = Server::builder(root.path()).arg("--threads").arg("4").start();
    let mut sockets: Vec<_> = (0..8).map(|_| RawSocket::connect(server.addr())).collect();
    for socket in &mut sockets {
        let _ = socket.download_header("none");
    }
    assert_eq!(server.monitor().active, [2, 2, 2, 2]);
    sockets.truncate(1);
    wait_until("the others are gone", DEADLINE, || {
        server.monitor().active.iter().sum::<u64>() == 1
    });
    // The next ones go where there are fewest.
    sockets.extend((0..3).map(|_| RawSocket::connect(server.addr())));
    for socket in &mut sockets {
        let _ = socket.download_header("none");
    }
    assert_eq!(server.monitor().active, [1, 1, 1, 1]);
}

#[test]
fn the_monitor_counts_transfers() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let mut server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 1000));
    Client::upload(server.addr()).arg("a.bin").current_dir(local.path()).run().assert_done();
    std::fs::remove_file(local.path().join("a.bin")).unwrap();
    Client::download(server.addr()).arg("a.bin").current_dir(local.path()).run().assert_done();
    let Monitor { details, total, .. } = server.monitor();
    for part in ["uploads=1", "downloads=1", "bytes_in=1000", "bytes_out=1000"] {
        assert!(total.contains(part), "{total}");
    }
    for part in [
        "duration=publish count=1 ",
        "duration=permit_wait count=",
        "dedicated moves=",
        "stagings open=0",
        "configuration reloads=0 failed=0 stale=0",
    ] {
        assert!(details.iter().any(|line| line.starts_with(part)), "{part}: {details:?}");
    }
    // A client on a loaded machine opens further connections.
    for (start, end) in [
        (
            "dialect=native connections=",
            " uploads=1 downloads=1 bytes_in=1000 bytes_out=1000 bytes_resumed=0",
        ),
        (
            "dialect=legacy connections=0",
            " uploads=0 downloads=0 bytes_in=0 bytes_out=0 bytes_resumed=0",
        ),
    ] {
        let is_there = |line: &String| line.starts_with(start) && line.ends_with(end);
        assert!(details.iter().any(is_there), "{start}{end}: {details:?}");
    }
}

/// A sending thread of the original serves no other connection.
#[test]
fn a_stalled_reader_delays_no_other_client() {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    // Nor do they wait until it is given up.
    let server = Server::builder(root.path()).arg("--stall-timeout").arg("10m").start();
    sparse_file(&root.path().join("big"), 1 << 30);
    let mut stalled: Vec<_> = (0..4).map(|_| RawSocket::connect(server.addr())).collect();
    for socket in &mut stalled {
        let _ = socket.download_header("big");
        socket.send(&LegacyRequest::DownloadContent { status: Status::Ok });
        // The sending has begun.
        let _ = socket.file_bytes(1);
    }
    write_file(&local.path().join("a.bin"), content(1, MIB));
    let client = Client::upload(server.addr()).arg("a.bin").current_dir(local.path());
    client.spawn().wait(Duration::from_secs(60)).assert_done();
    let peak = server.peak_rss_kib();
    assert!(peak < 64 * 1024, "the server took {peak} KiB");
}

#[test]
fn a_connection_too_many_is_closed() {
    let root = tempdir().unwrap();
    let server = Server::builder(root.path()).arg("--max-connections").arg("2").start();
    let mut kept: Vec<_> = (0..2).map(|_| RawSocket::connect(server.addr())).collect();
    for socket in &mut kept {
        assert!(socket.download_header("none").is_some());
    }
    assert!(RawSocket::connect(server.addr()).is_closed_within(DEADLINE));
    assert!(matches!(kept[0].download_header("none"), Some(LegacyReply::DownloadHeader { .. })));
}

#[test]
fn sigint_ends_it_like_sigterm() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let _ = RawSocket::connect(server.addr()).download_header("none");
    server.end_with(Signal::INT, DEADLINE).assert_done();
}

/// A full period, not the rest of the previous wait.
#[test]
fn a_first_request_that_comes_too_late_is_logged_with_the_limit_that_was_set() {
    let root = tempdir().unwrap();
    let server =
        Server::builder(root.path()).args(["--hello-timeout", "700ms", "--log", "debug"]).start();
    let request = encoded(&LegacyRequest::DownloadTail { status: Status::Ok });
    for said in [&[][..], &request[..1], &request[..8], &request[..request.len() - 1]] {
        let mut socket = RawSocket::connect(server.addr());
        socket.send_bytes(said);
        assert!(socket.is_closed_within(DEADLINE));
    }
    let is_told = || server.log().matches(" within 700ms").count() == 4;
    wait_until("each is logged with the limit", DEADLINE, is_told);
}

/// A reader of the first line may rely on it: a signal must not meet its default action.
#[test]
fn signals_are_handled_from_the_first_line_on() {
    for signal in [Signal::TERM, Signal::INT] {
        let root = tempdir().unwrap();
        let server = Server::start(root.path());
        server.end_with(signal, DEADLINE).assert_done();
    }
    let root = tempdir().unwrap();
    let mut server = Server::start(root.path());
    assert_eq!(server.monitor().active, [0]);
}
