//! `ftx-client` at a shell: its arguments, output and exit codes.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::codec;
use ftx_core::native::blocks::Cv;
use ftx_store::{HasherState, Journal, JournalRecord, PrefixHasher};
use ftx_tests::content::{assert_content, content, sparse_file, write_file};
use ftx_tests::{Client, DEADLINE, Direction, NOBODY, Proxy, Server, wait_until, within};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

fn setting() -> (Server, TempDir, TempDir) {
    let root = tempdir().unwrap();
    (Server::start(root.path()), root, tempdir().unwrap())
}

#[test]
fn a_line_that_makes_no_sense_ends_with_2() {
    for args in [
        &[][..],
        &["upload"],
        &["upload", "127.0.0.1:1"],
        &["fetch", "127.0.0.1:1", "a"],
        &["upload", "127.0.0.1:99999", "a"],
        &["upload", "127.0.0.1:0", "a"],
        &["upload", "http://127.0.0.1", "a"],
        &["upload", "127.0.0.1:1", "a", "b", "--as", "c"],
        &["download", "127.0.0.1:1", "a", "b", "-o", "c"],
        &["download", "127.0.0.1:1", "a", "-o", "c", "--out-dir", "d"],
        &["upload", "127.0.0.1:1", "a", "--timeout", "long"],
        &["upload", "127.0.0.1:1", "a", "-q", "--json"],
    ] {
        let outcome = Client::new().args(args).run();
        assert_eq!(outcome.code, Some(2), "{args:?}: {outcome:#?}");
        assert!(outcome.stderr.contains("--help"), "{args:?}: {outcome:#?}");
    }
}

#[test]
fn no_server_ends_at_once_with_3() {
    let local = tempdir().unwrap();
    write_file(&local.path().join("a.bin"), content(1, 10));
    for dialect in ["auto", "legacy"] {
        for client in [Client::upload(NOBODY), Client::download(NOBODY)] {
            let outcome = client.arg("a.bin").dialect(dialect).current_dir(local.path()).run();
            outcome.assert_code(3);
            assert!(outcome.stderr.contains(&NOBODY.to_string()), "{outcome:#?}");
            assert!(!outcome.stderr.contains("retry"), "{outcome:#?}");
        }
    }
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local = tempdir().unwrap();
    write_file(&local.path().join("a.bin"), content(1, 10));
    let address = listener.local_addr().unwrap();
    for dialect in ["auto", "native", "legacy"] {
        for client in [Client::upload(address), Client::download(address)] {
            let client = client.args(["a.bin", "--timeout", "1s"]).dialect(dialect);
            let outcome = client.current_dir(local.path()).run();
            outcome.assert_code(1);
            // One timeout in all: there is no second attempt.
            assert!(outcome.stderr.contains("sent nothing for 1s"), "{outcome:#?}");
            assert!(!outcome.stderr.contains("retry"), "{outcome:#?}");
        }
    }
}

#[test]
fn a_line_gone_quiet_is_given_up_in_time() {
    let (server, root, local) = setting();
    write_file(&root.path().join("a.bin"), content(1, 64 * MIB));
    let proxy = Proxy::plain(server.addr());
    // However late it is held, the client is not done before.
    proxy.let_pass(Direction::ToClient, 8 * MIB);
    let client = Client::download(proxy.addr())
        .args(["a.bin", "--retries", "0", "--timeout", "3s"])
        .current_dir(local.path())
        .spawn();
    wait_until("it has begun", DEADLINE, || proxy.count(Direction::ToClient) > MIB);
    proxy.hold(true);
    client.wait(Duration::from_secs(30)).assert_code(1);

    let client = Client::download(server.addr()).arg("a.bin").current_dir(local.path());
    client.run().assert_done();
    assert_content(&local.path().join("a.bin"), content(1, 64 * MIB));
}

#[test]
fn a_failing_file_stops_the_list_by_default() {
    let (server, root, local) = setting();
    for name in ["1", "2", "4"] {
        write_file(&local.path().join(name), content(1, 1000));
    }
    let list = || {
        // Another connection would bring the last one while this one fails.
        let client = Client::upload(server.addr()).args(["1", "2", "3", "4"]).streams(1);
        client.current_dir(local.path())
    };
    let outcome = list().run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains('3'), "{outcome:#?}");
    assert!(root.path().join("2").exists() && !root.path().join("4").exists());
    list().arg("--keep-going").run().assert_code(1);
    assert!(root.path().join("4").exists());
}

