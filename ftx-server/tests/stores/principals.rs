//! Stagings of different principals.

use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;
use ftx_server::Principal;
use ftx_server::store::{
    LegacyBegin, LegacyStore, LegacyUpload as _, Naming, StagedUpload as _, Store, UploadOffer,
    WorkProgress,
};

use crate::small::small;
use crate::{MIB, content, name, offer, offer_of, pool, publish, read, upload, write};

crate::for_all_stores! {
    an_interrupted_upload_is_resumed_by_its_principal_only,
    an_open_upload_is_taken_over_by_its_principal_only,
    publishing_discards_stagings_of_its_principal_only,
    the_first_free_name_resumes_stagings_of_its_principal_only,
    users_and_legacy_clients_leave_each_other_their_stagings,
    clients_without_a_proof_end_stagings_of_both_dialects,
    all_principals_see_the_same_files,
}

const LEN: usize = 8 * MIB;

fn principals() -> [Principal; 4] {
    [Principal::user("alice"), Principal::user("bob"), Principal::Anonymous, Principal::Legacy]
}

/// Each principal has the same blocks to offer, and its own bytes.
async fn an_interrupted_upload_is_resumed_by_its_principal_only<S: Store>(store: S) {
    for (seed, principal) in (1..).zip(principals()) {
        let store = store.for_principal(&principal);
        // Of the same run, as a client that guesses it could say.
        let opened = offer(&store, "a", LEN, 1).await;
        assert_eq!(opened.staged.known(), 0, "{principal}");
        write::<S>(&opened.upload, &content(seed, LEN), 0..8).await.unwrap();
        opened.upload.end(&pool(), false).await.unwrap();
    }
    for (seed, principal) in (1..).zip(principals()) {
        let store = store.for_principal(&principal);
        let opened = offer(&store, "a", LEN, 2).await;
        assert_eq!(opened.staged.known(), 8, "{principal}");
        assert_eq!(opened.staged.get(0), Some(crate::cv(&content(seed, LEN), 0)));
        opened.upload.end(&pool(), true).await.unwrap();
    }
}

async fn an_open_upload_is_taken_over_by_its_principal_only<S: Store>(store: S) {
    let [alice, bob, ..] = principals().map(|principal| store.for_principal(&principal));
    let file = content(1, LEN);
    let first = offer(&alice, "a", LEN, 1).await;
    write::<S>(&first.upload, &file, 0..8).await.unwrap();
    let other = offer(&bob, "a", LEN, 1).await;
    assert_eq!(other.staged.known(), 0);
    other.upload.end(&pool(), true).await.unwrap();
    let second = offer(&alice, "a", LEN, 1).await;
    assert_eq!(second.staged.known(), 8);
    let lost = publish::<S>(&first.upload, &file).await.unwrap_err();
    assert_eq!(lost.reason, Reason::TakenOver);
    publish::<S>(&second.upload, &file).await.unwrap();
    assert!(read(&bob, "a").await == file);
}

async fn publishing_discards_stagings_of_its_principal_only<S: Store>(store: S) {
    let [alice, bob, ..] = principals().map(|principal| store.for_principal(&principal));
    let file = content(1, LEN);
    for store in [&alice, &bob] {
        let opened = offer(store, "a", LEN, 1).await;
        write::<S>(&opened.upload, &file, 0..8).await.unwrap();
        opened.upload.end(&pool(), false).await.unwrap();
    }
    let staged = async |store: &S| {
        let opened = offer(store, "a", LEN, 1).await;
        opened.upload.end(&pool(), false).await.unwrap();
        opened.staged.known()
    };
    bob.put(&pool(), vec![small("a", &content(2, 10), Overwrite::Replace)]).await;
    assert_eq!((staged(&alice).await, staged(&bob).await), (8, 0));
    upload(&bob, "a", &content(3, 1000)).await;
    assert_eq!(staged(&alice).await, 8);
    upload(&alice, "a", &content(4, 1000)).await;
    assert_eq!(staged(&alice).await, 0);
}

