//! The local directory as the legacy dialect sees it: stagings that grow byte by byte.
//!
//! ```text
//! ROOT/.ftx/staging/<id>.data     the first bytes of a file
//! ROOT/.ftx/staging/<id>.journal  their number, and the MD5 state there
//! ```
//!
//! [`staging_index`](super::staging_index) says who may write to a staging.

mod beginning;
mod download;
mod offer;
mod upload;
mod writer;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_io::Executor;
use ftx_store::{
    FileIdentity, PrefixHasher, PrefixStaging, StableIdentity, StagingFiles, StoreError,
};
use lru::LruCache;
use tracing::warn;

pub use self::download::LocalDownload;
pub use self::offer::LocalOffer;
pub use self::upload::LocalUpload;
use self::writer::PrefixWriter;
use super::expiry::ExpiryClock;
use super::permits::{JobPermit, SlowJob};
use super::staging_index::{StagingIndex, StagingKey};
use super::{LocalStore, LocalStoreConfig, SHORT_HASH_BYTES, StoreInner};
use crate::store::{LegacyBegin, LegacyOffer, LegacyStore, Refusal};

/// The longest time for hashing before an answer. An original client waits 30 s for it.
const OFFER_BUDGET: Duration = Duration::from_secs(20);

/// The number of published files whose MD5 states are cached, at about 200 bytes each.
const CACHED_MD5_FILES: NonZeroUsize = match NonZeroUsize::new(16 * 1024) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The part of a store's state that serves the legacy dialect.
#[derive(Debug)]
pub(super) struct LegacyState {
    pub(super) stagings: Arc<StagingIndex<PrefixWriter>>,
    /// How long a writer must have been silent for its staging to be taken over without a copy.
    takeover_after: Duration,
    /// MD5 states of whole published files.
    md5_cache: Mutex<LruCache<FileIdentity, PrefixHasher>>,
}

impl LegacyState {
    pub(super) fn open(
        private_dir: &Dir,
        expiry: &ExpiryClock,
        config: &LocalStoreConfig,
    ) -> Result<Self, StoreError> {
        let key_of = |dir: &Dir, files: &StagingFiles| {
            let name = PrefixStaging::name_of(dir, files)?;
            let name = name.and_then(|name| RemoteName::parse(&name).ok());
            Ok(name.map(|name| StagingKey::legacy(&name)))
        };
        let stagings = StagingIndex::open(private_dir, "staging", expiry, config, key_of)?;
        let takeover_after = config.legacy_takeover_after;
        let md5_cache = Mutex::new(LruCache::new(CACHED_MD5_FILES));
        Ok(Self { stagings, takeover_after, md5_cache })
    }

    /// The MD5 state of a whole published file, if that very version was hashed before.
    fn cached_md5(&self, identity: &FileIdentity) -> Option<PrefixHasher> {
        self.md5_cache.lock().unwrap_or_else(PoisonError::into_inner).get(identity).cloned()
    }

    /// Caches the MD5 state of a whole published file.
    fn cache_md5(&self, stable: &StableIdentity, hasher: PrefixHasher) {
        let mut cache = self.md5_cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.put(*stable.identity(), hasher);
    }
}

/// Hashes the stagings of earlier runs in the background, before their clients ask.
pub(super) fn read_ahead(inner: &Arc<StoreInner>) {
    let unread = inner.legacy.stagings.idle(Option::is_none);
    if unread.is_empty() {
        return;
    }
    let inner = Arc::downgrade(inner);
    let read = move || {
        for (key, id) in unread {
            let Some(inner) = inner.upgrade() else { return };
            if let Some(lease) = inner.legacy.stagings.lease(&key, id, None) {
                offer::read(lease);
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("ftx-recover".to_owned()).spawn(read) {
        warn!(%error, "interrupted uploads are read only when their clients ask");
    }
}

/// The deadline of an answer has passed.
struct TooLate;

impl LocalStore {
    /// A permit to hash the first `len` bytes of a file for an answer that is due, if that takes one.
    async fn permit_to_hash(&self, len: u64, due: Instant) -> Result<Option<JobPermit>, TooLate> {
        if len <= SHORT_HASH_BYTES {
            return Ok(None);
        }
        let permit = self.inner.permits.take(SlowJob::Hash);
        tokio::time::timeout_at(due.into(), permit).await.map(Some).map_err(|_| TooLate)
    }
}

impl LegacyStore for LocalStore {
    type Offer = LocalOffer;
    type Upload = LocalUpload;
    type Download = LocalDownload;

    async fn offer_prefix(
        &self,
        executor: &Executor,
        name: &RemoteName,
        limit: u64,
    ) -> Result<LegacyOffer<LocalOffer>, Refusal> {
        Ok(offer::look_up(self, executor, name, limit).await?)
    }

    async fn begin(
        &self,
        executor: &Executor,
        name: &RemoteName,
        begin: LegacyBegin<LocalOffer>,
        len: u64,
    ) -> Result<LocalUpload, Refusal> {
        upload::begin(self, executor, name, begin, len).await
    }

    async fn open_download(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<LocalDownload, Refusal> {
        let (store, name) = (self.clone(), name.clone());
        Ok(executor.run(move || LocalDownload::open(store, &name)).await??)
    }
}
