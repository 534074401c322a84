//! Stagings of blocks as the native dialect's driver sees them.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, Cv, Digest, Manifest, block_len, block_offset};
use ftx_core::native::wire::{Meta, Overwrite, Token};
use ftx_io::Executor;
use ftx_server::store::local::{LocalBlockUpload, LocalStore};
use ftx_server::store::{
    Naming, OpenedUpload, Refusal, StagedUpload as _, Store as _, StoredFile as _, UploadOffer,
    UploadOwner, WorkProgress,
};

use crate::{MIB, assert_file, config, content, name, open, pass_days};

const LEN: usize = 3 * MIB + 5;

fn cv(file: &[u8], index: u64) -> (Cv, &[u8]) {
    let start = usize::try_from(block_offset(index)).unwrap();
    let len = usize::try_from(block_len(file.len() as u64, index)).unwrap();
    let bytes = &file[start..][..len];
    let mut hasher = BlockHasher::new(file.len() as u64, index);
    hasher.update(bytes);
    (hasher.finish().unwrap(), bytes)
}

fn digest(file: &[u8]) -> Digest {
    let cvs = (0..file.len().div_ceil(MIB) as u64).map(|index| cv(file, index).0).collect();
    Manifest::new(file.len() as u64, cvs).unwrap().digest()
}

async fn offer(
    store: &LocalStore,
    file: &str,
    size: usize,
    writer: u8,
) -> Result<OpenedUpload<LocalBlockUpload>, Refusal> {
    let offer = UploadOffer {
        name: name(file),
        size: size as u64,
        meta: Meta::default(),
        overwrite: Overwrite::Replace,
        naming: Naming::Exact,
        owner: Some(UploadOwner::Run(Token([writer; 16]))),
    };
    store.offer(&Executor::pool(), offer, WorkProgress::default()).await
}

async fn store_blocks(
    upload: &LocalBlockUpload,
    file: &[u8],
    blocks: impl IntoIterator<Item = u64>,
) -> Result<(), Refusal> {
    for index in blocks {
        let (cv, bytes) = cv(file, index);
        upload.write(&Executor::pool(), block_offset(index), bytes.to_vec()).await?;
        upload.stored(&Executor::pool(), index, cv).await?;
    }
    Ok(())
}

async fn publish(upload: &LocalBlockUpload, file: &[u8]) -> Result<bool, Refusal> {
    upload.publish(&Executor::pool(), Vec::new(), digest(file), WorkProgress::default()).await
}

/// An upload of blocks that is interrupted.
async fn interrupted(store: &LocalStore, file: &str, bytes: &[u8], blocks: &[u64]) {
    let offered = offer(store, file, bytes.len(), 200).await.unwrap();
    store_blocks(&offered.upload, bytes, blocks.iter().copied()).await.unwrap();
    offered.upload.end(&Executor::pool(), false).await.unwrap();
}

fn known(offered: &OpenedUpload<LocalBlockUpload>) -> Vec<u64> {
    offered.staged.known_from(0).map(|(index, _)| index).collect()
}

fn staged(root: &Path) -> usize {
    fs::read_dir(root.join(".ftx/blocks")).unwrap().count()
}

fn patient(root: &Path, silent: Duration) -> LocalStore {
    let mut config = config(root);
    config.takeover_after = silent;
    LocalStore::open(&config).unwrap()
}

#[tokio::test]
async fn another_clients_upload_is_taken_over_when_it_is_silent_and_not_before() {
    for (silent, taken) in [(Duration::ZERO, true), (Duration::from_secs(3600), false)] {
        let root = tempfile::tempdir().unwrap();
        let store = patient(root.path(), silent);
        let file = content(1, LEN);
        let first = offer(&store, "a", LEN, 1).await.unwrap();
        store_blocks(&first.upload, &file, [0, 2]).await.unwrap();
        let second = offer(&store, "a", LEN, 2).await.unwrap();
        assert_eq!(known(&second), if taken { vec![0, 2] } else { vec![] });
        let rest = store_blocks(&first.upload, &file, [1, 3]).await;
        if taken {
            assert_eq!(rest.unwrap_err().reason, Reason::TakenOver);
            let failed = publish(&first.upload, &file).await.unwrap_err();
            assert_eq!(failed.reason, Reason::TakenOver);
            first.upload.end(&Executor::pool(), true).await.unwrap();
            store_blocks(&second.upload, &file, [1, 3]).await.unwrap();
        } else {
            publish(&first.upload, &file).await.unwrap();
            store_blocks(&second.upload, &file, 0..4).await.unwrap();
        }
        publish(&second.upload, &file).await.unwrap();
        assert_file(root.path(), "a", &file);
        assert_eq!(staged(root.path()), 0);
    }
}

