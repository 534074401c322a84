//! Whatever comes over the wire: nothing outside the root is touched, nothing grows, and the
//! server continues to serve the others.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ftx_core::Status;
use ftx_core::legacy::wire::{LegacyReply, LegacyRequest, QString};
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, RawSocket, Server, encoded};
use tempfile::tempdir;

const MIB: usize = 1 << 20;

const FORBIDDEN: [&str; 15] = [
    "",
    ".",
    "..",
    "../out",
    "a/../../out",
    "a/..",
    "/etc/hostname",
    "//out",
    "a//b",
    "a/",
    "./a",
    "nul\0byte",
    ".ftx/lock",
    ".FTX/staging/x",
    "C:\\out",
];

/// Everything below a directory, with its size; `.ftx` of the root left out.
fn listing(dir: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_name() == ".ftx" {
            continue;
        }
        found.push((path.display().to_string(), entry.metadata().unwrap().len()));
        if entry.file_type().unwrap().is_dir() {
            found.extend(listing(&path));
        }
    }
    found.sort();
    found
}

/// A server that others would notice the loss of: a plain upload goes through.
fn assert_serves(server: &Server) {
    let mut socket = RawSocket::connect(server.addr());
    let header = socket.upload_header("still-here").unwrap();
    assert!(matches!(header, LegacyReply::UploadHeader { status: Status::Ok, .. }), "{header:?}");
    assert_eq!(socket.upload_pos(0, 4), Some(LegacyReply::UploadPos { status: Status::Ok }));
    socket.send_bytes(b"here");
    assert!(matches!(socket.reply(), Some(LegacyReply::UploadTail { status: Status::Ok, .. })));
    fs::remove_file(server.file("still-here")).unwrap();
}

#[test]
fn names_that_lead_elsewhere_are_refused_with_a_status() {
    let outer = tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    write_file(&outer.path().join("out"), content(1, 100));
    let server = Server::start(&root);
    let before = listing(outer.path());
    let mut socket = RawSocket::connect(server.addr());
    for name in FORBIDDEN {
        let up = socket.upload_header(name);
        let Some(LegacyReply::UploadHeader { status, pos: 0, md5, .. }) = up else {
            panic!("{name:?}: {up:?}")
        };
        assert!(status == Status::OpenError && md5.is_null(), "{name:?}: {status:?}");
        // As if it had been accepted.
        let pos = socket.upload_pos(0, 3);
        assert_eq!(pos, Some(LegacyReply::UploadPos { status: Status::OpenError }), "{name:?}");
        let down = socket.download_header(name);
        let Some(LegacyReply::DownloadHeader { status, len: 0, .. }) = down else {
            panic!("{name:?}: {down:?}")
        };
        assert_eq!(status, Status::OpenError, "{name:?}");
    }
    assert_serves(&server);
    assert_eq!(listing(outer.path()), before);
}

#[test]
fn unpaired_surrogates_and_endless_names_are_refused() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let before = listing(root.path());
    let deep = vec!["d"; 2000].join("/");
    for name in [
        QString::from_units(vec![0xd800, 0x61]),
        QString::NULL,
        QString::from("x".repeat(256).as_str()),
        QString::from(deep.as_str()),
    ] {
        let mut socket = RawSocket::connect(server.addr());
        socket.send(&LegacyRequest::UploadHeader { name: name.clone(), extended: false });
        // A name that is longer than any message may be closes the connection instead.
        if let Some(reply) = socket.reply()
            && !matches!(reply, LegacyReply::UploadHeader { status: Status::OpenError, .. })
        {
            // Two thousand directories are too deep for no one; they are the client's own.
            assert!(name.to_text().is_some_and(|text| text == deep), "{name:?}: {reply:?}");
        }
    }
    assert_eq!(listing(root.path()), before);
    assert_serves(&server);
}

