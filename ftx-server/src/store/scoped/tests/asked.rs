//! Which rights each call needs. Without them the inner store is not asked at all.

use ftx_core::native::wire::Token;

use super::counted::CountedStore;
use super::*;
use crate::store::legacy::{LegacyBegin, LegacyStore as _};
use crate::store::{StagedUpload as _, UploadOwner};

/// A call about one name, of which the answer is only whether it succeeds, and otherwise why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Open,
    OpenDownload,
    Stat,
    List,
    Remove,
    MakeDirectory,
    Offer(Overwrite),
    Put(Overwrite),
    PutExpected,
    Confirm,
    OfferPrefix,
    Begin,
}

/// Any digest.
const DIGEST: Digest = Digest([1; 32]);

const CALLS: [Call; 15] = [
    Call::Open,
    Call::OpenDownload,
    Call::Stat,
    Call::List,
    Call::Remove,
    Call::MakeDirectory,
    Call::Offer(Overwrite::Replace),
    Call::Offer(Overwrite::Fail),
    Call::Offer(Overwrite::IfUnchanged(DIGEST)),
    Call::Put(Overwrite::Replace),
    Call::Put(Overwrite::Fail),
    Call::PutExpected,
    Call::Confirm,
    Call::OfferPrefix,
    Call::Begin,
];

fn expected(file: &str) -> ExpectedVersion {
    ExpectedVersion { name: name(file), size: 1, meta: Meta::default(), digest: Digest::of(b"x") }
}

impl Call {
    /// The answer to the call; texts do not count.
    async fn of(self, store: &ScopedStore<CountedStore>, file: &str) -> Result<(), Refusal> {
        let (pool, name) = (pool(), name(file));
        match self {
            Self::Open => store.open(&pool, &name).await.map(drop),
            Self::OpenDownload => store.open_download(&pool, &name).await.map(drop),
            Self::Stat => store.stat(&pool, &name).await.map(drop),
            Self::List => {
                let name = Some(name);
                let list =
                    ListRequest { name, recursive: true, after: None, limit: 9, bytes: 1 << 20 };
                store.list(&pool, list, None).await.map(drop)
            }
            Self::Remove => store.remove(&pool, &name).await,
            Self::MakeDirectory => store.make_directory(&pool, &name).await.map(drop),
            Self::Offer(overwrite) => {
                let offer = offer_of(file, 1, overwrite);
                store.offer(&pool, offer, WorkProgress::default()).await.map(drop)
            }
            Self::Put(overwrite) => {
                let file = SmallFile { overwrite, ..small(file, b"x") };
                store.put(&pool, vec![file]).await.pop().unwrap().map(drop)
            }
            Self::PutExpected => {
                let data = SmallData::Expected(1);
                let put = store.put(&pool, vec![SmallFile { data, ..small(file, b"x") }]).await;
                put.into_iter().next().unwrap().map(drop)
            }
            Self::Confirm => {
                let confirmed = store.confirm(&pool, expected(file), WorkProgress::default());
                confirmed.await.map(drop)
            }
            Self::OfferPrefix => store.offer_prefix(&pool, &name, 100).await.map(drop),
            Self::Begin => {
                let nothing = super::name("nothing");
                let offered = store.inner.files.offer_prefix(&pool, &nothing, 100).await?;
                let offer = ScopedOffer { inner: offered.offer, is_hidden: false, held_bytes: 0 };
                store.begin(&pool, &name, LegacyBegin::Anew(offer), 1).await.map(drop)
            }
        }
    }

