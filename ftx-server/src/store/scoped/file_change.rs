//! Changes of files as quotas see them: each byte that becomes free is counted once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::RemoteName;
use ftx_io::Executor;

use super::ScopedStore;
use super::permit::WritePermit;
use super::quota::Usage;
use crate::auth::Principal;
use crate::store::Store;

/// The usage of each principal with a quota; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotas(Arc<QuotaState>);

#[derive(Debug, Default)]
struct QuotaState {
    by_principal: Mutex<HashMap<Principal, Arc<Usage>>>,
    /// The names of the files that are being replaced or removed.
    changing: Mutex<HashSet<RemoteName>>,
}

/// A change of the file of some name, until it is dropped.
///
/// Whoever makes it, it counts for every principal whose quota has the file. Of several changes of one name
/// at once, the first alone counts on the bytes of the older file: a quota rather has too many bytes until
/// the next count than too few.
#[derive(Debug)]
pub(super) struct FileChange {
    quotas: Quotas,
    name: RemoteName,
    /// No other change of this name counts on its older file.
    is_first: bool,
    /// The bytes of the file that has the name, as far as this change may count on them.
    old_bytes: u64,
}

/// Each step leaves the maps in order, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Quotas {
    /// The usage of a principal.
    pub(super) fn usage(&self, principal: Principal) -> Arc<Usage> {
        Arc::clone(lock(&self.0.by_principal).entry(principal).or_default())
    }

    /// The usages that a file of this name counts for.
    fn usages(&self, name: &RemoteName) -> Vec<Arc<Usage>> {
        let all = lock(&self.0.by_principal);
        all.values().filter(|usage| usage.counts(name)).cloned().collect()
    }

    fn begin(&self, name: &RemoteName) -> FileChange {
        let is_counted = !self.usages(name).is_empty();
        let is_first = is_counted && lock(&self.0.changing).insert(name.clone());
        FileChange { quotas: self.clone(), name: name.clone(), is_first, old_bytes: 0 }
    }
}

impl FileChange {
    /// The bytes that become free if the file is replaced.
    pub(super) fn old_bytes(&self) -> u64 {
        self.old_bytes
    }

    /// A file of this size was stored under the name, or with the first free name under another one.
    pub(super) fn stored(&mut self, size: u64, permit: &WritePermit) {
        let old = if permit.replaces() { self.old_bytes } else { 0 };
        self.count(size, old);
        if permit.keeps_name() {
            self.old_bytes = size;
        }
    }

    /// The file was removed.
    pub(super) fn removed(&mut self) {
        let old = std::mem::take(&mut self.old_bytes);
        self.count(0, old);
    }

    fn count(&self, new: u64, old: u64) {
        for usage in self.quotas.usages(&self.name) {
            usage.changed(new, old);
        }
    }
}

impl Drop for FileChange {
    fn drop(&mut self) {
        if self.is_first {
            lock(&self.quotas.0.changing).remove(&self.name);
        }
    }
}

impl<S: Store> ScopedStore<S> {
    /// Begins a change of a file.
    pub(super) async fn change(&self, executor: &Executor, name: &RemoteName) -> FileChange {
        let mut change = self.quotas.begin(name);
        if change.is_first {
            change.old_bytes = self.published_size(executor, name).await;
        }
        change
    }
}
