//! Small files that have arrived, or need not, and are stored together.

use std::path::Path;

use cap_std::fs::Dir;
use ftx_core::native::wire::Meta;
use ftx_io::blocking;
use ftx_store::{
    BatchFile, BatchPublisher, Durability, Existing, FileIdentity, Root, StagingName, StoreError,
    UpToDateFiles,
};

use super::place::Place;
use crate::{TransferError, Transferred};

/// Files that are stored together at most, and their bytes.
const FILES: usize = 256;
const BYTES: usize = 4 * 1024 * 1024;

/// Buffers of up to so many bytes are used again, as many as a batch has files.
const SPARE: usize = 16 * 1024;

type Outcome = (usize, Result<Transferred, TransferError>);

/// Files that wait to be stored.
#[derive(Debug)]
pub(super) struct Batch {
    durability: Durability,
    files: Vec<SmallFile>,
    bytes: usize,
    spares: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct SmallFile {
    job: usize,
    place: Place,
    data: Data,
    meta: Meta,
}

#[derive(Debug)]
enum Data {
    /// All its bytes.
    Fetched(Vec<u8>),
    /// They are those of the file at the target, which was this one.
    Here(FileIdentity),
}

impl Batch {
    pub(super) fn new(durability: Durability) -> Self {
        Self { durability, files: Vec::new(), bytes: 0, spares: Vec::new() }
    }

    /// An empty buffer for the next file.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let mut buffer = self.spares.pop().unwrap_or_default();
        buffer.clear();
        buffer
    }

    pub(super) fn push(&mut self, job: usize, place: Place, data: Vec<u8>, meta: Meta) {
        self.bytes += data.len();
        self.files.push(SmallFile { job, place, data: Data::Fetched(data), meta });
    }

    /// For a file that is here already.
    pub(super) fn push_here(&mut self, job: usize, place: Place, here: FileIdentity, meta: Meta) {
        self.files.push(SmallFile { job, place, data: Data::Here(here), meta });
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= FILES || self.bytes >= BYTES
    }

    /// Stores the files, and tells what became of each.
    pub(super) async fn publish(&mut self) -> Vec<Outcome> {
        if self.files.is_empty() {
            return Vec::new();
        }
        self.bytes = 0;
        let files = std::mem::take(&mut self.files);
        let jobs: Vec<usize> = files.iter().map(|file| file.job).collect();
        let durability = self.durability;
        let stored = blocking(Path::new("small files"), move || {
            let outcomes = store(&files, durability);
            Ok((outcomes, files))
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

    fn take_back(&mut self, files: Vec<SmallFile>) {
        let buffers = files.into_iter().filter_map(|file| match file.data {
            Data::Fetched(data) => Some(data),
            Data::Here(_) => None,
        });
        self.spares.extend(buffers.filter(|buffer| buffer.capacity() <= SPARE));
        self.spares.truncate(FILES);
    }
}

/// Stores files, directory by directory.
fn store(files: &[SmallFile], durability: Durability) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(files.len());
    for group in files.chunk_by(|one, next| one.place.is_beside(&next.place)) {
        let Some(first) = group.first() else { continue };
        let opened = first
            .place
            .root()
            .and_then(|root| Ok((BatchPublisher::new(root.dir(), durability)?, root)));
        match opened {
            Ok((publisher, root)) => {
                outcomes.extend(keep_in(&root, group));
                outcomes.extend(store_in(&publisher, root.dir(), group));
            }
            // Each finds out for itself what is wrong.
            Err(_) => outcomes.extend(group.iter().map(|file| {
                let error =
                    file.place.directory().err().unwrap_or_else(|| StoreError::Changed {
                        path: file.place.path().to_owned(),
                    });
                (file.job, Err(error.into()))
            })),
        }
    }
    outcomes
}

/// Sees to those that are here.
fn keep_in(root: &Root, group: &[SmallFile]) -> Vec<Outcome> {
    let here: Vec<_> = group
        .iter()
        .filter_map(|file| match file.data {
            Data::Here(identity) => Some((file, identity, file.place.name())),
            Data::Fetched(_) => None,
        })
        .collect();
    let mut present = UpToDateFiles::new(root);
    let mut outcomes: Vec<Outcome> = here
        .iter()
        .enumerate()
        .map(|(index, (file, identity, name))| {
            let is_there = present.is_unchanged(index, name, identity, &file.meta);
            let changed = || StoreError::Changed { path: file.place.path().to_owned() };
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

/// Stores those that have arrived.
fn store_in(publisher: &BatchPublisher, dir: &Dir, group: &[SmallFile]) -> Vec<Outcome> {
    let fetched: Vec<_> = group
        .iter()
        .filter_map(|file| match &file.data {
            Data::Fetched(data) => Some((file, data)),
            Data::Here(_) => None,
        })
        .collect();
    let batch: Vec<BatchFile<'_>> = fetched
        .iter()
        .map(|(file, data)| BatchFile {
            staging: StagingName::Part(file.place.parts()),
            target_dir: dir,
            target: file.place.name(),
            bytes: data,
            meta: file.meta,
            existing: Existing::Replace,
        })
        .collect();
    let published = publisher.publish(&batch);
    fetched
        .iter()
        .zip(published)
        .map(|((file, data), published)| {
            let moved = data.len() as u64;
            let done = published.map(|()| Transferred { moved, already_there: false });
            // As its user knows it, not as it is called in its directory.
            (file.job, done.map_err(|error| error.with_path(file.place.path()).into()))
        })
        .collect()
}