#[test]
fn symbolic_links_do_not_lead_out() {
    let outer = tempdir().unwrap();
    let root = outer.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::create_dir(outer.path().join("elsewhere")).unwrap();
    write_file(&outer.path().join("secret"), content(1, 100));
    std::os::unix::fs::symlink("../secret", root.join("link")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", root.join("dir")).unwrap();
    let server = Server::start(&root);
    let mut socket = RawSocket::connect(server.addr());
    let down = socket.download_header("link");
    assert!(
        matches!(down, Some(LegacyReply::DownloadHeader { status: Status::OpenError, .. })),
        "{down:?}"
    );
    let _ = socket.upload_header("dir/x");
    if socket.upload_pos(0, 3) == Some(LegacyReply::UploadPos { status: Status::Ok }) {
        socket.send_bytes(b"abc");
        let tail = socket.reply();
        assert!(
            !matches!(tail, Some(LegacyReply::UploadTail { status: Status::Ok, .. })),
            "{tail:?}"
        );
    }
    assert!(fs::read_dir(outer.path().join("elsewhere")).unwrap().next().is_none());
    assert_content(&outer.path().join("secret"), content(1, 100));
}

#[test]
fn garbage_in_front_is_closed_at_once() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xff; 64],
        &[0; 8],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        // The native magic, as it comes through a transfer that changes ends of lines.
        b"\x89FTX\n\x1a\n\0\0\0\0",
    ];
    for bytes in garbage {
        let mut socket = RawSocket::connect(server.addr());
        socket.try_send_bytes(bytes);
        assert!(socket.is_closed_within(Duration::from_secs(10)), "{bytes:?}");
    }
    assert_serves(&server);
}

#[test]
fn announced_lengths_are_not_believed() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let before = server.peak_rss_kib();
    let mut lengths = Vec::new();
    // Entry count, then key length, then value length, each as large as can be said.
    for (patch_at, value) in [(8, u32::MAX), (12, 0x7fff_fffe), (45, 0x7fff_fffe)] {
        let mut bytes = encoded(&LegacyRequest::UploadHeader {
            name: QString::from("hello.txt"),
            extended: false,
        });
        bytes[patch_at..patch_at + 4].copy_from_slice(&value.to_be_bytes());
        lengths.push(bytes);
    }
    for bytes in lengths {
        let mut socket = RawSocket::connect(server.addr());
        socket.send_bytes(&bytes);
        assert!(socket.is_closed_within(Duration::from_secs(10)), "{bytes:x?}");
    }
    // An upload of 2^63-1 bytes is only an announcement, and takes no space.
    let mut socket = RawSocket::connect(server.addr());
    let _ = socket.upload_header("endless");
    let _ = socket.upload_pos(0, i64::MAX);
    for (pos, len) in [(-1, 10), (0, -1), (i64::MAX, i64::MAX), (5, 5)] {
        let mut socket = RawSocket::connect(server.addr());
        let _ = socket.upload_header("odd");
        let reply = socket.upload_pos(pos, len);
        let Some(LegacyReply::UploadPos { status }) = reply else {
            panic!("{pos} {len}: {reply:?}")
        };
        assert!(!status.is_ok(), "{pos} {len}");
    }
    let grown = server.peak_rss_kib() - before;
    assert!(grown < 16 * 1024, "the server grew by {grown} KiB");
    assert_serves(&server);
}

#[test]
fn a_message_that_never_ends_is_not_kept() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let mut socket = RawSocket::connect(server.addr());
    socket.send_bytes(&[0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 40]);
    let key = [0, 0, 0, 2, 0, b'k', 0, 0, 0, 10, 0, 0, 0, 0x10, 0];
    for _ in 0..64 {
        socket.try_send_bytes(&key);
        socket.try_send_bytes(&[0; 0x1000]);
    }
    assert!(socket.is_closed_within(Duration::from_secs(10)));
    assert_serves(&server);
}

