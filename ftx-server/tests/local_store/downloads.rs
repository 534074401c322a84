//! Reading published files.

use std::fs;
use std::os::unix::fs::FileExt as _;

use ftx_io::Executor;
use ftx_server::store::local::{LocalDownload, LocalStore};
use ftx_server::store::{LegacyDownload as _, LegacyStore as _, Refusal};
use ftx_store::StoreErrorKind;
use tempfile::tempdir;

use crate::{MIB, content, held, kind, name, offer, open, put};

async fn open_file(store: &LocalStore, file: &str) -> LocalDownload {
    store.open_download(&Executor::pool(), &name(file)).await.unwrap()
}

/// Reads from `offset` to the end.
async fn read_from(download: &mut LocalDownload, offset: u64) -> Result<Vec<u8>, Refusal> {
    let (mut bytes, mut spare) = (Vec::new(), Vec::new());
    let mut at = offset;
    while at < download.size() {
        let chunk = download.read(&Executor::pool(), at, download.size() - at, spare).await?;
        assert!(!chunk.is_empty());
        at += chunk.len() as u64;
        bytes.extend_from_slice(&chunk);
        spare = chunk;
    }
    Ok(bytes)
}

#[tokio::test]
async fn a_file_is_read_from_anywhere_to_its_end() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for len in [1, 1000, 128 * 1024, 128 * 1024 + 1, MIB + 3] {
        let bytes = content(1, len);
        fs::write(root.path().join("a.bin"), &bytes).unwrap();
        for from in [0, 1, len / 2, len - 1] {
            let mut download = open_file(&store, "a.bin").await;
            assert_eq!(download.size(), len as u64);
            let read = read_from(&mut download, from as u64).await.unwrap();
            assert!(read == bytes[from.min(len)..], "{len} bytes from {from}");
        }
    }
}

#[tokio::test]
async fn a_download_can_go_back_and_forth() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 4 * MIB);
    fs::write(root.path().join("a.bin"), &bytes).unwrap();
    let mut download = open_file(&store, "a.bin").await;
    for step in 0..400_usize {
        // Each read leaves one ahead of it under way.
        let at = step * 777_777 % (3 * MIB);
        let left = (bytes.len() - at) as u64;
        let chunk = download.read(&Executor::pool(), at as u64, left, Vec::new()).await.unwrap();
        assert!(chunk == bytes[at..at + chunk.len()], "step {step}: wrong bytes at {at}");
    }
}

#[tokio::test]
async fn a_download_can_be_compared_while_it_is_read() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, 4 * MIB);
    fs::write(root.path().join("a.bin"), &bytes).unwrap();
    for step in 0..50 {
        let mut download = open_file(&store, "a.bin").await;
        let chunk =
            download.read(&Executor::pool(), 0, bytes.len() as u64, Vec::new()).await.unwrap();
        assert!(
            download.starts_with(&Executor::pool(), held(&bytes[..MIB])).await.unwrap(),
            "step {step}"
        );
        let rest = read_from(&mut download, chunk.len() as u64).await.unwrap();
        assert!(rest == bytes[chunk.len()..], "step {step}");
    }
}

#[tokio::test]
async fn the_clients_copy_is_compared() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let bytes = content(1, MIB);
    fs::write(root.path().join("a.bin"), &bytes).unwrap();
    let mut download = open_file(&store, "a.bin").await;
    assert_eq!(download.md5(), None);
    for len in [0, 1, MIB / 2, MIB] {
        assert!(
            download.starts_with(&Executor::pool(), held(&bytes[..len])).await.unwrap(),
            "{len}"
        );
        assert!(
            !download.starts_with(&Executor::pool(), held(&content(2, len.max(1)))).await.unwrap(),
            "{len}"
        );
    }
    assert!(!download.starts_with(&Executor::pool(), held(&content(1, MIB + 1))).await.unwrap());
    assert_eq!(download.md5(), None, "a file that has just changed may change unseen");
    assert!(read_from(&mut download, 0).await.unwrap() == bytes);
}

#[tokio::test]
async fn a_file_that_is_replaced_is_read_as_it_was() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    for len in [1000, 2 * MIB] {
        let (old, new) = (content(1, len), content(2, len));
        put(&store, "a.bin", &old).await;
        let mut download = open_file(&store, "a.bin").await;
        let mut read = download.read(&Executor::pool(), 0, len as u64, Vec::new()).await.unwrap();
        put(&store, "a.bin", &new).await;
        read.extend(read_from(&mut download, read.len() as u64).await.unwrap());
        assert!(read == old, "{len} bytes are mixed");
        let mut download = open_file(&store, "a.bin").await;
        assert!(read_from(&mut download, 0).await.unwrap() == new);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_ends_in_an_error() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let path = root.path().join("a.bin");
    fs::write(&path, content(1, 2 * MIB)).unwrap();
    let mut download = open_file(&store, "a.bin").await;
    let first = download.read(&Executor::pool(), 0, 2 * MIB as u64, Vec::new()).await.unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(MIB as u64).unwrap();
    let failed = read_from(&mut download, first.len() as u64).await;
    assert!(kind(&failed) == Some(StoreErrorKind::Changed), "{:?}", failed.map(|b| b.len()));
}

/// Another program's write to a published file is seen, however soon after publishing.
#[tokio::test]
async fn a_file_that_is_written_to_in_place_is_hashed_anew() {
    let root = tempdir().unwrap();
    let store = open(root.path());
    let path = root.path().join("a.bin");
    for round in 0..30 {
        let mut bytes = content(round, 200_000);
        put(&store, "a.bin", &bytes).await;
        offer(&store, "a.bin").await;
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        bytes[100] ^= 1;
        file.write_all_at(&bytes[100..101], 100).unwrap();
        let offered = offer(&store, "a.bin").await;
        assert_eq!(offered.held, Some(held(&bytes)), "round {round}");
        let mut download = open_file(&store, "a.bin").await;
        assert!(
            download.starts_with(&Executor::pool(), held(&bytes)).await.unwrap(),
            "round {round}"
        );
    }
}
