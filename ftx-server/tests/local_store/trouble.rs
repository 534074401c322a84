//! Trouble of the server's own, as the legacy dialect meets it.

use std::fs;

use ftx_io::Executor;
use ftx_server::Descriptors;
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreErrorKind;
use tempfile::tempdir;

use crate::{ALL, MIB, begin_anew, config, content, kind, kind_of, name, offer, open, put, write};

#[tokio::test]
async fn an_upload_that_is_refused_or_given_up_leaves_no_directories() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let offered = offer(&store, "new/below/a").await;
    let begun = store
        .begin(&Executor::pool(), &name("new/below/a"), LegacyBegin::Anew(offered.offer), 1 << 60)
        .await;
    assert!(kind(&begun) == Some(StoreErrorKind::NoSpace), "{begun:?}");
    for len in [10, MIB] {
        let mut upload = begin_anew(&store, "new/below/a", len).await;
        write(&mut upload, &content(1, len)).await.unwrap();
        upload.suspend(&Executor::pool()).await.unwrap();
        drop(begin_anew(&store, "new/below/b", len).await);
    }
    assert!(!root.path().join("new").exists());
}

#[tokio::test]
async fn a_root_that_was_removed_or_replaced_is_noticed() {
    for is_made_again in [false, true] {
        let above = tempdir().unwrap();
        let root = above.path().join("root");
        let store = open(&root);
        put(&store, "a", b"hello").await;
        let small = begin_anew(&store, "small", 10).await;
        let mut upload = begin_anew(&store, "b", MIB).await;
        write(&mut upload, &content(1, MIB)).await.unwrap();
        fs::remove_dir_all(&root).unwrap();
        if is_made_again {
            fs::create_dir(&root).unwrap();
        }
        let errors = [
            store.offer_prefix(&Executor::pool(), &name("a"), ALL).await.err(),
            store.open_download(&Executor::pool(), &name("a")).await.err(),
            upload.publish(&Executor::pool()).await.err(),
            small.publish(&Executor::pool()).await.err(),
        ];
        for (at, error) in errors.into_iter().enumerate() {
            let is_told = error.as_ref().and_then(kind_of) == Some(StoreErrorKind::RootGone);
            assert!(is_told, "{at}: {error:?}");
        }
    }
}

#[tokio::test]
async fn without_descriptors_it_is_refused_for_now() {
    let root = tempdir().unwrap();
    let mut config = config(root.path());
    config.descriptors = Descriptors::of(128);
    let store = LocalStore::open(&config).unwrap();
    let mut uploads = Vec::new();
    let refused = loop {
        let file = name(&format!("{}", uploads.len()));
        let offered = store.offer_prefix(&Executor::pool(), &file, ALL).await.unwrap();
        match store
            .begin(&Executor::pool(), &file, LegacyBegin::Anew(offered.offer), MIB as u64)
            .await
        {
            Ok(upload) => uploads.push(upload),
            Err(error) => break error,
        }
        assert!(uploads.len() < 64);
    };
    assert!(kind_of(&refused) == Some(StoreErrorKind::Exhausted), "{refused:?}");
    put(&store, "small", b"hello").await;
    drop(store.open_download(&Executor::pool(), &name("small")).await.unwrap());
    uploads.pop().unwrap().suspend(&Executor::pool()).await.unwrap();
    begin_anew(&store, "again", MIB).await.suspend(&Executor::pool()).await.unwrap();
}
