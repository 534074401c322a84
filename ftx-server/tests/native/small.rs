//! Files that come in one frame.

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Meta, Mtime, Overwrite, Reply, Request};

use crate::client::{done, new_id};
use crate::frame::{put_frame, raw_put};
use crate::running::Running;
use crate::{MIB, content};

#[test]
fn thousands_in_one_stream_are_answered_in_order() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let mut reader = client.reader();
    let files: Vec<_> = (0..3000)
        .map(|n| (new_id(), format!("{}/{}/{n}", n % 7, n % 3), content(n, n as usize % 700)))
        .collect();
    std::thread::scope(|scope| {
        let sent = &files;
        scope.spawn(move || {
            for batch in sent.chunks(100) {
                let frames = batch.iter().map(|(id, name, bytes)| put_frame(*id, name, bytes));
                client.send_bytes(&frames.collect::<Vec<_>>().concat());
            }
        });
        for (id, name, bytes) in &files {
            assert_eq!(reader.reply_to(*id), done(bytes), "{name}");
        }
    });
    for (_, name, bytes) in &files {
        assert!(server.read(name) == *bytes, "{name}");
    }
    let snapshot = server.monitor.snapshot();
    let bytes: usize = files.iter().map(|(_, _, bytes)| bytes.len()).sum();
    assert_eq!((snapshot.uploads, snapshot.bytes_in), (3000, bytes as u64));
}

#[test]
fn every_length_that_is_handled_differently() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let held = 128 * 1024;
    for len in [0, 1, 1023, 1024, 1025, held - 1, held, held + 1, 500_000, MIB - 1, MIB] {
        let (name, bytes) = (format!("{len}.bin"), content(len as u64, len));
        client.put(&name, &bytes);
        assert!(server.read(&name) == bytes, "{len}");
        assert!(client.download(&name) == bytes, "{len}");
        // And over another one.
        client.put("same", &bytes);
        assert!(server.read("same") == bytes, "{len}");
    }
    let own = server.path().join(".ftx");
    for batch in std::fs::read_dir(own.join("batch")).unwrap() {
        assert_eq!(std::fs::read_dir(batch.unwrap().path()).unwrap().count(), 0);
    }
    assert_eq!(std::fs::read_dir(own.join("blocks")).unwrap().count(), 0);
}

#[test]
fn one_that_is_refused_does_not_concern_the_others() {
    let server = Running::start();
    std::fs::create_dir_all(server.path().join("dir/sub")).unwrap();
    std::fs::write(server.path().join("file"), "x").unwrap();
    let mut client = server.client().greet(None);
    let large = content(1, 600_000);
    let cases: [(&str, &[u8], Option<Reason>); 11] = [
        ("one", b"1", None),
        ("../out", b"2", Some(Reason::NameRefused)),
        ("two", b"3", None),
        ("dir", b"4", Some(Reason::NotAFile)),
        ("file/below", b"5", Some(Reason::NotAFile)),
        ("three", &large, None),
        ("dir", &large, Some(Reason::NotAFile)),
        (".ftx/x", &large, Some(Reason::NameRefused)),
        ("dir/sub", b"6", Some(Reason::NotAFile)),
        ("dir/sub/four", b"7", None),
        ("deep/er/and/deeper", b"8", None),
    ];
    let ids: Vec<_> = cases.iter().map(|_| new_id()).collect();
    let frames = cases.iter().zip(&ids).map(|((name, bytes, _), id)| put_frame(*id, name, bytes));
    client.send_bytes(&frames.collect::<Vec<_>>().concat());
    for ((name, bytes, failure), id) in cases.iter().zip(&ids) {
        match failure {
            None => {
                assert_eq!(client.reply_to(*id), done(bytes), "{name}");
                assert!(server.read(name) == *bytes, "{name}");
            }
            Some(reason) => assert_eq!(client.failure(*id), *reason, "{name}"),
        }
    }
}

