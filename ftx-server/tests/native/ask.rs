//! Requests that move no file.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use ftx_core::native::Reason;
use ftx_core::native::wire::{EntryKind, Listed, Reply, Request};

use crate::client::{Client, new_id};
use crate::running::Running;
use crate::{MIB, content, digest};

/// The names of one answer, and whether there are more.
fn list(
    client: &mut Client,
    name: &str,
    recursive: bool,
    after: Option<&str>,
    limit: u32,
) -> (Vec<String>, bool) {
    let (name, after) = (name.to_owned(), after.map(str::to_owned));
    match client.ask(&Request::List { name, recursive, after, limit }) {
        Reply::Entries { entries, more } => (entries.iter().map(name_and_obstacle).collect(), more),
        other => panic!("{other:?}"),
    }
}

/// The name, as it goes into `after`, and why it cannot be transferred, if it cannot.
fn name_and_obstacle(listed: &Listed) -> String {
    match listed {
        Listed::Entry(entry) => entry.name.as_str().to_owned(),
        Listed::Untransferable(other) => format!("{} {}", other.name, other.obstacle.name()),
    }
}

const TREE: [&str; 10] = [
    "a",
    "a/b",
    "a/b/c",
    "a/z",
    "a.txt",
    "b",
    "linked-dir link",
    "linked-file link",
    "out link",
    r"\xff not_utf8",
];

