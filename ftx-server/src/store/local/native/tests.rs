//! Uploads that end while another connection waits for their staging.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockHasher, Digest, Manifest};
use ftx_core::native::wire::{Meta, Overwrite, Token};
use ftx_io::Executor;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::upload::LeasedStaging;
use super::{LocalBlockUpload, LocalStore, SlowJob};
use crate::auth::Principal;
use crate::store::local::LocalStoreConfig;
use crate::store::local::staging_index::{StagingEntry, StagingKey, StagingState};
use crate::store::{
    Naming, OpenedUpload, StagedUpload as _, Store as _, UploadOffer, UploadOwner, WorkProgress,
};

const BLOCKS: u64 = 3;
const LEN: u64 = BLOCKS * BLOCK_BYTES;

/// Long enough for an offer that does not wait to be answered.
const MOMENT: Duration = Duration::from_millis(100);

fn setting() -> (TempDir, LocalStore) {
    let root = tempfile::tempdir().unwrap();
    let store = LocalStore::open(&LocalStoreConfig::new(root.path())).unwrap();
    (root, store)
}

/// Jobs that wait for a turn with a name take permits, and so not all threads.
#[test]
fn jobs_that_wait_for_a_name_leave_threads_to_others() {
    const WAITING: usize = 200;
    let (_root, store) = setting();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(crate::BLOCKING_THREADS);
    runtime.build().unwrap().block_on(async {
        let lock = store.inner.name_locks.lock([name()]);
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.remove(&Executor::pool(), &name()).await.is_err() })
            })
            .collect();
        // All that can have a thread ask for it before the next request does.
        for _ in 0..WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.inner.permits.of(SlowJob::Sync).available_permits(), 0);
        let asked = name();
        let executor = Executor::pool();
        let stat = store.stat(&executor, &asked);
        let stat = tokio::time::timeout(Duration::from_secs(60), stat);
        assert!(stat.await.expect("others have all threads").is_err());
        drop(lock);
        for removed in waiting {
            assert!(removed.await.unwrap());
        }
    });
}

fn name() -> RemoteName {
    RemoteName::parse("dir/a.bin").unwrap()
}

const OWN: Option<UploadOwner> = Some(UploadOwner::Run(Token([1; 16])));

async fn offer(
    store: LocalStore,
    overwrite: Overwrite,
    owner: Option<UploadOwner>,
) -> OpenedUpload<LocalBlockUpload> {
    let (name, meta) = (name(), Meta::default());
    let naming = Naming::Exact;
    let offer = UploadOffer { name, size: LEN, meta, overwrite, naming, owner };
    store.offer(&Executor::pool(), offer, WorkProgress::default()).await.unwrap()
}

/// The client is back, and asks on a connection of its own.
fn back(store: &LocalStore) -> JoinHandle<OpenedUpload<LocalBlockUpload>> {
    tokio::spawn(offer(store.clone(), Overwrite::Replace, OWN))
}

/// Writes blocks of zeros.
async fn write(upload: &LocalBlockUpload, blocks: std::ops::Range<u64>) {
    let zeros = vec![0; usize::try_from(BLOCK_BYTES).unwrap()];
    for index in blocks {
        let mut hasher = BlockHasher::new(LEN, index);
        hasher.update(&zeros);
        upload.write(&Executor::pool(), index * BLOCK_BYTES, zeros.clone()).await.unwrap();
        upload.stored(&Executor::pool(), index, hasher.finish().unwrap()).await.unwrap();
    }
}

fn digest() -> Digest {
    let zeros = vec![0; usize::try_from(BLOCK_BYTES).unwrap()];
    let cv = |index| {
        let mut hasher = BlockHasher::new(LEN, index);
        hasher.update(&zeros);
        hasher.finish().unwrap()
    };
    Manifest::new(LEN, (0..BLOCKS).map(cv).collect()).unwrap().digest()
}

/// Publishes on another task, and waits until that is under way.
async fn publishing(
    store: &LocalStore,
    upload: LocalBlockUpload,
) -> JoinHandle<Result<bool, Reason>> {
    let published = tokio::spawn(async move {
        let published =
            upload.publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default()).await;
        published.map_err(|refusal| refusal.reason)
    });
    let key = StagingKey::new(&name(), &Principal::Anonymous);
    let is_leased = |entry: &StagingEntry<_>| matches!(entry.state, StagingState::Leased { .. });
    while !store.inner.native.stagings.of(&key).iter().any(is_leased) {
        tokio::task::yield_now().await;
    }
    published
}

async fn still_waits(task: &mut JoinHandle<OpenedUpload<LocalBlockUpload>>) {
    let answered = tokio::time::timeout(MOMENT, task).await;
    assert!(answered.is_err(), "it does not wait: {answered:?}");
}

