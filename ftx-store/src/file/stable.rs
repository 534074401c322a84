//! When the identity of a file may stand for its contents in a cache.
//!
//! An identity is size and times, and a program that writes through `mmap` can change contents
//! without moving either: the kernel updates the times only when a page that was write-protected is
//! written to. On ext4, xfs and btrfs a page is protected again by writeback, so a store to a page
//! that is dirty already goes unseen. On tmpfs, and on an overlay above it, nothing is ever written
//! back, and no store through a mapping moves a time.
//!
//! So a cache accepts bytes read from a file only if
//! - the file lies on a file system known to protect written-back pages,
//! - the file was synced before it was read, so that all its pages were protected,
//! - its times are older than that sync by more than their resolution, so that any store since
//!   would have moved them,
//! - its identity is the same after reading.
//!
//! A file written by ftx itself needs no sync: before it had its name, no other process could map
//! it.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::{FileIdentity, sys};

/// The size below which a file is not read for a cache: syncing would take longer than reading it
/// again.
pub const MIN_CACHED_BYTES: u64 = 16 * 1024 * 1024;

/// The longest wait for a sync. A file whose sync takes longer was just written, and is read
/// without caching.
const MAX_SYNC_WAIT: Duration = Duration::from_secs(2);

/// The greatest number of threads that run such syncs, including abandoned ones.
const MAX_SYNC_THREADS: usize = 16;

/// The threads running now.
static SYNC_THREADS: AtomicUsize = AtomicUsize::new(0);

/// A file's state before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadSnapshot {
    identity: FileIdentity,
    /// Every later change of the contents changes the identity.
    shows_changes: bool,
}

impl ReadSnapshot {
    /// Prepares for reading `file`. A file worth caching is synced first, so this may block for
    /// some seconds.
    ///
    /// # Errors
    /// Failures to query its metadata.
    pub fn take(file: &File) -> io::Result<Self> {
        Self::take_of(file, FileIdentity::of_std(file)?)
    }

    /// As [`take`](Self::take), for a file that had this identity a moment ago.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_of(file: &File, identity: FileIdentity) -> io::Result<Self> {
        let since = SystemTime::now();
        let is_candidate = identity.size >= MIN_CACHED_BYTES
            && !identity.is_racy(since)
            && sys::protects_written_pages(file);
        if !is_candidate || !is_synced_soon(file) {
            return Ok(Self { identity, shows_changes: false });
        }
        // A store before the sync may become visible only now.
        let identity = FileIdentity::of_std(file)?;
        Ok(Self { identity, shows_changes: !identity.is_racy(since) })
    }

    /// The identity before reading.
    #[must_use]
    pub fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Returns the identity that stands for the bytes read from `file`; `None` if the contents may
    /// have changed meanwhile, or could change later invisibly.
    #[must_use]
    pub fn confirm(&self, file: &File) -> Option<StableIdentity> {
        if !self.shows_changes {
            return None;
        }
        let now = FileIdentity::of_std(file).ok()?;
        (now == self.identity).then_some(StableIdentity(now))
    }
}

/// Syncs the data of a file; `false` if that fails or takes too long.
fn is_synced_soon(file: &File) -> bool {
    let (Ok(file), Some(place)) = (file.try_clone(), SyncThread::begin(&SYNC_THREADS)) else {
        return false;
    };
    let (tell, told) = mpsc::channel();
    let sync = move || {
        let _place = place;
        // The receiver may have timed out by then.
        let _ = tell.send(file.sync_data().is_ok());
    };
    let syncing = thread::Builder::new().name("ftx-sync".into()).spawn(sync);
    syncing.is_ok() && told.recv_timeout(MAX_SYNC_WAIT).unwrap_or(false)
}

/// A slot for a sync thread: a hanging disk must not use up all threads of the process.
struct SyncThread(&'static AtomicUsize);

impl SyncThread {
    fn begin(count: &'static AtomicUsize) -> Option<Self> {
        let begun = Self(count);
        // Dropped, and so returned, if it exceeds the limit.
        (count.fetch_add(1, SeqCst) < MAX_SYNC_THREADS).then_some(begun)
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A file's identity that every change of its contents changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StableIdentity(FileIdentity);

impl StableIdentity {
    /// The identity of a file that ftx wrote and published. `identity` is from right after the
    /// rename; the file did not have its name before `visible_since`.
    pub(crate) fn of_published(
        file: &File,
        identity: &FileIdentity,
        visible_since: SystemTime,
    ) -> Option<Self> {
        let shows_changes = !identity.is_racy(visible_since) && sys::protects_written_pages(file);
        shows_changes.then_some(Self(*identity))
    }

    /// Accepts an identity as stable without a check. For tests and fuzzing, whose files do not
    /// exist.
    #[doc(hidden)]
    #[must_use]
    pub fn assumed(identity: FileIdentity) -> Self {
        Self(identity)
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> &FileIdentity {
        &self.0
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::{
        AtomicUsize, MAX_SYNC_THREADS, MIN_CACHED_BYTES, ReadSnapshot, SeqCst, SyncThread,
    };
    use crate::sys;

    #[test]
    fn so_many_threads_wait_for_syncs_and_no_more() {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut begun: Vec<_> =
            (0..MAX_SYNC_THREADS).map_while(|_| SyncThread::begin(&COUNT)).collect();
        assert_eq!(begun.len(), MAX_SYNC_THREADS);
        assert!(SyncThread::begin(&COUNT).is_none());
        begun.pop();
        assert!(SyncThread::begin(&COUNT).is_some());
        drop(begun);
        assert_eq!(COUNT.load(SeqCst), 0);
    }

    /// A file of zeros that was changed long ago.
    fn old_file(dir: &Path, size: u64) -> File {
        let path = dir.join("file");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let file = file.unwrap();
        file.set_len(size).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        file
    }

    #[test]
    fn blocks_of_an_old_large_file_may_be_cached_until_it_changes() {
        let temp = tempfile::tempdir().unwrap();
        let file = old_file(temp.path(), MIN_CACHED_BYTES);
        let snapshot = ReadSnapshot::take(&file).unwrap();
        let stable = snapshot.confirm(&file);
        assert_eq!(stable.is_some(), sys::protects_written_pages(&file));
        file.write_all_at(b"x", 7).unwrap();
        assert_eq!(snapshot.confirm(&file), None);
    }

    #[test]
    fn a_file_that_has_just_changed_is_not_cached() {
        let temp = tempfile::tempdir().unwrap();
        let file = old_file(temp.path(), MIN_CACHED_BYTES);
        file.write_all_at(b"x", 7).unwrap();
        assert_eq!(ReadSnapshot::take(&file).unwrap().confirm(&file), None);
    }

    #[test]
    fn a_small_file_is_not_cached() {
        let temp = tempfile::tempdir().unwrap();
        let file = old_file(temp.path(), MIN_CACHED_BYTES - 1);
        assert_eq!(ReadSnapshot::take(&file).unwrap().confirm(&file), None);
    }

    /// On tmpfs no store through a mapping ever moves a time.
    #[test]
    fn nothing_on_tmpfs_is_cached() {
        let temp = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = old_file(temp.path(), MIN_CACHED_BYTES);
        assert!(!sys::protects_written_pages(&file));
        assert_eq!(ReadSnapshot::take(&file).unwrap().confirm(&file), None);
    }
}
