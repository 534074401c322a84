//! Names that are no files, and ways out of the root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use ftx_core::{RemoteName, Status};
use ftx_io::Executor;
use ftx_server::store::local::LocalStore;
use ftx_server::store::{LegacyBegin, LegacyStore as _, LegacyUpload as _};
use ftx_store::StoreErrorKind;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::tempdir;

use crate::{
    ALL, DEADLINE, assert_file, begin_anew, content, interrupted, kind, name, offer, open, put,
    staged_files, write,
};

/// Tries to upload, small and large, and to download; all of it must fail, at whatever step.
async fn assert_unreachable(store: &LocalStore, file: &str) {
    for len in [10, 300_000] {
        let offered = match store.offer_prefix(&Executor::pool(), &name(file), ALL).await {
            Ok(offered) => offered,
            Err(_) => continue,
        };
        assert_eq!(offered.held, None, "{file} is offered");
        let begun = store
            .begin(&Executor::pool(), &name(file), LegacyBegin::Anew(offered.offer), len)
            .await;
        let Ok(mut upload) = begun else { continue };
        write(&mut upload, &content(1, usize::try_from(len).unwrap())).await.unwrap();
        upload.publish(&Executor::pool()).await.expect_err(file);
    }
    store.open_download(&Executor::pool(), &name(file)).await.map(drop).expect_err(file);
}

#[tokio::test]
async fn a_directory_is_no_file() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(root.path().join("d/inside"), "kept").unwrap();
    let refused = store.offer_prefix(&Executor::pool(), &name("d"), ALL).await;
    assert!(kind(&refused) == Some(StoreErrorKind::IsDirectory), "{refused:?}");
    assert_eq!(refused.unwrap_err().status, Status::OpenError);
    assert_unreachable(&store, "d").await;
    assert_file(root.path(), "d/inside", b"kept");
    assert_eq!(staged_files(root.path()), [""; 0]);
}

#[tokio::test]
async fn a_directory_that_appears_during_an_upload_is_not_replaced() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for len in [10, 300_000] {
        let bytes = content(1, len);
        let mut upload = begin_anew(&store, "a.bin", len).await;
        write(&mut upload, &bytes).await.unwrap();
        fs::create_dir(root.path().join("a.bin")).unwrap();
        upload.publish(&Executor::pool()).await.unwrap_err();
        fs::remove_dir(root.path().join("a.bin")).unwrap();
        let offered = offer(&store, "a.bin").await;
        assert_eq!(offered.held.is_some(), len > 10, "whether {len} bytes are kept");
    }
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    put(&store, "f", b"kept").await;
    let refused = store.offer_prefix(&Executor::pool(), &name("f/a.bin"), ALL).await;
    assert!(kind(&refused) == Some(StoreErrorKind::NotDirectory), "{refused:?}");
    assert_unreachable(&store, "f/a.bin").await;
    assert_file(root.path(), "f", b"kept");
}

#[tokio::test]
async fn links_that_lead_out_are_neither_read_nor_written_through() {
    let (root, outside) = (tempdir().unwrap(), tempdir().unwrap());
    let store = open(root.path());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, root.path().join("file")).unwrap();
    symlink(outside.path(), root.path().join("dir")).unwrap();
    symlink("../../../../../../../../../../etc/passwd", root.path().join("up")).unwrap();
    fs::create_dir(root.path().join("sub")).unwrap();
    symlink("../../..", root.path().join("sub/far")).unwrap();
    for file in ["dir/secret", "dir/new", "sub/far/new", "file", "up"] {
        if let Ok(offered) = store.offer_prefix(&Executor::pool(), &name(file), ALL).await {
            panic!("{file} was offered: {offered:?}");
        }
        assert_unreachable(&store, file).await;
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_directory_that_becomes_a_link_during_an_upload_leads_nowhere() {
    let (root, outside) = (tempdir().unwrap(), tempdir().unwrap());
    let store = open(root.path());
    for len in [10, 300_000] {
        fs::create_dir(root.path().join("d")).unwrap();
        let mut upload = begin_anew(&store, "d/a.bin", len).await;
        write(&mut upload, &content(1, len)).await.unwrap();
        fs::rename(root.path().join("d"), root.path().join("moved")).unwrap();
        symlink(outside.path(), root.path().join("d")).unwrap();
        let _ = upload.publish(&Executor::pool()).await;
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        fs::remove_file(root.path().join("d")).unwrap();
        fs::remove_dir_all(root.path().join("moved")).unwrap();
    }
}

#[tokio::test]
async fn links_within_the_root_are_read_and_written_through() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    put(&store, "a.bin", b"inside").await;
    symlink("a.bin", root.path().join("b.bin")).unwrap();
    assert!(store.open_download(&Executor::pool(), &name("b.bin")).await.is_ok());
    put(&store, "b.bin", b"replaced").await;
    assert_file(root.path(), "a.bin", b"replaced");
    assert_eq!(fs::read_link(root.path().join("b.bin")).unwrap(), Path::new("a.bin"));
}

/// Files in our own directory, by their names in it.
fn own_files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![root.join(".ftx")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                files.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    files
}