    /// Whether these rights suffice for the inner store to be asked, and otherwise the answer.
    fn needs(self, rights: Rights) -> Result<(), Option<Reason>> {
        let sees = rights.intersects(Rights::LIST | Rights::READ);
        let has = |right| rights.contains(right);
        let unless = |is_enough: bool, reason| if is_enough { Ok(()) } else { Err(reason) };
        let unseen = Some(if sees { Reason::Forbidden } else { Reason::NotFound });
        let forbidden = Some(Reason::Forbidden);
        match self {
            Self::Open | Self::OpenDownload => unless(has(Rights::READ), unseen),
            Self::Stat => unless(sees, Some(Reason::NotFound)),
            Self::List => unless(has(Rights::LIST), unseen),
            Self::Remove => unless(has(Rights::DELETE) && sees, unseen),
            Self::MakeDirectory => unless(has(Rights::CREATE), forbidden),
            Self::Offer(Overwrite::IfUnchanged(_)) | Self::Put(Overwrite::IfUnchanged(_)) => {
                unless(has(Rights::REPLACE | Rights::READ), forbidden)
            }
            Self::Offer(Overwrite::Fail) | Self::Put(Overwrite::Fail) => {
                unless(has(Rights::CREATE), forbidden)
            }
            Self::Offer(Overwrite::Replace)
            | Self::Put(Overwrite::Replace)
            | Self::OfferPrefix
            | Self::Begin => unless(has(Rights::CREATE) || has(Rights::REPLACE) && sees, forbidden),
            Self::PutExpected | Self::Confirm => unless(has(Rights::READ), None),
        }
    }
}

pub(super) fn offer_of(file: &str, size: u64, overwrite: Overwrite) -> UploadOffer {
    UploadOffer {
        name: name(file),
        size,
        meta: Meta::default(),
        overwrite,
        naming: Naming::Exact,
        owner: Some(UploadOwner::Run(Token([7; 16]))),
    }
}

fn all_rights() -> impl Iterator<Item = Rights> {
    (0..=Rights::all().bits()).map(Rights::from_bits_truncate)
}

#[tokio::test]
async fn without_the_right_the_store_is_not_asked() {
    for rights in all_rights() {
        for call in CALLS {
            let inner = CountedStore::default();
            put(&inner, "d/there", b"x").await.unwrap();
            let store = scoped(inner.clone(), scope(&[("d/", rights)]));
            for file in ["d/there", "d/missing"] {
                // A directory is asked for as such.
                let file = if call == Call::List { "d" } else { file };
                inner.take_calls();
                let answer = call.of(&store, file).await;
                let asked = inner.take_calls();
                match call.needs(rights) {
                    Ok(()) => assert!(asked > 0, "{rights:?}: {call:?}"),
                    Err(reason) => {
                        assert_eq!(asked, 0, "{rights:?}: {call:?}");
                        let answered = answer.err().map(|refusal| refusal.reason);
                        assert_eq!(answered, reason, "{rights:?}: {call:?}");
                    }
                }
            }
        }
    }
}

/// Nor is it for any call outside the grants, or by an unknown principal.
#[tokio::test]
async fn outside_the_grants_nothing_exists() {
    let inner = CountedStore::default();
    put(&inner, "other/there", b"x").await.unwrap();
    inner.take_calls();
    let alice = scoped(inner.clone(), scope(&[("d/", Rights::all())]));
    let access = Access::new(policy(scope(&[("", Rights::all())])));
    let bob =
        ScopedStore::new(inner.clone(), access.clone()).for_principal(&Principal::user("bob"));
    for store in [alice, bob, ScopedStore::new(inner.clone(), access)] {
        for call in CALLS {
            for file in ["other/there", "other/missing", "other"] {
                let answer = call.of(&store, file).await.map_err(|refusal| refusal.reason);
                let nothing =
                    call.needs(Rights::empty()).map_err(|reason| reason.map_or(Ok(()), Err));
                assert_eq!(answer, nothing.unwrap_err(), "{call:?} of {file}");
            }
        }
        assert_eq!(inner.take_calls(), 0);
    }
}

/// One text for all names, whatever is there.
#[tokio::test]
async fn refusals_tell_nothing_but_the_name() {
    for rights in all_rights() {
        let inner = CountedStore::default();
        put(&inner, "d/aaa", b"x").await.unwrap();
        let store = scoped(inner, scope(&[("d/", rights)]));
        for call in CALLS.into_iter().filter(|call| call.needs(rights).is_err()) {
            let text = async |file: &str| {
                let refusal = call.of(&store, file).await.err()?;
                Some(refusal.message.replace(file, "NAME"))
            };
            assert_eq!(text("d/aaa").await, text("d/bbb").await, "{rights:?}: {call:?}");
        }
    }
}

