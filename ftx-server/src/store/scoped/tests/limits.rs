//! Limits of the server, which hold for everybody.

use ftx_core::native::wire::Token;

use super::*;
use crate::store::UploadOwner;

/// A store that alice and bob may do everything in.
fn limited(set: impl FnOnce(&mut StoreLimits)) -> [ScopedStore<MemStore>; 2] {
    let mut limits = StoreLimits::default();
    set(&mut limits);
    let everything = scope(&[("", Rights::all())]);
    let mut policy = policy(everything.clone());
    policy.users.insert("bob".into(), UserPolicy { scope: everything, ..UserPolicy::default() });
    let store = ScopedStore::new(MemStore::new(), Access::new(policy)).with_limits(limits);
    ["alice", "bob"].map(|user| store.for_principal(&Principal::user(user)))
}

async fn offer(
    store: &ScopedStore<MemStore>,
    file: &str,
    size: u64,
) -> Result<ScopedStaging<MemStore>, Refusal> {
    let offer = UploadOffer {
        name: name(file),
        size,
        meta: Meta::default(),
        overwrite: Overwrite::Replace,
        naming: Naming::Exact,
        owner: Some(UploadOwner::Run(Token([1; 16]))),
    };
    Ok(store.offer(&pool(), offer, WorkProgress::default()).await?.upload)
}

/// A refusal by a limit, which names its key.
fn assert_limited<T>(result: Result<T, Refusal>, limit: Limit, reason: Reason) {
    let refusal = result.map(drop).unwrap_err();
    assert_eq!((refusal.limit, refusal.reason), (Some(limit), reason), "{refusal}");
    assert!(refusal.message.contains(limit.key()), "{refusal}");
}

#[tokio::test]
async fn a_name_may_have_its_parts_and_bytes_and_no_more() {
    let [store, _] = limited(|limits| (limits.name_parts, limits.name_bytes) = (3, 20));
    for fits in ["a/b/c", "abcdefghijklmnopqrst"] {
        put(&store, fits, b"x").await.unwrap();
    }
    let (too_deep, too_long) = ("a/b/c/d", "abcdefghijklmnopqrstu");
    for (file, limit) in [(too_deep, Limit::NameParts), (too_long, Limit::NameBytes)] {
        assert_limited(put(&store, file, b"x").await, limit, Reason::NameRefused);
        assert_limited(offer(&store, file, 5 << 20).await, limit, Reason::NameRefused);
        let made = store.make_directory(&pool(), &name(file)).await;
        assert_limited(made, limit, Reason::NameRefused);
    }
}

#[tokio::test]
async fn a_file_may_have_its_size_and_no_more() {
    let [store, _] = limited(|limits| limits.max_file_bytes = 5);
    put(&store, "a", b"12345").await.unwrap();
    assert_limited(put(&store, "a", b"123456").await, Limit::FileSize, Reason::TooLarge);
    offer(&store, "b", 5).await.unwrap();
    assert_limited(offer(&store, "b", 6).await, Limit::FileSize, Reason::TooLarge);
}

#[tokio::test]
async fn a_user_has_its_open_uploads_and_all_have_theirs() {
    let [alice, bob] =
        limited(|limits| (limits.open_uploads, limits.open_uploads_per_user) = (3, 2));
    let first = offer(&alice, "a", 5 << 20).await.unwrap();
    let _second = offer(&alice, "b", 5 << 20).await.unwrap();
    let too_many = Reason::TooManyRequests;
    assert_limited(offer(&alice, "c", 5 << 20).await, Limit::OpenUploadsPerUser, too_many);
    let _of_bob = offer(&bob, "d", 5 << 20).await.unwrap();
    assert_limited(offer(&bob, "e", 5 << 20).await, Limit::OpenUploads, too_many);
    // Small files are stored in one step.
    put(&bob, "small", b"x").await.unwrap();
    drop(first);
    offer(&alice, "c", 5 << 20).await.unwrap();
}