#[tokio::test]
async fn a_returning_client_finds_the_file_that_was_being_published() {
    let (_root, store) = setting();
    let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Replace, OWN).await;
    write(&upload, 0..BLOCKS).await;
    let lock = store.inner.name_locks.lock([name()]);
    let published = publishing(&store, upload).await;
    let mut back = back(&store);
    still_waits(&mut back).await;
    drop(lock);
    assert_eq!(published.await.unwrap(), Ok(false));
    let again = back.await.unwrap();
    assert_eq!(again.published.unwrap().known(), BLOCKS);
    assert!(
        again
            .upload
            .publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default())
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_returning_client_resumes_its_upload_after_a_failed_publish() {
    let (root, store) = setting();
    std::fs::create_dir(root.path().join("dir")).unwrap();
    let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Fail, OWN).await;
    write(&upload, 0..BLOCKS).await;
    let lock = store.inner.name_locks.lock([name()]);
    let published = publishing(&store, upload).await;
    let mut back = back(&store);
    still_waits(&mut back).await;
    std::fs::write(root.path().join("dir/a.bin"), "somebody else's").unwrap();
    drop(lock);
    assert_eq!(published.await.unwrap(), Err(Reason::AlreadyExists));
    let again = back.await.unwrap();
    assert_eq!(again.staged.known(), BLOCKS);
    again
        .upload
        .publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_returning_client_resumes_its_suspended_upload() {
    let (_root, store) = setting();
    let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Replace, OWN).await;
    write(&upload, 1..BLOCKS).await;
    let shared = upload.shared();
    let LeasedStaging { staging, mut lease } = shared.take_over().unwrap();
    lease.hold(OWN);
    let mut back = back(&store);
    still_waits(&mut back).await;
    // Another client does not wait for it.
    let other =
        offer(store.clone(), Overwrite::Replace, Some(UploadOwner::Run(Token([2; 16])))).await;
    assert_eq!(other.staged.known(), 0);
    staging.suspend().unwrap();
    drop(lease);
    assert_eq!(back.await.unwrap().staged.known(), BLOCKS - 1);
}

/// The published version is replaced while it may be the last reference to a large file.
#[tokio::test]
async fn the_replaced_file_is_closed_when_an_upload_ends() {
    let (root, store) = setting();
    std::fs::create_dir(root.path().join("dir")).unwrap();
    for publishes in [true, false] {
        std::fs::write(root.path().join("dir/a.bin"), vec![1; 100]).unwrap();
        let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Replace, OWN).await;
        if publishes {
            write(&upload, 0..BLOCKS).await;
            upload
                .publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default())
                .await
                .unwrap();
        } else {
            upload.end(&Executor::pool(), false).await.unwrap();
        }
        assert!(upload.shared().take_basis().is_none());
    }
}

/// On a thread that serves one client alone, disk work is done where it is; but not if it may take long,
/// as the client would take silence for the end.
#[test]
fn a_wait_for_the_disk_leaves_the_dedicated_thread() {
    let (_root, store) = setting();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let upload = runtime.block_on(offer(store, Overwrite::Replace, OWN)).upload;
    let shared = upload.shared();
    runtime.block_on(async {
        write(&upload, 0..1).await;
        let mut hasher = BlockHasher::new(LEN, 0);
        hasher.update(&vec![0; usize::try_from(BLOCK_BYTES).unwrap()]);
        let executor = Executor::inline();
        let mut stored = pin!(upload.stored(&executor, 0, hasher.finish().unwrap()));
        {
            let mut held = shared.staging.write().unwrap();
            let staging = held.take();
            let polled = stored.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            *held = staging;
        }
        stored.await.unwrap();
    });
}

/// The directory was moved away during the upload, and another one made in its place.
#[tokio::test]
async fn a_file_is_published_under_the_final_path_of_its_name() {
    let (root, store) = setting();
    std::fs::create_dir(root.path().join("dir")).unwrap();
    let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Replace, OWN).await;
    write(&upload, 0..BLOCKS).await;
    std::fs::rename(root.path().join("dir"), root.path().join("old")).unwrap();
    upload.publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default()).await.unwrap();
    assert!(root.path().join("dir/a.bin").exists());
    assert!(!root.path().join("old/a.bin").exists());
}

/// An upload without an owner is never resumed.
#[tokio::test]
async fn nothing_is_kept_of_a_failed_upload_without_an_owner() {
    let (root, store) = setting();
    let OpenedUpload { upload, .. } = offer(store.clone(), Overwrite::Replace, None).await;
    write(&upload, 0..1).await;
    let failed = upload
        .publish(&Executor::pool(), Vec::new(), digest(), WorkProgress::default())
        .await
        .unwrap_err();
    assert!(failed.message.contains("dir/a.bin"), "{failed}");
    assert_eq!(std::fs::read_dir(root.path().join(".ftx/blocks")).unwrap().count(), 0);
}

/// However often reading a large file is broken off, it comes to an end.
#[tokio::test]
async fn blocks_read_before_a_stop_stay_known() {
    const LARGE: u64 = 600 * BLOCK_BYTES;
    let (root, store) = setting();
    let path = root.path().join("a.bin");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(LARGE).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let name = RemoteName::parse("a.bin").unwrap();
    let mut totals = Vec::new();
    for _ in 0..2 {
        use crate::store::StoredFile as _;
        let opened = store.open(&Executor::pool(), &name).await.unwrap();
        let progress = WorkProgress::default();
        let reading = tokio::spawn({
            let progress = progress.clone();
            async move { opened.manifest(&Executor::pool(), progress).await.map(|_| ()) }
        });
        while progress.get().0 < 300 * BLOCK_BYTES && !reading.is_finished() {
            tokio::task::yield_now().await;
        }
        progress.stop();
        let _ = reading.await.unwrap();
        totals.push(progress.get().1);
    }
    assert_eq!(totals[0], LARGE);
    assert!(totals[1] < LARGE, "{totals:?}");
}
