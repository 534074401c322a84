//! The suite that every store passes: the contract of `Store` and `LegacyStore`, without a word about how a
//! store keeps its files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod conditions;
#[path = "../kit/content.rs"]
mod content;
mod end_to_end;
mod granule_memory;
mod legacy;
mod names;
mod naming;
mod principals;
mod small;
mod uploads;

use std::path::Path;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{
    BLOCK_BYTES, Cv, Digest, Manifest, block_cv, block_len, block_offset,
};
use ftx_core::native::wire::{Meta, Overwrite, Token};
use ftx_io::Executor;
use ftx_server::store::local::{LocalStore, LocalStoreConfig};
use ftx_server::store::{
    Naming, OpenedUpload, Refusal, ScopedStore, StagedUpload as _, Store, StoredFile as _,
    UploadOffer, UploadOwner, WorkProgress,
};
use ftx_server::{Access, AccessPolicy, Principal, Scope, StoreLimits, UserPolicy};
use ftx_store::Durability;

use content::{MIB, content};

/// Runs each test over every kind of store, and over stores within all rights.
macro_rules! for_all_stores {
    ($($test:ident),* $(,)?) => {
        crate::for_bare_stores! { $($test),* }
        mod scoped {
            $(
                #[tokio::test]
                async fn $test() {
                    let root = tempfile::tempdir().unwrap();
                    super::$test(crate::with_all_rights(crate::local(root.path()))).await;
                }
            )*
        }
        mod scoped_memory {
            $(
                #[tokio::test]
                async fn $test() {
                    let store = ftx_server::store::memory::MemStore::new();
                    super::$test(crate::with_all_rights(store)).await;
                }
            )*
        }
    };
}

/// Runs each test over every kind of store that keeps files itself.
macro_rules! for_bare_stores {
    ($($test:ident),* $(,)?) => {
        mod local {
            $(
                #[tokio::test]
                async fn $test() {
                    let root = tempfile::tempdir().unwrap();
                    super::$test(crate::local(root.path())).await;
                }
            )*
        }
        mod memory {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(ftx_server::store::memory::MemStore::new()).await;
                }
            )*
        }
        mod memory_of_large_granules {
            $(
                #[tokio::test]
                async fn $test() {
                    let granule = ftx_core::native::Granule::new(8).unwrap();
                    let store = ftx_server::store::memory::MemStore::new();
                    super::$test(store.with_granule(granule)).await;
                }
            )*
        }
    };
}
pub(crate) use {for_all_stores, for_bare_stores};

/// A store of files in a directory.
fn local(root: &Path) -> LocalStore {
    let mut config = LocalStoreConfig::new(root);
    config.durability = Durability::None;
    LocalStore::open(&config).unwrap()
}

/// The store as a principal with all rights sees it. Alice and bob have all rights, too.
fn with_all_rights<S: Store>(store: S) -> ScopedStore<S> {
    let mut policy = AccessPolicy::open();
    for name in ["alice", "bob"] {
        let mut user = UserPolicy::default();
        user.scope = Scope::everything();
        policy.users.insert(name.into(), user);
    }
    let access = Access::new(policy);
    // The store itself says what there is room for.
    let mut limits = StoreLimits::default();
    limits.max_file_bytes = u64::MAX;
    ScopedStore::new(store, access).with_limits(limits).for_principal(&Principal::Anonymous)
}

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

fn pool() -> Executor {
    Executor::pool()
}

fn block(file: &[u8], index: u64) -> &[u8] {
    let start = usize::try_from(block_offset(index)).unwrap();
    &file[start..][..usize::try_from(block_len(file.len() as u64, index)).unwrap()]
}

fn cv(file: &[u8], index: u64) -> Cv {
    block_cv(file.len() as u64, index, block(file, index)).unwrap()
}

fn blocks_of(file: &[u8]) -> std::ops::Range<u64> {
    0..file.len().div_ceil(MIB) as u64
}

fn digest(file: &[u8]) -> Digest {
    Manifest::new(file.len() as u64, blocks_of(file).map(|index| cv(file, index)).collect())
        .unwrap()
        .digest()
}

/// The offer of a file by a run of a client.
fn offer_of(file: &str, size: usize, overwrite: Overwrite, run: u8) -> UploadOffer {
    let (name, meta) = (name(file), Meta::default());
    let owner = Some(UploadOwner::Run(Token([run; 16])));
    UploadOffer { name, size: size as u64, meta, overwrite, naming: Naming::Exact, owner }
}

async fn offer<S: Store>(store: &S, file: &str, size: usize, run: u8) -> OpenedUpload<S::Staging> {
    let offer = offer_of(file, size, Overwrite::Replace, run);
    store.offer(&pool(), offer, WorkProgress::default()).await.unwrap()
}

/// Writes blocks in pieces. Returns the blocks that became durable.
async fn write<S: Store>(
    upload: &S::Staging,
    file: &[u8],
    blocks: impl IntoIterator<Item = u64>,
) -> Result<Vec<u64>, Refusal> {
    let mut durable = Vec::new();
    for index in blocks {
        let mut offset = block_offset(index);
        for piece in block(file, index).chunks(128 * 1024) {
            upload.write(&pool(), offset, piece.to_vec()).await?;
            offset += piece.len() as u64;
        }
        let range = upload.stored(&pool(), index, cv(file, index)).await?;
        durable.extend(range.first..range.end());
    }
    Ok(durable)
}

async fn publish<S: Store>(upload: &S::Staging, file: &[u8]) -> Result<bool, Refusal> {
    upload.publish(&pool(), Vec::new(), digest(file), WorkProgress::default()).await
}

/// Uploads a file in blocks.
async fn upload<S: Store>(store: &S, file: &str, bytes: &[u8]) {
    let opened = offer(store, file, bytes.len(), 99).await;
    write::<S>(&opened.upload, bytes, blocks_of(bytes)).await.unwrap();
    publish::<S>(&opened.upload, bytes).await.unwrap();
}

/// The bytes of a published file, and what the store says about it.
async fn read<S: Store>(store: &S, file: &str) -> Vec<u8> {
    let opened = store.open(&pool(), &name(file)).await.unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < opened.size() {
        let (offset, left) = (bytes.len() as u64, opened.size() - bytes.len() as u64);
        let len = usize::try_from(left.min(300_000)).unwrap();
        bytes.extend(opened.read(&pool(), offset, len, Vec::new()).await.unwrap());
    }
    let manifest = opened.manifest(&pool(), WorkProgress::default()).await.unwrap();
    assert_eq!((manifest.size(), manifest.digest()), (bytes.len() as u64, digest(&bytes)));
    for index in blocks_of(&bytes) {
        let known = opened.known_cv(index);
        assert!(known.is_none_or(|known| known == cv(&bytes, index)), "block {index}");
    }
    opened.unchanged(&pool()).await.unwrap();
    bytes
}

/// The blocks that an interrupted upload left, in a store that makes `granule` blocks durable together.
fn whole_granules(granule: u64, blocks: &[u64], count: u64) -> Vec<u64> {
    let is_whole = |index: u64| {
        let first = index - index % granule;
        (first..(first + granule).min(count)).all(|index| blocks.contains(&index))
    };
    blocks.iter().copied().filter(|&index| is_whole(index)).collect()
}

const _: () = assert!(BLOCK_BYTES == MIB as u64);
