//! Storing files with some of the rights.

use ftx_core::native::wire::Mtime;

use super::asked::{offer_of, upload, write};
use super::*;
use crate::store::legacy::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use crate::store::{StagedUpload as _, StoredFile as _};

const LISTS: Rights = Rights::LIST;
const READS: Rights = Rights::READ;
const CREATES: Rights = Rights::CREATE;
const REPLACES: Rights = Rights::REPLACE;

fn reason<T>(answer: Result<T, Refusal>) -> Option<Reason> {
    answer.err().map(|refusal| refusal.reason)
}

async fn offer<S: Store>(store: &S, file: &str, bytes: &[u8]) -> OpenedUpload<S::Staging> {
    let offer = offer_of(file, bytes.len() as u64, Overwrite::Replace);
    store.offer(&pool(), offer, WorkProgress::default()).await.unwrap()
}

async fn commit<S: Store>(upload: &S::Staging, bytes: &[u8]) -> Result<bool, Refusal> {
    let digest = Digest::of(bytes);
    upload.publish(&pool(), Vec::new(), digest, WorkProgress::default()).await
}

#[tokio::test]
async fn without_replace_the_older_file_stays() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"old").await.unwrap();
    let store = scoped(inner.clone(), scope(&[("d/", LISTS | CREATES)]));
    let refused = put(&store, "d/a", b"new").await.unwrap_err();
    assert_eq!(refused.reason, Reason::AlreadyExists);
    assert!(refused.message.contains("you may not replace it"), "{}", refused.message);
    let refused = upload(&store, offer_of("d/a", 3, Overwrite::Replace), b"new").await;
    assert_eq!(reason(refused), Some(Reason::AlreadyExists));
    // Not even if it was published meanwhile.
    let opened = offer(&store, "d/b", b"new").await;
    write::<ScopedStore<MemStore>>(&opened.upload, b"new").await.unwrap();
    put(&inner, "d/b", b"old").await.unwrap();
    let refused = commit::<ScopedStore<MemStore>>(&opened.upload, b"new").await;
    assert_eq!(reason(refused), Some(Reason::AlreadyExists));
    for file in ["d/a", "d/b"] {
        assert_eq!(inner.bytes(&name(file)).unwrap(), b"old");
    }
    put(&store, "d/c", b"new").await.unwrap();
    assert_eq!(inner.bytes(&name("d/c")).unwrap(), b"new");
}

#[tokio::test]
async fn without_create_only_existing_files_are_stored() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"old").await.unwrap();
    let store = scoped(inner.clone(), scope(&[("d/", LISTS | REPLACES)]));
    assert_eq!(reason(put(&store, "d/b", b"new").await), Some(Reason::Forbidden));
    assert_eq!(put(&store, "d/a", b"new").await, Ok(PutOutcome::Stored));
    let opened = offer(&store, "d/a", b"newer").await;
    write::<ScopedStore<MemStore>>(&opened.upload, b"newer").await.unwrap();
    inner.remove(&pool(), &name("d/a")).await.unwrap();
    let refused = commit::<ScopedStore<MemStore>>(&opened.upload, b"newer").await;
    assert_eq!(reason(refused), Some(Reason::Forbidden));
    assert_eq!(inner.bytes(&name("d/a")), None);
}

#[tokio::test]
async fn without_read_no_reply_tells_about_the_older_bytes() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"same").await.unwrap();
    for (rights, reads) in [(LISTS | CREATES | REPLACES, false), (Rights::all(), true)] {
        let store = scoped(inner.clone(), scope(&[("d/", rights)]));
        let outcome = if reads { PutOutcome::Unchanged } else { PutOutcome::Stored };
        assert_eq!(put(&store, "d/a", b"same").await, Ok(outcome));
        let opened = offer(&store, "d/a", b"same").await;
        assert_eq!(opened.published.is_some(), reads);
        write::<ScopedStore<MemStore>>(&opened.upload, b"same").await.unwrap();
        assert_eq!(commit::<ScopedStore<MemStore>>(&opened.upload, b"same").await, Ok(reads));
        let offered = store.offer_prefix(&pool(), &name("d/a"), 100).await.unwrap();
        assert_eq!((offered.held.is_some(), offered.published), (reads, reads));
        let resume = LegacyBegin::Resume(offered.offer);
        let begun = store.begin(&pool(), &name("d/a"), resume, 1).await;
        assert_eq!(reason(begun), if reads { None } else { Some(Reason::Changed) });
    }
}

#[tokio::test]
async fn a_legacy_client_resumes_its_own_upload_without_read() {
    let store = scoped(MemStore::new(), scope(&[("d/", LISTS | CREATES | REPLACES)]));
    let offered = store.offer_prefix(&pool(), &name("d/a"), 100).await.unwrap();
    let begin = LegacyBegin::Anew(offered.offer);
    let mut upload = store.begin(&pool(), &name("d/a"), begin, 9).await.unwrap();
    upload.write(&pool(), b"12345".to_vec()).await.unwrap();
    upload.suspend(&pool()).await.unwrap();
    let offered = store.offer_prefix(&pool(), &name("d/a"), 100).await.unwrap();
    assert_eq!(offered.held.unwrap().len, 4);
    let begin = LegacyBegin::Resume(offered.offer);
    let mut upload = store.begin(&pool(), &name("d/a"), begin, 5).await.unwrap();
    upload.write(&pool(), b"56789".to_vec()).await.unwrap();
    upload.publish(&pool()).await.unwrap();
    assert_eq!(store.inner.bytes(&name("d/a")).unwrap(), b"123456789");
}

