//! Manifests on the disk, one file each.
//!
//! # The bytes
//! ```text
//! 46 54 58 4d 41 4e 49 33      magic, "FTXMANI3"
//! u64 dev, u64 ino, u64 size, i128 mtime_ns, i128 ctime_ns     identity of the file
//! 32 bytes                     for each block: its chaining value, or zeros where it is not known
//! u32                          CRC-32 (IEEE) over all that is before
//! ```
//! All integers are little-endian. A file is named by the first 16 bytes of the BLAKE3 hash over
//! the 56 bytes of the identity, in hexadecimal digits. A real chaining value of all zeros is as
//! unlikely as a collision.
//!
//! Nothing is synced. A file is written under a temporary name and renamed, so it is complete as
//! long as the system runs; after a loss of power the checksum reveals damage.

use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{Cv, Manifest, PartialManifest, block_count, block_cv};

use super::memory::CachedManifest;
use crate::FileIdentity;
use crate::staging::private_file::remove;

const MAGIC: &[u8; 8] = b"FTXMANI3";
const IDENTITY_BYTES: usize = 56;
const CACHE_HEAD_BYTES: usize = MAGIC.len() + IDENTITY_BYTES;
const CV_BYTES: usize = 32;
const UNKNOWN_CV: Cv = Cv([0; CV_BYTES]);
const CRC_BYTES: usize = 4;
const TEMPORARY_EXTENSION: &str = "tmp";

/// A directory of manifests.
#[derive(Debug)]
pub(super) struct ManifestFiles {
    dir: Dir,
    limit: usize,
    /// An upper bound of the number of files; locked while the oldest are removed.
    count: Mutex<usize>,
    /// Part of the next temporary name.
    next: AtomicU64,
}

impl ManifestFiles {
    pub(super) fn open(dir: &Dir, limit: usize) -> io::Result<Self> {
        let dir = dir.try_clone()?;
        for entry in dir.entries()? {
            let path = PathBuf::from(entry?.file_name());
            if path.extension().is_some_and(|kind| kind == TEMPORARY_EXTENSION) {
                remove_or_log(&dir, &path);
            }
        }
        let disk = Self { dir, limit, count: Mutex::new(0), next: AtomicU64::new(0) };
        let count = disk.sweep()?;
        *disk.count.lock().unwrap_or_else(PoisonError::into_inner) = count;
        Ok(disk)
    }

    /// Returns the cached manifest for this identity. A damaged file, or one for another identity,
    /// is removed.
    pub(super) fn load(&self, identity: &FileIdentity) -> Option<CachedManifest> {
        let path = path_of(identity)?;
        let entry = match self.read(&path, identity) {
            Ok(entry) => entry,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::debug!(%error, ?path, "a manifest cannot be read");
                return None;
            }
        };
        if entry.is_none() {
            remove_or_log(&self.dir, &path);
        }
        entry
    }

    pub(super) fn store(&self, identity: &FileIdentity, entry: &CachedManifest) {
        let Some(path) = path_of(identity) else { return };
        let stored = self.write(&path, &encode(identity, entry)).and_then(|()| {
            let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
            *count = count.saturating_add(1);
            if *count > self.limit {
                *count = self.sweep()?;
            }
            Ok(())
        });
        if let Err(error) = stored {
            tracing::debug!(%error, ?path, "a manifest cannot be stored");
        }
    }

    pub(super) fn remove(&self, identity: &FileIdentity) {
        if let Some(path) = path_of(identity) {
            remove_or_log(&self.dir, &path);
        }
    }

    fn read(&self, path: &Path, identity: &FileIdentity) -> io::Result<Option<CachedManifest>> {
        let file = self.dir.open(path)?;
        let expected = file_bytes(identity.size);
        // Checked before anything is allocated.
        if Some(file.metadata()?.len()) != expected {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(expected.unwrap_or_default()).read_to_end(&mut bytes)?;
        Ok(decode(&bytes, identity))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{number}.{TEMPORARY_EXTENSION}"));
        let written = self.dir.write(&temporary, bytes);
        written.and_then(|()| self.dir.rename(&temporary, &self.dir, path)).inspect_err(|_| {
            remove_or_log(&self.dir, &temporary);
        })
    }

    /// Removes the oldest files beyond the limit, and some more, so that this is rare. Returns the
    /// number of files left.
    fn sweep(&self) -> io::Result<usize> {
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in self.dir.entries()? {
            let entry = entry?;
            let path = PathBuf::from(entry.file_name());
            if path.extension().is_some_and(|kind| kind == TEMPORARY_EXTENSION) {
                continue;
            }
            // A file that has vanished needs no removal.
            let Ok(metadata) = entry.metadata() else { continue };
            let written = metadata.modified().map_or(SystemTime::UNIX_EPOCH, |t| t.into_std());
            found.push((written, path));
        }
        if found.len() <= self.limit {
            return Ok(found.len());
        }
        found.sort_unstable();
        let keep = self.limit - self.limit / 10;
        let sweep = found.len() - keep;
        for (_, path) in found.iter().take(sweep) {
            remove_or_log(&self.dir, path);
        }
        Ok(keep)
    }
}

