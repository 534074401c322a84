//! Offers that are accepted after other uploads have changed the same staging.
//!
//! Two files that begin with the same bytes and then differ are uploaded under one name. A resuming
//! client gets exactly the bytes whose MD5 was offered, or must ask again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ftx_io::Executor;
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreErrorKind;
use tempfile::tempdir;

use crate::{
    DEADLINE, MIB, assert_file, assert_offers_start_of, begin_anew, content, kind, name, offer,
    open, staged_files, write,
};

/// Bytes that both files begin with.
const COMMON: usize = 400_000;

struct Files {
    one: Vec<u8>,
    other: Vec<u8>,
}

impl Files {
    fn new() -> Self {
        let one = content(1, 2 * MIB);
        let mut other = content(2, 2 * MIB);
        other[..COMMON].copy_from_slice(&one[..COMMON]);
        Self { one, other }
    }
}

/// Waits until the only staging has `len` bytes: the offer of a staging with a writer covers only the
/// bytes on disk.
async fn on_disk(root: &Path, len: usize) {
    let start = Instant::now();
    while fs::metadata(staged_data(root)).unwrap().len() < len as u64 {
        assert!(start.elapsed() < DEADLINE, "{len} bytes do not reach the disk");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The data file of the only staging.
fn staged_data(root: &Path) -> PathBuf {
    let data = staged_files(root).into_iter().find(|file| file.ends_with(".data"));
    root.join(".ftx/staging").join(data.unwrap())
}

/// Asks twice: while the staging has only the common beginning of both files, and when it has more of
/// `one`. Then the early offer is accepted with `other`, and `other` grows beyond the late offer.
async fn early_and_late(root: &Path, store: &LocalStore, files: &Files, keep: bool) -> Late {
    let mut writer = begin_anew(store, "a.bin", files.one.len()).await;
    write(&mut writer, &files.one[..COMMON]).await.unwrap();
    on_disk(root, COMMON).await;
    let early = offer(store, "a.bin").await;
    let early_len = assert_offers_start_of(&early, &files.other);
    write(&mut writer, &files.one[COMMON..MIB]).await.unwrap();
    writer.suspend(&Executor::pool()).await.unwrap();
    let late = offer(store, "a.bin").await;
    let late_len = assert_offers_start_of(&late, &files.one);
    assert!(early_len < late_len);

    let rest = &files.other[early_len..];
    let begin = LegacyBegin::Resume(early.offer);
    let mut upload =
        store.begin(&Executor::pool(), &name("a.bin"), begin, rest.len() as u64).await.unwrap();
    write(&mut upload, &rest[..MIB]).await.unwrap();
    let upload = if keep {
        Some(upload)
    } else {
        upload.suspend(&Executor::pool()).await.unwrap();
        None
    };
    Late { offer: late.offer, len: late_len, upload }
}

struct Late {
    offer: ftx_server::store::local::LocalOffer,
    len: usize,
    upload: Option<ftx_server::store::local::LocalUpload>,
}

/// Takes the late offer up with `one`; either it is refused, or `one` is there whole.
async fn assert_not_mixed(root: &Path, store: &LocalStore, files: &Files, late: Late) {
    let rest = &files.one[late.len..];
    match store
        .begin(
            &Executor::pool(),
            &name("a.bin"),
            LegacyBegin::Resume(late.offer),
            rest.len() as u64,
        )
        .await
    {
        Err(error) if error.is_stale() => {}
        Err(error) => panic!("{error}"),
        Ok(mut upload) => {
            write(&mut upload, rest).await.unwrap();
            upload.publish(&Executor::pool()).await.unwrap();
            assert_file(root, "a.bin", &files.one);
        }
    }
}

#[tokio::test]
async fn a_late_offer_of_a_staging_that_grew_differently_is_not_mixed_up() {
    let (root, files) = (tempdir().unwrap(), Files::new());
    let store = open(root.path());
    let late = early_and_late(root.path(), &store, &files, false).await;
    assert_not_mixed(root.path(), &store, &files, late).await;
}

#[tokio::test]
async fn a_late_offer_of_a_staging_that_grows_differently_is_not_mixed_up() {
    let (root, files) = (tempdir().unwrap(), Files::new());
    let store = open(root.path());
    let mut late = early_and_late(root.path(), &store, &files, true).await;
    let upload = late.upload.take();
    assert_not_mixed(root.path(), &store, &files, late).await;
    drop(upload);
}

/// A client that holds exactly the staged bytes must have a byte left to send, or an original client
/// takes the upload for done and the file is never published.
#[tokio::test]
async fn all_of_a_staging_is_not_offered_after_a_resume_that_brought_nothing() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, MIB);
    crate::interrupted(&store, "a.bin", &bytes, 600_000).await;
    let offered = offer(&store, "a.bin").await;
    let len = assert_offers_start_of(&offered, &bytes);
    let begin = LegacyBegin::Resume(offered.offer);
    let upload = store
        .begin(&Executor::pool(), &name("a.bin"), begin, (bytes.len() - len) as u64)
        .await
        .unwrap();
    upload.suspend(&Executor::pool()).await.unwrap();
    let staged = staged_data(root.path());
    let offered = offer(&store, "a.bin").await;
    let len = assert_offers_start_of(&offered, &bytes);
    assert!((len as u64) < fs::metadata(staged).unwrap().len(), "all of {len} bytes are offered");
}

