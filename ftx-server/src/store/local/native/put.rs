//! Small files, stored together.
//!
//! Some may be there already, as when a tree is sent again. To look at each would take a new tree
//! longer, so of those whose bytes are here the first of a batch is looked at, and the next as long as
//! that was worth it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;
use ftx_io::Executor;
use ftx_store::{
    BatchFile, BatchPublisher, Durability, Existing, ExpectedFile, Parents, StagingName,
    StoreError, UpToDateFiles,
};

use super::super::permits::SlowJob;
use super::super::staging_index::StagingKey;
use super::super::{LocalStore, StoreInner};
use super::publish::existing_of;
use super::space::Reservation;
use crate::store::{Naming, PutOutcome, Refusal, SmallData, SmallFile};

/// Stores files, or finds that they are there.
pub(super) async fn put(
    store: &LocalStore,
    executor: &Executor,
    files: Vec<SmallFile>,
) -> Vec<Result<PutOutcome, Refusal>> {
    let (count, inner, owned) = (files.len(), &store.inner, store.clone());
    let work = move || Ok(put_all(&owned, &files));
    let stored = match inner.root.durability() {
        // A disk that is busy may take its time for the syncs.
        Durability::Full => inner.permits.run_long(executor, SlowJob::Sync, work).await,
        // Without them, waking another thread takes longer than the work.
        Durability::None => inner.permits.run(executor, SlowJob::Sync, work).await,
    };
    stored.unwrap_or_else(|refusal| vec![Err(refusal); count])
}

/// The work for one file of a batch.
enum PutStep<'a> {
    /// Nothing more.
    Done(PutOutcome),
    Store(ReadyFile<'a>),
}

/// A file that has a directory to go to.
struct ReadyFile<'a> {
    bytes: &'a [u8],
    staging: PathBuf,
    parent: usize,
    existing: Existing,
}

fn put_all(store: &LocalStore, files: &[SmallFile]) -> Vec<Result<PutOutcome, Refusal>> {
    let inner = &*store.inner;
    let small = Path::new("small files");
    match inner.root.check_not_removed(small).and_then(|()| inner.native.batch_dirs.publisher()) {
        Ok(publisher) => {
            let (mut results, mut rest) = (Vec::with_capacity(files.len()), files);
            while !rest.is_empty() {
                let part = part_len(rest, inner.native.batch_dirs.open_files);
                let (part, others) = rest.split_at(part);
                results.extend(put_by(&publisher, store, part));
                rest = others;
            }
            inner.native.batch_dirs.give_back(publisher);
            results
        }
        Err(error) => {
            let refusal = Refusal::from(error);
            files.iter().map(|_| Err(refusal.clone())).collect()
        }
    }
}

/// How many of the files, at least one, go to at most so many directories, which are open at the same time.
fn part_len(files: &[SmallFile], dirs: usize) -> usize {
    let is_next = |pair: &[SmallFile]| match pair {
        [one, next] => one.name.parent() != next.name.parent(),
        _ => false,
    };
    let ends = files.windows(2).enumerate().filter(|(_, pair)| is_next(pair));
    ends.map(|(index, _)| index + 1).nth(dirs.saturating_sub(1)).unwrap_or(files.len())
}

/// One file of a batch, from its plan to its outcome.
struct PutItem<'a> {
    file: &'a SmallFile,
    step: Result<PutStep<'a>, Refusal>,
}

impl PutItem<'_> {
    /// The file to publish; `None` if nothing is to be done for it any more.
    fn batch_file<'b>(&'b self, parents: &'b TargetDirs) -> Option<BatchFile<'b>> {
        let Ok(PutStep::Store(ready)) = &self.step else { return None };
        Some(BatchFile {
            staging: StagingName::Own(&ready.staging),
            target_dir: parents.get(ready.parent)?,
            target: Path::new(self.file.name.file_name()),
            bytes: ready.bytes,
            meta: self.file.meta,
            existing: ready.existing,
        })
    }

    /// The result for the caller. A name with a new version has no use for its idle stagings; with the first
    /// free name, they will become other files.
    fn finish(self, store: &LocalStore) -> Result<PutOutcome, Refusal> {
        match self.step? {
            PutStep::Done(PutOutcome::Wanted) => Ok(PutOutcome::Wanted),
            PutStep::Done(outcome) => {
                if self.file.naming == Naming::Exact {
                    let key = StagingKey::new(&self.file.name, &store.principal);
                    store.inner.discard_idle(&key);
                }
                Ok(outcome)
            }
            PutStep::Store(_) => {
                Err(Refusal::new(Reason::Internal, "a file was lost in its batch"))
            }
        }
    }
}

