//! No name leads out of the root, in whatever request.

use std::fs;

use ftx_core::native::Reason;
use ftx_core::native::wire::{GetScope, Overwrite, Reply, Request};

use crate::client::{get, new_id, offer};
use crate::frame::{Frame, put_frame, put_frame_if};
use crate::running::Running;
use crate::{MIB, content};

/// Every request that takes a name, with this one.
fn requests(id: u32, name: &str) -> Vec<Vec<u8>> {
    let text = name.to_owned();
    let list = |name: &str, after: Option<&str>| Request::List {
        name: name.to_owned(),
        recursive: true,
        after: after.map(str::to_owned),
        limit: 5,
    };
    let mut frames: Vec<_> = [
        offer(name, 5, Overwrite::Replace, 1),
        offer(name, 5 * MIB, Overwrite::Fail, 1),
        get(name, None, GetScope::Whole),
        get(name, None, GetScope::Manifest),
        get(name, None, GetScope::Blocks(Vec::new())),
        Request::Stat { name: text.clone() },
        Request::Digest { name: text.clone() },
        Request::Remove { name: text.clone() },
        Request::MakeDirectory { name: text },
    ]
    .map(|request| request.encode(id).unwrap())
    .into();
    if !name.is_empty() {
        frames.push(list(name, None).encode(id).unwrap());
    }
    // The cursor at the end of a page need not be a remote name; it is compared and never opened.
    if ftx_core::RawName::parse(name).is_err() || ftx_core::RemoteName::parse(name).is_ok() {
        frames.push(list("", Some(name)).encode(id).unwrap());
    }
    frames.push(put_frame(id, name, b"x"));
    frames.push(put_frame(id, name, &content(1, 300_000)));
    frames.push(put_frame_if(id, name, b"x", Overwrite::Fail));
    frames
}

#[test]
fn an_invalid_remote_name_is_refused_everywhere() {
    let server = Running::start();
    let outside = server.path().parent().unwrap().join("outside-of-ftx");
    let mut client = server.client().greet(None);
    let long = "x".repeat(256);
    let longer = "x/".repeat(3000);
    let names = [
        "",
        ".",
        "..",
        "../outside-of-ftx",
        "a/../../outside-of-ftx",
        "a/..",
        "/etc/passwd",
        "a//b",
        "/",
        "a/",
        "./a",
        ".ftx",
        ".ftx/lock",
        ".FTX/blocks/x",
        "C:/x",
        "c:",
        "a\0b",
        &long,
        &longer,
    ];
    for name in names {
        for frame in requests(new_id(), name) {
            let id = u32::from_le_bytes(*frame[4..].first_chunk().unwrap());
            client.send_bytes(&frame);
            assert_eq!(client.failure(id), Reason::NameRefused, "{name:?}");
        }
    }
    assert!(!outside.exists());
    let left: Vec<_> =
        fs::read_dir(server.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".ftx"]);
    assert!(server.path().join(".ftx/lock").exists());
}

#[test]
fn no_link_leads_out() {
    let server = Running::start();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("dir")).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(outside.path().join(to), server.path().join(name)).unwrap();
    };
    link("secret", "file");
    link("dir", "dir");
    link("new", "dangling");
    let mut client = server.client().greet(None);
    for name in ["file", "dir/x", "dir/sub/x", "dangling"] {
        for frame in requests(new_id(), name) {
            let id = u32::from_le_bytes(*frame[4..].first_chunk().unwrap());
            client.send_bytes(&frame);
            // Its answer is another matter; a link itself may be removed.
            loop {
                match client.frame() {
                    Frame::Reply(request, Reply::Ready { .. }) if request == id => {
                        client.send(id, &Request::Abandon { discard: true });
                    }
                    Frame::File { bytes, .. } => assert!(bytes != b"secret"),
                    Frame::Reply(_, Reply::Found { .. }) => {}
                    Frame::Reply(request, _) if request == id => break,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2);
    assert_eq!(fs::read_dir(outside.path().join("dir")).unwrap().count(), 0);
}
