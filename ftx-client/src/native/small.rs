//! Small files that have arrived and are stored together.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use ftx_core::native::wire::Meta;
use ftx_io::blocking;
use ftx_store::{BatchFile, BatchPublisher, Durability, Existing, StagingFiles, StoreError};

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
    data: Vec<u8>,
    meta: Meta,
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
        self.files.push(SmallFile { job, place, data, meta });
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
                let mut error = Some(TransferError::from(error));
                jobs.into_iter()
                    .filter_map(|job| {
                        let this = error.take()?;
                        error = Some(this.again());
                        Some((job, Err(this)))
                    })
                    .collect()
            }
        }
    }

    fn take_back(&mut self, files: Vec<SmallFile>) {
        let buffers = files.into_iter().map(|file| file.data);
        self.spares.extend(buffers.filter(|buffer| buffer.capacity() <= SPARE));
        self.spares.truncate(FILES);
    }
}

/// Stores files, directory by directory.
fn store(files: &[SmallFile], durability: Durability) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(files.len());
    for group in files.chunk_by(|one, next| one.place.parent() == next.place.parent()) {
        let Some(first) = group.first() else { continue };
        let opened = first
            .place
            .directory()
            .and_then(|dir| Ok((BatchPublisher::new(&dir, durability)?, dir)));
        match opened {
            Ok((publisher, dir)) => outcomes.extend(store_in(&publisher, &dir, group)),
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

fn store_in(publisher: &BatchPublisher, dir: &Dir, group: &[SmallFile]) -> Vec<Outcome> {
    let names: Vec<(PathBuf, StagingFiles)> = group.iter().map(|file| file.place.names()).collect();
    let batch: Vec<BatchFile<'_>> = group
        .iter()
        .zip(&names)
        .map(|(file, (target, staging))| BatchFile {
            staging: &staging.data,
            journal: Some(&staging.journal),
            target_dir: dir,
            target,
            bytes: &file.data,
            meta: file.meta,
            existing: Existing::Replace,
        })
        .collect();
    let published = publisher.publish(&batch);
    group
        .iter()
        .zip(published)
        .map(|(file, published)| {
            let moved = file.data.len() as u64;
            let done = published.map(|()| Transferred { moved, already_there: false });
            (file.job, done.map_err(TransferError::from))
        })
        .collect()
}