/// There is nothing to gain from it.
#[tokio::test]
async fn a_silent_upload_of_another_size_or_without_a_block_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let store = patient(root.path(), Duration::ZERO);
    let (file, other) = (content(1, LEN), content(2, 2 * MIB));
    let first = offer(&store, "a", LEN, 1).await.unwrap();
    let second = offer(&store, "a", LEN, 2).await.unwrap();
    store_blocks(&first.upload, &file, 0..4).await.unwrap();
    let third = offer(&store, "a", other.len(), 3).await.unwrap();
    store_blocks(&third.upload, &other, 0..2).await.unwrap();
    store_blocks(&second.upload, &file, 0..4).await.unwrap();
    for (upload, file) in [(&first.upload, &file), (&second.upload, &file), (&third.upload, &other)]
    {
        publish(upload, file).await.unwrap();
        assert_file(root.path(), "a", file);
    }
}

#[tokio::test]
async fn the_fullest_of_several_stagings_is_resumed() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let file = content(1, LEN);
    let mut uploads = Vec::new();
    for (writer, blocks) in [(1, vec![0]), (2, vec![0, 1, 3]), (3, vec![2])] {
        let offered = offer(&store, "a", LEN, writer).await.unwrap();
        store_blocks(&offered.upload, &file, blocks).await.unwrap();
        uploads.push(offered.upload);
    }
    // More of it, but of another size.
    let larger = content(9, LEN + MIB);
    let offered = offer(&store, "a", larger.len(), 4).await.unwrap();
    store_blocks(&offered.upload, &larger, 0..5).await.unwrap();
    uploads.push(offered.upload);
    for upload in uploads {
        upload.end(&Executor::pool(), false).await.unwrap();
    }
    assert_eq!(blocks_after_resume(&store, root.path()).await, [0, 1, 3]);
    drop(store);
    assert_eq!(blocks_after_resume(&open_again(root.path()).await, root.path()).await, [0, 1, 3]);
}

/// Another client resumes the staging; it is unchanged.
async fn blocks_after_resume(store: &LocalStore, root: &Path) -> Vec<u64> {
    let offered = offer(store, "a", LEN, 5).await.unwrap();
    let known = known(&offered);
    offered.upload.end(&Executor::pool(), false).await.unwrap();
    assert_eq!(staged(root), 8);
    known
}

async fn open_again(root: &Path) -> LocalStore {
    let root = root.to_path_buf();
    tokio::task::spawn_blocking(move || open(&root)).await.unwrap()
}

/// Its driver may have panicked.
#[tokio::test]
async fn an_upload_that_is_dropped_is_kept_and_holds_nothing() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let file = content(1, LEN);
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    store_blocks(&offered.upload, &file, [1]).await.unwrap();
    drop(offered);
    let offered = offer(&store, "a", LEN, 2).await.unwrap();
    assert_eq!(known(&offered), [1]);
    drop((offered, store));
    let store = open_again(root.path()).await;
    assert_eq!(known(&offer(&store, "a", LEN, 3).await.unwrap()), [1]);
}

