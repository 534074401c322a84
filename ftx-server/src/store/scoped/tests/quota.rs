//! Quotas and the largest file.

use std::time::Duration;

use ftx_core::native::wire::Token;

use super::asked::{offer_of, upload, write};
use super::counted::CountedStore;
use super::*;
use crate::access::LegacyPolicy;
use crate::store::legacy::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use crate::store::{StagedUpload as _, UploadOwner};

const QUOTA_BYTES: u64 = 100;

fn limited(paths: &[(&str, Rights)]) -> Scope {
    Scope { quota_bytes: Some(QUOTA_BYTES), ..scope(paths) }
}

fn with_quota(inner: MemStore) -> ScopedStore<MemStore> {
    scoped(inner, limited(&[("", Rights::LIST), ("d/", Rights::all())]))
}

fn reason<T>(answer: Result<T, Refusal>) -> Option<Reason> {
    answer.err().map(|refusal| refusal.reason)
}

async fn offer<S: Store>(
    store: &ScopedStore<S>,
    file: &str,
    size: u64,
    run: u8,
) -> Result<OpenedUpload<ScopedStaging<S>>, Refusal> {
    let owner = Some(UploadOwner::Run(Token([run; 16])));
    let offer = UploadOffer { owner, ..offer_of(file, size, Overwrite::Replace) };
    store.offer(&pool(), offer, WorkProgress::default()).await
}

/// How many more bytes fit.
async fn free<S: Store>(store: &ScopedStore<S>) -> u64 {
    for size in (0..=QUOTA_BYTES).rev() {
        if let Ok(opened) = offer(store, "d/probe", size, 200).await {
            opened.upload.end(&pool(), true).await.unwrap();
            return size;
        }
    }
    panic!("not even an empty file fits");
}

#[tokio::test]
async fn files_count_where_the_principal_may_create_some() {
    let inner = MemStore::new();
    for (file, len) in [("d/a", 10), ("d/sub/b", 20), ("d/closed/c", 50), ("e/x", 60), ("f/y", 5)] {
        put(&inner, file, &vec![0; len]).await.unwrap();
    }
    let closed = ("d/closed/", Rights::READ);
    let store = scoped(inner, limited(&[("d/", Rights::all()), closed, ("f/", Rights::CREATE)]));
    assert_eq!(free(&store).await, QUOTA_BYTES - 10 - 20 - 5);
}

#[tokio::test]
async fn a_file_that_exceeds_the_quota_is_refused() {
    let inner = MemStore::new();
    put(&inner, "d/a", &[0; 60]).await.unwrap();
    let store = with_quota(inner.clone());
    let refused = put(&store, "d/b", &[1; 41]).await.unwrap_err();
    assert_eq!(refused.reason, Reason::QuotaExceeded);
    for part in ["\"d/b\" has 41 B", "60 B of your quota of 100 B", "remove files"] {
        assert!(refused.message.contains(part), "{}", refused.message);
    }
    assert_eq!(reason(offer(&store, "d/b", 41, 1).await), Some(Reason::QuotaExceeded));
    assert_eq!(inner.bytes(&name("d/b")), None);
    put(&store, "d/b", &[1; 40]).await.unwrap();
    assert_eq!(free(&store).await, 0);
    store.remove(&pool(), &name("d/a")).await.unwrap();
    assert_eq!(free(&store).await, 60);
}

#[tokio::test]
async fn uploads_at_once_do_not_pass_the_quota_together() {
    let store = with_quota(MemStore::new());
    let first = offer(&store, "d/a", 60, 1).await.unwrap();
    assert_eq!(reason(offer(&store, "d/b", 60, 2).await), Some(Reason::QuotaExceeded));
    assert_eq!(reason(put(&store, "d/b", &[1; 60]).await), Some(Reason::QuotaExceeded));
    // Another view of the same user, as that of another connection.
    let other = store.for_principal(&Principal::user("alice"));
    assert_eq!(reason(offer(&other, "d/b", 60, 2).await), Some(Reason::QuotaExceeded));
    first.upload.end(&pool(), false).await.unwrap();
    let second = offer(&store, "d/b", 60, 2).await.unwrap();
    drop(second);
    assert_eq!(free(&store).await, QUOTA_BYTES);
    upload(&store, offer_of("d/c", 70, Overwrite::Replace), &[3; 70]).await.unwrap();
    drop(first);
    assert_eq!(free(&store).await, 30);
}