#[tokio::test]
async fn a_confirmed_file_keeps_its_time_without_replace() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"x").await.unwrap();
    let meta = Meta { mtime: Mtime::new(5, 0), ..Meta::default() };
    let (file, size, digest) = (name("d/a"), 1, Digest::of(b"x"));
    let expected = || ExpectedVersion { name: file.clone(), size, meta, digest };
    for (rights, is_set) in [(READS, false), (READS | CREATES, false), (READS | REPLACES, true)] {
        let store = scoped(inner.clone(), scope(&[("d/", rights)]));
        let confirmed = store.confirm(&pool(), expected(), WorkProgress::default()).await;
        assert_eq!(confirmed, Ok(true), "{rights:?}");
        let check = SmallFile { meta, data: SmallData::Expected(1), ..small("d/a", b"x") };
        let checked = store.put(&pool(), vec![check]).await;
        assert_eq!(checked, [Ok(PutOutcome::Unchanged)], "{rights:?}");
        let opened = inner.open(&pool(), &file).await.unwrap();
        assert_eq!(opened.meta() == meta, is_set, "{rights:?}");
    }
}

#[tokio::test]
async fn the_directory_of_a_grant_is_there_before_it_is_made() {
    let inner = MemStore::new();
    let store = scoped(inner.clone(), scope(&[("", CREATES), ("a/b/", Rights::all())]));
    for directory in ["a", "a/b"] {
        let entry = store.stat(&pool(), &name(directory)).await.unwrap();
        assert_eq!(entry, directory_entry(name(directory)));
        let refused = put(&store, directory, b"x").await;
        assert_eq!(reason(refused), Some(Reason::NotAFile), "{directory}");
        assert_eq!(reason(store.open(&pool(), &name(directory)).await), Some(Reason::NotAFile));
    }
    // A file that somebody else left there does not show.
    put(&inner, "a", b"x").await.unwrap();
    assert_eq!(store.stat(&pool(), &name("a")).await, Ok(directory_entry(name("a"))));
}

#[tokio::test]
async fn a_hidden_directory_does_not_exist() {
    let inner = MemStore::new();
    let names = ["secret", "secret/x"];
    let grants = [("", Rights::all()), ("secret/", Rights::empty())];
    let mut told = Vec::new();
    for is_there in [false, true] {
        if is_there {
            put(&inner, "secret/x", b"x").await.unwrap();
        }
        let store = scoped(inner.clone(), scope(&grants));
        for file in names.map(name) {
            told.push((is_there, reason(store.stat(&pool(), &file).await)));
            told.push((is_there, reason(store.open(&pool(), &file).await)));
            told.push((is_there, reason(store.remove(&pool(), &file).await)));
            told.push((is_there, reason(put(&store, file.as_str(), b"x").await)));
            told.push((is_there, reason(store.make_directory(&pool(), &file).await)));
        }
    }
    let (absent, present) = told.split_at(told.len() / 2);
    let answers =
        |told: &[(bool, Option<Reason>)]| told.iter().map(|told| told.1).collect::<Vec<_>>();
    assert_eq!(answers(absent), answers(present));
    let (hidden, refused) = (Some(Reason::NotFound), Some(Reason::Forbidden));
    assert_eq!(answers(absent), [hidden, hidden, hidden, refused, refused].repeat(2));
}

#[tokio::test]
async fn new_rights_act_at_the_next_request() {
    let inner = MemStore::new();
    put(&inner, "d/a", b"x").await.unwrap();
    let access = Access::new(policy(scope(&[("d/", Rights::all())])));
    let store = ScopedStore::new(inner.clone(), access.clone());
    let store = store.for_principal(&Principal::user("alice"));
    let file = store.open(&pool(), &name("d/a")).await.unwrap();
    assert!(file.is_current(&pool()).await);
    let opened = offer(&store, "d/b", b"x").await;
    write::<ScopedStore<MemStore>>(&opened.upload, b"x").await.unwrap();
    let begun = offer(&store, "d/c", b"x").await;
    write::<ScopedStore<MemStore>>(&begun.upload, b"x").await.unwrap();

    access.replace(policy(scope(&[("d/", LISTS | CREATES)])));
    assert!(!file.is_current(&pool()).await);
    assert_eq!(reason(store.open(&pool(), &name("d/a")).await), Some(Reason::Forbidden));
    assert_eq!(reason(store.remove(&pool(), &name("d/a")).await), Some(Reason::Forbidden));
    // It was offered as one that may replace a file.
    let refused = commit::<ScopedStore<MemStore>>(&opened.upload, b"x").await.unwrap_err();
    assert!(refused.message.contains("have changed"), "{}", refused.message);

    access.replace(AccessPolicy::default());
    let refused = commit::<ScopedStore<MemStore>>(&begun.upload, b"x").await;
    assert_eq!(reason(refused), Some(Reason::Forbidden));
    assert_eq!(reason(store.stat(&pool(), &name("d/a")).await), Some(Reason::NotFound));
    assert_eq!((inner.bytes(&name("d/b")), inner.bytes(&name("d/c"))), (None, None));

    access.replace(policy(scope(&[("d/", Rights::all())])));
    assert!(file.is_current(&pool()).await);
    put(&store, "d/b", b"x").await.unwrap();
}

#[tokio::test]
async fn a_made_directory_tells_nothing_to_who_may_not_see_it() {
    let inner = MemStore::new();
    put(&inner, "d/file", b"x").await.unwrap();
    let store = scoped(inner.clone(), scope(&[("d/", CREATES)]));
    for directory in ["d/file", "d/new", "d/new"] {
        let made = store.make_directory(&pool(), &name(directory)).await;
        assert_eq!(made, Ok(directory_entry(name(directory))));
    }
    inner.stat(&pool(), &name("d/new")).await.unwrap();
}