async fn the_first_free_name_resumes_stagings_of_its_principal_only<S: Store>(store: S) {
    let [alice, bob, ..] = principals().map(|principal| store.for_principal(&principal));
    let file = content(1, LEN);
    let free =
        || UploadOffer { naming: Naming::FirstFree, ..offer_of("a", LEN, Overwrite::Replace, 1) };
    let opened = alice.offer(&pool(), free(), WorkProgress::default()).await.unwrap();
    write::<S>(&opened.upload, &file, 0..8).await.unwrap();
    opened.upload.end(&pool(), false).await.unwrap();
    let opened = bob.offer(&pool(), free(), WorkProgress::default()).await.unwrap();
    assert_eq!(opened.staged.known(), 0);
    opened.upload.end(&pool(), true).await.unwrap();
    let opened = alice.offer(&pool(), free(), WorkProgress::default()).await.unwrap();
    assert_eq!(opened.staged.known(), 8);
    publish::<S>(&opened.upload, &file).await.unwrap();
    assert!(read(&bob, "a").await == file);
}

async fn users_and_legacy_clients_leave_each_other_their_stagings<S: Store + LegacyStore>(
    store: S,
) {
    const ALL: u64 = i64::MAX as u64;
    let [alice, ..] = principals().map(|principal| store.for_principal(&principal));
    let (native, legacy) = (content(1, LEN), content(2, MIB));
    let opened = offer(&alice, "a", LEN, 1).await;
    write::<S>(&opened.upload, &native, 0..8).await.unwrap();
    opened.upload.end(&pool(), false).await.unwrap();
    let suspend_legacy = async || {
        let offered = store.offer_prefix(&pool(), &name("a"), ALL).await.unwrap().offer;
        let begin = LegacyBegin::Anew(offered);
        let mut upload =
            store.begin(&pool(), &name("a"), begin, legacy.len() as u64).await.unwrap();
        for chunk in legacy[..MIB / 2].chunks(100_000) {
            upload.write(&pool(), chunk.to_vec()).await.unwrap();
        }
        upload
    };
    // A legacy client publishes: the native staging stays.
    let mut whole = suspend_legacy().await;
    for chunk in legacy[MIB / 2..].chunks(100_000) {
        whole.write(&pool(), chunk.to_vec()).await.unwrap();
    }
    whole.publish(&pool()).await.unwrap();
    let opened = offer(&alice, "a", LEN, 1).await;
    assert_eq!(opened.staged.known(), 8);
    // A native client publishes: the legacy staging stays.
    suspend_legacy().await.suspend(&pool()).await.unwrap();
    publish::<S>(&opened.upload, &native).await.unwrap();
    let offered = store.offer_prefix(&pool(), &name("a"), ALL).await.unwrap();
    let held = offered.held.unwrap();
    assert!(!offered.published && held.len < MIB as u64, "{held:?}");
}

async fn clients_without_a_proof_end_stagings_of_both_dialects<S: Store + LegacyStore>(store: S) {
    let [_, bob, anonymous, legacy] = principals().map(|principal| store.for_principal(&principal));
    let file = content(1, LEN);
    for (store, publisher) in
        [(&anonymous, &legacy), (&legacy, &anonymous), (&anonymous, &anonymous)]
    {
        for (seed, publisher, stays) in [(2, &bob, 8), (3, publisher, 0)] {
            let opened = offer(store, "a", LEN, 1).await;
            write::<S>(&opened.upload, &file, 0..8).await.unwrap();
            opened.upload.end(&pool(), false).await.unwrap();
            upload(publisher, "a", &content(seed, 1000)).await;
            assert_eq!(offer(store, "a", LEN, 1).await.staged.known(), stays);
        }
    }
}

async fn all_principals_see_the_same_files<S: Store>(store: S) {
    for (seed, principal) in (1..).zip(principals()) {
        let file = content(seed, 1000);
        upload(&store.for_principal(&principal), "a", &file).await;
        for other in principals() {
            assert!(read(&store.for_principal(&other), "a").await == file);
        }
    }
}