#[tokio::test]
async fn stagings_expire() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let file = content(1, LEN);
    interrupted(&store, "old", &file, &[0]).await;
    drop(store);
    drop(open_again(root.path()).await);
    pass_days(root.path(), 6);
    let store = open_again(root.path()).await;
    assert_eq!(staged(root.path()), 2);
    interrupted(&store, "new", &file, &[0]).await;
    drop(store);
    pass_days(root.path(), 2);
    let store = open_again(root.path()).await;
    assert_eq!(staged(root.path()), 2);
    assert!(known(&offer(&store, "old", LEN, 1).await.unwrap()).is_empty());
    assert_eq!(known(&offer(&store, "new", LEN, 1).await.unwrap()), [0]);
}

/// The system's clock may have been set, and data that is to be published gets the time that the client's
/// file has, which may be any.
#[tokio::test]
async fn the_times_of_its_files_are_not_the_age_of_a_staging() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let file = content(1, LEN);
    interrupted(&store, "a", &file, &[0]).await;
    drop(store);
    let day = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    for time in [now - 1000 * day, now + 1000 * day, SystemTime::UNIX_EPOCH] {
        for entry in fs::read_dir(root.path().join(".ftx/blocks")).unwrap() {
            let path = entry.unwrap().path();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let store = open_again(root.path()).await;
        assert_eq!(staged(root.path()), 2);
        drop(store);
    }
    let store = open_again(root.path()).await;
    assert_eq!(known(&offer(&store, "a", LEN, 1).await.unwrap()), [0]);
}

#[tokio::test]
async fn a_failed_publish_keeps_the_old_version_and_the_staging() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let old = content(1, LEN);
    fs::write(root.path().join("a"), &old).unwrap();
    let mut new = old.clone();
    new[0] ^= 1;
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    store_blocks(&offered.upload, &new, [0]).await.unwrap();
    // Stopped before blocks are copied.
    let copy = vec![ftx_core::native::blocks::BlockRange { first: 1, count: 3 }];
    let stopped = WorkProgress::default();
    stopped.stop();
    let failed = offered
        .upload
        .publish(&Executor::pool(), copy.clone(), digest(&new), stopped)
        .await
        .unwrap_err();
    assert_eq!(failed.reason, Reason::ShuttingDown);
    assert_file(root.path(), "a", &old);
    assert!(
        offered
            .upload
            .publish(&Executor::pool(), copy, digest(&new), WorkProgress::default())
            .await
            .is_err()
    );
    drop((offered, store));
    let store = open_again(root.path()).await;
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    assert_eq!(known(&offered), [0]);
    // Published too early, and as another file.
    assert!(publish(&offered.upload, &new).await.is_err());
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    assert_eq!(known(&offered), [0]);
    store_blocks(&offered.upload, &new, [1, 2, 3]).await.unwrap();
    let failed = publish(&offered.upload, &content(3, LEN)).await.unwrap_err();
    assert_eq!(failed.reason, Reason::DigestMismatch);
    assert_file(root.path(), "a", &old);
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    assert_eq!(known(&offered), [0, 1, 2, 3]);
    publish(&offered.upload, &new).await.unwrap();
    assert_file(root.path(), "a", &new);
}

#[tokio::test]
async fn blocks_are_not_copied_from_a_file_that_changes() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let old = content(1, LEN);
    fs::write(root.path().join("a"), &old).unwrap();
    let mut new = old.clone();
    new[0] ^= 1;
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    store_blocks(&offered.upload, &new, [0]).await.unwrap();
    let file = fs::File::options().write(true).open(root.path().join("a")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"changed", 2 * MIB as u64).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let copy = vec![ftx_core::native::blocks::BlockRange { first: 1, count: 3 }];
    let failed = offered
        .upload
        .publish(&Executor::pool(), copy, digest(&new), WorkProgress::default())
        .await;
    assert_eq!(failed.unwrap_err().reason, Reason::Changed);
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    // Those that still had their chaining values were copied.
    assert_eq!(known(&offered), [0, 1, 3]);
}