/// Stores some bytes as `d/a` in every way there is, and says what was told.
async fn stored_in_all_ways(store: &ScopedStore<MemStore>) -> Vec<Result<String, Reason>> {
    let mut told = Vec::new();
    let mut tell = |answer: Result<String, Refusal>| {
        told.push(answer.map_err(|refusal| refusal.reason));
    };
    for overwrite in [Overwrite::Replace, Overwrite::Fail] {
        let file = SmallFile { overwrite, ..small("d/a", b"new") };
        let put = store.put(&pool(), vec![file]).await.pop().unwrap();
        tell(put.map(|outcome| format!("{outcome:?}")));
    }
    let old = Overwrite::IfUnchanged(Digest::of(b"old"));
    for overwrite in [Overwrite::Replace, Overwrite::Fail, old] {
        let uploaded = upload(store, offer_of("d/a", 3, overwrite), b"new").await;
        tell(uploaded.map(|unchanged| format!("{unchanged}")));
    }
    let confirmed = store.confirm(&pool(), expected("d/a"), WorkProgress::default()).await;
    tell(confirmed.map(|confirmed| format!("{confirmed}")));
    tell(store.make_directory(&pool(), &name("d/a")).await.map(|entry| format!("{entry:?}")));
    tell(store.stat(&pool(), &name("d/a")).await.map(|entry| format!("{entry:?}")));
    tell(store.open(&pool(), &name("d/a")).await.map(|_| String::new()));
    tell(store.remove(&pool(), &name("d/a")).await.map(|()| String::new()));
    told
}

/// Offers and publishes a file of one block; the outcome says what the principal learned.
pub(super) async fn upload<S: Store>(
    store: &S,
    offer: UploadOffer,
    bytes: &[u8],
) -> Result<bool, Refusal> {
    let opened = store.offer(&pool(), offer, WorkProgress::default()).await?;
    write::<S>(&opened.upload, bytes).await?;
    let (pool, digest) = (pool(), Digest::of(bytes));
    opened.upload.publish(&pool, Vec::new(), digest, WorkProgress::default()).await
}

pub(super) async fn write<S: Store>(upload: &S::Staging, bytes: &[u8]) -> Result<(), Refusal> {
    upload.write(&pool(), 0, bytes.to_vec()).await?;
    let cv = ftx_core::native::blocks::block_cv(bytes.len() as u64, 0, bytes).unwrap();
    upload.stored(&pool(), 0, cv).await.map(drop)
}

/// Whether the name stands for nothing, another file, the same file, or a directory.
#[tokio::test]
async fn who_sees_nothing_learns_nothing() {
    for rights in all_rights().filter(|rights| !rights.intersects(Rights::LIST | Rights::READ)) {
        let mut worlds = Vec::new();
        for there in [None, Some("old"), Some("new"), Some("directory")] {
            let inner = MemStore::new();
            put(&inner, "d/other", b"x").await.unwrap();
            match there {
                None => {}
                Some("directory") => put(&inner, "d/a/x", b"x").await.map(drop).unwrap(),
                Some(bytes) => put(&inner, "d/a", bytes.as_bytes()).await.map(drop).unwrap(),
            }
            let store = scoped(inner, scope(&[("d/", rights)]));
            worlds.push((there, stored_in_all_ways(&store).await));
        }
        // To replace what is there needs no sight, and a directory is in the way of it.
        let has_replace = rights.contains(Rights::REPLACE | Rights::CREATE);
        let (_, first) = worlds.first().cloned().unwrap();
        for (there, told) in worlds {
            if !(has_replace && there == Some("directory")) {
                assert_eq!(told, first, "{rights:?}: {there:?}");
            }
        }
    }
}
