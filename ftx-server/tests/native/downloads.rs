//! Downloads of whole files, and of manifests.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{Cv, Manifest};
use ftx_core::native::wire::{FileHead, GetScope, MAX_CV_PAGE_BLOCKS, Reply, Request, Version};
use ftx_store::{FileIdentity, ManifestCache, ManifestLimits, StableIdentity};

use crate::client::{Client, get, new_id};
use crate::frame::Frame;
use crate::running::Running;
use crate::{MIB, content, cv, digest};

#[test]
fn files_of_every_size_arrive_intact() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let mut total = 0;
    for len in [0, 1, 128 * 1024, 128 * 1024 + 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 77] {
        let file = content(len as u64, len);
        fs::write(server.path().join("a"), &file).unwrap();
        // Twice: the second time its chaining values may be known.
        for _ in 0..2 {
            assert!(client.download("a") == file, "{len}");
            total += len as u64;
        }
    }
    let snapshot = server.monitor.snapshot();
    assert_eq!((snapshot.downloads, snapshot.bytes_out, snapshot.errors), (16, total, 0));
}

/// The form depends on the size alone: at most a block is one frame.
#[test]
fn a_file_of_a_block_is_one_frame() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for (len, one_frame) in [(0, true), (300_000, true), (MIB, true), (MIB + 1, false)] {
        fs::write(server.path().join("a"), content(1, len)).unwrap();
        let id = new_id();
        client.send(id, &get("a", None, GetScope::Whole));
        let is_one = match client.frame() {
            Frame::File { head: FileHead::Got { version, .. }, .. } => {
                assert!(version == version_of(&mut client, "a"));
                true
            }
            Frame::Reply(_, Reply::Found { .. }) => false,
            other => panic!("{other:?}"),
        };
        assert_eq!(is_one, one_frame, "{len}");
    }
}

fn version_of(client: &mut Client, name: &str) -> Version {
    let id = new_id();
    client.send(id, &get(name, None, GetScope::Blocks(Vec::new())));
    let Reply::Found { version, .. } = client.reply_to(id) else { panic!("not found") };
    assert_eq!(client.reply_to(id), Reply::End { digest: None });
    version
}