/// As above; if all of it is offered, the last byte of that can be replaced by another client's.
#[tokio::test]
async fn the_last_offered_byte_stays_unchanged() {
    let (root, mut files) = (tempdir().unwrap(), Files::new());
    files.other[COMMON - 1] ^= 1;
    let store = open(root.path());
    let resume = async |offer, from: usize, bytes: &[u8]| {
        let len = (bytes.len() - from) as u64;
        store.begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(offer), len).await
    };
    let mut writer = begin_anew(&store, "a.bin", files.one.len()).await;
    write(&mut writer, &files.one[..COMMON]).await.unwrap();
    on_disk(root.path(), COMMON).await;
    let early = offer(&store, "a.bin").await;
    assert_eq!(assert_offers_start_of(&early, &files.other), COMMON - 1);
    write(&mut writer, &files.one[COMMON..=COMMON]).await.unwrap();
    writer.suspend(&Executor::pool()).await.unwrap();
    let middle = offer(&store, "a.bin").await;
    let len = assert_offers_start_of(&middle, &files.one);
    resume(middle.offer, len, &files.one).await.unwrap().suspend(&Executor::pool()).await.unwrap();
    let late = offer(&store, "a.bin").await;
    let len = assert_offers_start_of(&late, &files.one);

    if let Ok(mut upload) = resume(early.offer, COMMON - 1, &files.other).await {
        write(&mut upload, &files.other[COMMON - 1..MIB]).await.unwrap();
        upload.suspend(&Executor::pool()).await.unwrap();
    }
    let late = Late { offer: late.offer, len, upload: None };
    assert_not_mixed(root.path(), &store, &files, late).await;
}

/// An upload abandoned while it begins must release its staging.
#[tokio::test]
async fn a_begin_that_is_not_waited_for_leaves_nothing_behind() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, MIB);
    let offered = offer(&store, "a.bin").await;
    let (file, executor) = (name("a.bin"), Executor::pool());
    tokio::select! {
        biased;
        // A disk may be as fast as that; then it is given up right after.
        opened = store.begin(&executor, &file, LegacyBegin::Anew(offered.offer), MIB as u64) => drop(opened),
        () = std::future::ready(()) => {}
    }
    let mut upload = begin_anew(&store, "a.bin", MIB).await;
    write(&mut upload, &bytes).await.unwrap();
    upload.publish(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes);
    // Who waits for a writer does so each time.
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        offer(&store, "a.bin").await;
        shortest = shortest.min(asked.elapsed());
    }
    assert!(shortest.as_millis() < 400, "a writer that is not there was waited for");
    // An abandoned staging may be detached a little later.
    let start = Instant::now();
    while staged_files(root.path()) != [""; 0] {
        assert!(start.elapsed() < DEADLINE, "{:?}", staged_files(root.path()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A resume that fails after the staging was claimed must not lose the staging.
#[tokio::test]
async fn a_staging_that_could_not_be_resumed_can_be_resumed_later() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, MIB);
    crate::interrupted(&store, "d/a.bin", &bytes, 600_000).await;
    let offered = offer(&store, "d/a.bin").await;
    // Another program's lock on the data, as a backup program may take one.
    let file = fs::File::open(staged_data(root.path())).unwrap();
    file.lock().unwrap();
    let len = (bytes.len() - 599_999) as u64;
    let begun = store
        .begin(&Executor::pool(), &name("d/a.bin"), LegacyBegin::Resume(offered.offer), len)
        .await;
    assert!(kind(&begun) == Some(StoreErrorKind::InUse), "{begun:?}");
    drop(file);
    let offered = offer(&store, "d/a.bin").await;
    assert!(offered.held.is_some(), "the staging is forgotten");
}
