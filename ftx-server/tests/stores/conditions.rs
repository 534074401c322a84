//! Conditions of uploads: the version to replace, and room.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Meta, Mtime, Overwrite};
use ftx_server::store::{ExpectedVersion, Store, StoredFile as _, WorkProgress};

use crate::{content, digest, name, offer_of, pool, publish, read, upload, write};

crate::for_all_stores! {
    a_file_in_the_way_refuses_an_offer,
    only_the_expected_version_is_replaced,
    conditions_hold_until_the_file_is_published,
    there_is_no_room_for_any_size,
    an_expected_version_is_confirmed,
}

const LEN: usize = 1000;

async fn reason<S: Store>(store: &S, file: &str, size: usize, overwrite: Overwrite) -> Reason {
    let offer = offer_of(file, size, overwrite, 1);
    store.offer(&pool(), offer, WorkProgress::default()).await.map(drop).unwrap_err().reason
}

async fn a_file_in_the_way_refuses_an_offer<S: Store>(store: S) {
    upload(&store, "d/a", &content(1, LEN)).await;
    assert_eq!(reason(&store, "d/a", LEN, Overwrite::Fail).await, Reason::AlreadyExists);
    // A directory, and something below a file.
    for file in ["d", "d/a/b"] {
        assert_eq!(reason(&store, file, LEN, Overwrite::Replace).await, Reason::NotAFile, "{file}");
    }
}

async fn only_the_expected_version_is_replaced<S: Store>(store: S) {
    let (old, new) = (content(1, LEN), content(2, LEN));
    let expects = |file: &[u8]| Overwrite::IfUnchanged(digest(file));
    assert_eq!(reason(&store, "a", LEN, expects(&old)).await, Reason::PreconditionFailed);
    upload(&store, "a", &old).await;
    assert_eq!(reason(&store, "a", LEN, expects(&new)).await, Reason::PreconditionFailed);
    let offer = offer_of("a", LEN, expects(&old), 1);
    let opened = store.offer(&pool(), offer, WorkProgress::default()).await.unwrap();
    write::<S>(&opened.upload, &new, [0]).await.unwrap();
    publish::<S>(&opened.upload, &new).await.unwrap();
    assert!(read(&store, "a").await == new);
}

async fn conditions_hold_until_the_file_is_published<S: Store>(store: S) {
    let (old, mine, other) = (content(1, LEN), content(2, LEN), content(3, LEN));
    upload(&store, "b", &old).await;
    for (file, overwrite, reason) in [
        ("a", Overwrite::Fail, Reason::AlreadyExists),
        ("b", Overwrite::IfUnchanged(digest(&old)), Reason::PreconditionFailed),
    ] {
        let offer = offer_of(file, LEN, overwrite, 1);
        let opened = store.offer(&pool(), offer, WorkProgress::default()).await.unwrap();
        write::<S>(&opened.upload, &mine, [0]).await.unwrap();
        upload(&store, file, &other).await;
        assert_eq!(publish::<S>(&opened.upload, &mine).await.unwrap_err().reason, reason);
        assert!(read(&store, file).await == other);
    }
}

async fn there_is_no_room_for_any_size<S: Store>(store: S) {
    for size in [usize::MAX, usize::MAX / 2] {
        assert_eq!(reason(&store, "a", size, Overwrite::Replace).await, Reason::NoSpace);
    }
    assert!(store.open(&pool(), &name("a")).await.is_err());
}

async fn an_expected_version_is_confirmed<S: Store>(store: S) {
    let file = content(1, LEN);
    let meta = Meta { mtime: Mtime::new(1_700_000_000, 0), ..Meta::default() };
    let expected = |file: &[u8]| ExpectedVersion {
        name: name("a"),
        size: file.len() as u64,
        meta,
        digest: digest(file),
    };
    let confirm = async |file: &[u8]| {
        store.confirm(&pool(), expected(file), WorkProgress::default()).await.unwrap()
    };
    assert!(!confirm(&file).await);
    upload(&store, "a", &file).await;
    assert!(!confirm(&content(2, LEN)).await);
    assert!(confirm(&file).await);
    let opened = store.open(&pool(), &name("a")).await.unwrap();
    assert_eq!(opened.meta().mtime, meta.mtime);
}
