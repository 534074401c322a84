//! Drop boxes: files go in, and nothing comes out.

use super::asked::{offer_of, upload};
use super::*;

fn drop_box(inner: &MemStore) -> ScopedStore<MemStore> {
    scoped(inner.clone(), scope(&[("d/", Rights::CREATE)]))
}

#[tokio::test]
async fn a_taken_name_gets_a_number() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"old").await.unwrap();
    let store = drop_box(&inner);
    assert_eq!(put(&store, "d/a", b"second").await, Ok(PutOutcome::Stored));
    for overwrite in [Overwrite::Replace, Overwrite::Fail] {
        let told = upload(&store, offer_of("d/a", 3, overwrite), b"new").await;
        assert_eq!(told, Ok(false), "{overwrite:?}");
    }
    for (file, bytes) in
        [("d/a", &b"old"[..]), ("d/a~2", b"second"), ("d/a~3", b"new"), ("d/a~4", b"new")]
    {
        assert_eq!(inner.bytes(&name(file)).unwrap(), bytes, "{file}");
    }
}

/// *Create* and *replace* without sight: only a client that asks not to replace gets another name.
#[tokio::test]
async fn a_blind_writer_replaces_what_it_asks_to() {
    let inner = MemStore::new();
    let store = scoped(inner.clone(), scope(&[("d/", Rights::CREATE | Rights::REPLACE)]));
    for bytes in [b"old", b"new"] {
        assert_eq!(put(&store, "d/a", bytes).await, Ok(PutOutcome::Stored));
    }
    let keeps = SmallFile { overwrite: Overwrite::Fail, ..small("d/a", b"other") };
    let put = store.put(&pool(), vec![keeps]).await;
    assert_eq!(put, [Ok(PutOutcome::Stored)]);
    assert_eq!(inner.bytes(&name("d/a")).unwrap(), b"new");
    assert_eq!(inner.bytes(&name("d/a~2")).unwrap(), b"other");
}

#[tokio::test]
async fn its_user_meets_an_empty_server() {
    let inner = MemStore::new();
    let store = drop_box(&inner);
    put(&store, "d/a", b"x").await.unwrap();
    let list = |name| ListRequest { name, recursive: true, after: None, limit: 9, bytes: 1 << 20 };
    let (page, _) = store.list(&pool(), list(None), None).await.unwrap();
    assert!(page.entries.is_empty() && !page.more);
    let refused = store.list(&pool(), list(Some(name("d"))), None).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NotFound);
    for file in ["d", "d/a"] {
        let refused = store.stat(&pool(), &name(file)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::NotFound);
    }
    let check = SmallFile { data: SmallData::Expected(1), ..small("d/a", b"x") };
    assert_eq!(store.put(&pool(), vec![check]).await, [Ok(PutOutcome::Wanted)]);
}
