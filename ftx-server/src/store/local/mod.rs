//! Files in a local directory.
//!
//! ```text
//! ROOT/<remote name>              published files, plain: nothing of ours inside them
//! ROOT/.ftx/staging/<id>.data     what arrives; the first bytes of a file to be
//! ROOT/.ftx/staging/<id>.journal  how far it got, and the MD5 state there
//! ROOT/.ftx/blocks/, batch/, manifests/   what the native dialect keeps: see `blocks`
//! ROOT/.ftx/ages                  how old interrupted uploads are
//! ROOT/.ftx/lock                  held by the one server that serves this root
//! ```
//!
//! Everything is reached through a handle of the root directory, beneath which the system resolves
//! every path: no name and no symbolic link leads out.
//!
//! # Whose staging is whose
//! A name can have several stagings, but no two connections write to the same one. A client that
//! resumes takes over a staging that nobody writes to, or whose writer has been silent; if its
//! writer is alive, the bytes up to the offer are copied instead, and both go on for themselves.
//! Publishing a name discards the stagings of it that nobody writes to.

mod ages;
mod latch;
mod leftovers;
mod legacy;
mod native;
mod own_dir;
mod permits;
mod turns;
mod walk;

use std::fs::TryLockError;
use std::iter;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use ftx_core::RemoteName;
use ftx_store::{
    DurableNames, FileIdentity, PrefixHasher, Root, StableIdentity, StoreError, open_private_dir,
};
use lru::LruCache;
use tracing::warn;

use self::ages::Ages;
use self::own_dir::OwnDir;
pub(crate) use self::permits::LONG_JOBS;
use self::permits::{Permit, Permits, Slow};
use self::turns::{Turn, Turns};
use super::{Begin, LegacyOffer, LegacyStore};
use crate::config::Config;
use crate::descriptors::{Descriptors, Share, Use};
use crate::store::local::leftovers::StagingId;
use crate::store::local::legacy::index::Index;

pub use crate::store::local::legacy::download::LocalDownload;
pub use crate::store::local::legacy::offer::LocalOffer;
pub use crate::store::local::legacy::upload::LocalUpload;
use crate::store::local::native::Blocks;
pub use crate::store::local::native::{LocalBlockUpload, LocalCursor, LocalFile};

/// The directory of ours in the root; no remote name can begin with it.
const OURS: &str = ".ftx";

/// How long finding out what is held may take. An original client waits 30 s for the answer.
const OFFER_BUDGET: Duration = Duration::from_secs(20);

/// How long at least lies between two searches for stagings that are too old.
const SWEEP_PAUSE: Duration = Duration::from_secs(10 * 60);

/// How many published files' MD5 states are remembered, at about 200 bytes each.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(16 * 1024) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// A directory of files; clones are the same store.
#[derive(Clone, Debug)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Root,
    permits: Permits,
    descriptors: Descriptors,
    staging: OwnDir,
    index: Mutex<Index>,
    /// MD5 states of whole published files.
    known: Mutex<LruCache<FileIdentity, PrefixHasher>>,
    staging_ttl: Duration,
    ages: Ages,
    /// What is kept for the native dialect.
    blocks: Blocks,
    /// Names that are being published or removed.
    turns: Turns,
    /// When old stagings were last looked for.
    swept: Mutex<Instant>,
    /// Locked as long as the store is open.
    _lock: std::fs::File,
}

impl LocalStore {
    /// Opens the store in `config.root`, which is created if it is not there, finds the stagings
    /// that earlier runs left, and removes those that are older than `config.staging_ttl`.
    ///
    /// # Errors
    /// The directory cannot be used, or another server serves it.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        let path = &config.root;
        std::fs::create_dir_all(path).map_err(|error| StoreError::io("create", path, error))?;
        let dir = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| StoreError::io("open", path, error))?;
        // The name of the root itself becomes durable with the first file.
        let names = Arc::new(DurableNames::default());
        let root = Root::new(dir, config.durability, names).with_private(OURS).opened_at(path);
        let ours = open_private_dir(root.dir(), Path::new(OURS))?;
        let lock = lock(&ours, path)?;
        let staging = OwnDir::open(&ours, "staging")?;
        let ages = Ages::open(&ours, config.staging_ttl)?;
        let index = Index::load(&staging.get(), &ages, config.staging_ttl)?;
        let blocks = Blocks::open(&ours, &ages, config)?;
        ages.save();
        let unread = index.unread();
        let inner = Arc::new(Inner {
            root,
            permits: Permits::default(),
            descriptors: config.descriptors.clone(),
            staging,
            index: Mutex::new(index),
            known: Mutex::new(LruCache::new(REMEMBERED)),
            staging_ttl: config.staging_ttl,
            ages,
            blocks,
            turns: Turns::default(),
            swept: Mutex::new(Instant::now()),
            _lock: lock,
        });
        if !unread.is_empty() {
            read_ahead(&inner, unread);
        }
        Ok(Self { inner })
    }

    /// Runs disk work where it stalls no connection.
    async fn blocking<T: Send + 'static>(
        &self,
        name: &RemoteName,
        work: impl FnOnce(&Arc<Inner>, &RemoteName) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let owned = name.clone();
        ftx_io::blocking(Path::new(name.as_str()), move || work(&inner, &owned)).await
    }

    /// A permit to hash the first `len` bytes of a file for an answer that is due, if it takes one.
    async fn permit_to_hash(&self, len: u64, due: Instant) -> Result<Option<Permit>, TooLate> {
        if len <= native::SHORT {
            return Ok(None);
        }
        let permit = self.inner.permits.take(Slow::Hash);
        tokio::time::timeout_at(due.into(), permit).await.map(Some).map_err(|_| TooLate)
    }

    /// Runs disk work that may take long where it stalls no connection.
    async fn slowly<T: Send + 'static>(
        &self,
        slow: Slow,
        name: &RemoteName,
        work: impl FnOnce(&Arc<Inner>, &RemoteName) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.inner.permits.take_unless_dedicated(slow).await;
        self.blocking(name, move |inner, name| {
            let done = work(inner, name);
            drop(permit);
            done
        })
        .await
    }
}

