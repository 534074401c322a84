//! When the store makes an offer, and of which bytes.

use std::fs;

use ftx_io::Executor;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreErrorKind;
use tempfile::tempdir;

use crate::{
    MIB, assert_file, begin_anew, content, finish, kind, name, offer, open, put, staged_files,
    write,
};

#[tokio::test]
async fn nothing_is_offered_of_a_missing_or_empty_file() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    assert_eq!(offer(&store, "no/such/file").await.held, None);
    put(&store, "empty", b"").await;
    assert_eq!(offer(&store, "empty").await.held, None);
    let mut upload = begin_anew(&store, "begun", MIB).await;
    assert_eq!(offer(&store, "begun").await.held, None);
    write(&mut upload, b"").await.unwrap();
    upload.suspend(&Executor::pool()).await.unwrap();
    assert_eq!(offer(&store, "begun").await.held, None);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn the_staging_that_got_furthest_is_offered() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let (one, other) = (content(1, MIB), content(2, MIB));
    // Both begin before either has anything to offer.
    let mut first = begin_anew(&store, "a.bin", MIB).await;
    let mut second = begin_anew(&store, "a.bin", MIB).await;
    write(&mut first, &one[..300_000]).await.unwrap();
    write(&mut second, &other[..500_000]).await.unwrap();
    first.suspend(&Executor::pool()).await.unwrap();
    second.suspend(&Executor::pool()).await.unwrap();
    let from = finish(&store, "a.bin", &other).await;
    assert_eq!(from, 499_999);
    assert_file(root.path(), "a.bin", &other);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn a_file_that_changed_after_the_offer_is_not_resumed() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let path = root.path().join("a.bin");
    type Change = fn(&std::path::Path);
    let changes: [(&str, Change); 3] = [
        ("written to", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, b"x", 5).unwrap();
        }),
        ("cut", |path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(10).unwrap();
        }),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), content(9, 300_000)).unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
    ];
    for (what, change) in changes {
        fs::write(&path, content(1, 300_000)).unwrap();
        let offered = offer(&store, "a.bin").await;
        assert!(offered.published);
        change(&path);
        let begun = store
            .begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(offered.offer), 10)
            .await;
        assert!(kind(&begun) == Some(StoreErrorKind::Changed), "{what}: {begun:?}");
    }
    assert_eq!(staged_files(root.path()), [""; 0]);
}