fn with_tree() -> Running {
    let server = Running::start();
    fs::create_dir_all(server.path().join("a/b")).unwrap();
    for file in ["a/b/c", "a/z", "a.txt", "b"] {
        fs::write(server.path().join(file), file).unwrap();
    }
    std::os::unix::fs::symlink("a", server.path().join("linked-dir")).unwrap();
    std::os::unix::fs::symlink("a.txt", server.path().join("linked-file")).unwrap();
    std::os::unix::fs::symlink("/etc", server.path().join("out")).unwrap();
    fs::write(server.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
    server
}

#[test]
fn a_tree_is_listed_in_order_and_page_by_page() {
    let server = with_tree();
    let mut client = server.client().greet(None);
    assert_eq!(list(&mut client, "", true, None, 100), (TREE.map(String::from).into(), false));
    let top = [&["a"][..], &TREE[4..]].concat();
    let (names, more) = list(&mut client, "", false, None, 100);
    assert!(names == top && !more, "{names:?}");
    let below = ["a/b", "a/z"].map(String::from);
    assert_eq!(list(&mut client, "a", false, None, 100), (below.into(), false));
    for limit in 1..=11 {
        let mut all: Vec<String> = Vec::new();
        loop {
            let after = all.last().map(|shown| shown.split(' ').next().unwrap());
            let (page, more) = list(&mut client, "", true, after, limit);
            assert!(page.len() <= limit as usize && (!more || !page.is_empty()));
            all.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(all, TREE, "{limit} at a time");
    }
    // A limit of 0 still lists one entry: an empty page leaves no cursor to continue from.
    assert_eq!(list(&mut client, "", true, None, 0), (vec!["a".to_owned()], true));
    assert_eq!(list(&mut client, "", true, None, u32::MAX).0.len(), TREE.len());
}

/// The names that come next are kept between two pages of one listing, and of no other.
#[test]
fn the_next_page_of_a_listing_needs_no_other_look() {
    let server = with_tree();
    let mut client = server.client().greet(None);
    let next = |client: &mut Client, name: &str, recursive, after: Option<&str>| {
        list(client, name, recursive, after, 1).0.concat()
    };
    assert_eq!(next(&mut client, "", false, None), "a");
    fs::write(server.path().join("a+"), "").unwrap();
    assert_eq!(next(&mut client, "", false, Some("a")), "a.txt", "the root was read again");
    // The cursor continues the same listing at the same place.
    for (name, recursive, after) in [("", false, "a"), ("", true, "a/z"), ("", false, "A")] {
        assert_eq!(next(&mut client, "", false, None), "a");
        let fresh = if after == "A" { "a" } else { "a+" };
        assert_eq!(next(&mut client, name, recursive, Some(after)), fresh.to_owned(), "{after}");
        fs::remove_file(server.path().join("a+")).unwrap();
        fs::write(server.path().join("a+"), "").unwrap();
    }
    // Nor does it outlive another question or its connection.
    assert_eq!(next(&mut client, "", false, Some("a")), "a+");
    fs::write(server.path().join("a-"), "").unwrap();
    client.ask(&Request::Stat { name: "a".to_owned() });
    assert_eq!(next(&mut client, "", false, Some("a+")), "a-");
    fs::write(server.path().join("a-1"), "").unwrap();
    let mut other = server.client().greet(None);
    assert_eq!(next(&mut other, "", false, Some("a-")), "a-1");
    assert_eq!(next(&mut client, "", false, Some("a-")), "a.txt");
}

/// However many are asked for, an answer fits a message.
#[test]
fn a_directory_of_many_is_listed_to_its_end() {
    let server = Running::start();
    let name = |n: usize| format!("{n:0250}");
    for n in 0..4500 {
        fs::write(server.path().join(name(n)), "").unwrap();
    }
    let mut client = server.client().greet(None);
    let (mut all, more) = list(&mut client, "", true, None, u32::MAX);
    assert!(more && all.len() < 4500);
    let (rest, more) = list(&mut client, "", true, all.last().map(String::as_str), u32::MAX);
    assert!(!more);
    all.extend(rest);
    assert!(all.iter().enumerate().all(|(n, found)| *found == name(n)) && all.len() == 4500);
}

#[test]
fn names_stand_for_files_and_directories() {
    let server = with_tree();
    let mut client = server.client().greet(None);
    for (name, kind, size) in [("a", EntryKind::Directory, 0), ("a/z", EntryKind::File, 3)] {
        match client.ask(&Request::Stat { name: name.to_owned() }) {
            Reply::Entry(entry) => {
                assert_eq!((entry.name.as_str(), entry.kind, entry.size), (name, kind, size));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut fails = |request: &Request| {
        let id = new_id();
        client.send(id, request);
        client.failure(id)
    };
    assert_eq!(fails(&Request::Stat { name: "none".to_owned() }), Reason::NotFound);
    let list = |name: &str| {
        let name = name.to_owned();
        Request::List { name, recursive: true, after: None, limit: 5 }
    };
    assert_eq!(fails(&list("none")), Reason::NotFound);
    assert_eq!(fails(&list("b")), Reason::NotAFile);
    let remove = |name: &str| Request::Remove { name: name.to_owned() };
    assert_eq!(fails(&remove("none")), Reason::NotFound);
    assert_eq!(fails(&remove("a")), Reason::NotAFile);
    assert!(server.exists("a/b/c"));
}

#[test]
fn a_file_can_be_removed() {
    let server = with_tree();
    let mut client = server.client().greet(None);
    assert_eq!(client.ask(&Request::Remove { name: "a/z".to_owned() }), Reply::Removed);
    assert!(!server.exists("a/z") && server.exists("a"));
    let id = new_id();
    client.send(id, &Request::Remove { name: "a/z".to_owned() });
    assert_eq!(client.failure(id), Reason::NotFound);
}

#[test]
fn a_digest_is_that_of_the_bytes() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for len in [0, 1, MIB, 3 * MIB + 1] {
        let file = content(1, len);
        fs::write(server.path().join("a"), &file).unwrap();
        let id = new_id();
        client.send(id, &Request::Digest { name: "a".to_owned() });
        let found = client.reply_to(id);
        assert!(matches!(found, Reply::Found { size, .. } if size == len as u64), "{found:?}");
        assert_eq!(client.reply_to(id), Reply::End { digest: Some(digest(&file)) });
    }
}

/// A waiting client gets heartbeats.
#[test]
fn there_are_signs_of_life_while_a_large_file_is_hashed() {
    let server = Running::start();
    // It takes no space, and longer to hash than anybody waits without a sign.
    let size = 200_000 * MIB as u64;
    fs::File::create(server.path().join("huge")).unwrap().set_len(size).unwrap();
    let mut client = server.client().greet(None);
    // So that it is served on a dedicated thread, if it moves to one.
    client.put("small", b"x");
    let id = new_id();
    client.send(id, &Request::Digest { name: "huge".to_owned() });
    assert!(matches!(client.reply_to(id), Reply::Found { .. }));
    for _ in 0..2 {
        match client.any_frame() {
            Some(crate::frame::Frame::Reply(request, Reply::Working { done, total })) => {
                assert_eq!((request, total), (id, size));
                assert!(done > 0 && done < total);
            }
            other => panic!("{other:?}"),
        }
    }
    // Its client is gone, so it ends.
    drop(client);
    crate::wait_until("it is gone", || server.active() == 0);
    let (took, _) = server.stop();
    assert!(took < std::time::Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_ping_is_answered() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    for (id, payload) in [(0, 0), (new_id(), u64::MAX), (0, 5)] {
        client.send(id, &Request::Ping { payload });
        assert_eq!(client.reply_to(id), Reply::Pong { payload });
    }
}
