//! Prefixes that grow byte by byte: the legacy dialect's half of a store.

use ftx_core::legacy::Prefix;
use ftx_core::native::Reason;
use ftx_server::store::{
    LegacyBegin, LegacyDownload as _, LegacyOffer, LegacyStore, LegacyUpload as _, Refusal, Store,
    TakenName,
};
use ftx_store::PrefixHasher;

use crate::{MIB, content, name, pool};

crate::for_all_stores! {
    a_file_is_there_when_it_is_whole,
    an_interrupted_upload_resumes_where_it_was,
    a_published_file_is_offered_up_to_the_limit,
    an_empty_offer_cannot_be_resumed,
    the_staging_that_got_furthest_is_offered,
    beginning_anew_discards_the_offered_bytes,
    two_writers_of_a_name_leave_one_whole_file,
    a_download_compares_its_start,
    both_dialects_see_the_same_files,
}

/// Within rights, these say what becomes of a taken name.
mod taken {
    use super::a_taken_name_refuses_the_file_or_gives_it_another;

    crate::for_bare_stores! {
        a_taken_name_refuses_the_file_or_gives_it_another,
    }
}

/// As much as an ftx client may be offered.
const ALL: u64 = i64::MAX as u64;

fn prefix(bytes: &[u8]) -> Prefix {
    Prefix { len: bytes.len() as u64, md5: PrefixHasher::of(bytes).digest() }
}

async fn offer<S: LegacyStore>(store: &S, limit: u64) -> LegacyOffer<S::Offer> {
    store.offer_prefix(&pool(), &name("a"), limit).await.unwrap()
}

async fn begin_anew<S: LegacyStore>(store: &S, len: usize) -> S::Upload {
    let begin = LegacyBegin::Anew(offer(store, ALL).await.offer);
    store.begin(&pool(), &name("a"), begin, len as u64).await.unwrap()
}

async fn write<S: LegacyStore>(upload: &mut S::Upload, bytes: &[u8]) -> Result<(), Refusal> {
    for chunk in bytes.chunks(100_000) {
        upload.write(&pool(), chunk.to_vec()).await?;
    }
    Ok(())
}

async fn put<S: LegacyStore>(store: &S, bytes: &[u8]) {
    let mut upload = begin_anew(store, bytes.len()).await;
    write::<S>(&mut upload, bytes).await.unwrap();
    let told = upload.publish(&pool()).await.unwrap();
    assert!(told.is_none_or(|told| told == PrefixHasher::of(bytes).digest()));
}

async fn interrupted<S: LegacyStore>(store: &S, bytes: &[u8], len: usize) {
    let mut upload = begin_anew(store, bytes.len()).await;
    write::<S>(&mut upload, &bytes[..len]).await.unwrap();
    upload.suspend(&pool()).await.unwrap();
}

/// Resumes after the offered bytes, and returns their number.
async fn finish<S: LegacyStore>(store: &S, bytes: &[u8]) -> usize {
    let LegacyOffer { held, published, offer } = offer(store, ALL).await;
    let held = held.unwrap();
    assert!(!published);
    let from = usize::try_from(held.len).unwrap();
    assert_eq!(held, prefix(&bytes[..from]));
    let (begin, left) = (LegacyBegin::Resume(offer), (bytes.len() - from) as u64);
    let mut upload = store.begin(&pool(), &name("a"), begin, left).await.unwrap();
    write::<S>(&mut upload, &bytes[from..]).await.unwrap();
    upload.publish(&pool()).await.unwrap();
    from
}

async fn read<S: LegacyStore>(store: &S) -> Vec<u8> {
    let mut download = store.open_download(&pool(), &name("a")).await.unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < download.size() {
        let (offset, left) = (bytes.len() as u64, download.size() - bytes.len() as u64);
        let chunk = download.read(&pool(), offset, left, Vec::new()).await.unwrap();
        assert!(!chunk.is_empty());
        bytes.extend(chunk);
    }
    bytes
}

async fn a_file_is_there_when_it_is_whole<S: LegacyStore>(store: S) {
    for len in [0, 1, 128 * 1024, 128 * 1024 + 1, 3 * MIB + 7] {
        let bytes = content(len as u64 + 1, len);
        put(&store, &bytes).await;
        assert!(read(&store).await == bytes, "{len} bytes");
    }
    let missing = store.open_download(&pool(), &name("b")).await.map(drop).unwrap_err();
    assert_eq!(missing.reason, Reason::NotFound);
}

async fn an_interrupted_upload_resumes_where_it_was<S: LegacyStore>(store: S) {
    let bytes = content(3, 2 * MIB);
    interrupted(&store, &bytes, MIB + 5).await;
    assert!(store.open_download(&pool(), &name("a")).await.is_err());
    let from = finish(&store, &bytes).await;
    assert!((MIB..MIB + 5).contains(&from), "{from}");
    assert!(read(&store).await == bytes);
    let mut upload = begin_anew(&store, bytes.len()).await;
    write::<S>(&mut upload, &bytes[..MIB]).await.unwrap();
    drop(upload);
    assert!(finish(&store, &bytes).await > 0);
}

