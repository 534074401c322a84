//! Quotas: the bytes that lie where a principal may store files, and those that its uploads will add.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{EntryKind, Listed};
use ftx_io::Executor;
use tokio::time::Instant;

use super::ScopedStore;
use super::refusals::size_text;
use super::view::{ScopeView, outermost};
use crate::access::{Grants, Rights};
use crate::store::{ListRequest, Refusal, Store};

/// How long a count is believed: other programs change files too, and other principals.
const RECOUNT_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Entries of a page while files are counted.
const COUNT_PAGE_ENTRIES: usize = 32 * 1024;

/// Bytes of such a page.
const COUNT_PAGE_BYTES: usize = 1024 * 1024;

/// With either of them a principal adds bytes, so the files there count.
const STORES: Rights = Rights::CREATE.union(Rights::REPLACE);

/// The bytes of one principal.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Held during a count. All other reservations wait for it.
    counting: tokio::sync::Mutex<()>,
    state: Mutex<UsageState>,
}

#[derive(Debug, Default)]
struct UsageState {
    /// `None` before the first count.
    counted: Option<Counted>,
    /// The grants of the count that runs, or was the last one to begin.
    counting: Grants,
    /// Bytes of files.
    used_bytes: u64,
    /// Bytes that running uploads may add.
    reserved_bytes: u64,
    /// Bytes that were stored during the count that runs, which may have missed them.
    stored_meanwhile_bytes: u64,
}

#[derive(Debug)]
struct Counted {
    at: Instant,
    /// The grants that say which files count.
    grants: Grants,
}

/// Room for one file, until it is dropped.
#[derive(Debug)]
pub(super) struct QuotaReservation {
    usage: Arc<Usage>,
    limit_bytes: u64,
    bytes: Mutex<u64>,
}

/// There is too little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuotaFull {
    limit_bytes: u64,
    /// The bytes in use or reserved.
    taken_bytes: u64,
}

/// Each step leaves the numbers in order, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> ScopedStore<S> {
    /// The usage that a file of this name counts for; `None` without a quota.
    pub(super) fn usage(&self, view: &ScopeView<'_>, name: &RemoteName) -> Option<Arc<Usage>> {
        view.scope().quota_bytes?;
        let principal = self.principal.clone()?;
        is_counted(view.grants(), name).then(|| self.quotas.usage(principal))
    }
}

impl Usage {
    /// Counts the files, unless that was done lately.
    pub(super) async fn count<S: Store>(
        &self,
        store: &S,
        executor: &Executor,
        grants: &Grants,
    ) -> Result<(), Refusal> {
        if self.is_counted(grants) {
            return Ok(());
        }
        let _turn = self.counting.lock().await;
        if self.is_counted(grants) {
            return Ok(());
        }
        self.begin_count(grants);
        let at = Instant::now();
        let bytes = count_files(store, executor, grants).await?;
        let mut state = lock(&self.state);
        state.used_bytes = bytes.saturating_add(state.stored_meanwhile_bytes);
        state.counted = Some(Counted { at, grants: grants.clone() });
        Ok(())
    }

    fn begin_count(&self, grants: &Grants) {
        let mut state = lock(&self.state);
        state.stored_meanwhile_bytes = 0;
        state.counting = grants.clone();
    }

    /// Whether a file of this name counts.
    pub(super) fn counts(&self, name: &RemoteName) -> bool {
        let state = lock(&self.state);
        let counted = state.counted.as_ref().map(|counted| &counted.grants);
        counted.into_iter().chain([&state.counting]).any(|grants| is_counted(grants, name))
    }

    fn is_counted(&self, grants: &Grants) -> bool {
        let state = lock(&self.state);
        let is_new = |counted: &Counted| {
            counted.at.elapsed() < RECOUNT_INTERVAL && counted.grants == *grants
        };
        state.counted.as_ref().is_some_and(is_new)
    }

    /// Reserves room for `bytes` more.
    pub(super) fn reserve(
        self: Arc<Self>,
        bytes: u64,
        limit_bytes: u64,
    ) -> Result<QuotaReservation, QuotaFull> {
        let reserved = QuotaReservation { usage: self, limit_bytes, bytes: Mutex::new(0) };
        reserved.resize(bytes)?;
        Ok(reserved)
    }

