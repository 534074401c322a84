//! The uploads that are open at one time: of all, and of each principal.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::native::Reason;

use crate::auth::Principal;
use crate::limits::{Limit, StoreLimits};
use crate::store::Refusal;

/// The open uploads; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenUploads {
    counts: Arc<Mutex<UploadCounts>>,
}

#[derive(Debug, Default)]
struct UploadCounts {
    all: usize,
    by_principal: HashMap<Principal, usize>,
}

/// One open upload, until it is dropped.
#[derive(Debug)]
pub(super) struct OpenUpload {
    principal: Principal,
    counts: Arc<Mutex<UploadCounts>>,
}

/// Each step leaves the counts in order, so a panic elsewhere does no harm.
fn lock(counts: &Mutex<UploadCounts>) -> MutexGuard<'_, UploadCounts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OpenUploads {
    /// Counts an upload of a principal, unless that would be one too many.
    pub(super) fn open(
        &self,
        principal: &Principal,
        limits: &StoreLimits,
    ) -> Result<OpenUpload, Refusal> {
        let mut counts = lock(&self.counts);
        let own = counts.by_principal.get(principal).copied().unwrap_or_default();
        if counts.all >= limits.open_uploads {
            return Err(too_many("", Limit::OpenUploads, limits.open_uploads));
        }
        if own >= limits.open_uploads_per_user {
            let most = limits.open_uploads_per_user;
            return Err(too_many(" of one user", Limit::OpenUploadsPerUser, most));
        }
        counts.all += 1;
        counts.by_principal.insert(principal.clone(), own + 1);
        Ok(OpenUpload { principal: principal.clone(), counts: Arc::clone(&self.counts) })
    }
}

fn too_many(whose: &str, limit: Limit, most: usize) -> Refusal {
    let message = format!(
        "the server takes at most {most} uploads{whose} at one time ({}); try again later",
        limit.key()
    );
    Refusal::of_limit(limit, Reason::TooManyRequests, message)
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all -= 1;
        if let Entry::Occupied(mut own) = counts.by_principal.entry(self.principal.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}
