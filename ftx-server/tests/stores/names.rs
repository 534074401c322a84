//! Names: metadata, listings, directories and removal.

use ftx_core::native::Reason;
use ftx_core::native::wire::EntryKind;
use ftx_server::store::{ListRequest, Refusal, Store};

use crate::{content, name, pool, upload};

crate::for_all_stores! {
    files_and_directories_have_entries,
    a_listing_has_every_name_in_order,
    pages_continue_each_other,
    a_removed_file_is_gone,
}

fn list(directory: Option<&str>, recursive: bool) -> ListRequest {
    let name = directory.map(name);
    ListRequest { name, recursive, after: None, limit: 100, bytes: 1 << 20 }
}

/// The names of a page. The store's order is that of the protocol.
async fn names<S: Store>(store: &S, list: ListRequest) -> Result<(Vec<String>, bool), Refusal> {
    let (page, _) = store.list(&pool(), list, None).await?;
    let names: Vec<_> = page.entries.iter().map(|listed| listed.raw_name()).collect();
    assert!(names.is_sorted(), "{names:?}");
    Ok((names.iter().map(|name| name.to_remote().unwrap().to_string()).collect(), page.more))
}

async fn tree<S: Store>(store: &S) {
    for (seed, file) in ["d/b", "d/a/x", "d.txt", "a"].into_iter().enumerate() {
        upload(store, file, &content(seed as u64, 10 + seed)).await;
    }
    store.make_directory(&pool(), &name("e/f")).await.unwrap();
}

async fn files_and_directories_have_entries<S: Store>(store: S) {
    tree(&store).await;
    for (text, kind, size) in [
        ("d/a/x", EntryKind::File, 11),
        ("d/a", EntryKind::Directory, 0),
        ("e", EntryKind::Directory, 0),
        ("e/f", EntryKind::Directory, 0),
    ] {
        let entry = store.stat(&pool(), &name(text)).await.unwrap();
        assert_eq!((entry.name, entry.kind, entry.size), (name(text), kind, size));
    }
    let missing = store.stat(&pool(), &name("d/c")).await.unwrap_err();
    assert_eq!(missing.reason, Reason::NotFound);
    for directory in ["a", "a/b"] {
        let refused = store.make_directory(&pool(), &name(directory)).await.unwrap_err();
        assert!(matches!(refused.reason, Reason::NotAFile | Reason::AlreadyExists), "{refused:?}");
    }
    // Again, it is there.
    store.make_directory(&pool(), &name("e/f")).await.unwrap();
    assert_eq!(
        store.open(&pool(), &name("d")).await.map(drop).unwrap_err().reason,
        Reason::NotAFile
    );
}

async fn a_listing_has_every_name_in_order<S: Store>(store: S) {
    tree(&store).await;
    let all = ["a", "d", "d/a", "d/a/x", "d/b", "d.txt", "e", "e/f"].map(str::to_owned);
    assert_eq!(names(&store, list(None, true)).await.unwrap().0, all);
    assert_eq!(names(&store, list(None, false)).await.unwrap().0, ["a", "d", "d.txt", "e"]);
    assert_eq!(names(&store, list(Some("d"), false)).await.unwrap().0, ["d/a", "d/b"]);
    assert_eq!(names(&store, list(Some("d"), true)).await.unwrap().0, ["d/a", "d/a/x", "d/b"]);
    assert!(names(&store, list(Some("e/f"), true)).await.unwrap().0.is_empty());
    for (directory, reason) in [("a", Reason::NotAFile), ("x", Reason::NotFound)] {
        assert_eq!(names(&store, list(Some(directory), true)).await.unwrap_err().reason, reason);
    }
}

async fn pages_continue_each_other<S: Store>(store: S) {
    tree(&store).await;
    let (mut found, mut after, mut cursor) = (Vec::new(), None, None);
    loop {
        let request = ListRequest { limit: 3, after: after.clone(), ..list(None, true) };
        let (page, next) = store.list(&pool(), request, cursor).await.unwrap();
        assert!(page.entries.len() <= 3);
        after = page.entries.last().map(|listed| listed.raw_name());
        found.extend(page.entries);
        // With the cursor, and without it.
        cursor = if found.len() == 3 { next } else { None };
        if !page.more {
            break;
        }
    }
    assert_eq!(found.len(), 8);
}

async fn a_removed_file_is_gone<S: Store>(store: S) {
    tree(&store).await;
    store.remove(&pool(), &name("d/b")).await.unwrap();
    for gone in ["d/b", "never"] {
        let refused = store.remove(&pool(), &name(gone)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::NotFound);
        assert_eq!(store.stat(&pool(), &name(gone)).await.unwrap_err().reason, Reason::NotFound);
    }
    assert_eq!(store.remove(&pool(), &name("d")).await.unwrap_err().reason, Reason::NotAFile);
    assert!(store.stat(&pool(), &name("d/a/x")).await.is_ok());
}