#[tokio::test]
async fn each_file_of_a_batch_counts() {
    let store = with_quota(MemStore::new());
    let files = ["d/a", "d/b", "d/a", "d/c"].map(|file| small(file, &[4; 40]));
    let put = store.put(&pool(), files.to_vec()).await;
    let reasons: Vec<_> = put.into_iter().map(reason).collect();
    assert_eq!(reasons, [None, None, None, Some(Reason::QuotaExceeded)]);
    assert_eq!(free(&store).await, 20);
}

#[tokio::test]
async fn a_replaced_file_makes_room() {
    let store = with_quota(MemStore::new());
    put(&store, "d/a", &[1; 80]).await.unwrap();
    put(&store, "d/a", &[2; 90]).await.unwrap();
    assert_eq!(free(&store).await, 10);
    // Nothing is stored, and nothing becomes free.
    assert_eq!(put(&store, "d/a", &[2; 90]).await, Ok(PutOutcome::Unchanged));
    assert_eq!(free(&store).await, 10);
    upload(&store, offer_of("d/a", 30, Overwrite::Replace), &[3; 30]).await.unwrap();
    assert_eq!(free(&store).await, 70);
}

/// The room of the older file was counted on, and is taken by another one meanwhile.
#[tokio::test]
async fn room_that_is_gone_at_the_end_is_missed_then() {
    let store = with_quota(MemStore::new());
    put(&store, "d/a", &[1; 80]).await.unwrap();
    let opened = offer(&store, "d/a", 90, 1).await.unwrap();
    let bytes = [2; 90];
    write::<ScopedStore<MemStore>>(&opened.upload, &bytes).await.unwrap();
    store.remove(&pool(), &name("d/a")).await.unwrap();
    put(&store, "d/b", &[3; 20]).await.unwrap();
    let digest = Digest::of(&bytes);
    let (pool, progress) = (pool(), WorkProgress::default());
    let published = opened.upload.publish(&pool, Vec::new(), digest, progress).await;
    assert_eq!(reason(published), Some(Reason::QuotaExceeded));
}

#[tokio::test(start_paused = true)]
async fn files_are_counted_anew_after_a_while() {
    let inner = MemStore::new();
    let store = with_quota(inner.clone());
    assert_eq!(free(&store).await, QUOTA_BYTES);
    // By another program.
    put(&inner, "d/a", &[1; 30]).await.unwrap();
    tokio::time::advance(Duration::from_secs(9 * 60)).await;
    assert_eq!(free(&store).await, QUOTA_BYTES);
    tokio::time::advance(Duration::from_secs(2 * 60)).await;
    assert_eq!(free(&store).await, 70);
}

#[tokio::test]
async fn new_grants_count_other_files() {
    let inner = MemStore::new();
    put(&inner, "e/a", &[1; 30]).await.unwrap();
    let access = Access::new(policy(limited(&[("d/", Rights::all())])));
    let store = ScopedStore::new(inner, access.clone());
    let store = store.for_principal(&Principal::user("alice"));
    assert_eq!(free(&store).await, QUOTA_BYTES);
    access.replace(policy(limited(&[("d/", Rights::all()), ("e/", Rights::all())])));
    assert_eq!(free(&store).await, 70);
}

#[tokio::test]
async fn who_may_not_list_learns_nothing_from_a_quota() {
    let inner = MemStore::new();
    put(&inner, "d/a", &[1; 63]).await.unwrap();
    let store = scoped(inner, limited(&[("d/", Rights::CREATE)]));
    let refused = put(&store, "d/b", &[1; 41]).await.unwrap_err();
    assert_eq!(refused.reason, Reason::QuotaExceeded);
    assert!(!refused.message.contains("63"), "{}", refused.message);
}

#[tokio::test]
async fn a_file_may_not_be_larger_than_the_largest() {
    let scope = Scope { max_file_bytes: Some(50), ..scope(&[("d/", Rights::all())]) };
    let store = scoped(MemStore::new(), scope);
    put(&store, "d/a", &[1; 50]).await.unwrap();
    let refused = put(&store, "d/a", &[1; 51]).await.unwrap_err();
    assert_eq!(refused.reason, Reason::TooLarge);
    assert!(refused.message.contains("50 B"), "{}", refused.message);
    assert_eq!(reason(offer(&store, "d/a", 51, 1).await), Some(Reason::TooLarge));
}