#[tokio::test]
async fn links_that_lead_to_our_own_directory_are_neither_read_nor_written_through() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    fs::write(root.path().join(".ftx/staging/secret"), "secret").unwrap();
    fs::create_dir(root.path().join("d")).unwrap();
    let link = |target: &str, link: &str| symlink(target, root.path().join(link)).unwrap();
    for (target, name) in [
        (".ftx", "top"),
        (".ftx/staging", "below"),
        ("top", "chain"),
        ("../d/../.ftx", "d/up"),
        (".", "self"),
        (".ftx/staging/secret", "file"),
    ] {
        link(target, name);
    }
    let before = own_files(root.path());
    for file in [
        "top/new",
        "top/staging/secret",
        "below/new",
        "below/secret",
        "chain/staging/secret",
        "chain/new/deep",
        "d/up/staging/secret",
        "self/.ftx/new",
        "self/.ftx/staging/secret",
        "self/.ftx",
        "top",
        "chain",
        "file",
    ] {
        if let Ok(offered) = store.offer_prefix(&Executor::pool(), &name(file), ALL).await {
            panic!("{file} was offered: {offered:?}");
        }
        assert_unreachable(&store, file).await;
        assert_eq!(own_files(root.path()), before, "{file}");
    }
    // Links to other places work as before.
    link("d", "to_d");
    put(&store, "to_d/a.bin", b"inside").await;
    put(&store, "self/d/b.bin", b"inside").await;
    for file in ["d/a.bin", "d/b.bin"] {
        assert_file(root.path(), file, b"inside");
        assert!(store.open_download(&Executor::pool(), &name(file)).await.is_ok());
    }
    assert!(offer(&store, "self/to_d/a.bin").await.published);
}

/// It may have been made by an earlier version, which left it open.
#[tokio::test]
async fn our_own_directory_is_closed_to_other_users() {
    for before in [None, Some(0o755), Some(0o777), Some(0o700)] {
        let root = tempdir().unwrap();
        let ours = root.path().join(".ftx");
        if let Some(mode) = before {
            fs::create_dir(&ours).unwrap();
            fs::set_permissions(&ours, fs::Permissions::from_mode(mode)).unwrap();
        }
        let store = open(root.path());
        let mode = || fs::metadata(&ours).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(), 0o700, "{before:?}");
        put(&store, "a.bin", b"published").await;
        assert_eq!(mode(), 0o700, "{before:?}");
    }
}

/// A published file has the mode of a new file, whatever mode it had while it arrived.
#[tokio::test]
async fn a_published_file_has_the_mode_of_a_new_one() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    fs::write(root.path().join("new"), "").unwrap();
    let mode =
        |file: &str| fs::metadata(root.path().join(file)).unwrap().permissions().mode() & 0o7777;
    for len in [0, 10, 300_000] {
        put(&store, "a.bin", &content(1, len)).await;
        assert_eq!(mode("a.bin"), mode("new"), "{len}");
    }
}

#[tokio::test]
async fn our_own_directory_cannot_be_named() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    interrupted(&store, "a.bin", &content(1, 600_000), 300_000).await;
    for file in [".ftx", ".ftx/lock", ".ftx/staging/x", "./.ftx/lock", "a/../.ftx/lock", "/.ftx"] {
        assert!(RemoteName::parse(file).is_err(), "{file}");
    }
    // It is just a name anywhere else.
    put(&store, "d/.ftx/lock", b"x").await;
    assert_file(root.path(), "d/.ftx/lock", b"x");
}

#[tokio::test]
async fn a_pipe_is_refused_without_waiting_for_it() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let made = Command::new("mkfifo").arg(root.path().join("pipe")).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no pipe can be made here");
        return;
    }
    let tried = tokio::time::timeout(DEADLINE, assert_unreachable(&store, "pipe"));
    tried.await.expect("it waits for somebody to open the pipe's other end");
}

/// It takes the place of a file that was looked at just before.
#[tokio::test]
async fn a_pipe_in_place_of_a_file_delays_no_client() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let [file, pipe] = ["file", "pipe"].map(|name| root.path().join(name));
    fs::write(&file, "hello").unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no pipe can be made here");
        return;
    }
    let over = Arc::new(AtomicBool::new(false));
    let swapping = thread::spawn({
        let (over, file, pipe) = (Arc::clone(&over), file.clone(), pipe.clone());
        move || {
            while !over.load(SeqCst) {
                renameat_with(CWD, &file, CWD, &pipe, RenameFlags::EXCHANGE).unwrap();
            }
        }
    });
    let mut waits = false;
    for _ in 0..2000 {
        // For each of them: all together may take long.
        waits = tokio::time::timeout(
            DEADLINE,
            store.offer_prefix(&Executor::pool(), &name("file"), ALL),
        )
        .await
        .is_err();
        if waits {
            break;
        }
    }
    over.store(true, SeqCst);
    swapping.join().unwrap();
    if waits {
        // Otherwise its waiters would wait for ever.
        for path in [&file, &pipe] {
            drop(File::options().read(true).write(true).open(path));
        }
        panic!("it waits for somebody to open the pipe's other end");
    }
}

#[tokio::test]
async fn an_unwritable_directory_is_reported() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let dir = root.path().join("d");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.join("probe"), "").is_ok() {
        println!("skipped: this user may write everywhere");
        return;
    }
    assert_unreachable(&store, "d/a.bin").await;
    assert_unreachable(&store, "d/e/a.bin").await;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn more_than_the_disk_holds_is_refused_before_anything_is_written() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let offered = offer(&store, "d/a.bin").await;
    let begun = store
        .begin(&Executor::pool(), &name("d/a.bin"), LegacyBegin::Anew(offered.offer), ALL)
        .await;
    assert!(kind(&begun) == Some(StoreErrorKind::NoSpace), "{begun:?}");
    assert_eq!(staged_files(root.path()), [""; 0]);
    assert!(!root.path().join("d").exists());
}

#[tokio::test]
async fn the_longest_names_work() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let long = "n".repeat(255);
    let file = format!("{long}/{long}/{long}");
    if RemoteName::parse(&file).is_err() {
        return;
    }
    for len in [10, 300_000] {
        let bytes = content(1, len);
        tokio::time::timeout(Duration::from_secs(20), put(&store, &file, &bytes)).await.unwrap();
        assert_file(root.path(), &file, &bytes);
    }
}