/// Nobody waits for it any more.
struct TooLate;

impl Inner {
    /// The turn of a file, by its name and by the one that a link of that name leads to. Blocks.
    fn turn(&self, name: &RemoteName) -> Turn<'_> {
        let target = self.root.link_target(Path::new(name.as_str()));
        let target = target.as_deref().and_then(Path::to_str).map(RemoteName::parse);
        self.turns.take(iter::once(name.clone()).chain(target.and_then(Result::ok)))
    }

    /// Descriptors for what stays open under this name.
    fn share(&self, name: &RemoteName, what: Use) -> Result<Share, StoreError> {
        let none = || {
            let text =
                "connections and open files have all the descriptors that there are for them";
            let source = std::io::Error::other(text);
            StoreError::Exhausted { op: "open", path: name.as_str().into(), source }
        };
        self.descriptors.take(what).ok_or_else(none)
    }

    fn index<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        // Every change to the index is a single step, so a panic elsewhere leaves it in order.
        work(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes the stagings of a name that nobody writes to: it was published. Blocks.
    fn discard_idle(&self, name: &RemoteName) {
        for id in self.index(|index| index.claim_idle(name)) {
            leftovers::remove(&self.staging.get(), id);
        }
    }

    /// Removes old stagings, now and then. Blocks.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.elapsed() >= SWEEP_PAUSE {
            *swept = Instant::now();
            drop(swept);
            legacy::index::expire(self, self.staging_ttl);
            native::expire(self, self.staging_ttl);
            self.ages.save();
        }
    }

    /// The MD5 state of a whole published file, if that very version was hashed before.
    fn known(&self, identity: &FileIdentity) -> Option<PrefixHasher> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(identity).cloned()
    }

    /// Keeps the MD5 state of a whole published file.
    fn remember(&self, stable: &StableIdentity, hasher: PrefixHasher) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.put(*stable.identity(), hasher);
    }
}

impl LegacyStore for LocalStore {
    type Offer = LocalOffer;
    type Upload = LocalUpload;
    type Download = LocalDownload;

    async fn offer_prefix(
        &self,
        name: &RemoteName,
        limit: u64,
    ) -> Result<LegacyOffer<LocalOffer>, StoreError> {
        legacy::offer::look_up(self, name, limit).await
    }

    async fn begin(
        &self,
        name: &RemoteName,
        begin: Begin<LocalOffer>,
        len: u64,
    ) -> Result<LocalUpload, StoreError> {
        legacy::upload::begin(self, name, begin, len).await
    }

    async fn open_download(&self, name: &RemoteName) -> Result<LocalDownload, StoreError> {
        let store = self.clone();
        self.blocking(name, move |_, name| LocalDownload::open(store, name)).await
    }
}

/// Finds out how far the stagings got that an earlier run left, before their clients ask.
fn read_ahead(inner: &Arc<Inner>, unread: Vec<(RemoteName, StagingId)>) {
    let inner = Arc::downgrade(inner);
    let read = move || {
        for (name, id) in unread {
            let Some(inner) = inner.upgrade() else { return };
            legacy::offer::read(&inner, &name, id);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("ftx-recover".to_owned()).spawn(read) {
        warn!(%error, "interrupted uploads are read only when their clients ask");
    }
}

fn subdirectory(dir: &Dir, name: &Path) -> Result<Dir, StoreError> {
    dir.create_dir_all(name).map_err(|error| StoreError::io("create", name, error))?;
    dir.open_dir(name).map_err(|error| StoreError::io("open", name, error))
}

/// Locks `root`, whose directory of ours is `ours`.
fn lock(ours: &Dir, root: &Path) -> Result<std::fs::File, StoreError> {
    let failed = |error| StoreError::io("lock", ".ftx/lock", error);
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true);
    let file = ours.open_with("lock", &options).map_err(failed)?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::RootInUse { path: root.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
