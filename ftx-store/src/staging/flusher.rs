//! Write-back in the background, so that dirty pages stay few.
//!
//! Left alone, the kernel collects gigabytes of dirty pages and then stalls every writer for
//! seconds, and the sync before publishing would have to write all of them. So after every
//! [`SYNC_INTERVAL_BYTES`] a thread syncs the file while the next bytes arrive.

use std::fs::File;
use std::io;
use std::thread::{self, JoinHandle};

/// Bytes written before the next background sync starts.
pub const SYNC_INTERVAL_BYTES: u64 = 32 * 1024 * 1024;

/// A sync under way, and its outcome.
type RunningSync = JoinHandle<io::Result<()>>;

/// At most one sync under way, and the bytes written since it began. Dropping it leaves a sync
/// running unobserved, so owners [wait](Self::wait) first.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    running: Option<RunningSync>,
    dirty: u64,
}

impl Flusher {
    /// Counts `bytes` more in `file` and syncs when it is time, after waiting for the sync before.
    /// Where no background sync can be started, it syncs at once.
    pub(crate) fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.wrote_with(file, bytes, in_background)
    }

    /// `start` starts a sync in the background.
    fn wrote_with(
        &mut self,
        file: &File,
        bytes: u64,
        start: impl FnOnce(&File) -> io::Result<RunningSync>,
    ) -> io::Result<()> {
        self.note(bytes);
        if self.dirty < SYNC_INTERVAL_BYTES {
            return Ok(());
        }
        self.wait()?;
        self.dirty = 0;
        match start(file) {
            Ok(sync) => self.running = Some(sync),
            Err(error) => {
                // No descriptor or thread was available; the bytes are unaffected.
                tracing::debug!(%error, "no background sync can be started");
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Counts `bytes` more; they are synced together with later ones.
    pub(crate) fn note(&mut self, bytes: u64) {
        self.dirty = self.dirty.saturating_add(bytes);
    }

    /// Returns the outcome of the sync under way, if it has ended.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait()
        } else {
            Ok(())
        }
    }

    /// Whether a sync is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|sync| !sync.is_finished())
    }

    /// Waits for the sync under way, if any.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        match self.running.take() {
            None => Ok(()),
            Some(sync) => {
                sync.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread panicked")))
            }
        }
    }

    /// Leaves a sync under way unobserved, because the file is no longer needed.
    pub(crate) fn forget(&mut self) {
        self.running = None;
    }

    /// A flusher whose sync under way ends with `outcome`.
    #[cfg(test)]
    pub(crate) fn ending_with(outcome: io::Result<()>) -> Self {
        Self { running: Some(thread::spawn(move || outcome)), dirty: SYNC_INTERVAL_BYTES }
    }

    /// A flusher whose sync under way ends when the sender of `until` is dropped.
    #[cfg(test)]
    pub(crate) fn waiting_for(until: std::sync::mpsc::Receiver<()>) -> Self {
        let running = thread::spawn(move || {
            let _ = until.recv();
            Ok(())
        });
        Self { running: Some(running), dirty: SYNC_INTERVAL_BYTES }
    }
}

fn in_background(file: &File) -> io::Result<RunningSync> {
    let file = file.try_clone()?;
    thread::Builder::new().name("ftx-flush".into()).spawn(move || file.sync_data())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{File, Flusher, SYNC_INTERVAL_BYTES};

    #[test]
    fn syncs_when_enough_is_dirty_and_only_then() {
        let file = tempfile::tempfile().unwrap();
        let mut flusher = Flusher::default();
        flusher.wrote(&file, SYNC_INTERVAL_BYTES - 1).unwrap();
        assert!(flusher.running.is_none());
        flusher.wrote(&file, 1).unwrap();
        assert!(flusher.running.is_some());
        flusher.wrote(&file, SYNC_INTERVAL_BYTES).unwrap();
        flusher.wait().unwrap();
        assert!(flusher.running.is_none());
        flusher.check().unwrap();
    }

    /// A lack of descriptors or threads does not affect the bytes.
    #[test]
    fn a_file_without_background_sync_is_synced_at_once() {
        let none = |_: &File| Err(io::ErrorKind::ResourceBusy.into());
        let mut flusher = Flusher::default();
        let file = tempfile::tempfile().unwrap();
        flusher.wrote_with(&file, SYNC_INTERVAL_BYTES, none).unwrap();
        assert!(flusher.running.is_none() && flusher.dirty == 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sync_at_once_may_fail_as_any() {
        // It does not support syncing.
        let device = File::open("/dev/null").unwrap();
        let none = |_: &File| Err(io::ErrorKind::ResourceBusy.into());
        let synced = Flusher::default().wrote_with(&device, SYNC_INTERVAL_BYTES, none);
        assert_eq!(synced.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_failed_sync_is_reported_once() {
        let file = tempfile::tempfile().unwrap();
        let mut flusher = Flusher::ending_with(Err(io::Error::other("no disk")));
        assert!(flusher.wrote(&file, 1).is_err());
        flusher.wait().unwrap();
    }
}
