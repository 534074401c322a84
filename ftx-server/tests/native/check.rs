//! Small files that are there already.

use std::os::unix::fs::MetadataExt as _;

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{FileHead, GetScope, Meta, Mtime, Readers, Reply, Request};

use crate::client::{Client, done, get, new_id};
use crate::frame::{Frame, put_frame};
use crate::running::Running;
use crate::{MIB, content, digest};

const META: Meta =
    Meta { mtime: Mtime::new(1_500_000_000, 5_000), executable: true, readers: Readers::All };

fn check(name: &str, bytes: &[u8]) -> Request {
    let (name, size) = (name.to_owned(), bytes.len() as u64);
    Request::Check { name, size, meta: META, digest: digest(bytes) }
}

fn unchanged(bytes: &[u8]) -> Reply {
    Reply::Done { digest: digest(bytes), unchanged: true }
}

fn meta(client: &mut Client, name: &str) -> Meta {
    match client.ask(&Request::Stat { name: name.to_owned() }) {
        Reply::Entry(entry) => entry.meta,
        other => panic!("{other:?}"),
    }
}

fn inode(server: &Running, name: &str) -> u64 {
    std::fs::metadata(server.path().join(name)).unwrap().ino()
}

#[test]
fn only_the_very_file_is_not_wanted() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [0, 1, 5000, 128 * 1024 + 1, MIB] {
        let (bytes, other) = (content(1, len), content(2, len.max(1)));
        assert_eq!(client.ask(&check("d/a", &bytes)), Reply::Wanted, "{len}");
        client.put("d/a", &bytes);
        let before = meta(&mut client, "d/a");
        assert_eq!(client.ask(&check("d/a", &other)), Reply::Wanted, "{len}");
        let other_len = content(1, if len == MIB { len - 1 } else { len + 1 });
        assert_eq!(client.ask(&check("d/a", &other_len)), Reply::Wanted, "{len}");
        assert_eq!(meta(&mut client, "d/a"), before, "{len}");
        let inode_before = inode(&server, "d/a");
        assert_eq!(client.ask(&check("d/a", &bytes)), unchanged(&bytes), "{len}");
        assert_eq!(meta(&mut client, "d/a"), META, "{len}");
        assert_eq!(inode(&server, "d/a"), inode_before);
        std::fs::remove_file(server.path().join("d/a")).unwrap();
    }
    // It cannot be stored either.
    let refused = client.ask(&check("d", b""));
    assert!(
        matches!(refused, Reply::Failed { reason, .. } if reason == Reason::NotAFile.code()),
        "{refused:?}"
    );
    assert_eq!(client.ask(&check("none/deep", b"")), Reply::Wanted);
    assert!(!server.exists("none"), "to ask makes no directories");
}

#[test]
fn an_invalid_check_is_refused() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let ids = [new_id(), new_id()];
    client.send(ids[0], &check("../a", b"x"));
    client.send(ids[1], &check("a", b"x"));
    assert_eq!(client.failure(ids[0]), Reason::NameRefused);
    assert_eq!(client.reply_to(ids[1]), Reply::Wanted);
}

#[test]
fn a_large_file_is_read_before_it_is_confirmed() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let (bytes, other) = (content(1, 3 * MIB + 5), content(2, 3 * MIB + 5));
    assert_eq!(client.ask(&check("a", &bytes)), Reply::Wanted);
    std::fs::write(server.path().join("a"), &bytes).unwrap();
    assert_eq!(client.ask(&check("a", &other)), Reply::Wanted);
    assert_eq!(client.ask(&check("a", &bytes[1..])), Reply::Wanted);
    assert_eq!(client.ask(&check("a", &bytes)), unchanged(&bytes));
    assert_eq!(meta(&mut client, "a"), META);
}

