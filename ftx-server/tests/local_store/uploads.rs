//! Successive uploads: publishing, resuming, and recovery.

use std::fs;
use std::path::Path;

use ftx_io::Executor;
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreError;
use tempfile::tempdir;

use crate::{
    MIB, assert_file, assert_offers_start_of, begin_anew, config, content, finish, finish_from,
    interrupted, md5, name, offer, open, pass_days, put, staged_files, write,
};

#[tokio::test]
async fn a_file_appears_when_it_is_complete() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for len in [0, 1, 1000, 128 * 1024, 128 * 1024 + 1, 3 * MIB + 7] {
        let bytes = content(len as u64, len);
        let mut upload = begin_anew(&store, "a.bin", len).await;
        write(&mut upload, &bytes).await.unwrap();
        assert!(!root.path().join("a.bin").exists(), "{len} bytes are visible before their end");
        let told = upload.publish(&Executor::pool()).await.unwrap();
        assert!(told.is_none_or(|told| told == md5(&bytes)), "md5 of {len} bytes");
        assert_file(root.path(), "a.bin", &bytes);
        assert_eq!(staged_files(root.path()), [""; 0]);
        fs::remove_file(root.path().join("a.bin")).unwrap();
    }
}

#[tokio::test]
async fn directories_are_made() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for (file, len) in [("a/b/small", 5), ("a/c/d/large", 300_000), ("a/empty", 0)] {
        put(&store, file, &content(1, len)).await;
        assert_file(root.path(), file, &content(1, len));
    }
}

/// The directory was moved away during the upload, or is gone.
#[tokio::test]
async fn a_file_is_published_under_the_final_path_of_its_name() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 700_000);
    for gone in [false, true] {
        fs::create_dir_all(root.path().join("dir")).unwrap();
        let mut upload = begin_anew(&store, "dir/a.bin", bytes.len()).await;
        write(&mut upload, &bytes).await.unwrap();
        if gone {
            fs::remove_dir_all(root.path().join("dir")).unwrap();
        } else {
            fs::rename(root.path().join("dir"), root.path().join("old")).unwrap();
        }
        upload.publish(&Executor::pool()).await.unwrap();
        assert_file(root.path(), "dir/a.bin", &bytes);
        assert!(!root.path().join("old/a.bin").exists());
    }
}

#[tokio::test]
async fn an_interrupted_upload_resumes_where_it_was() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(3, 2 * MIB);
    interrupted(&store, "a.bin", &bytes, MIB + 5).await;
    assert!(!root.path().join("a.bin").exists());
    let from = finish(&store, "a.bin", &bytes).await;
    assert!((MIB..MIB + 5).contains(&from), "{from}");
    assert_file(root.path(), "a.bin", &bytes);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn an_upload_resumes_after_every_interruption() {
    let root = tempdir().unwrap();
    let bytes = content(4, 3 * MIB);
    let mut end = 0;
    interrupted(&open(root.path()), "d/a.bin", &bytes, 200_000).await;
    for step in 1..10 {
        // Every other time the server was restarted meanwhile.
        let store = open(root.path());
        let offered = offer(&store, "d/a.bin").await;
        let from = assert_offers_start_of(&offered, &bytes);
        assert!(from >= end, "step {step}: {from} bytes, but {end} were there before");
        end = from + 250_000;
        let begin = LegacyBegin::Resume(offered.offer);
        let len = (bytes.len() - from) as u64;
        let mut upload =
            store.begin(&Executor::pool(), &name("d/a.bin"), begin, len).await.unwrap();
        write(&mut upload, &bytes[from..end]).await.unwrap();
        upload.suspend(&Executor::pool()).await.unwrap();
        end -= 1;
    }
    finish(&open(root.path()), "d/a.bin", &bytes).await;
    assert_file(root.path(), "d/a.bin", &bytes);
}