fn put_by(
    publisher: &BatchPublisher,
    store: &LocalStore,
    files: &[SmallFile],
) -> Vec<Result<PutOutcome, Refusal>> {
    let inner = &*store.inner;
    let space = BatchSpace::reserve(inner, files);
    let _lock = inner.name_locks.lock(files.iter().map(|file| file.name.clone()));
    let mut plan = BatchPlan::new(inner);
    let numbered = files.iter().enumerate();
    let mut items: Vec<PutItem<'_>> = numbered
        .map(|(index, file)| {
            let step = match &file.data {
                SmallData::Expected(_) => plan.look(index, file),
                SmallData::Whole(bytes) => {
                    space.of(index).and_then(|()| plan.step(index, file, bytes))
                }
            };
            PutItem { file, step }
        })
        .collect();
    let BatchPlan { parents, present, .. } = plan;
    for (index, error) in present.finish() {
        if let Some(item) = items.get_mut(index) {
            item.step = Err(error.into());
        }
    }
    let used = publish(publisher, inner, &parents, &mut items);
    parents.settle(&used);
    items.into_iter().map(|item| item.finish(store)).collect()
}

/// Publishes the files that are ready, and notes the outcome of each. Returns the directories that they are
/// in.
fn publish(
    publisher: &BatchPublisher,
    inner: &StoreInner,
    parents: &TargetDirs,
    items: &mut [PutItem<'_>],
) -> HashSet<usize> {
    let batch: Vec<_> = items.iter().filter_map(|item| item.batch_file(parents)).collect();
    let start = Instant::now();
    let mut published = publish_with_retry(publisher, &batch).into_iter();
    inner.metrics.published(start.elapsed());
    let mut used = HashSet::new();
    for item in items {
        let (Some(file), Ok(PutStep::Store(ready))) = (item.batch_file(parents), &item.step) else {
            continue;
        };
        let outcome = match published.next() {
            Some(Err(StoreError::Link { .. })) => publish_linked(publisher, inner, item, file),
            Some(outcome) => outcome,
            None => continue,
        };
        let name = item.file.name.as_str();
        if outcome.is_ok() {
            used.insert(ready.parent);
        }
        item.step = match outcome {
            Ok(()) => Ok(PutStep::Done(PutOutcome::Stored)),
            Err(error) => Err(error.with_path(name).into()),
        };
    }
    used
}

/// Publishes a file whose name is a link where that leads. Such names are seldom, so only then is the link
/// read.
fn publish_linked(
    publisher: &BatchPublisher,
    inner: &StoreInner,
    item: &PutItem<'_>,
    file: BatchFile<'_>,
) -> Result<(), StoreError> {
    let path = Path::new(item.file.name.as_str());
    let (parents, target) = inner.root.target_of(path)?;
    let file = BatchFile { target_dir: parents.dir(), target: &target, ..file };
    let done = publisher.publish(&[file]).pop();
    done.unwrap_or_else(|| Err(StoreError::Changed { path: path.to_owned() }))?;
    parents.keep();
    Ok(())
}

/// Publishes files. Files that found no space are retried one by one, because replacing the other files
/// has freed some.
fn publish_with_retry(
    publisher: &BatchPublisher,
    batch: &[BatchFile<'_>],
) -> Vec<Result<(), StoreError>> {
    let mut published = publisher.publish(batch);
    if published.iter().any(Result::is_ok) {
        for (file, outcome) in batch.iter().zip(&mut published) {
            if matches!(outcome, Err(StoreError::NoSpace { .. }))
                && let Some(again) = publisher.publish(&[*file]).pop()
            {
                *outcome = again;
            }
        }
    }
    published
}

/// Room for the files of a batch: for all together, or else for as many as there is room for.
struct BatchSpace {
    /// Given back when it is dropped.
    reserved: Vec<Reservation>,
    /// Why there is none for these.
    refused: HashMap<usize, Refusal>,
}

impl BatchSpace {
    fn reserve(inner: &StoreInner, files: &[SmallFile]) -> Self {
        let (ledger, dir) = (&inner.native.ledger, inner.root.dir());
        let bytes = files.iter().map(|file| file.data.held() as u64).sum();
        if let Ok(reserved) = ledger.reserve(dir, Path::new("small files"), bytes) {
            return Self { reserved: vec![reserved], refused: HashMap::new() };
        }
        let mut space = Self { reserved: Vec::new(), refused: HashMap::new() };
        for (index, file) in files.iter().enumerate() {
            let path = Path::new(file.name.as_str());
            match ledger.reserve(dir, path, file.data.held() as u64) {
                Ok(reserved) => space.reserved.push(reserved),
                Err(error) => {
                    space.refused.insert(index, error.into());
                }
            }
        }
        space
    }

    fn of(&self, index: usize) -> Result<(), Refusal> {
        self.refused.get(&index).map_or(Ok(()), |refusal| Err(refusal.clone()))
    }
}

/// Plans the work for each file of a batch.
struct BatchPlan<'a> {
    inner: &'a StoreInner,
    parents: TargetDirs,
    present: UpToDateFiles<'a>,
    /// Whether to compare the next file that came with its bytes.
    looks: bool,
    /// Names that this batch stores. Until then they stand for the old versions, which count no more.
    stored: HashSet<&'a RemoteName>,
}

impl<'a> BatchPlan<'a> {
    fn new(inner: &'a StoreInner) -> Self {
        let open_files = inner.native.batch_dirs.open_files;
        let present = UpToDateFiles::new(&inner.root).with_open_files(open_files);
        let (parents, stored) = (TargetDirs::default(), HashSet::new());
        Self { inner, parents, present, looks: true, stored }
    }

    /// Plans a file that the client only asks about.
    fn look(&mut self, index: usize, file: &'a SmallFile) -> Result<PutStep<'a>, Refusal> {
        let may_be_there = file.naming == Naming::Exact && !self.stored.contains(&file.name);
        let there = may_be_there && self.has(index, file)?;
        Ok(PutStep::Done(if there { PutOutcome::Unchanged } else { PutOutcome::Wanted }))
    }

    /// Plans a file that came with its bytes.
    fn step(
        &mut self,
        index: usize,
        file: &'a SmallFile,
        bytes: &'a [u8],
    ) -> Result<PutStep<'a>, Refusal> {
        if let (Naming::Exact, Overwrite::IfUnchanged(_)) = (file.naming, file.overwrite) {
            let message = "what is to be replaced is looked at for files by themselves";
            return Err(Refusal::new(Reason::Unsupported, message));
        }
        let existing = existing_of(&file.name, file.naming, file.overwrite);
        if self.looks && existing == Existing::Replace {
            self.looks = self.has(index, file)?;
            if self.looks {
                return Ok(PutStep::Done(PutOutcome::Unchanged));
            }
        }
        let parent = self.parents.of(self.inner, file)?;
        self.stored.insert(&file.name);
        Ok(PutStep::Store(ReadyFile {
            bytes,
            staging: format!("{index:x}").into(),
            parent,
            existing,
        }))
    }

    fn has(&mut self, index: usize, file: &'a SmallFile) -> Result<bool, Refusal> {
        let path = Path::new(file.name.as_str());
        let SmallFile { digest, meta, .. } = *file;
        let expected = ExpectedFile { path, size: file.data.size(), digest, meta };
        Ok(self.present.is_up_to_date(index, &expected)?)
    }
}

/// Directories that files of a batch go to; mostly it is the same one for many.
#[derive(Default)]
struct TargetDirs {
    dirs: Vec<Parents>,
    last: Option<String>,
}

impl TargetDirs {
    fn of(&mut self, inner: &StoreInner, file: &SmallFile) -> Result<usize, Refusal> {
        let parent = file.name.parent().unwrap_or_default();
        if self.last.as_deref() != Some(parent) {
            self.last = None;
            let path = Path::new(file.name.as_str());
            self.dirs.push(inner.root.make_parents(path)?);
            self.last = Some(parent.to_owned());
        }
        Ok(self.dirs.len().saturating_sub(1))
    }

    fn get(&self, index: usize) -> Option<&Dir> {
        self.dirs.get(index).map(Parents::dir)
    }

    /// Keeps the directories whose indices are in `used`. Dropping the rest removes those that this batch
    /// created.
    fn settle(self, used: &HashSet<usize>) {
        for (index, parents) in self.dirs.into_iter().enumerate() {
            if used.contains(&index) {
                parents.keep();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ftx_core::RemoteName;
    use ftx_core::native::blocks::Digest;
    use ftx_core::native::wire::{Meta, Overwrite};

    use super::{Naming, SmallData, SmallFile, part_len};

    #[test]
    fn a_part_of_a_batch_goes_to_few_directories() {
        let file = |name| SmallFile {
            name: RemoteName::parse(name).unwrap(),
            meta: Meta::default(),
            overwrite: Overwrite::Replace,
            naming: Naming::Exact,
            data: SmallData::Whole(Vec::new()),
            digest: Digest::of(b""),
        };
        let files = ["a/1", "a/2", "b/1", "c/1", "c/2", "a/3", "d"].map(file);
        for (dirs, len) in [(0, 2), (1, 2), (2, 3), (3, 5), (4, 6), (5, 7), (6, 7)] {
            assert_eq!(part_len(&files, dirs), len, "{dirs}");
        }
        assert_eq!(part_len(&files[..1], 1), 1);
    }
}
