//! The local store as its callers see it: through the traits, and by the contents of the directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod blocks;
mod chaos;
#[path = "../kit/content.rs"]
mod content;
mod downloads;
mod offers;
mod paths;
mod stale;
mod trouble;
mod unseen;
#[path = "../kit/unseen.rs"]
mod unseen_kit;
mod uploads;
mod waiting;
mod writers;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ftx_core::RemoteName;
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_io::Executor;
use ftx_server::store::local::{LocalOffer, LocalStore, LocalStoreConfig, LocalUpload};
use ftx_server::store::{LegacyBegin, LegacyOffer, LegacyStore, LegacyUpload, Refusal};
use ftx_store::{Durability, PrefixHasher, StoreError, StoreErrorKind};

use content::{DEADLINE, MIB, content};

/// As much as an ftx client may be offered.
const ALL: u64 = i64::MAX as u64;

fn config(root: &Path) -> LocalStoreConfig {
    let mut config = LocalStoreConfig::new(root);
    config.durability = Durability::None;
    config
}

/// Has so many days pass for the stagings of a root that no store has open.
fn pass_days(root: &Path, days: u64) {
    let path = root.join(".ftx/ages");
    let text = fs::read_to_string(&path).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let (count_ms, rest) = rest.split_once(' ').unwrap();
    let later_ms = count_ms.parse::<u64>().unwrap() + days * 24 * 60 * 60 * 1000;
    fs::write(&path, format!("{header}\n{later_ms} {rest}")).unwrap();
}

/// Opens the store. One that was dropped just now may still be at work on its stagings, and keeps
/// the root until it is done with the present one.
fn open(root: &Path) -> LocalStore {
    open_with(&config(root))
}

fn open_with(config: &LocalStoreConfig) -> LocalStore {
    let start = Instant::now();
    loop {
        match LocalStore::open(config) {
            Ok(store) => return store,
            Err(StoreError::RootInUse { .. }) if start.elapsed() < DEADLINE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

fn md5(bytes: &[u8]) -> Md5Digest {
    PrefixHasher::of(bytes).digest()
}

fn held(bytes: &[u8]) -> Prefix {
    Prefix { len: bytes.len() as u64, md5: md5(bytes) }
}

async fn offer(store: &LocalStore, file: &str) -> LegacyOffer<LocalOffer> {
    store.offer_prefix(&Executor::pool(), &name(file), ALL).await.unwrap()
}

async fn begin_anew(store: &LocalStore, file: &str, len: usize) -> LocalUpload {
    let offered = offer(store, file).await;
    store
        .begin(&Executor::pool(), &name(file), LegacyBegin::Anew(offered.offer), len as u64)
        .await
        .unwrap()
}

/// The kind of a failure.
fn kind<T>(result: &Result<T, Refusal>) -> Option<StoreErrorKind> {
    kind_of(result.as_ref().err()?)
}

fn kind_of(refusal: &Refusal) -> Option<StoreErrorKind> {
    let cause = refusal.cause.as_deref()?;
    cause.downcast_ref::<StoreError>().map(StoreError::kind)
}

async fn write(upload: &mut LocalUpload, bytes: &[u8]) -> Result<(), Refusal> {
    for chunk in bytes.chunks(100_000) {
        upload.write(&Executor::pool(), chunk.to_vec()).await?;
    }
    Ok(())
}

/// Uploads from the first byte.
async fn put(store: &LocalStore, file: &str, bytes: &[u8]) {
    let mut upload = begin_anew(store, file, bytes.len()).await;
    write(&mut upload, bytes).await.unwrap();
    upload.publish(&Executor::pool()).await.unwrap();
}

/// An upload of `bytes` that is interrupted after `count` of them.
async fn interrupted(store: &LocalStore, file: &str, bytes: &[u8], count: usize) {
    let mut upload = begin_anew(store, file, bytes.len()).await;
    write(&mut upload, &bytes[..count]).await.unwrap();
    upload.suspend(&Executor::pool()).await.unwrap();
}

/// Asserts that the offer covers the first bytes of `bytes`, and returns their count.
fn assert_offers_start_of(offered: &LegacyOffer<LocalOffer>, bytes: &[u8]) -> usize {
    let held = offered.held.expect("nothing is offered");
    let len = usize::try_from(held.len).unwrap();
    assert_eq!(held.md5, md5(&bytes[..len]), "md5 of the {len} bytes that are offered");
    len
}

/// Resumes from the offer to the end of `bytes`; returns the offset it resumed from.
async fn finish(store: &LocalStore, file: &str, bytes: &[u8]) -> usize {
    let offered = offer(store, file).await;
    let len = assert_offers_start_of(&offered, bytes);
    finish_from(store, file, bytes, offered).await;
    len
}

async fn finish_from(
    store: &LocalStore,
    file: &str,
    bytes: &[u8],
    offered: LegacyOffer<LocalOffer>,
) {
    let rest = &bytes[usize::try_from(offered.held.unwrap().len).unwrap()..];
    let begin = LegacyBegin::Resume(offered.offer);
    let mut upload =
        store.begin(&Executor::pool(), &name(file), begin, rest.len() as u64).await.unwrap();
    write(&mut upload, rest).await.unwrap();
    upload.publish(&Executor::pool()).await.unwrap();
}

fn assert_file(root: &Path, file: &str, bytes: &[u8]) {
    let found = fs::read(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(found.len(), bytes.len(), "length of {file}");
    let differs = found.iter().zip(bytes).position(|(found, wanted)| found != wanted);
    assert_eq!(differs, None, "first byte of {file} that is wrong");
}

/// Names in the staging directory, sorted.
fn staged_files(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(".ftx/staging")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
