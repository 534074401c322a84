//! No name and no link in the root leads to the server's own files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use ftx_core::native::Reason;
use ftx_core::native::wire::{GetScope, Listed, Meta, Overwrite, Reply, Request, Token};

use crate::client::{Client, get, new_id, offer};
use crate::frame::{Frame, put_frame, put_frame_if, raw_put};
use crate::running::Running;
use crate::{MIB, content, digest};

const SECRET: &[u8] = b"nobody's business";

/// Links, and their targets.
const LINKS: [(&str, &str); 9] = [
    ("top", ".ftx"),
    ("below", ".ftx/blocks"),
    ("chain", "top"),
    ("deep", "chain/blocks"),
    ("d/up", "../.ftx"),
    ("d/far", "../d/../.ftx/./blocks"),
    ("self", "."),
    ("file", ".ftx/blocks/secret"),
    ("d/file", "../chain/blocks/secret"),
];

/// Names that pass through a link to the server's own files.
const BEYOND: [&str; 13] = [
    "top/secret",
    "top/new",
    "top/blocks/secret",
    "top/blocks/deep/new",
    "below/secret",
    "chain/blocks/secret",
    "deep/secret",
    "d/up/secret",
    "d/far/secret",
    "d/far/new",
    "self/.ftx/secret",
    "self/self/.ftx/blocks",
    "self/top/secret",
];

/// Names that are such links themselves.
const THEMSELVES: [&str; 7] = ["top", "below", "chain", "deep", "d/up", "d/far", "self/.ftx"];

fn make_links(root: &Path) {
    fs::create_dir_all(root.join("d")).unwrap();
    for (link, target) in LINKS {
        let link = root.join(link);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link).unwrap();
        }
        symlink(target, link).unwrap();
    }
}

fn served() -> (Running, Client) {
    let server = Running::start();
    let ours = server.path().join(".ftx");
    fs::write(ours.join("secret"), SECRET).unwrap();
    fs::write(ours.join("blocks/secret"), SECRET).unwrap();
    make_links(server.path());
    let client = server.client().greet(None);
    (server, client)
}