/// Files and questions that come together are answered as if each had come alone.
#[test]
fn questions_keep_their_place_among_files() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let ids: Vec<_> = (0..7).map(|_| new_id()).collect();
    let asks = |at: usize, bytes| check("a", bytes).encode(ids[at]).unwrap();
    let stream = [
        asks(0, b"1"),
        put_frame(ids[1], "a", b"1"),
        put_frame(ids[2], "b", b"2"),
        asks(3, b"old"),
        asks(4, b"1"),
        put_frame(ids[5], "a", b"3"),
        asks(6, b"1"),
    ];
    client.send_bytes(&stream.concat());
    assert_eq!(client.reply_to(ids[0]), Reply::Wanted);
    assert_eq!(client.reply_to(ids[1]), done(b"1"));
    assert_eq!(client.reply_to(ids[2]), done(b"2"));
    assert_eq!(client.reply_to(ids[3]), Reply::Wanted);
    // It may be sent once more, but it is never said to be there when it is not going to be.
    let answer = client.reply_to(ids[4]);
    assert!(answer == Reply::Wanted || answer == unchanged(b"1"), "{answer:?}");
    assert_eq!(client.reply_to(ids[5]), done(b"3"));
    assert_eq!(client.reply_to(ids[6]), Reply::Wanted);
    assert_eq!(server.read("a"), b"3");
}

/// For files that are sent anyway, the reply reports that they were up to date.
#[test]
fn files_that_are_sent_again_are_left_alone() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let names: Vec<_> = (0..50).map(|n| format!("{}/{n}", n % 3)).collect();
    let bytes = |at: usize| content(at as u64, 100 + at);
    let frames = |ids: &[u32]| -> Vec<u8> {
        let each = ids.iter().enumerate().map(|(at, id)| put_frame(*id, &names[at], &bytes(at)));
        each.collect::<Vec<_>>().concat()
    };
    let ids: Vec<_> = names.iter().map(|_| new_id()).collect();
    client.send_bytes(&frames(&ids));
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(client.reply_to(*id), done(&bytes(at)));
    }
    let inodes: Vec<_> = names.iter().map(|name| inode(&server, name)).collect();
    let ids: Vec<_> = names.iter().map(|_| new_id()).collect();
    client.send_bytes(&frames(&ids));
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(client.reply_to(*id), unchanged(&bytes(at)));
    }
    assert!(names.iter().map(|name| inode(&server, name)).eq(inodes));
}

#[test]
fn a_file_that_the_client_has_is_not_sent() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [0, 1, 5000, MIB] {
        let bytes = content(1, len);
        client.put("a", &bytes);
        // Twice, since by then its digest may be known.
        for _ in 0..2 {
            let id = new_id();
            client.send(id, &get("a", None, GetScope::WholeUnless(digest(&bytes))));
            let Reply::Found { size, .. } = client.reply_to(id) else { panic!("not found") };
            assert_eq!(size, len as u64);
            assert_eq!(client.reply_to(id), Reply::End { digest: Some(digest(&bytes)) });
            let id = new_id();
            client.send(id, &get("a", None, GetScope::WholeUnless(Digest([7; 32]))));
            match client.frame() {
                Frame::File {
                    head: FileHead::Got { .. }, bytes: sent, digest: claimed, ..
                } => {
                    assert!(sent == bytes && claimed == digest(&bytes), "{len}");
                }
                other => panic!("{other:?}"),
            }
        }
        std::fs::remove_file(server.path().join("a")).unwrap();
    }
    let large = content(1, MIB + 1);
    std::fs::write(server.path().join("large"), &large).unwrap();
    let id = new_id();
    client.send(id, &get("large", None, GetScope::WholeUnless(digest(&large))));
    let Reply::Found { .. } = client.reply_to(id) else { panic!("not found") };
    for index in 0..2 {
        assert!(matches!(client.frame(), Frame::Block { index: sent, .. } if sent == index));
    }
    assert_eq!(client.reply_to(id), Reply::End { digest: Some(digest(&large)) });
    let id = new_id();
    client.send(id, &get("none", None, GetScope::WholeUnless(Digest([7; 32]))));
    assert_eq!(client.failure(id), Reason::NotFound);
}
