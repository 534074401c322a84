//! Several connections and one name.

use std::time::Duration;

use ftx_io::Executor;
use ftx_server::store::local::LocalUpload;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreErrorKind;
use tempfile::tempdir;

use crate::{
    MIB, assert_file, assert_offers_start_of, begin_anew, config, content, finish, finish_from,
    interrupted, kind, kind_of, name, offer, open, open_with, put, staged_files, write,
};

#[tokio::test]
async fn the_last_of_two_writers_to_end_wins() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for (a_len, b_len) in [(MIB, 2 * MIB), (1000, MIB), (MIB, 1000), (500, 600)] {
        let (a, b) = (content(1, a_len), content(2, b_len));
        let mut first = begin_anew(&store, "a.bin", a_len).await;
        let mut second = begin_anew(&store, "a.bin", b_len).await;
        let half = (a_len / 2, b_len / 2);
        write(&mut first, &a[..half.0]).await.unwrap();
        write(&mut second, &b[..half.1]).await.unwrap();
        write(&mut first, &a[half.0..]).await.unwrap();
        first.publish(&Executor::pool()).await.unwrap();
        assert_file(root.path(), "a.bin", &a);
        write(&mut second, &b[half.1..]).await.unwrap();
        assert_file(root.path(), "a.bin", &a);
        second.publish(&Executor::pool()).await.unwrap();
        assert_file(root.path(), "a.bin", &b);
        assert_eq!(staged_files(root.path()), [""; 0]);
    }
}

#[tokio::test]
async fn concurrent_writers_leave_one_intact_file() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for round in 0..20 {
        let contents: Vec<_> =
            (1..=6).map(|seed| content(seed, 100_000 * usize::try_from(seed).unwrap())).collect();
        let tasks: Vec<_> = contents
            .iter()
            .cloned()
            .map(|bytes| {
                let store = store.clone();
                tokio::spawn(async move {
                    put(&store, "d/a.bin", &bytes).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let found = std::fs::read(root.path().join("d/a.bin")).unwrap();
        assert!(contents.contains(&found), "round {round}: {} bytes", found.len());
        assert_eq!(staged_files(root.path()), [""; 0], "round {round}");
    }
}

#[tokio::test]
async fn a_client_that_resumes_takes_nothing_from_a_concurrent_writer() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 2 * MIB);
    let mut first = begin_anew(&store, "a.bin", bytes.len()).await;
    write(&mut first, &bytes[..MIB]).await.unwrap();
    let offered = offer(&store, "a.bin").await;
    let from = assert_offers_start_of(&offered, &bytes);
    assert!(from > 0);
    // It is alive.
    write(&mut first, &bytes[MIB..MIB + 1]).await.unwrap();
    let begin = LegacyBegin::Resume(offered.offer);
    let len = (bytes.len() - from) as u64;
    let mut second = store.begin(&Executor::pool(), &name("a.bin"), begin, len).await.unwrap();
    write(&mut first, &bytes[MIB + 1..MIB + 500_000]).await.unwrap();
    write(&mut second, &bytes[from..]).await.unwrap();
    second.publish(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes);
    write(&mut first, &bytes[MIB + 500_000..]).await.unwrap();
    first.publish(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

/// Operations open to a writer whose staging was taken over.
const ENDS: [&str; 4] = ["write", "publish", "suspend", "drop"];

#[tokio::test]
async fn a_silent_writer_is_superseded_and_can_do_no_harm() {
    let root = tempdir().unwrap();
    let mut config = config(root.path());
    // Everybody counts as silent.
    config.legacy_takeover_after = Duration::ZERO;
    let store = open_with(&config);
    let bytes = content(1, 2 * MIB);
    let mut writers = Vec::new();
    for end in ENDS {
        let mut old = begin_anew(&store, end, bytes.len()).await;
        write(&mut old, &bytes[..MIB]).await.unwrap();
        writers.push(old);
    }
    for (end, old) in ENDS.into_iter().zip(writers) {
        let offered = offer(&store, end).await;
        let from = assert_offers_start_of(&offered, &bytes);
        assert_eq!(from, MIB - 1);
        let files = staged_files(root.path());
        let len = (bytes.len() - from) as u64;
        let mut new = store
            .begin(&Executor::pool(), &name(end), LegacyBegin::Resume(offered.offer), len)
            .await
            .unwrap();
        assert_eq!(staged_files(root.path()), files, "it was not taken over but copied");
        write(&mut new, &bytes[from..from + 300_000]).await.unwrap();
        end_superseded(end, old).await;
        assert!(!root.path().join(end).exists(), "{end}");
        write(&mut new, &bytes[from + 300_000..]).await.unwrap();
        new.publish(&Executor::pool()).await.unwrap();
        assert_file(root.path(), end, &bytes);
    }
    assert_eq!(staged_files(root.path()), [""; 0]);
}

async fn end_superseded(end: &str, mut old: LocalUpload) {
    match end {
        "write" => {
            let mut failed = None;
            // The first chunks may still be in flight when their failure is reported.
            for _ in 0..10 {
                failed = failed.or(old.write(&Executor::pool(), content(2, 50_000)).await.err());
            }
            let kind = failed.as_ref().and_then(kind_of);
            assert!(kind == Some(StoreErrorKind::InUse), "{failed:?}");
            drop(old.suspend(&Executor::pool()).await.unwrap_err());
        }
        "publish" => {
            let _ = old.write(&Executor::pool(), content(2, 50_000)).await;
            let failed = old.publish(&Executor::pool()).await;
            assert!(kind(&failed) == Some(StoreErrorKind::InUse), "{failed:?}");
        }
        "suspend" => drop(old.suspend(&Executor::pool()).await.unwrap_err()),
        _ => drop(old),
    }
}

#[tokio::test]
async fn two_clients_resume_the_same_staging() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 2 * MIB);
    interrupted(&store, "a.bin", &bytes, MIB).await;
    let (one, other) = (offer(&store, "a.bin").await, offer(&store, "a.bin").await);
    let from = assert_offers_start_of(&one, &bytes);
    assert_eq!(assert_offers_start_of(&other, &bytes), from);
    let len = (bytes.len() - from) as u64;
    let mut first = store
        .begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(one.offer), len)
        .await
        .unwrap();
    let mut second = store
        .begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(other.offer), len)
        .await
        .unwrap();
    for piece in bytes[from..].chunks(70_000) {
        write(&mut first, piece).await.unwrap();
        write(&mut second, piece).await.unwrap();
    }
    first.publish(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes);
    second.publish(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn an_offer_of_a_staging_published_meanwhile_is_gone() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 2 * MIB);
    interrupted(&store, "a.bin", &bytes, MIB).await;
    let late = offer(&store, "a.bin").await;
    finish(&store, "a.bin", &bytes).await;
    let begun = store
        .begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(late.offer), MIB as u64)
        .await;
    assert!(kind(&begun) == Some(StoreErrorKind::Changed), "{begun:?}");
    assert_file(root.path(), "a.bin", &bytes);
}

#[tokio::test]
async fn an_offer_of_a_writer_that_went_on_is_still_good() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 3 * MIB);
    let mut first = begin_anew(&store, "a.bin", bytes.len()).await;
    write(&mut first, &bytes[..MIB]).await.unwrap();
    let offered = offer(&store, "a.bin").await;
    write(&mut first, &bytes[MIB..2 * MIB]).await.unwrap();
    first.suspend(&Executor::pool()).await.unwrap();
    finish_from(&store, "a.bin", &bytes, offered).await;
    assert_file(root.path(), "a.bin", &bytes);
    assert_eq!(staged_files(root.path()), [""; 0]);
}