#[tokio::test]
async fn a_dropped_upload_keeps_the_written_bytes() {
    let root = tempdir().unwrap();
    let bytes = content(5, 6 * MIB);
    let store = open(root.path());
    let mut upload = begin_anew(&store, "a.bin", bytes.len()).await;
    write(&mut upload, &bytes[..5 * MIB]).await.unwrap();
    drop(upload);
    let from = finish(&store, "a.bin", &bytes).await;
    assert!(from >= 4 * MIB, "{from}");
    assert_file(root.path(), "a.bin", &bytes);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

/// State left by the end of the process: files written since the last boot.
#[tokio::test]
async fn a_kill_costs_a_bounded_piece() {
    let bytes = content(6, 20 * MIB);
    for written in (3..=18).step_by(3).map(|mebibytes| mebibytes * MIB) {
        let root = tempdir().unwrap();
        let store = open(root.path());
        let mut upload = begin_anew(&store, "d/a.bin", bytes.len()).await;
        write(&mut upload, &bytes[..written]).await.unwrap();
        drop((upload, store));
        let path = root.path().to_path_buf();
        let survivor = tokio::task::spawn_blocking(move || open(&path)).await.unwrap();
        let from = finish(&survivor, "d/a.bin", &bytes).await;
        assert!(from + 8 * MIB >= written, "{from} of {written}");
        assert_file(root.path(), "d/a.bin", &bytes);
        assert_eq!(staged_files(root.path()), [""; 0]);
    }
}

/// A power failure leaves the bytes that were on disk in the middle of an upload, and so does a copy of
/// the directory; only hashed bytes count.
#[tokio::test]
async fn a_crash_never_costs_the_truth() {
    let (root, after) = (tempdir().unwrap(), tempdir().unwrap());
    let bytes = content(6, 20 * MIB);
    let store = open(root.path());
    // A suspended staging is hashed.
    interrupted(&store, "d/a.bin", &bytes, 5 * MIB).await;
    let offered = offer(&store, "d/a.bin").await;
    let held = usize::try_from(offered.held.unwrap().len).unwrap();
    let (begin, left) = (LegacyBegin::Resume(offered.offer), (bytes.len() - held) as u64);
    let mut upload = store.begin(&Executor::pool(), &name("d/a.bin"), begin, left).await.unwrap();
    let mut upload_of_b = begin_anew(&store, "b.bin", 300_000).await;
    upload_of_b.write(&Executor::pool(), content(7, 1)).await.unwrap();
    for (step, piece) in bytes[held..18 * MIB].chunks(3 * MIB).enumerate() {
        write(&mut upload, piece).await.unwrap();
        let copy = after.path().join(step.to_string());
        copy_tree(root.path(), &copy);
        assert!(!copy.join("d/a.bin").exists());
        let survivor = open(&copy);
        let from = finish(&survivor, "d/a.bin", &bytes).await;
        assert!(from + 1 >= held, "{from} of {held}");
        assert_file(&copy, "d/a.bin", &bytes);
        put(&survivor, "b.bin", &bytes[..10]).await;
        assert_file(&copy, "b.bin", &bytes[..10]);
        assert_eq!(staged_files(&copy), [""; 0]);
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_partial_file_under_its_name_is_resumed_and_left_alone_meanwhile() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(8, 2 * MIB);
    fs::write(root.path().join("a.bin"), &bytes[..MIB]).unwrap();
    let offered = offer(&store, "a.bin").await;
    assert!(offered.published);
    assert_eq!(assert_offers_start_of(&offered, &bytes), MIB);
    let begin = LegacyBegin::Resume(offered.offer);
    let mut upload =
        store.begin(&Executor::pool(), &name("a.bin"), begin, MIB as u64).await.unwrap();
    write(&mut upload, &bytes[MIB..]).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes[..MIB]);
    upload.suspend(&Executor::pool()).await.unwrap();
    assert_file(root.path(), "a.bin", &bytes[..MIB]);
    let offered = offer(&store, "a.bin").await;
    assert!(!offered.published, "the staging comes before the published file");
    finish_from(&store, "a.bin", &bytes, offered).await;
    assert_file(root.path(), "a.bin", &bytes);
}

#[tokio::test]
async fn beginning_anew_discards_the_offered_bytes() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    interrupted(&store, "a.bin", &content(1, MIB), 600_000).await;
    let other = content(2, MIB);
    let mut upload = begin_anew(&store, "a.bin", other.len()).await;
    write(&mut upload, &other[..400_000]).await.unwrap();
    upload.suspend(&Executor::pool()).await.unwrap();
    let from = finish(&store, "a.bin", &other).await;
    assert!(from < 400_000, "{from}");
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn a_small_upload_discards_the_stagings_of_its_name() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    interrupted(&store, "a.bin", &content(1, MIB), 600_000).await;
    put(&store, "a.bin", b"short").await;
    assert_file(root.path(), "a.bin", b"short");
    assert_eq!(staged_files(root.path()), [""; 0]);
    assert!(offer(&store, "a.bin").await.published);
}

#[tokio::test]
async fn old_stagings_are_removed_when_the_store_is_opened() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    interrupted(&store, "old.bin", &content(1, MIB), 600_000).await;
    drop(store);
    let store = open(root.path());
    drop(store);
    pass_days(root.path(), 8);
    let store = open(root.path());
    assert_eq!(offer(&store, "old.bin").await.held, None);
    assert_eq!(staged_files(root.path()), [""; 0]);
    interrupted(&store, "new.bin", &content(1, MIB), 600_000).await;
    drop(store);
    let store = open(root.path());
    assert!(offer(&store, "new.bin").await.held.is_some());
}

/// A crash between giving the data its name and removing the journal leaves such a file.
#[tokio::test]
async fn a_journal_without_data_is_removed_when_the_store_is_opened() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    interrupted(&store, "a.bin", &content(1, MIB), 600_000).await;
    // Nothing is being read any more when this is answered.
    assert!(offer(&store, "a.bin").await.held.is_some());
    drop(store);
    let data = staged_files(root.path()).into_iter().find(|file| file.ends_with(".data")).unwrap();
    fs::remove_file(root.path().join(".ftx/staging").join(data)).unwrap();
    let store = open(root.path());
    assert_eq!(offer(&store, "a.bin").await.held, None);
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn a_root_has_one_store() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let second = LocalStore::open(&config(root.path()));
    assert!(matches!(second, Err(StoreError::RootInUse { .. })), "{second:?}");
    put(&store, "a.bin", b"still served").await;
    drop(store);
    open(root.path());
}
