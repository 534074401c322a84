//! The root is removed or replaced while it is served.

use std::fs;

use ftx_core::native::Reason;
use ftx_core::native::wire::{GetScope, Overwrite, Reply, Request};

use crate::client::{Client, get, new_id, offer};
use crate::frame::put_frame;
use crate::running::Running;
use crate::{MIB, content, digest};

/// A server on a directory that can be removed.
fn serve() -> Running {
    let root = tempfile::tempdir().unwrap();
    let served = root.path().join("served");
    let server = Running::with_store(root, |_| {}, |store| store.root = served);
    server.client().greet(None).put("a", b"hello");
    server
}

/// Everything is refused, and says why.
fn assert_refused(client: &mut Client) {
    let name = || "a".to_owned();
    let list = Request::List { name: String::new(), recursive: true, after: None, limit: 1000 };
    let requests = [
        Request::Stat { name: name() },
        list,
        Request::Remove { name: name() },
        Request::MakeDirectory { name: "d".to_owned() },
        Request::Digest { name: name() },
        get("a", None, GetScope::Whole),
        offer("b", 2 * MIB, Overwrite::Replace, 1),
    ];
    for request in requests {
        assert_gone(client.ask(&request), &format!("{request:?}"));
    }
    for len in [5, 300_000] {
        let id = new_id();
        client.send_bytes(&put_frame(id, "b", &content(1, len)));
        assert_gone(client.reply_to(id), &format!("{len} bytes"));
    }
}

fn assert_gone(reply: Reply, what: &str) {
    match reply {
        Reply::Failed { reason, message } => {
            assert_eq!(Reason::from_code(reason), Reason::IoError, "{what}: {message}");
            assert!(message.contains("restart the server"), "{what}: {message}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[test]
fn one_that_was_removed_or_replaced_is_noticed() {
    for is_made_again in [false, true] {
        let server = serve();
        let served = server.path().join("served");
        let mut client = server.client().greet(None);
        let file = content(1, 2 * MIB);
        let id = client.begin("c", &file, 1).id;
        client.send_blocks(id, &file, [0, 1]);
        fs::remove_dir_all(&served).unwrap();
        if is_made_again {
            fs::create_dir(&served).unwrap();
            fs::write(served.join("b"), "").unwrap();
        }
        client.send(id, &Request::Commit { digest: digest(&file) });
        assert_gone(client.reply_to(id), "commit");
        assert_refused(&mut client);
    }
}

#[test]
fn a_root_whose_path_belongs_to_another_directory_is_noticed() {
    let server = serve();
    let (served, moved) = (server.path().join("served"), server.path().join("moved"));
    let mut client = server.client().greet(None);
    fs::rename(&served, &moved).unwrap();
    // The server still serves the old root, and only that.
    client.put("b", b"hello");
    assert!(moved.join("b").exists());
    fs::create_dir(&served).unwrap();
    assert_refused(&mut client);
    fs::remove_dir(&served).unwrap();
    fs::rename(&moved, &served).unwrap();
    client.put("c", b"hello");
    assert!(server.exists("served/c"));
}
