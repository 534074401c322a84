//! Uploads in blocks: published, interrupted, resumed, taken over.

use ftx_core::native::Reason;
use ftx_core::native::blocks::BlockRange;
use ftx_server::store::{OpenedUpload, StagedUpload as _, Store, StoredFile as _, WorkProgress};

use crate::{
    MIB, blocks_of, content, digest, name, offer, pool, publish, read, upload, whole_granules,
    write,
};

crate::for_all_stores! {
    a_file_is_there_when_it_is_published,
    each_block_is_durable_with_its_granule,
    an_interrupted_upload_resumes,
    an_upload_that_is_dropped_is_kept,
    a_discarded_upload_leaves_nothing,
    the_own_upload_is_taken_over,
    an_upload_of_another_client_is_left_alone,
    the_fullest_of_several_stagings_is_resumed,
    a_failed_publish_keeps_the_old_version_and_the_staging,
    blocks_of_the_published_file_are_copied,
    the_same_file_again_is_unchanged,
    an_opened_version_stays_as_it_was,
}

/// More than one granule of eight blocks, and a short last block.
const LEN: usize = 9 * MIB + 5;

fn known<U>(opened: &OpenedUpload<U>) -> Vec<u64> {
    opened.staged.known_from(0).map(|(index, _)| index).collect()
}

async fn a_file_is_there_when_it_is_published<S: Store>(store: S) {
    for len in [0, 1, MIB, LEN] {
        let file = content(len as u64 + 1, len);
        let opened = offer(&store, "d/a", len, 1).await;
        assert!(known(&opened).is_empty());
        write::<S>(&opened.upload, &file, blocks_of(&file).rev()).await.unwrap();
        publish::<S>(&opened.upload, &file).await.unwrap();
        assert!(read(&store, "d/a").await == file, "{len} bytes");
    }
}

async fn each_block_is_durable_with_its_granule<S: Store>(store: S) {
    let file = content(1, LEN);
    let opened = offer(&store, "a", LEN, 1).await;
    let mut durable = Vec::new();
    for index in blocks_of(&file) {
        durable.extend(write::<S>(&opened.upload, &file, [index]).await.unwrap());
        let written: Vec<u64> = (0..=index).collect();
        assert_eq!(durable, whole_granules(store.granule().blocks(), &written, 10));
    }
    assert_eq!(durable, (0..10).collect::<Vec<_>>());
}

async fn an_interrupted_upload_resumes<S: Store>(store: S) {
    let file = content(1, LEN);
    let written = [0, 1, 2, 3, 4, 5, 6, 7, 9];
    let opened = offer(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &file, written).await.unwrap();
    opened.upload.end(&pool(), false).await.unwrap();
    assert!(store.open(&pool(), &name("a")).await.is_err());
    let opened = offer(&store, "a", LEN, 2).await;
    let staged = whole_granules(store.granule().blocks(), &written, 10);
    assert_eq!(known(&opened), staged);
    let rest = blocks_of(&file).filter(|index| !staged.contains(index));
    write::<S>(&opened.upload, &file, rest).await.unwrap();
    publish::<S>(&opened.upload, &file).await.unwrap();
    assert!(read(&store, "a").await == file);
    assert!(known(&offer(&store, "a", LEN, 3).await).is_empty());
}

/// Its driver may have panicked.
async fn an_upload_that_is_dropped_is_kept<S: Store>(store: S) {
    let file = content(1, LEN);
    let opened = offer(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &file, 0..8).await.unwrap();
    drop(opened);
    assert_eq!(known(&offer(&store, "a", LEN, 2).await), (0..8).collect::<Vec<_>>());
}

async fn a_discarded_upload_leaves_nothing<S: Store>(store: S) {
    let file = content(1, LEN);
    let opened = offer(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &file, 0..8).await.unwrap();
    opened.upload.end(&pool(), true).await.unwrap();
    assert!(known(&offer(&store, "a", LEN, 1).await).is_empty());
}

async fn the_own_upload_is_taken_over<S: Store>(store: S) {
    let file = content(1, LEN);
    let old = offer(&store, "a", LEN, 1).await;
    write::<S>(&old.upload, &file, 0..8).await.unwrap();
    let new = offer(&store, "a", LEN, 1).await;
    assert_eq!(known(&new), (0..8).collect::<Vec<_>>());
    let failed = write::<S>(&old.upload, &file, [8]).await.unwrap_err();
    assert_eq!(failed.reason, Reason::TakenOver);
    assert_eq!(publish::<S>(&old.upload, &file).await.unwrap_err().reason, Reason::TakenOver);
    // Nor does its end touch the staging.
    old.upload.end(&pool(), true).await.unwrap();
    drop(old);
    write::<S>(&new.upload, &file, 8..10).await.unwrap();
    publish::<S>(&new.upload, &file).await.unwrap();
    assert!(read(&store, "a").await == file);
}