fn remove_or_log(dir: &Dir, path: &Path) {
    if let Err(error) = remove(dir, path) {
        tracing::debug!(%error, "a manifest cannot be removed");
    }
}

fn identity_bytes(identity: &FileIdentity) -> Vec<u8> {
    let FileIdentity { dev, ino, size, mtime_ns, ctime_ns, nlink: _ } = *identity;
    let mut bytes = Vec::with_capacity(IDENTITY_BYTES);
    for number in [dev, ino, size] {
        bytes.extend(number.to_le_bytes());
    }
    for time in [mtime_ns, ctime_ns] {
        bytes.extend(time.to_le_bytes());
    }
    bytes
}

fn path_of(identity: &FileIdentity) -> Option<PathBuf> {
    let bytes = identity_bytes(identity);
    // These bytes fit into one block, so its chaining value is their hash.
    let hash = block_cv(bytes.len() as u64, 0, &bytes).ok()?.to_string();
    hash.get(..32).map(PathBuf::from)
}

fn file_bytes(size: u64) -> Option<u64> {
    let cvs = block_count(size).checked_mul(CV_BYTES as u64)?;
    cvs.checked_add((CACHE_HEAD_BYTES + CRC_BYTES) as u64)
}

pub(super) fn encode(identity: &FileIdentity, entry: &CachedManifest) -> Vec<u8> {
    let cvs = usize::try_from(block_count(identity.size)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(CACHE_HEAD_BYTES + cvs * CV_BYTES + CRC_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(identity_bytes(identity));
    match entry {
        CachedManifest::Whole(manifest) => bytes.extend(manifest.cvs().iter().flat_map(|cv| cv.0)),
        CachedManifest::Part(partial) => {
            let all = 0..block_count(identity.size);
            bytes.extend(all.flat_map(|index| partial.get(index).unwrap_or(UNKNOWN_CV).0));
        }
    }
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8], identity: &FileIdentity) -> Option<CachedManifest> {
    let (rest, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
        return None;
    }
    let rest = rest.strip_prefix(MAGIC)?.strip_prefix(identity_bytes(identity).as_slice())?;
    let (cvs, []) = rest.as_chunks::<CV_BYTES>() else { return None };
    let cvs: Vec<Cv> = cvs.iter().map(|cv| Cv(*cv)).collect();
    if !cvs.contains(&UNKNOWN_CV) {
        return Some(CachedManifest::Whole(Arc::new(Manifest::new(identity.size, cvs).ok()?)));
    }
    let mut partial = PartialManifest::new(identity.size);
    for (index, cv) in (0..).zip(cvs) {
        if cv != UNKNOWN_CV && !partial.set(index, cv) {
            return None;
        }
    }
    Some(CachedManifest::Part(partial))
}
