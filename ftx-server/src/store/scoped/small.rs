//! Batches of small files, each within the rights and the quota of its principal.

use std::collections::HashMap;

use ftx_core::RemoteName;
use ftx_io::Executor;

use super::ScopedStore;
use super::permit::WritePermit;
use super::quota::QuotaReservation;
use crate::store::{ExpectedVersion, PutOutcome, Refusal, SmallData, SmallFile, Store};

/// A file that the inner store gets, and what its principal may learn of the outcome.
enum Handed {
    /// To compare. The principal may read it.
    Compared,
    Stored {
        name: RemoteName,
        permit: WritePermit,
        reserved: Option<FileRoom>,
    },
}

/// The room of one file in a quota.
struct FileRoom {
    reserved: QuotaReservation,
    size: u64,
    /// The bytes that become free.
    old: u64,
}

/// Stores those of the files that the principal may store.
pub(super) async fn put<S: Store>(
    store: &ScopedStore<S>,
    executor: &Executor,
    files: Vec<SmallFile>,
) -> Vec<Result<PutOutcome, Refusal>> {
    let mut batch = ScopedBatch { store, executor, sizes: HashMap::new() };
    let mut results = Vec::with_capacity(files.len());
    let (mut handed, mut inner) = (Vec::new(), Vec::new());
    for file in files {
        match batch.plan(file).await {
            Ok((file, plan)) => {
                handed.push((results.len(), plan));
                inner.push(file);
                // Unless the store gives fewer results than it got files.
                results.push(Ok(PutOutcome::Wanted));
            }
            Err(result) => results.push(result),
        }
    }
    if inner.is_empty() {
        return results;
    }
    let outcomes = store.inner.put(executor, inner).await;
    for ((index, handed), outcome) in handed.into_iter().zip(outcomes) {
        if let Some(result) = results.get_mut(index) {
            *result = handed.told(outcome);
        }
    }
    results
}

struct ScopedBatch<'a, S> {
    store: &'a ScopedStore<S>,
    executor: &'a Executor,
    /// The sizes of files that this batch stores, for a quota.
    sizes: HashMap<RemoteName, u64>,
}

impl<S: Store> ScopedBatch<'_, S> {
    /// Plans one file; an error is its result, for which the store is not asked.
    async fn plan(
        &mut self,
        file: SmallFile,
    ) -> Result<(SmallFile, Handed), Result<PutOutcome, Refusal>> {
        match &file.data {
            SmallData::Expected(size) => {
                let (size, digest) = (*size, file.digest);
                let expected =
                    ExpectedVersion { name: file.name.clone(), size, meta: file.meta, digest };
                match self.store.may_confirm(self.executor, expected).await {
                    Ok(Some(ExpectedVersion { meta, .. })) => {
                        Ok((SmallFile { meta, ..file }, Handed::Compared))
                    }
                    Ok(None) => Err(Ok(PutOutcome::Wanted)),
                    Err(refusal) => Err(Err(refusal)),
                }
            }
            SmallData::Whole(_) => self.plan_whole(file).await.map_err(Err),
        }
    }

    async fn plan_whole(&mut self, file: SmallFile) -> Result<(SmallFile, Handed), Refusal> {
        let (name, size) = (file.name.clone(), file.data.size());
        let permit = self.store.permit(&name, size, file.overwrite)?;
        self.store.check_target(self.executor, &name, permit.target).await?;
        let reserved = self.reserve(&name, size, &permit).await?;
        let (overwrite, naming) = (permit.overwrite, permit.naming(file.naming));
        let file = SmallFile { overwrite, naming, ..file };
        Ok((file, Handed::Stored { name, permit, reserved }))
    }

    async fn reserve(
        &mut self,
        name: &RemoteName,
        size: u64,
        permit: &WritePermit,
    ) -> Result<Option<FileRoom>, Refusal> {
        if self.store.view().scope().quota_bytes.is_none() {
            return Ok(None);
        }
        let old = match self.sizes.get(name).filter(|_| permit.replaces()) {
            Some(&size) => size,
            None => self.store.replaced_size(self.executor, name, permit).await,
        };
        let reserved = self.store.reserve(self.executor, name, size, old).await?;
        self.sizes.insert(name.clone(), size);
        Ok(reserved.map(|reserved| FileRoom { reserved, size, old }))
    }
}

impl Handed {
    /// The result for the principal.
    fn told(self, outcome: Result<PutOutcome, Refusal>) -> Result<PutOutcome, Refusal> {
        let Self::Stored { name, permit, reserved } = self else { return outcome };
        let outcome = outcome.map_err(|refusal| permit.refusal(&name, refusal))?;
        if let (PutOutcome::Stored, Some(FileRoom { reserved, size, old })) = (outcome, &reserved) {
            reserved.stored(*size, *old);
        }
        Ok(match outcome {
            PutOutcome::Unchanged if !permit.reads => PutOutcome::Stored,
            outcome => outcome,
        })
    }
}