async fn an_upload_of_another_client_is_left_alone<S: Store>(store: S) {
    let (one, other) = (content(1, LEN), content(2, LEN));
    let first = offer(&store, "a", LEN, 1).await;
    write::<S>(&first.upload, &one, 0..8).await.unwrap();
    let second = offer(&store, "a", LEN, 2).await;
    assert!(known(&second).is_empty());
    write::<S>(&second.upload, &other, 0..10).await.unwrap();
    publish::<S>(&second.upload, &other).await.unwrap();
    write::<S>(&first.upload, &one, 8..10).await.unwrap();
    assert!(read(&store, "a").await == other);
    publish::<S>(&first.upload, &one).await.unwrap();
    assert!(read(&store, "a").await == one);
}

async fn the_fullest_of_several_stagings_is_resumed<S: Store>(store: S) {
    let len = 24 * MIB;
    let file = content(1, len);
    let mut uploads = Vec::new();
    for (run, blocks) in [(1, 0..8), (2, 8..24), (3, 16..24)] {
        let opened = offer(&store, "a", len, run).await;
        write::<S>(&opened.upload, &file, blocks).await.unwrap();
        uploads.push(opened.upload);
    }
    // More of it, but of another size.
    let larger = content(9, len + MIB);
    let opened = offer(&store, "a", larger.len(), 4).await;
    write::<S>(&opened.upload, &larger, 0..25).await.unwrap();
    uploads.push(opened.upload);
    for upload in uploads {
        upload.end(&pool(), false).await.unwrap();
    }
    assert_eq!(known(&offer(&store, "a", len, 5).await), (8..24).collect::<Vec<_>>());
}

async fn a_failed_publish_keeps_the_old_version_and_the_staging<S: Store>(store: S) {
    let old = content(1, LEN);
    upload(&store, "a", &old).await;
    let new = content(2, LEN);
    let opened = offer(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &new, 0..8).await.unwrap();
    let stopped = WorkProgress::default();
    stopped.stop();
    let copy = vec![BlockRange { first: 8, count: 2 }];
    let failed = opened.upload.publish(&pool(), copy, digest(&new), stopped).await.unwrap_err();
    assert_eq!(failed.reason, Reason::ShuttingDown);
    // Published too early, and as another file.
    let opened = offer(&store, "a", LEN, 1).await;
    assert_eq!(known(&opened), (0..8).collect::<Vec<_>>());
    assert!(publish::<S>(&opened.upload, &new).await.is_err());
    let opened = offer(&store, "a", LEN, 1).await;
    write::<S>(&opened.upload, &new, 8..10).await.unwrap();
    let failed = publish::<S>(&opened.upload, &content(3, LEN)).await.unwrap_err();
    assert_eq!(failed.reason, Reason::DigestMismatch);
    assert!(read(&store, "a").await == old);
    let opened = offer(&store, "a", LEN, 1).await;
    assert_eq!(known(&opened), (0..10).collect::<Vec<_>>());
    publish::<S>(&opened.upload, &new).await.unwrap();
    assert!(read(&store, "a").await == new);
}

async fn blocks_of_the_published_file_are_copied<S: Store>(store: S) {
    let old = content(1, LEN);
    upload(&store, "a", &old).await;
    let mut new = old.clone();
    new[0] ^= 1;
    let opened = offer(&store, "a", LEN, 1).await;
    let published = opened.published.as_ref().unwrap();
    assert_eq!((1..10).map(|index| published.get(index)).collect::<Vec<_>>(), {
        (1..10).map(|index| Some(crate::cv(&old, index))).collect::<Vec<_>>()
    });
    // A whole granule, though only its first block differs.
    write::<S>(&opened.upload, &new, 0..8).await.unwrap();
    let copy = vec![BlockRange { first: 8, count: 2 }];
    let published =
        opened.upload.publish(&pool(), copy, digest(&new), WorkProgress::default()).await;
    assert!(!published.unwrap());
    assert!(read(&store, "a").await == new);
}

async fn the_same_file_again_is_unchanged<S: Store>(store: S) {
    let file = content(1, LEN);
    upload(&store, "a", &file).await;
    let opened = offer(&store, "a", LEN, 1).await;
    let copy = vec![BlockRange { first: 0, count: 10 }];
    let published =
        opened.upload.publish(&pool(), copy, digest(&file), WorkProgress::default()).await;
    assert!(published.unwrap());
    assert!(read(&store, "a").await == file);
}

async fn an_opened_version_stays_as_it_was<S: Store>(store: S) {
    let (old, new) = (content(1, MIB), content(2, LEN));
    upload(&store, "a", &old).await;
    let opened = store.open(&pool(), &name("a")).await.unwrap();
    assert!(opened.is_current(&pool()).await);
    upload(&store, "a", &new).await;
    assert!(!opened.is_current(&pool()).await);
    assert!(opened.read(&pool(), 0, MIB, Vec::new()).await.unwrap() == old);
    let now = store.open(&pool(), &name("a")).await.unwrap();
    assert_ne!(now.version(), opened.version());
    // No byte beyond the end.
    assert!(now.read(&pool(), LEN as u64 - 5, 6, Vec::new()).await.is_err());
}