async fn a_published_file_is_offered_up_to_the_limit<S: LegacyStore>(store: S) {
    let (old, new) = (content(1, 100_000), content(2, MIB));
    assert_eq!(offer(&store, ALL).await.held, None);
    put(&store, &old).await;
    assert_eq!(offer(&store, 99_999).await.held, None);
    let offered = offer(&store, 100_000).await;
    assert_eq!((offered.held, offered.published), (Some(prefix(&old)), true));
    interrupted(&store, &new, 300_000).await;
    let staged = offer(&store, ALL).await;
    assert!(!staged.published);
    let instead = offer(&store, staged.held.unwrap().len - 1).await;
    assert_eq!((instead.held, instead.published), (Some(prefix(&old)), true));
}

async fn an_empty_offer_cannot_be_resumed<S: LegacyStore>(store: S) {
    let begin = LegacyBegin::Resume(offer(&store, ALL).await.offer);
    let refused = store.begin(&pool(), &name("a"), begin, 10).await.map(drop).unwrap_err();
    assert_eq!(refused.reason, Reason::Changed);
}

async fn the_staging_that_got_furthest_is_offered<S: LegacyStore>(store: S) {
    let (one, other) = (content(1, MIB), content(2, MIB));
    // Both begin before either has anything to offer.
    let mut first = begin_anew(&store, MIB).await;
    let mut second = begin_anew(&store, MIB).await;
    write::<S>(&mut first, &one[..300_000]).await.unwrap();
    write::<S>(&mut second, &other[..500_000]).await.unwrap();
    first.suspend(&pool()).await.unwrap();
    second.suspend(&pool()).await.unwrap();
    assert_eq!(finish(&store, &other).await, 499_999);
    assert!(read(&store).await == other);
}

async fn beginning_anew_discards_the_offered_bytes<S: LegacyStore>(store: S) {
    interrupted(&store, &content(1, MIB), 600_000).await;
    let other = content(2, MIB);
    interrupted(&store, &other, 400_000).await;
    assert!(finish(&store, &other).await < 400_000);
}

async fn two_writers_of_a_name_leave_one_whole_file<S: LegacyStore>(store: S) {
    let (one, other) = (content(1, MIB), content(2, 2 * MIB));
    let mut first = begin_anew(&store, one.len()).await;
    write::<S>(&mut first, &one[..MIB / 2]).await.unwrap();
    put(&store, &other).await;
    assert!(read(&store).await == other);
    write::<S>(&mut first, &one[MIB / 2..]).await.unwrap();
    assert!(read(&store).await == other);
    first.publish(&pool()).await.unwrap();
    assert!(read(&store).await == one);
}

async fn a_download_compares_its_start<S: LegacyStore>(store: S) {
    let bytes = content(1, 2 * MIB);
    put(&store, &bytes).await;
    let mut download = store.open_download(&pool(), &name("a")).await.unwrap();
    for len in [1, MIB, 2 * MIB] {
        assert!(download.starts_with(&pool(), prefix(&bytes[..len])).await.unwrap(), "{len}");
        assert!(!download.starts_with(&pool(), prefix(&content(2, len))).await.unwrap(), "{len}");
    }
    let longer = prefix(&content(1, 2 * MIB + 1));
    assert!(!download.starts_with(&pool(), longer).await.unwrap());
}

async fn both_dialects_see_the_same_files<S: Store + LegacyStore>(store: S) {
    let (one, other) = (content(1, MIB), content(2, MIB + 1));
    crate::upload(&store, "a", &one).await;
    assert!(read(&store).await == one);
    put(&store, &other).await;
    assert!(crate::read(&store, "a").await == other);
}

async fn a_taken_name_refuses_the_file_or_gives_it_another<S: Store + LegacyStore>(store: S) {
    let (old, new) = (content(1, MIB), content(2, 300_000));
    put(&store, &old).await;
    for (taken, reason) in
        [(TakenName::Refuse, Some(Reason::AlreadyExists)), (TakenName::FirstFree, None)]
    {
        let mut upload = begin_anew(&store, new.len()).await;
        write::<S>(&mut upload, &new).await.unwrap();
        let refused = upload.publish_as(&pool(), taken).await.err();
        assert_eq!(refused.map(|refusal| refusal.reason), reason, "{taken:?}");
        assert!(read(&store).await == old, "{taken:?}");
    }
    assert!(crate::read(&store, "a~2").await == new);
    let begin = LegacyBegin::Anew(offer(&store, ALL).await.offer);
    let mut upload = store.begin(&pool(), &name("b"), begin, 5).await.unwrap();
    write::<S>(&mut upload, b"hello").await.unwrap();
    upload.publish_as(&pool(), TakenName::Refuse).await.unwrap();
    assert!(crate::read(&store, "b").await == b"hello");
}