#[test]
fn json_lines_report_each_event() {
    let (server, _root, local) = setting();
    write_file(&local.path().join("a.bin"), content(1, 3 * MIB));
    let outcome = Client::upload(server.addr())
        .args(["a.bin", "none", "--json"])
        .current_dir(local.path())
        .run();
    outcome.assert_code(1);
    let lines: Vec<Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let event = |file: u64, kind: &str| {
        let is = |line: &&Value| line["file"] == file && line["event"] == kind;
        lines.iter().find(is).unwrap_or_else(|| panic!("no {kind} of {file}: {outcome:#?}"))
    };
    assert_eq!(event(0, "begin")["name"], "a.bin");
    assert_eq!(event(0, "finished")["moved"], 3 * MIB);
    assert_eq!(event(0, "finished")["already_there"], false);
    assert_eq!(event(1, "failed")["status"], -2);
    assert!(event(1, "failed")["error"].as_str().unwrap().contains("none"));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn quiet_says_nothing_but_errors() {
    let (server, _root, local) = setting();
    write_file(&local.path().join("a.bin"), content(1, 1000));
    let upload = |name| {
        let client = Client::upload(server.addr()).args([name, "-q"]);
        client.current_dir(local.path()).run()
    };
    let done = upload("a.bin");
    done.assert_done();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
    assert!(upload("none").stderr.contains("none"));
}

#[test]
fn a_file_can_go_up_under_another_name() {
    let (server, root, local) = setting();
    write_file(&local.path().join("a.bin"), content(1, 1000));
    let client = Client::upload(server.addr()).args(["a.bin", "--as", "deep/er/b.bin"]);
    client.current_dir(local.path()).run().assert_done();
    assert_content(&root.path().join("deep/er/b.bin"), content(1, 1000));
    for name in ["../out", "/abs", ".ftx/x", ""] {
        let client = Client::upload(server.addr()).args(["a.bin", &format!("--as={name}")]);
        client.current_dir(local.path()).run().assert_code(1);
    }
}

#[test]
fn downloads_go_to_the_given_place() {
    let (server, root, local) = setting();
    fs::create_dir(root.path().join("d")).unwrap();
    for (name, seed) in [("a.bin", 1), ("d/b.bin", 2)] {
        write_file(&root.path().join(name), content(seed, 1000));
    }
    let download = || Client::download(server.addr()).current_dir(local.path());
    download().args(["a.bin", "-o", "other"]).run().assert_done();
    download().args(["a.bin", "d/b.bin", "--out-dir", "out"]).run().assert_done();
    download().args(["d/b.bin"]).run().assert_done();
    download().args(["a.bin", "-o", "unsynced", "--durability", "none"]).run().assert_done();
    assert_content(&local.path().join("other"), content(1, 1000));
    assert_content(&local.path().join("unsynced"), content(1, 1000));
    assert_content(&local.path().join("out/a.bin"), content(1, 1000));
    assert_content(&local.path().join("out/d/b.bin"), content(2, 1000));
    assert_content(&local.path().join("d/b.bin"), content(2, 1000));
    download().arg("../a.bin").run().assert_code(1);
}

#[test]
fn a_name_that_is_no_file_is_refused() {
    let (server, root, local) = setting();
    fs::create_dir(local.path().join("dir")).unwrap();
    fs::create_dir(root.path().join("dir")).unwrap();
    write_file(&root.path().join("a.bin"), content(1, 1000));
    write_file(&root.path().join("big.bin"), content(1, 2 * MIB));
    write_file(&local.path().join("file"), content(1, 10));
    for dialect in ["legacy", "native"] {
        let run = |client: Client| client.dialect(dialect).current_dir(local.path()).run();
        let download = || Client::download(server.addr());
        let upload = run(Client::upload(server.addr()).args(["file", "--as", "dir"]));
        let whole = run(download().arg("dir"));
        let onto = run(download().args(["a.bin", "-o", "dir"]));
        let below = run(download().args(["big.bin", "-o", "file/x"]));
        for (outcome, about) in [(upload, "dir"), (whole, "dir"), (onto, "dir"), (below, "file")] {
            outcome.assert_code(1);
            assert!(outcome.stderr.contains(about), "{dialect}: {outcome:#?}");
        }
    }
    assert_content(&local.path().join("file"), content(1, 10));
}

/// Opening a pipe would wait for a writer.
#[test]
fn a_pipe_is_refused_at_once() {
    let (server, root, local) = setting();
    let path = local.path().join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let outcome = Client::upload(server.addr()).arg("pipe").current_dir(local.path()).spawn();
    let outcome = outcome.wait(Duration::from_secs(20));
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("it is a pipe, not a regular file"), "{outcome:#?}");
    assert!(!root.path().join("pipe").exists());
    // A file at the target gives way to the download, and a pipe does not.
    write_file(&root.path().join("pipe"), content(1, 1000));
    let download = Client::download(server.addr()).arg("pipe").current_dir(local.path());
    let outcome = download.run();
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("it is a pipe, not a regular file"), "{outcome:#?}");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
}

#[test]
fn a_partial_copy_at_the_target_is_resumed_and_never_seen_half() {
    let (server, root, local) = setting();
    write_file(&root.path().join("a.bin"), content(1, 5 * MIB));
    write_file(&local.path().join("a.bin"), content(1, 3 * MIB));
    let proxy = Proxy::plain(server.addr());
    // Each connection has its greetings.
    let client = Client::download(proxy.addr()).arg("a.bin").streams(1).current_dir(local.path());
    client.run().assert_done();
    assert_content(&local.path().join("a.bin"), content(1, 5 * MIB));
    let moved = proxy.count(Direction::ToClient);
    assert!(moved < 2 * MIB + 1000, "{moved} bytes were sent");
}

