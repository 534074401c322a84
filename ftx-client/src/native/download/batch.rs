//! Small files that are published together: new ones, and up-to-date ones that are made durable.

use cap_std::fs::Dir;
use ftx_core::native::wire::Meta;
use ftx_io::Executor;
use ftx_store::{
    BatchFile, BatchPublisher, Durability, Existing, FileIdentity, Root, StagingName, StoreError,
    UpToDateFiles,
};

use super::target::DownloadTarget;
use crate::{TransferError, Transferred};

/// Files of a batch, and their bytes.
const MAX_GET_BATCH_FILES: usize = 256;
const MAX_GET_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The largest buffer that is reused. As many are kept as a batch has files.
const MAX_SPARE_BYTES: usize = 16 * 1024;

type BatchOutcome = (usize, Result<Transferred, TransferError>);

/// Files that wait to be published.
#[derive(Debug)]
pub(super) struct DownloadBatch {
    durability: Durability,
    files: Vec<ArrivedFile>,
    bytes: usize,
    spares: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct ArrivedFile {
    job: usize,
    target: DownloadTarget,
    data: FileData,
    meta: Meta,
}

#[derive(Debug)]
enum FileData {
    /// All its bytes. With `is_new`, its name was free when it was requested.
    Fetched { data: Vec<u8>, is_new: bool },
    /// None: the file at the target, of this identity, is up to date.
    Existing(FileIdentity),
}

impl DownloadBatch {
    pub(super) fn new(durability: Durability) -> Self {
        Self { durability, files: Vec::new(), bytes: 0, spares: Vec::new() }
    }

    /// An empty buffer for the next file.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spares.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    /// Adds a file that has arrived. With `is_new`, its name was free when it was requested.
    pub(super) fn push(
        &mut self,
        (job, target): (usize, DownloadTarget),
        data: Vec<u8>,
        meta: Meta,
        is_new: bool,
    ) {
        self.bytes += data.len();
        let data = FileData::Fetched { data, is_new };
        self.files.push(ArrivedFile { job, target, data, meta });
    }

    /// Adds a file that is up to date.
    pub(super) fn push_existing(
        &mut self,
        job: usize,
        target: DownloadTarget,
        here: FileIdentity,
        meta: Meta,
    ) {
        self.files.push(ArrivedFile { job, target, data: FileData::Existing(here), meta });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= MAX_GET_BATCH_FILES || self.bytes >= MAX_GET_BATCH_BYTES
    }

    /// Publishes the files, and returns the result of each.
    pub(super) async fn publish(&mut self, executor: &Executor) -> Vec<BatchOutcome> {
        if self.files.is_empty() {
            return Vec::new();
        }
        self.bytes = 0;
        let files = std::mem::take(&mut self.files);
        let jobs: Vec<usize> = files.iter().map(|file| file.job).collect();
        let durability = self.durability;
        let stored = executor.run(move || {
            let outcomes = store(&files, durability);
            (outcomes, files)
        });
        match stored.await {
            Ok((outcomes, files)) => {
                self.take_back(files);
                outcomes
            }
            Err(error) => {
                let error = TransferError::from(error);
                jobs.into_iter().map(|job| (job, Err(error.clone()))).collect()
            }
        }
    }

    fn take_back(&mut self, files: Vec<ArrivedFile>) {
        let buffers = files.into_iter().filter_map(|file| match file.data {
            FileData::Fetched { data, .. } => Some(data),
            FileData::Existing(_) => None,
        });
        self.spares.extend(buffers.filter(|buffer| buffer.capacity() <= MAX_SPARE_BYTES));
        self.spares.truncate(MAX_GET_BATCH_FILES);
    }
}

/// Stores files, directory by directory.
fn store(files: &[ArrivedFile], durability: Durability) -> Vec<BatchOutcome> {
    let mut outcomes = Vec::with_capacity(files.len());
    for group in files.chunk_by(|one, next| one.target.is_beside(&next.target)) {
        let Some(first) = group.first() else { continue };
        let opened = first
            .target
            .root()
            .and_then(|root| Ok((BatchPublisher::new(root.dir(), durability)?, root)));
        match opened {
            Ok((publisher, root)) => {
                outcomes.extend(keep_in(&root, group));
                outcomes.extend(store_in(&publisher, root.dir(), group));
            }
            // Each file finds its own error.
            Err(_) => outcomes.extend(group.iter().map(|file| {
                let error =
                    file.target.directory().err().unwrap_or_else(|| StoreError::Changed {
                        path: file.target.path().to_owned(),
                    });
                (file.job, Err(error.into()))
            })),
        }
    }
    outcomes
}

/// Makes the up-to-date files durable.
fn keep_in(root: &Root, group: &[ArrivedFile]) -> Vec<BatchOutcome> {
    let here: Vec<_> = group
        .iter()
        .filter_map(|file| match file.data {
            FileData::Existing(identity) => Some((file, identity, file.target.name())),
            FileData::Fetched { .. } => None,
        })
        .collect();
    let mut present = UpToDateFiles::new(root);
    let mut outcomes: Vec<BatchOutcome> = here
        .iter()
        .enumerate()
        .map(|(index, (file, identity, name))| {
            let is_there = present.is_unchanged(index, name, identity, &file.meta);
            let changed = || StoreError::Changed { path: file.target.path().to_owned() };
            let done = Transferred { moved: 0, already_there: true };
            (file.job, if is_there { Ok(done) } else { Err(changed().into()) })
        })
        .collect();
    for (index, error) in present.finish() {
        if let Some((_, outcome)) = outcomes.get_mut(index) {
            *outcome = Err(error.into());
        }
    }
    outcomes
}

/// Publishes the files that have arrived.
fn store_in(publisher: &BatchPublisher, dir: &Dir, group: &[ArrivedFile]) -> Vec<BatchOutcome> {
    let fetched: Vec<_> = group
        .iter()
        .filter_map(|file| match &file.data {
            FileData::Fetched { data, is_new } => Some((file, data, *is_new)),
            FileData::Existing(_) => None,
        })
        .collect();
    let batch: Vec<BatchFile<'_>> = fetched
        .iter()
        .map(|(file, data, is_new)| BatchFile {
            staging: if *is_new {
                StagingName::New(file.target.parts())
            } else {
                StagingName::Part(file.target.parts())
            },
            target_dir: dir,
            target: file.target.name(),
            bytes: data,
            meta: file.meta,
            existing: Existing::Replace,
        })
        .collect();
    let published = publisher.publish(&batch);
    fetched
        .iter()
        .zip(published)
        .map(|((file, data, _), published)| {
            let moved = data.len() as u64;
            let done = published.map(|()| Transferred { moved, already_there: false });
            // With the path that the user gave, not the name in its directory.
            (file.job, done.map_err(|error| error.with_path(file.target.path()).into()))
        })
        .collect()
}