#[test]
fn a_silent_connection_is_closed_in_time() {
    let root = tempdir().unwrap();
    let server = Server::builder(root.path()).arg("--hello-timeout").arg("1s").start();
    let start = Instant::now();
    let mut silent = RawSocket::connect(server.addr());
    let mut half = RawSocket::connect(server.addr());
    half.send_bytes(&[0, 0, 0, 0, 0, 0, 0, 100, 0]);
    assert!(silent.is_closed_within(DEADLINE) && half.is_closed_within(DEADLINE));
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn an_upload_that_stands_still_is_closed_and_kept() {
    let root = tempdir().unwrap();
    let server = Server::builder(root.path()).arg("--stall-timeout").arg("5s").start();
    let whole = content(1, 3 << 20).bytes();
    let mut stalled = RawSocket::connect(server.addr());
    let _ = stalled.upload_header("a.bin");
    let _ = stalled.upload_pos(0, 3 << 20);
    stalled.send_bytes(&whole[..2 * MIB]);
    assert!(stalled.is_closed_within(DEADLINE));
    assert!(!server.file("a.bin").exists());

    let mut socket = RawSocket::connect(server.addr());
    let reply = socket.upload_header("a.bin");
    let Some(LegacyReply::UploadHeader { status: Status::Ok, pos, md5, .. }) = reply else {
        panic!("{reply:?}")
    };
    // All but the last byte: there is always one to send.
    assert_eq!(pos, (2 << 20) - 1);
    assert_eq!(md5.to_text(), Some(content(1, (2 << 20) - 1).md5()));
}

#[test]
fn many_idle_connections_cost_little() {
    let root = tempdir().unwrap();
    // All of them are there before the first one speaks.
    let server = Server::builder(root.path()).arg("--hello-timeout").arg("10m").start();
    assert_serves(&server);
    let before = server.peak_rss_kib();
    let mut sockets: Vec<_> = (0..800).map(|_| RawSocket::connect(server.addr())).collect();
    for socket in &mut sockets {
        let reply = socket.download_header("none");
        assert!(matches!(reply, Some(LegacyReply::DownloadHeader { .. })), "{reply:?}");
    }
    let each = (server.peak_rss_kib() - before) * 1024 / 800;
    assert!(each < 32 * 1024, "{each} bytes for a connection");
    assert_serves(&server);
}

#[test]
fn split_and_joined_messages_are_understood() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let upload = LegacyRequest::UploadHeader { name: QString::from("a.bin"), extended: false };
    let bytes = encoded(&upload);
    for at in 1..bytes.len() {
        let mut socket = RawSocket::connect(server.addr());
        socket.send_bytes(&bytes[..at]);
        socket.send_bytes(&bytes[at..]);
        let reply = socket.reply();
        assert!(
            matches!(reply, Some(LegacyReply::UploadHeader { status: Status::Ok, .. })),
            "split at {at}: {reply:?}"
        );
    }
    // Two requests and the bytes of the file in one write; the original loses all but the first.
    let mut joined = bytes;
    joined.extend(encoded(&LegacyRequest::UploadPos { pos: 0, len: 5 }));
    joined.extend(b"bytes");
    joined.extend(encoded(&LegacyRequest::DownloadTail { status: Status::Ok }));
    let mut socket = RawSocket::connect(server.addr());
    socket.send_bytes(&joined);
    assert!(matches!(socket.reply(), Some(LegacyReply::UploadHeader { status: Status::Ok, .. })));
    assert_eq!(socket.reply(), Some(LegacyReply::UploadPos { status: Status::Ok }));
    assert!(matches!(socket.reply(), Some(LegacyReply::UploadTail { status: Status::Ok, .. })));
    assert_eq!(socket.reply(), Some(LegacyReply::DownloadTail { status: Status::Ok }));
    assert_eq!(fs::read(server.file("a.bin")).unwrap(), b"bytes");
}

#[test]
fn unknown_requests_are_answered_as_the_original_does() {
    let root = tempdir().unwrap();
    let server = Server::start(root.path());
    let mut socket = RawSocket::connect(server.addr());
    let _ = socket.download_header("none");
    for id in [0, 103, 999, -5, i64::MIN] {
        socket.send(&LegacyRequest::Unknown { id });
        let mut wanted = id.to_be_bytes().to_vec();
        wanted.extend([0; 4]);
        assert_eq!(socket.file_bytes(12), wanted);
    }
}
