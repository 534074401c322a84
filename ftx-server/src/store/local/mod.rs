//! A store of files in a local directory.
//!
//! ```text
//! ROOT/<remote name>                      published files, without any data of the server
//! ROOT/.ftx/blocks/, batch/, manifests/   the files of `native`
//! ROOT/.ftx/staging/                      the files of `legacy`
//! ROOT/.ftx/ages                          the ages of interrupted uploads
//! ROOT/.ftx/lock                          locked by the one server of this root
//! ```
//!
//! Every path is resolved by the system beneath a handle of the root directory: no name and no symbolic
//! link leads out.
//!
//! The `native` and `legacy` folders keep their stagings apart, each in an index of its own kind
//! (`staging_index`). This file joins them where they meet: publishing a name discards the
//! publisher's idle stagings of both, and both expire. Each view of a [principal](crate::store::Store::for_principal) has
//! native stagings of its own; [`Principal::Legacy`] has all legacy ones.

mod config;
mod expiry;
mod latch;
mod legacy;
mod name_locks;
mod native;
mod permits;
mod private_dir;
mod recovery;
mod staging_index;
mod walk;

use std::fs::TryLockError;
use std::iter;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use ftx_core::RemoteName;
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_store::{Root, StoreError, open_private_dir};

pub use self::config::LocalStoreConfig;
use self::expiry::ExpiryClock;
use self::name_locks::{NameLock, NameLocks};
use self::permits::JobPermits;
pub(crate) use self::permits::MAX_LONG_JOBS;
use self::staging_index::StagingKey;
use crate::auth::Principal;
use crate::descriptors::{DescriptorShare, DescriptorUse, Descriptors};
use crate::metrics::Metrics;

use self::legacy::LegacyState;
pub use self::legacy::{LocalDownload, LocalOffer, LocalUpload};
use self::native::NativeState;
pub use self::native::{LocalBlockUpload, LocalCursor, LocalFile};

/// The server's own directory in the root; no remote name can begin with it.
const PRIVATE_DIR: &str = ".ftx";

/// The least time between two searches for expired stagings.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Limit of the bytes to read under a permit to read; more need a permit to hash.
const SHORT_HASH_BYTES: u64 = 64 * BLOCK_BYTES;

/// A directory of files; clones share it. A store that was just opened acts for an anonymous client.
#[derive(Clone, Debug)]
pub struct LocalStore {
    inner: Arc<StoreInner>,
    /// The one whose stagings it uses.
    principal: Principal,
}

#[derive(Debug)]
struct StoreInner {
    root: Root,
    permits: JobPermits,
    metrics: Metrics,
    descriptors: Descriptors,
    staging_ttl: Duration,
    expiry: ExpiryClock,
    native: NativeState,
    legacy: LegacyState,
    /// Locks on names that are published or removed.
    name_locks: NameLocks,
    /// The time of the last search for expired stagings.
    swept: Mutex<Instant>,
    /// Locked as long as the store is open.
    _lock: std::fs::File,
}

impl LocalStore {
    /// Opens the store in `config.root`, and creates the directory if it is missing. Finds the stagings of
    /// earlier runs, and removes those that are older than `config.staging_ttl`.
    ///
    /// # Errors
    /// The directory cannot be used, or another server serves it.
    pub fn open(config: &LocalStoreConfig) -> Result<Self, StoreError> {
        let path = &config.root;
        std::fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))?;
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| StoreError::io("open", path, error))?;
        // The name of the root itself becomes durable with the first file.
        let names = Arc::clone(&config.durable_names);
        let root =
            Root::new(dir, config.durability, names).with_private(PRIVATE_DIR).opened_at(path);
        let private_dir = open_private_dir(root.dir(), Path::new(PRIVATE_DIR))?;
        let lock = lock(&private_dir, path)?;
        let expiry = ExpiryClock::open(&private_dir, config.staging_ttl)?;
        let legacy = LegacyState::open(&private_dir, &expiry, config)?;
        let native = NativeState::open(&private_dir, &expiry, config)?;
        expiry.save();
        let inner = Arc::new(StoreInner {
            root,
            permits: JobPermits::new(config.metrics.clone()),
            metrics: config.metrics.clone(),
            descriptors: config.descriptors.clone(),
            staging_ttl: config.staging_ttl,
            expiry,
            native,
            legacy,
            name_locks: NameLocks::default(),
            swept: Mutex::new(Instant::now()),
            _lock: lock,
        });
        legacy::read_ahead(&inner);
        Ok(Self { inner, principal: Principal::Anonymous })
    }
}

impl StoreInner {
    /// Locks the name of a file, and the target of the name if it is a link. Blocks.
    fn lock_name(&self, name: &RemoteName) -> NameLock<'_> {
        let target = self.root.link_target(Path::new(name.as_str()));
        let target = target.as_deref().and_then(Path::to_str).map(RemoteName::parse);
        self.name_locks.lock(iter::once(name.clone()).chain(target.and_then(Result::ok)))
    }

    /// Takes descriptors for files of this name that stay open.
    fn share(
        &self,
        name: &RemoteName,
        usage: DescriptorUse,
    ) -> Result<DescriptorShare, StoreError> {
        let none = || {
            let text = "connections and open files have taken all their descriptors";
            let source = std::io::Error::other(text);
            StoreError::Exhausted { op: "open", path: name.as_str().into(), source }
        };
        self.descriptors.take(usage).ok_or_else(none)
    }

    /// Removes the idle stagings, of both dialects, that end with the publication by this key. Blocks.
    fn discard_idle(&self, key: &StagingKey) {
        for key in [Some(key), key.unproven_twin().as_ref()].into_iter().flatten() {
            self.native.stagings.discard_idle(key);
            self.legacy.stagings.discard_idle(key);
        }
    }

    /// Removes expired stagings, if the last search is some time ago. Blocks.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.elapsed() >= SWEEP_INTERVAL {
            *swept = Instant::now();
            drop(swept);
            self.legacy.stagings.expire(&self.expiry, self.staging_ttl);
            self.native.stagings.expire(&self.expiry, self.staging_ttl);
            self.expiry.save();
        }
    }
}

fn subdirectory(dir: &Dir, name: &Path) -> Result<Dir, StoreError> {
    dir.create_dir_all(name).map_err(|error| StoreError::io("create", name, error))?;
    dir.open_dir(name).map_err(|error| StoreError::io("open", name, error))
}

/// Locks `root`, which contains the directory `private_dir`.
fn lock(private_dir: &Dir, root: &Path) -> Result<std::fs::File, StoreError> {
    let failed = |error| StoreError::io("lock", ".ftx/lock", error);
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true);
    let file = private_dir.open_with("lock", &options).map_err(failed)?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::RootInUse { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