/// The files in the server's own directory, with their contents.
fn own(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.join(".ftx")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn list(name: &str, recursive: bool) -> Request {
    Request::List { name: name.to_owned(), recursive, after: None, limit: 100 }
}

fn check(name: &str, size: usize) -> Request {
    let bytes = if size == SECRET.len() { SECRET.to_vec() } else { content(1, size) };
    let (name, size, digest) = (name.to_owned(), bytes.len() as u64, digest(&bytes));
    Request::Check { name, size, meta: Meta::default(), digest }
}

/// Requests that change nothing.
fn looks(name: &str) -> Vec<Request> {
    let text = name.to_owned();
    vec![
        get(name, None, GetScope::Whole),
        get(name, None, GetScope::WholeUnless(digest(SECRET))),
        get(name, None, GetScope::Manifest),
        get(name, None, GetScope::FreshManifest),
        get(name, None, GetScope::Blocks(Vec::new())),
        Request::Stat { name: text.clone() },
        Request::Digest { name: text },
        list(name, false),
        list(name, true),
        check(name, SECRET.len()),
        check(name, 3 * MIB),
        offer(name, SECRET.len(), Overwrite::Replace, 1),
        offer(name, 5 * MIB, Overwrite::Fail, 1),
        offer(name, 5, Overwrite::IfUnchanged(digest(SECRET)), 1),
    ]
}

/// Asks, and expects a refusal or the reply that there is no such file.
fn assert_refused(client: &mut Client, request: &Request) {
    match client.ask(request) {
        Reply::Failed { reason, message } => {
            assert!(!message.is_empty());
            assert_ne!(Reason::from_code(reason), Reason::Internal, "{request:?}: {message}");
        }
        Reply::Wanted => assert!(matches!(request, Request::Check { .. }), "{request:?}"),
        other => panic!("{request:?} is answered: {other:?}"),
    }
}

#[test]
fn nothing_is_reached_through_a_link() {
    let (server, mut client) = served();
    let before = own(server.path());
    for name in BEYOND {
        for request in looks(name) {
            assert_refused(&mut client, &request);
        }
        for request in [
            Request::Remove { name: name.to_owned() },
            Request::MakeDirectory { name: name.to_owned() },
        ] {
            assert_refused(&mut client, &request);
        }
        for bytes in [b"x".to_vec(), content(1, 300_000)] {
            for overwrite in [Overwrite::Replace, Overwrite::Fail] {
                let id = new_id();
                client.send_bytes(&put_frame_if(id, name, &bytes, overwrite));
                client.failure(id);
            }
        }
        assert_eq!(own(server.path()), before, "{name}");
    }
    for (link, _) in LINKS {
        let link = server.path().join(link);
        assert!(link.symlink_metadata().unwrap().is_symlink(), "{link:?}");
    }
}

/// A link may be removed, like any; it is not followed.
#[test]
fn a_link_to_the_servers_files_is_only_a_name() {
    let (server, mut client) = served();
    let before = own(server.path());
    for name in THEMSELVES.into_iter().chain(["file", "d/file"]) {
        for request in looks(name) {
            assert_refused(&mut client, &request);
        }
        let make = Request::MakeDirectory { name: name.to_owned() };
        assert_refused(&mut client, &make);
        assert_eq!(own(server.path()), before, "{name}");
        for bytes in [b"x".to_vec(), content(1, 300_000)] {
            let id = new_id();
            client.send_bytes(&put_frame(id, name, &bytes));
            client.reply_to(id);
            assert_eq!(own(server.path()), before, "{name}");
            make_links(server.path());
        }
        client.ask(&Request::Remove { name: name.to_owned() });
        assert_eq!(own(server.path()), before, "{name}");
        make_links(server.path());
    }
}

#[test]
fn the_servers_files_are_not_listed() {
    let (server, mut client) = served();
    fs::create_dir(server.path().join("d/.ftx")).unwrap();
    fs::write(server.path().join("d/.ftx/file"), "").unwrap();
    let names =
        |client: &mut Client, name: &str, recursive| match client.ask(&list(name, recursive)) {
            Reply::Entries { entries, more: false } => {
                let entries = entries.iter().filter_map(Listed::entry);
                entries.map(|entry| entry.name.as_str().to_owned()).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
    // It is just a name anywhere else.
    assert_eq!(names(&mut client, "", true), ["d", "d/.ftx", "d/.ftx/file"]);
    assert_eq!(names(&mut client, "", false), ["d"]);
    assert_eq!(names(&mut client, "self", false), ["self/d"]);
    let through = ["self/d", "self/d/.ftx", "self/d/.ftx/file"];
    assert_eq!(names(&mut client, "self", true), through);
    assert_eq!(names(&mut client, "d/.ftx", false), ["d/.ftx/file"]);
    let after = Request::List {
        name: "self".to_owned(),
        recursive: true,
        after: Some("self/.ftx/blocks".to_owned()),
        limit: 100,
    };
    match client.ask(&after) {
        Reply::Entries { entries, .. } => {
            assert_eq!(entries.iter().filter_map(Listed::entry).count(), through.len());
        }
        Reply::Failed { .. } => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn links_that_lead_elsewhere_inside_are_followed() {
    let (server, mut client) = served();
    fs::create_dir_all(server.path().join("a/b")).unwrap();
    for (link, target) in [("to_a", "a"), ("d/b", "../to_a/b"), ("a/f", "../d/b/file")] {
        symlink(target, server.path().join(link)).unwrap();
    }
    client.put("d/b/file", b"bytes");
    assert_eq!(server.read("a/b/file"), b"bytes");
    for name in ["a/b/file", "to_a/b/file", "d/b/file", "self/to_a/b/file", "a/f", "to_a/f"] {
        assert_eq!(client.download(name), b"bytes", "{name}");
        match client.ask(&Request::Stat { name: name.to_owned() }) {
            Reply::Entry(entry) => assert_eq!((entry.name.as_str(), entry.size), (name, 5)),
            other => panic!("{other:?}"),
        }
    }
    let large = content(1, 2 * MIB);
    client.upload("to_a/large", &large, 1);
    assert!(server.read("a/large") == large);
    let make = Request::MakeDirectory { name: "d/b/new/dir".to_owned() };
    assert!(matches!(client.ask(&make), Reply::Entry(_)));
    assert!(server.path().join("a/b/new/dir").is_dir());
    let id = new_id();
    client.send(id, &list("to_a/b", false));
    match client.frame() {
        Frame::Reply(_, Reply::Entries { entries, .. }) => assert_eq!(entries.len(), 2),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.ask(&Request::Remove { name: "to_a/b/file".to_owned() }), Reply::Removed);
    assert!(!server.exists("a/b/file"));
}

#[test]
fn the_servers_files_are_closed_to_other_users() {
    let root = tempfile::tempdir().unwrap();
    let ours = root.path().join(".ftx");
    fs::create_dir(&ours).unwrap();
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Running::in_root(root, |_| {});
    let mode = |server: &Running| {
        fs::metadata(server.path().join(".ftx")).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode(&server), 0o700);
    assert_eq!(mode(&Running::start()), 0o700);
}

/// Small files are written together, large ones singly; no other user can read a file while it arrives.
#[test]
fn a_published_file_has_the_mode_of_a_new_file() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    fs::write(server.path().join("new"), "").unwrap();
    let mode =
        |name: &str| fs::metadata(server.path().join(name)).unwrap().permissions().mode() & 0o7777;
    let new = mode("new");
    for executable in [false, true] {
        let expected = if executable { new | (new & 0o444) >> 2 } else { new };
        let meta = Meta { executable, ..Meta::default() };
        for len in [0, 5, 300_000] {
            let (id, bytes) = (new_id(), content(1, len));
            let sent = raw_put(id, "a", meta, Overwrite::Replace, &bytes, digest(&bytes));
            client.send_bytes(&sent);
            client.reply_to(id);
            assert_eq!(mode("a"), expected, "{len} {executable}");
            fs::remove_file(server.path().join("a")).unwrap();
        }
        let bytes = content(1, MIB + 5);
        let (name, size) = ("a".to_owned(), bytes.len() as u64);
        let (overwrite, run, source) = (Overwrite::Replace, Token([1; 16]), None);
        let offered =
            client.offer(&Request::Offer { name, size, meta, overwrite, run, source }).unwrap();
        client.send_blocks(offered.id, &bytes, [0]);
        for entry in fs::read_dir(server.path().join(".ftx/blocks")).unwrap() {
            let staged = entry.unwrap().metadata().unwrap();
            assert_eq!(staged.permissions().mode() & 0o7777, 0o600);
        }
        client.send_blocks(offered.id, &bytes, [1]);
        client.commit(offered.id, &bytes);
        assert_eq!(mode("a"), expected, "{executable}");
        fs::remove_file(server.path().join("a")).unwrap();
    }
}