#[tokio::test]
async fn room_is_promised_once_and_given_back() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let dir = cap_std::fs::Dir::open_ambient_dir(root.path(), cap_std::ambient_authority());
    let free = usize::try_from(ftx_store::available_bytes(&dir.unwrap()).unwrap()).unwrap();
    let most = free / 3 * 2;
    let first = offer(&store, "a", most, 1).await.unwrap();
    let refused = offer(&store, "b", most, 2).await.unwrap_err();
    assert_eq!(refused.reason, Reason::NoSpace);
    assert!(refused.message.contains("free"), "{refused}");
    // Who comes back needs no more room than before, though its old connection is still there.
    let again = offer(&store, "a", most, 1).await.unwrap();
    again.upload.end(&Executor::pool(), true).await.unwrap();
    let other = offer(&store, "b", most, 2).await.unwrap();
    assert_eq!(offer(&store, "c", most, 3).await.unwrap_err().reason, Reason::NoSpace);
    // Whether it could be published or not.
    assert!(publish(&other.upload, &content(1, 5)).await.is_err());
    let last = offer(&store, "c", most, 3).await.unwrap();
    drop(last);
    offer(&store, "d", most, 4).await.unwrap();
    drop(first);
}

#[tokio::test]
async fn a_file_is_hashed_once() {
    let root = tempfile::tempdir().unwrap();
    let len = ftx_store::MIN_CACHED_BYTES + 5;
    let file = content(1, usize::try_from(len).unwrap());
    let path = root.path().join("a");
    fs::write(&path, &file).unwrap();
    // A file that has only just changed may change once more without that being seen.
    let opened = fs::File::options().read(true).write(true).open(&path).unwrap();
    opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let snapshot = ftx_store::ReadSnapshot::take(&opened).unwrap();
    let again = if snapshot.confirm(&opened).is_some() { 0 } else { len };
    let mut store = open(root.path());
    let mut read = Vec::new();
    for run in 0..3 {
        let opened = store.open(&Executor::pool(), &name("a")).await.unwrap();
        let progress = WorkProgress::default();
        let manifest = opened.manifest(&Executor::pool(), progress.clone()).await.unwrap();
        assert_eq!(manifest.digest(), digest(&file));
        read.push(progress.get().1);
        if run == 1 {
            drop((opened, store));
            store = open_again(root.path()).await;
        }
    }
    assert_eq!(read, [len, again, again]);
}

/// The uploaded bytes are not read again to know the published file's hashes.
#[tokio::test]
async fn uploaded_blocks_are_known() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let file = content(1, LEN);
    let meta = Meta { mtime: ftx_core::native::wire::Mtime::new(5, 0), ..Meta::default() };
    let (size, overwrite) = (LEN as u64, Overwrite::Replace);
    let (name_a, naming) = (name("a"), Naming::Exact);
    let request = UploadOffer { name: name_a, size, meta, overwrite, naming, owner: None };
    let offered = store.offer(&Executor::pool(), request, WorkProgress::default()).await.unwrap();
    store_blocks(&offered.upload, &file, 0..4).await.unwrap();
    publish(&offered.upload, &file).await.unwrap();
    let progress = WorkProgress::default();
    let opened = store.open(&Executor::pool(), &name("a")).await.unwrap();
    assert_eq!(
        opened.manifest(&Executor::pool(), progress.clone()).await.unwrap().digest(),
        digest(&file)
    );
    assert_eq!(progress.get(), (0, 0));
    // And the next upload of the name is offered it.
    let offered = offer(&store, "a", LEN, 1).await.unwrap();
    assert_eq!(offered.published.unwrap().known(), 4);
}

/// Of a large file that is replaced by a small one, no more is read than can be of use.
#[tokio::test]
async fn a_small_file_replaces_a_huge_one_at_once() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    fs::File::create(root.path().join("a")).unwrap().set_len(1 << 40).unwrap();
    let offered = offer(&store, "a", 2 * MIB, 1).await.unwrap();
    let held: Vec<_> = offered.published.unwrap().known_from(0).map(|(index, _)| index).collect();
    assert_eq!(held, [0, 1]);
    let file = content(1, 2 * MIB);
    store_blocks(&offered.upload, &file, 0..2).await.unwrap();
    publish(&offered.upload, &file).await.unwrap();
    assert_file(root.path(), "a", &file);
}