#[test]
fn a_file_with_a_wrong_digest_is_not_stored() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [0, 5, 128 * 1024, 300_000, MIB] {
        let bytes = content(1, len);
        let (wrong, right) = (new_id(), new_id());
        let digest = Digest([7; 32]);
        let frame = raw_put(wrong, "a", Meta::default(), Overwrite::Replace, &bytes, digest);
        client.send_bytes(&[frame, put_frame(right, "b", b"next")].concat());
        assert_eq!(client.failure(wrong), Reason::DigestMismatch, "{len}");
        assert_eq!(client.reply_to(right), done(b"next"), "{len}");
        assert!(!server.exists("a"), "{len}");
        std::fs::remove_file(server.path().join("b")).unwrap();
    }
    assert_eq!(crate::resume::staged(server.path()), 0);
}

#[test]
fn the_last_of_a_name_in_a_stream_has_it() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let ids: Vec<_> = (0..50).map(|_| new_id()).collect();
    let large = content(5, 400_000);
    let bytes = |at: usize| if at == 20 { large.clone() } else { content(at as u64, 100) };
    let frames = ids.iter().enumerate().map(|(at, id)| put_frame(*id, "a", &bytes(at)));
    client.send_bytes(&frames.collect::<Vec<_>>().concat());
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(client.reply_to(*id), done(&bytes(at)));
    }
    assert!(server.read("a") == bytes(49));
}

/// A request sees the effect of earlier requests.
#[test]
fn other_requests_in_the_stream_keep_their_place() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let ids: Vec<_> = (0..5).map(|_| new_id()).collect();
    let name = || "a".to_owned();
    let stream = [
        put_frame(ids[0], "a", b"one"),
        Request::Digest { name: name() }.encode(ids[1]).unwrap(),
        Request::Remove { name: name() }.encode(ids[2]).unwrap(),
        Request::Stat { name: name() }.encode(ids[3]).unwrap(),
        put_frame(ids[4], "a", b"two"),
    ];
    client.send_bytes(&stream.concat());
    assert_eq!(client.reply_to(ids[0]), done(b"one"));
    assert!(matches!(client.reply_to(ids[1]), Reply::Found { size: 3, .. }));
    let digest = Some(crate::digest(b"one"));
    assert_eq!(client.reply_to(ids[1]), Reply::End { digest });
    assert_eq!(client.reply_to(ids[2]), Reply::Removed);
    assert_eq!(client.failure(ids[3]), Reason::NotFound);
    assert_eq!(client.reply_to(ids[4]), done(b"two"));
    assert_eq!(server.read("a"), b"two");
}

#[test]
fn time_and_mode_are_kept() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [5, 300_000] {
        let bytes = content(1, len);
        let mtime = Mtime::new(1_500_000_000, 5_000);
        let meta = Meta { mtime, executable: true, ..Meta::default() };
        let id = new_id();
        let digest = crate::digest(&bytes);
        client.send_bytes(&raw_put(id, "a", meta, Overwrite::Replace, &bytes, digest));
        assert_eq!(client.reply_to(id), done(&bytes));
        match client.ask(&Request::Stat { name: "a".to_owned() }) {
            Reply::Entry(entry) => assert_eq!(entry.meta, meta),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_unrequested_file_is_out_of_step() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let version = ftx_core::native::wire::Version([0; 16]);
    let head = ftx_core::native::wire::FileHead::Got { meta: Meta::default(), version };
    let head = head.encode(new_id(), 1).unwrap();
    client.send_bytes(&[&head[..], b"x", &[0; 32]].concat());
    assert_eq!(client.goodbye(), Reason::OutOfStep);
}

/// Half a frame is no reason to keep the answers to those before it.
#[test]
fn complete_files_are_stored_and_answered_before_the_rest_arrives() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let ids = [new_id(), new_id(), new_id()];
    let last = put_frame(ids[2], "c", b"3");
    let first = [put_frame(ids[0], "a", b"1"), put_frame(ids[1], "b", b"2")].concat();
    client.send_bytes(&[&first[..], &last[..30]].concat());
    assert_eq!(client.reply_to(ids[0]), done(b"1"));
    assert_eq!(client.reply_to(ids[1]), done(b"2"));
    client.send_bytes(&last[30..]);
    assert_eq!(client.reply_to(ids[2]), done(b"3"));
}