#[test]
fn an_interrupted_run_ends_with_130_and_is_gone_on_with() {
    for (upload, dialect) in
        [(true, "legacy"), (false, "legacy"), (true, "native"), (false, "native")]
    {
        let (mut server, root, local) = setting();
        let (source, target) = if upload { (&local, &root) } else { (&root, &local) };
        write_file(&source.path().join("a.bin"), content(1, 64 * MIB));
        let proxy = Proxy::plain(server.addr());
        let direction = if upload { Direction::ToServer } else { Direction::ToClient };
        // However late the interrupt comes, the client is not done before.
        proxy.let_pass(direction, 32 * MIB);
        let start = || {
            let addr = proxy.addr();
            let client = if upload { Client::upload(addr) } else { Client::download(addr) };
            client.arg("a.bin").dialect(dialect).streams(1).current_dir(local.path())
        };
        let mut client = start().spawn();
        wait_until("half has passed", DEADLINE, || proxy.count(direction) >= 32 * MIB);
        // Bytes still in socket buffers are lost, or arrive after the next run's request.
        wait_until("half was read", DEADLINE, || match upload {
            true => server.bytes_in() >= 31 * MIB,
            false => client.unread() == 0,
        });
        client.signal(Signal::INT);
        client.wait(Duration::from_secs(20)).assert_code(130);
        assert!(!target.path().join("a.bin").exists());
        proxy.cut();
        proxy.let_pass(direction, u64::MAX);

        start().run().assert_done();
        assert_content(&target.path().join("a.bin"), content(1, 64 * MIB));
        let again = proxy.count(direction) - 64 * MIB;
        assert!(again <= 8 * MIB, "{again} bytes were sent again, upload: {upload}, {dialect}");
        assert_eq!(fs::read_dir(local.path()).unwrap().count(), 1);
    }
}

/// Leaves the state of an interrupted download to `local` that takes minutes to verify, as a reboot
/// makes necessary.
fn leave_a_huge_staging(local: &Path, dialect: &str) {
    let len = 200 << 30;
    sparse_file(&local.join("a.bin.ftxpart"), len);
    let dir = Dir::open_ambient_dir(local, ambient_authority()).unwrap();
    let mut journal = Journal::create(&dir, Path::new("a.bin.ftxpart.journal")).unwrap();
    let name = "a.bin".to_owned();
    if dialect == "native" {
        journal
            .append(&JournalRecord::Blocks { name, size: len, boot: None, created_unix: 0 })
            .unwrap();
        for index in 0..len / MIB {
            journal.append(&JournalRecord::Block { index, cv: Cv([7; 32]) }).unwrap();
        }
        return;
    }
    let mut state = codec::encode(&PrefixHasher::new().save()).unwrap();
    state[..8].copy_from_slice(&len.to_le_bytes());
    let hasher: HasherState = codec::decode(&state).unwrap();
    assert_eq!(hasher.len(), len);
    journal.append(&JournalRecord::Begin { name, boot: None, created_unix: 0 }).unwrap();
    journal.append(&JournalRecord::Checkpoint { boot: None, hasher }).unwrap();
}

#[test]
fn an_interrupt_is_heard_while_the_disk_is_read() {
    for (signal, dialect) in [(Signal::INT, "native"), (Signal::TERM, "legacy")] {
        let (server, _root, local) = setting();
        leave_a_huge_staging(local.path(), dialect);
        let client = Client::download(server.addr()).args(["a.bin", "--json"]).dialect(dialect);
        let mut client = client.current_dir(local.path()).spawn();
        let line = client.stdout_line(1, DEADLINE);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["event"], &line["size"]), (&"hashing".into(), &(200_u64 << 30).into()));
        client.signal(signal);
        client.wait(Duration::from_secs(20)).assert_code(130);
        assert!(local.path().join("a.bin.ftxpart").exists(), "it is not kept");
    }
}

/// Its output is never read, so it blocks for ever and watches nothing else.
#[test]
fn interrupts_end_it_even_if_it_hangs() {
    let mut client = Command::new(ftx_tests::bins::client())
        .args(["download", "127.0.0.1:1", "--json", "--keep-going"])
        .args((0..5000).map(|index| format!("../{index}")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = client.stdout.take().unwrap();
    let written = || rustix::io::ioctl_fionread(&stdout).unwrap();
    wait_until("the pipe is nearly full", DEADLINE, || written() > 32 * 1024);
    let pid = Pid::from_child(&client);
    let ended = within(Duration::from_secs(20), || {
        kill_process(pid, Signal::INT).unwrap();
        client.try_wait().unwrap()
    });
    client.kill().unwrap();
    assert_eq!(ended.and_then(|status| status.code()), Some(130), "{ended:?}");
}