/// The manifest: chaining values and digest.
fn manifest(client: &mut Client, name: &str) -> (u64, Vec<Cv>) {
    let id = new_id();
    client.send(id, &get(name, None, GetScope::Manifest));
    let Reply::Found { size, .. } = client.reply_to(id) else { panic!("not found") };
    let mut all = Vec::new();
    loop {
        match client.reply_to(id) {
            Reply::Cvs { first, cvs } => {
                assert_eq!(first, all.len() as u64);
                all.extend(cvs);
            }
            Reply::End { digest } => {
                let joined = Manifest::new(size, all.clone()).unwrap();
                assert_eq!(digest, Some(joined.digest()));
                return (size, all);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_manifest_has_the_chaining_value_of_every_block() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [0, 1, MIB, 3 * MIB + 5] {
        let file = content(1, len);
        fs::write(server.path().join("a"), &file).unwrap();
        let expected = (0..len.div_ceil(MIB) as u64).map(|index| cv(&file, index)).collect();
        assert_eq!(manifest(&mut client, "a"), (len as u64, expected));
    }
}

#[test]
fn a_long_manifest_comes_in_pages() {
    let root = tempfile::tempdir().unwrap();
    let count = MAX_CV_PAGE_BLOCKS + 100;
    // It takes no space, and its hash is known already.
    let size = (count * MIB) as u64;
    let file = fs::File::create(root.path().join("huge")).unwrap();
    file.set_len(size).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let cvs: Vec<_> = (0..count).map(|n| Cv([1 + (n % 255) as u8; 32])).collect();
    let known = Arc::new(Manifest::new(size, cvs.clone()).unwrap());
    fs::create_dir_all(root.path().join(".ftx/manifests")).unwrap();
    let dir = Dir::open_ambient_dir(root.path().join(".ftx/manifests"), ambient_authority());
    let cache = ManifestCache::in_dir(&dir.unwrap(), ManifestLimits::default()).unwrap();
    cache.learn_all(&StableIdentity::assumed(FileIdentity::of_std(&file).unwrap()), &known);

    let server = Running::in_root(root, |_| {});
    let mut client = server.client().greet(None);
    assert!(manifest(&mut client, "huge") == (size, cvs));
}

#[test]
fn a_name_that_is_no_file_is_refused() {
    let server = Running::start();
    fs::create_dir(server.path().join("dir")).unwrap();
    let fifo = server.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut client = server.client().greet(None);
    let cases = [
        ("dir", Reason::NotAFile),
        ("fifo", Reason::NotAFile),
        ("none", Reason::NotFound),
        ("none/below", Reason::NotFound),
    ];
    for (name, reason) in cases {
        for what in [GetScope::Whole, GetScope::Manifest, GetScope::Blocks(Vec::new())] {
            let id = new_id();
            client.send(id, &get(name, None, what));
            assert_eq!(client.failure(id), reason, "{name}");
        }
        let id = new_id();
        client.send(id, &Request::Digest { name: name.to_owned() });
        assert_eq!(client.failure(id), reason, "{name}");
    }
}

#[test]
fn another_version_is_not_sent() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    client.put("a", b"old");
    let old = version_of(&mut client, "a");
    client.put("a", b"new");
    let new = version_of(&mut client, "a");
    assert!(old != new);
    for what in [GetScope::Whole, GetScope::Manifest, GetScope::Blocks(Vec::new())] {
        let id = new_id();
        client.send(id, &get("a", Some(old), what));
        assert_eq!(client.failure(id), Reason::Changed);
    }
    let id = new_id();
    client.send(id, &get("a", Some(new), GetScope::Whole));
    assert!(matches!(client.frame(), Frame::File { bytes, .. } if bytes == b"new"));
}

/// Also where the connection had the old version open.
#[test]
fn a_version_is_gone_when_another_has_its_name() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    let mut other = server.client().greet(None);
    client.put("a", b"old");
    let old = version_of(&mut client, "a");
    other.put("a", b"new");
    let id = new_id();
    client.send(id, &get("a", Some(old), GetScope::Blocks(Vec::new())));
    assert_eq!(client.failure(id), Reason::Changed);
    let new = version_of(&mut client, "a");
    assert_eq!(other.ask(&Request::Remove { name: "a".to_owned() }), Reply::Removed);
    let id = new_id();
    client.send(id, &get("a", Some(new), GetScope::Blocks(Vec::new())));
    assert_eq!(client.failure(id), Reason::NotFound);
}

/// Asks for a file that is too long for the buffers in between, and hears its first block.
fn begun(server: &Running, len: usize) -> (Client, u32) {
    fs::write(server.path().join("a"), content(1, len)).unwrap();
    let mut client = server.client().greet(None);
    let id = new_id();
    client.send(id, &get("a", None, GetScope::Whole));
    assert!(matches!(client.frame(), Frame::Reply(_, Reply::Found { .. })));
    assert!(matches!(client.frame(), Frame::Block { index: 0, .. }));
    (client, id)
}

const LONG: usize = 64 * MIB;

#[test]
fn a_file_that_is_written_to_while_it_is_sent_is_not_ended() {
    let server = Running::start();
    let (mut client, id) = begun(&server, LONG);
    let file = fs::OpenOptions::new().write(true).open(server.path().join("a")).unwrap();
    file.write_all_at(b"x", LONG as u64 - 1).unwrap();
    let failed = loop {
        match client.frame() {
            Frame::Block { .. } => {}
            Frame::Reply(request, Reply::Failed { reason, .. }) if request == id => break reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed, Reason::Changed.code());
    assert!(client.download("a").len() == LONG);
}

/// The server does not send the rest of a file that it knows has changed.
#[test]
fn a_change_is_said_in_place_of_the_next_block() {
    let server = Running::start();
    let (mut client, id) = begun(&server, LONG);
    let file = fs::OpenOptions::new().write(true).open(server.path().join("a")).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    let mut blocks = 1;
    loop {
        match client.frame() {
            Frame::Block { .. } => blocks += 1,
            Frame::Reply(request, Reply::Failed { .. }) if request == id => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(blocks < LONG / MIB, "all {blocks} blocks were sent");
}

#[test]
fn a_file_that_is_cut_short_while_it_is_sent_is_not_ended() {
    let server = Running::start();
    let (mut client, id) = begun(&server, LONG);
    let file = fs::OpenOptions::new().write(true).open(server.path().join("a")).unwrap();
    file.set_len(5).unwrap();
    loop {
        match client.any_frame() {
            Some(Frame::Block { .. }) => {}
            // In the middle of a block there is no way to say it.
            None => break,
            Some(Frame::Reply(request, Reply::Failed { reason, .. })) if request == id => {
                assert_eq!(reason, Reason::Changed.code());
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_that_vanishes_while_it_is_sent_is_sent_as_it_was() {
    let server = Running::start();
    let (mut client, id) = begun(&server, LONG);
    fs::remove_file(server.path().join("a")).unwrap();
    let mut blocks = 1;
    loop {
        match client.frame() {
            Frame::Block { .. } => blocks += 1,
            Frame::Reply(request, Reply::End { digest: Some(found) }) if request == id => {
                assert_eq!(found, digest(&content(1, LONG)));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(blocks, LONG / MIB);
}

#[test]
fn many_small_files_can_be_asked_for_at_once() {
    let server = Running::start();
    let files: Vec<_> = (0..500).map(|n| content(n, n as usize * 7)).collect();
    for (at, file) in files.iter().enumerate() {
        fs::write(server.path().join(at.to_string()), file).unwrap();
    }
    let mut client = server.client().greet(None);
    let ids: Vec<_> = files.iter().map(|_| new_id()).collect();
    let asks = ids.iter().enumerate();
    let asks =
        asks.map(|(at, id)| get(&at.to_string(), None, GetScope::Whole).encode(*id).unwrap());
    client.send_bytes(&asks.collect::<Vec<_>>().concat());
    for (file, id) in files.iter().zip(ids) {
        match client.frame() {
            Frame::File { request, bytes, .. } => assert!(request == id && bytes == *file),
            other => panic!("{other:?}"),
        }
    }
}
