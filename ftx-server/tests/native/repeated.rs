//! Requests repeated after they have succeeded, as after a lost answer.

use ftx_core::native::Reason;
use ftx_core::native::wire::{EntryKind, Reply, Request};
use ftx_store::Durability;

use crate::client::new_id;
use crate::running::Running;

#[test]
fn a_missing_file_is_reported_missing_each_time() {
    for durability in [Durability::None, Durability::Full] {
        let server = Running::with_store(
            tempfile::tempdir().unwrap(),
            |_| {},
            |store| store.durability = durability,
        );
        let mut client = server.client().greet(None);
        client.put("d/a", b"x");
        let remove = |name: &str| Request::Remove { name: name.to_owned() };
        assert_eq!(client.ask(&remove("d/a")), Reply::Removed);
        for name in ["d/a", "d/a", "d/none", "none", "none/deep/a"] {
            let id = new_id();
            client.send(id, &remove(name));
            assert_eq!(client.failure(id), Reason::NotFound, "{name} {durability:?}");
        }
        assert!(server.exists("d") && !server.exists("none"));
        client.put("d/a", b"y");
        assert_eq!(server.read("d/a"), b"y");
    }
}

#[test]
fn a_directory_that_is_there_is_made_again() {
    for durability in [Durability::None, Durability::Full] {
        let server = Running::with_store(
            tempfile::tempdir().unwrap(),
            |_| {},
            |store| store.durability = durability,
        );
        let mut client = server.client().greet(None);
        let make = |name: &str| Request::MakeDirectory { name: name.to_owned() };
        for name in ["d", "d", "d/e/f", "d/e/f", "d/e"] {
            match client.ask(&make(name)) {
                Reply::Entry(entry) => {
                    assert_eq!(entry.name.as_str(), name);
                    assert_eq!((entry.kind, entry.size), (EntryKind::Directory, 0));
                }
                other => panic!("{name}: {other:?}"),
            }
            assert!(server.path().join(name).is_dir());
        }
        client.put("d/e/f/file", b"x");
        assert!(matches!(client.ask(&make("d/e/f")), Reply::Entry(_)));
        assert_eq!(server.read("d/e/f/file"), b"x");
        let id = new_id();
        client.send(id, &make("d/e/f/file"));
        assert_eq!(client.failure(id), Reason::NotAFile);
    }
}