#[tokio::test]
async fn legacy_uploads_count_too() {
    let mut policy = AccessPolicy::default();
    let limits = Scope { max_file_bytes: Some(80), ..limited(&[("d/", Rights::all())]) };
    policy.legacy = Some(LegacyPolicy::new(Vec::new(), limits));
    let store = ScopedStore::new(MemStore::new(), Access::new(policy));
    let store = store.for_principal(&Principal::Legacy);
    let begin = async |file: &str, len: u64| {
        let offered = store.offer_prefix(&pool(), &name(file), 1000).await.unwrap();
        let begin = match offered.held {
            Some(_) => LegacyBegin::Resume(offered.offer),
            None => LegacyBegin::Anew(offered.offer),
        };
        store.begin(&pool(), &name(file), begin, len).await
    };
    assert_eq!(reason(begin("d/a", 81).await), Some(Reason::TooLarge));
    let mut first = begin("d/a", 60).await.unwrap();
    assert_eq!(reason(begin("d/b", 60).await), Some(Reason::QuotaExceeded));
    first.write(&pool(), vec![1; 31]).await.unwrap();
    first.suspend(&pool()).await.unwrap();
    // 30 bytes of it are offered.
    assert_eq!(reason(begin("d/a", 51).await), Some(Reason::TooLarge));
    let mut resumed = begin("d/a", 30).await.unwrap();
    resumed.write(&pool(), vec![1; 30]).await.unwrap();
    resumed.publish(&pool()).await.unwrap();
    assert_eq!(free_for_legacy(&store).await, 40);
}

async fn free_for_legacy(store: &ScopedStore<MemStore>) -> u64 {
    for size in (0..=QUOTA_BYTES).rev() {
        let offered = store.offer_prefix(&pool(), &name("d/probe"), 0).await.unwrap();
        let begin = LegacyBegin::Anew(offered.offer);
        if let Ok(upload) = store.begin(&pool(), &name("d/probe"), begin, size).await {
            upload.suspend(&pool()).await.unwrap();
            return size;
        }
    }
    panic!("not even an empty file fits");
}

/// They take the place of the same older file, whose room becomes free once.
#[tokio::test]
async fn changes_of_one_name_at_once_free_its_room_once() {
    let inner = CountedStore::default();
    let files = inner.files.clone();
    let store = scoped(inner, limited(&[("d/", Rights::all())]));
    put(&store, "d/other", &[1; 50]).await.unwrap();
    put(&store, "d/a", &[1; 50]).await.unwrap();
    let replace = async |byte| drop(put(&store, "d/a", &[byte; 1]).await);
    let remove = async || drop(store.remove(&pool(), &name("d/a")).await);
    tokio::join!(replace(2), remove(), replace(3), remove(), replace(4));
    let used = 50 + files.bytes(&name("d/a")).map_or(0, |bytes| bytes.len() as u64);
    assert!(free(&store).await <= QUOTA_BYTES - used);
}

/// A file of a batch that is refused in the end frees no room for the next one of its name.
#[tokio::test]
async fn a_file_that_was_not_stored_frees_no_room() {
    let store = with_quota(MemStore::new());
    put(&store, "d/other", &[1; 50]).await.unwrap();
    put(&store, "d/a", &[1; 1]).await.unwrap();
    let refused = SmallFile { overwrite: Overwrite::Fail, ..small("d/a", &[2; 40]) };
    let put = store.put(&pool(), vec![refused, small("d/a", &[3; 1])]).await;
    let reasons: Vec<_> = put.into_iter().map(reason).collect();
    assert_eq!(reasons, [Some(Reason::AlreadyExists), None]);
    assert_eq!(free(&store).await, 49);
}

/// Else users who share a directory could make room that is not there.
#[tokio::test]
async fn changes_of_others_count_at_once() {
    let mut policy = policy(limited(&[("d/", Rights::all())]));
    policy.anonymous = Some(scope(&[("d/", Rights::all())]));
    let store = ScopedStore::new(MemStore::new(), Access::new(policy));
    let alice = store.for_principal(&Principal::user("alice"));
    let other = store.for_principal(&Principal::Anonymous);
    put(&alice, "d/a", &[1; 10]).await.unwrap();
    put(&alice, "d/b", &[1; 50]).await.unwrap();
    put(&other, "d/a", &[2; 35]).await.unwrap();
    assert_eq!(free(&alice).await, 15);
    put(&other, "d/a", &[2; 80]).await.unwrap();
    put(&alice, "d/a", &[3; 10]).await.unwrap();
    assert_eq!(free(&alice).await, 40);
    other.remove(&pool(), &name("d/a")).await.unwrap();
    assert_eq!(free(&alice).await, 50);
}

#[tokio::test]
async fn a_file_that_may_only_be_replaced_counts() {
    let inner = MemStore::new();
    put(&inner, "d/a", &[1; 10]).await.unwrap();
    let store = scoped(inner, limited(&[("d/", Rights::READ | Rights::REPLACE)]));
    assert_eq!(reason(put(&store, "d/a", &[2; 101]).await), Some(Reason::QuotaExceeded));
    put(&store, "d/a", &[2; 100]).await.unwrap();
}
