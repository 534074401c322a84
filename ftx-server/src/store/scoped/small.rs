//! Batches of small files, each within the rights and the quota of its principal.

use std::collections::HashMap;

use ftx_core::RemoteName;
use ftx_io::Executor;

use super::ScopedStore;
use super::file_change::FileChange;
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
        size: u64,
        reserved: Option<QuotaReservation>,
    },
}

/// Stores those of the files that the principal may store.
pub(super) async fn put<S: Store>(
    store: &ScopedStore<S>,
    executor: &Executor,
    files: Vec<SmallFile>,
) -> Vec<Result<PutOutcome, Refusal>> {
    let mut batch = ScopedBatch { store, executor, changes: HashMap::new() };
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
            *result = batch.told(handed, outcome);
        }
    }
    results
}

struct ScopedBatch<'a, S> {
    store: &'a ScopedStore<S>,
    executor: &'a Executor,
    /// The changes of files.
    changes: HashMap<RemoteName, BatchChange>,
}

/// The change of one file by a batch, which may store it several times.
struct BatchChange {
    change: FileChange,
    /// The bytes of the file when the batch has stored all that is planned.
    planned_bytes: u64,
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
        Ok((file, Handed::Stored { name, permit, size, reserved }))
    }

    async fn reserve(
        &mut self,
        name: &RemoteName,
        size: u64,
        permit: &WritePermit,
    ) -> Result<Option<QuotaReservation>, Refusal> {
        if !self.changes.contains_key(name) {
            // Changes matter from the first count on.
            self.store.count(self.executor, name).await?;
            let change = self.store.change(self.executor, name).await;
            let planned_bytes = change.old_bytes();
            self.changes.insert(name.clone(), BatchChange { change, planned_bytes });
        }
        let planned = self.changes.get(name).map_or(0, |change| change.planned_bytes);
        let old = if permit.replaces() { planned } else { 0 };
        let reserved = self.store.reserve(self.executor, name, size, old).await?;
        if let Some(change) = self.changes.get_mut(name).filter(|_| permit.keeps_name()) {
            change.planned_bytes = size;
        }
        Ok(reserved)
    }

    /// The result for the principal.
    fn told(
        &mut self,
        handed: Handed,
        outcome: Result<PutOutcome, Refusal>,
    ) -> Result<PutOutcome, Refusal> {
        let Handed::Stored { name, permit, size, reserved } = handed else { return outcome };
        let outcome = outcome.map_err(|refusal| permit.refusal(&name, refusal))?;
        if let (PutOutcome::Stored, Some(change)) = (outcome, self.changes.get_mut(&name)) {
            // Before its room is given back, which another file could take otherwise.
            change.change.stored(size, &permit);
        }
        drop(reserved);
        Ok(match outcome {
            PutOutcome::Unchanged if !permit.reads => PutOutcome::Stored,
            outcome => outcome,
        })
    }
}