    /// A file was stored, replaced or removed: `new` bytes have come, and `old` ones have gone.
    pub(super) fn changed(&self, new: u64, old: u64) {
        let mut state = lock(&self.state);
        state.used_bytes = state.used_bytes.saturating_add(new).saturating_sub(old);
        state.stored_meanwhile_bytes = state.stored_meanwhile_bytes.saturating_add(new);
    }
}

impl QuotaReservation {
    /// Reserves this much instead. An upload needs no room for less than it has reserved.
    pub(super) fn resize(&self, bytes: u64) -> Result<(), QuotaFull> {
        let mut own = lock(&self.bytes);
        let mut state = lock(&self.usage.state);
        let others = state.reserved_bytes.saturating_sub(*own);
        let taken_bytes = state.used_bytes.saturating_add(others);
        let fits = taken_bytes.checked_add(bytes).is_some_and(|sum| sum <= self.limit_bytes);
        if bytes > *own && !fits {
            return Err(QuotaFull { limit_bytes: self.limit_bytes, taken_bytes });
        }
        state.reserved_bytes = others.saturating_add(bytes);
        *own = bytes;
        Ok(())
    }

    /// Gives the room back.
    pub(super) fn release(&self) {
        let bytes = std::mem::take(&mut *lock(&self.bytes));
        let mut state = lock(&self.usage.state);
        state.reserved_bytes = state.reserved_bytes.saturating_sub(bytes);
    }
}

impl Drop for QuotaReservation {
    fn drop(&mut self) {
        self.release();
    }
}

impl QuotaFull {
    /// The refusal of a file. `tells` how much is in use to a principal that can see that anyway.
    pub(super) fn refusal(self, name: &RemoteName, size: u64, tells: bool) -> Refusal {
        let (size, limit, taken) =
            (size_text(size), size_text(self.limit_bytes), size_text(self.taken_bytes));
        let message = if tells {
            format!(
                "{name:?} has {size}, and {taken} of your quota of {limit} are taken; remove files"
            )
        } else {
            format!("{name:?} has {size}, for which your quota of {limit} has no room")
        };
        Refusal::new(Reason::QuotaExceeded, message + ", or ask for a larger quota")
    }
}

/// Whether a file of this name lies where these grants allow to store files.
fn is_counted(grants: &Grants, name: &RemoteName) -> bool {
    grants.rights_on(name).intersects(STORES)
}

/// The bytes of all files that lie where these grants allow to store files.
async fn count_files<S: Store>(
    store: &S,
    executor: &Executor,
    grants: &Grants,
) -> Result<u64, Refusal> {
    let mut bytes = 0_u64;
    for top in outermost(grants, None, STORES) {
        let (limit, most) = (COUNT_PAGE_ENTRIES, COUNT_PAGE_BYTES);
        let mut list = ListRequest { name: top, recursive: true, after: None, limit, bytes: most };
        let mut cursor = None;
        loop {
            let page = match store.list(executor, list.clone(), cursor.take()).await {
                Ok((page, next)) => {
                    cursor = next;
                    page
                }
                // The directory of the grant has not been made yet.
                Err(refusal) if matches!(refusal.reason, Reason::NotFound | Reason::NotAFile) => {
                    break;
                }
                Err(Refusal { reason, .. }) => {
                    let message = "the files of your quota cannot be counted; try again later";
                    return Err(Refusal::new(reason, message));
                }
            };
            let sizes = page.entries.iter().map(|listed| counted_bytes(grants, listed));
            bytes = sizes.fold(bytes, u64::saturating_add);
            list.after = page.entries.last().map(Listed::raw_name);
            if !page.more || list.after.is_none() {
                break;
            }
        }
    }
    Ok(bytes)
}

fn counted_bytes(grants: &Grants, listed: &Listed) -> u64 {
    match listed {
        Listed::Entry(entry) if entry.kind == EntryKind::File => {
            if is_counted(grants, &entry.name) { entry.size } else { 0 }
        }
        Listed::Entry(_) => 0,
        Listed::Untransferable(other) => {
            let counts = grants.rights_in(other.name.directory()).intersects(STORES);
            if counts { other.size } else { 0 }
        }
    }
}
