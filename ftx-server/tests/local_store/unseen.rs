//! Published files that other programs change, with and without a new modification time; and the cached
//! hashes of those whose time changed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use ftx_io::Executor;
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyBegin, LegacyDownload as _, LegacyStore as _};
use ftx_store::{MIN_CACHED_BYTES, ReadSnapshot, StoreErrorKind};
use tempfile::tempdir;

use crate::unseen_kit::{directory, flip};
use crate::{ALL, MIB, content, held, kind, md5, name, offer, open, put, staged_files};

/// As large as a file must be to be remembered.
const LARGE: usize = 16 * MIB;

/// The store reports the present contents of `a.bin`, and neither offers nor confirms `old`.
async fn assert_reports_present_contents(store: &LocalStore, old: &[u8], new: &[u8]) {
    assert_eq!(offer(store, "a.bin").await.held, Some(held(new)));
    let mut download = store.open_download(&Executor::pool(), &name("a.bin")).await.unwrap();
    assert!(download.md5().is_none_or(|told| told == md5(new)));
    assert!(!download.starts_with(&Executor::pool(), held(old)).await.unwrap());
    assert!(download.starts_with(&Executor::pool(), held(new)).await.unwrap());
}

/// Its time of modification is set back, as programs do that copy times; and it may be written to in the
/// same tick of the clock in which it was published.
#[tokio::test]
async fn a_published_file_that_is_written_to_at_once_is_offered_as_it_is() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let path = root.path().join("a.bin");
    for (len, rounds) in [(1000, 20), (300_000, 20), (LARGE, 1)] {
        for round in 0..rounds {
            let old = content(round, len);
            put(&store, "a.bin", &old).await;
            let file = File::options().write(true).open(&path).unwrap();
            let published = file.metadata().unwrap().modified().unwrap();
            let mut new = old.clone();
            new[len / 2] ^= 1;
            file.write_all_at(&new[len / 2..=len / 2], len as u64 / 2).unwrap();
            if round % 2 == 0 {
                file.set_modified(published).unwrap();
            }
            assert_reports_present_contents(&store, &old, &new).await;
        }
    }
}

#[tokio::test]
async fn a_change_that_does_not_show_is_offered() {
    let Some(root) = directory() else {
        println!("skipped: no file can be changed here without showing it");
        return;
    };
    let store = open(root.path());
    for (len, is_old) in [(1000, false), (LARGE, false), (1000, true), (LARGE, true)] {
        let old = content(1, len);
        put(&store, "a.bin", &old).await;
        if is_old {
            // Old enough to be remembered, were it for its times.
            let file = File::options().write(true).open(root.path().join("a.bin")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        assert_eq!(offer(&store, "a.bin").await.held, Some(held(&old)));
        assert!(
            store
                .open_download(&Executor::pool(), &name("a.bin"))
                .await
                .unwrap()
                .starts_with(&Executor::pool(), held(&old))
                .await
                .unwrap()
        );
        flip(&root.path().join("a.bin"), len / 2);
        let mut new = old.clone();
        new[len / 2] ^= 1;
        assert_reports_present_contents(&store, &old, &new).await;
    }
}

#[tokio::test]
async fn a_file_that_changed_after_the_offer_without_showing_it_is_not_resumed() {
    let Some(root) = directory() else {
        println!("skipped: no file can be changed here without showing it");
        return;
    };
    let store = open(root.path());
    for len in [1000, LARGE] {
        put(&store, "a.bin", &content(1, len)).await;
        for at in [0, len / 2, len - 1] {
            let offered = offer(&store, "a.bin").await;
            assert!(offered.published);
            flip(&root.path().join("a.bin"), at);
            let begun = store
                .begin(&Executor::pool(), &name("a.bin"), LegacyBegin::Resume(offered.offer), 10)
                .await;
            assert!(kind(&begun) == Some(StoreErrorKind::Changed), "{at}: {begun:?}");
            assert_eq!(staged_files(root.path()), [""; 0]);
        }
    }
}

/// A file whose contents changed last long ago.
fn old_file(path: &Path, bytes: &[u8]) -> File {
    fs::write(path, bytes).unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    file
}

#[tokio::test]
async fn an_old_large_file_is_remembered_where_every_change_shows_and_nowhere_else() {
    assert_eq!(LARGE as u64, MIN_CACHED_BYTES);
    let large = content(1, LARGE);
    for root in [tempdir().ok(), tempfile::tempdir_in("/dev/shm").ok()].into_iter().flatten() {
        let store = open(root.path());
        for bytes in [&large[..], &large[1..]] {
            let file = old_file(&root.path().join("a.bin"), bytes);
            let shows = ReadSnapshot::take(&file).unwrap().confirm(&file).is_some();
            assert!(!shows || bytes.len() == LARGE);
            let told = store.open_download(&Executor::pool(), &name("a.bin")).await.unwrap().md5();
            assert_eq!(told, None, "before it was read");
            assert_eq!(offer(&store, "a.bin").await.held, Some(held(bytes)));
            let told = store.open_download(&Executor::pool(), &name("a.bin")).await.unwrap().md5();
            assert_eq!(told, shows.then(|| md5(bytes)), "{} bytes", bytes.len());
            // The same for a file that is compared with a client's copy.
            fs::remove_file(root.path().join("a.bin")).unwrap();
            let file = old_file(&root.path().join("a.bin"), bytes);
            let shows = ReadSnapshot::take(&file).unwrap().confirm(&file).is_some();
            let mut download =
                store.open_download(&Executor::pool(), &name("a.bin")).await.unwrap();
            assert!(download.starts_with(&Executor::pool(), held(bytes)).await.unwrap());
            assert_eq!(download.md5(), shows.then(|| md5(bytes)));
            // And it is forgotten when it changes.
            file.write_all_at(b"x", 0).unwrap();
            assert_eq!(
                store.open_download(&Executor::pool(), &name("a.bin")).await.unwrap().md5(),
                None
            );
        }
    }
}

/// Bytes that this process has read; `None` where the system does not tell.
fn bytes_read() -> Option<u64> {
    let told = fs::read_to_string("/proc/self/io").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("rchar: "))?;
    line.trim().parse().ok()
}

/// In a process of its own, so that the system counts its reads alone.
#[test]
fn cached_hashes_are_not_computed_again() {
    const ALONE: &str = "FTX_TEST_READS_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let name = "unseen::cached_hashes_are_not_computed_again";
        let output = again.args([name, "--exact"]).env(ALONE, "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        return;
    }
    if bytes_read().is_none() {
        println!("skipped: the system does not count bytes read");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for root in [tempdir().ok(), tempfile::tempdir_in("/dev/shm").ok()].into_iter().flatten() {
            let store = open(root.path());
            let bytes = content(1, LARGE);
            let file = old_file(&root.path().join("a.bin"), &bytes);
            let shows = ReadSnapshot::take(&file).unwrap().confirm(&file).is_some();
            for is_first in [true, false, false] {
                let before = bytes_read().unwrap();
                let offered =
                    store.offer_prefix(&Executor::pool(), &name("a.bin"), ALL).await.unwrap();
                let read = bytes_read().unwrap() - before;
                assert_eq!(offered.held, Some(held(&bytes)));
                assert_eq!(read < MIB as u64, shows && !is_first, "{read} bytes are read");
            }
        }
    });
}
