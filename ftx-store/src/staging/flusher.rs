//! Writing back in the background, so that dirty pages stay few.
//!
//! Left alone, the kernel collects gigabytes of dirty pages and then stops every writer for
//! seconds; and the sync before publishing would have it all to do. So after every [`FLUSH_BYTES`]
//! a thread syncs what is there while the next bytes arrive.

use std::fs::File;
use std::io;
use std::thread::{self, JoinHandle};

/// How many bytes may be written before the next sync in the background starts.
pub const FLUSH_BYTES: u64 = 32 * 1024 * 1024;

/// A sync under way, and how it ends.
type RunningSync = JoinHandle<io::Result<()>>;

/// At most one sync under way, and the count of bytes since it began. Dropping it lets a sync run
/// to its end unwatched, so whoever has one [waits](Self::wait) before.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    running: Option<RunningSync>,
    dirty: u64,
}

impl Flusher {
    /// Takes note of `bytes` more in `file`; syncs when it is time, waiting for the sync before. Where
    /// it cannot be done in the background, it is done on the spot.
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
        if self.dirty < FLUSH_BYTES {
            return Ok(());
        }
        self.wait()?;
        self.dirty = 0;
        match start(file) {
            Ok(sync) => self.running = Some(sync),
            Err(error) => {
                // For want of a descriptor or of a thread; nothing has happened to the bytes.
                tracing::debug!(%error, "no sync in the background");
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Takes note of `bytes` more that were written; they are synced with the next.
    pub(crate) fn note(&mut self, bytes: u64) {
        self.dirty = self.dirty.saturating_add(bytes);
    }

    /// The outcome of the sync under way if it has one by now.
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
                sync.join().unwrap_or_else(|_| Err(io::Error::other("the thread that synced died")))
            }
        }
    }

    /// Lets a sync under way run to its end unwatched: the file is of no use to anybody any more.
    pub(crate) fn forget(&mut self) {
        self.running = None;
    }

    /// A flusher whose sync under way ends with `outcome`.
    #[cfg(test)]
    pub(crate) fn ending_with(outcome: io::Result<()>) -> Self {
        Self { running: Some(thread::spawn(move || outcome)), dirty: FLUSH_BYTES }
    }

    /// A flusher whose sync under way ends when the other end of `until` is gone.
    #[cfg(test)]
    pub(crate) fn waiting_for(until: std::sync::mpsc::Receiver<()>) -> Self {
        let running = thread::spawn(move || {
            let _ = until.recv();
            Ok(())
        });
        Self { running: Some(running), dirty: FLUSH_BYTES }
    }
}

fn in_background(file: &File) -> io::Result<RunningSync> {
    let file = file.try_clone()?;
    thread::Builder::new().name("ftx-flush".into()).spawn(move || file.sync_data())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::{FLUSH_BYTES, File, Flusher};

    #[test]
    fn syncs_when_enough_is_dirty_and_only_then() {
        let file = tempfile::tempfile().unwrap();
        let mut flusher = Flusher::default();
        flusher.wrote(&file, FLUSH_BYTES - 1).unwrap();
        assert!(flusher.running.is_none());
        flusher.wrote(&file, 1).unwrap();
        assert!(flusher.running.is_some());
        flusher.wrote(&file, FLUSH_BYTES).unwrap();
        flusher.wait().unwrap();
        assert!(flusher.running.is_none());
        flusher.check().unwrap();
    }

    /// That there is no descriptor or no thread to be had is nothing that happened to the bytes.
    #[test]
    fn what_cannot_be_synced_in_the_background_is_synced_at_once() {
        let none = |_: &File| Err(io::ErrorKind::ResourceBusy.into());
        let mut flusher = Flusher::default();
        let file = tempfile::tempfile().unwrap();
        flusher.wrote_with(&file, FLUSH_BYTES, none).unwrap();
        assert!(flusher.running.is_none() && flusher.dirty == 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_sync_at_once_may_fail_as_any() {
        // It cannot be synced.
        let device = File::open("/dev/null").unwrap();
        let none = |_: &File| Err(io::ErrorKind::ResourceBusy.into());
        let synced = Flusher::default().wrote_with(&device, FLUSH_BYTES, none);
        assert_eq!(synced.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_failed_sync_is_told_once() {
        let file = tempfile::tempfile().unwrap();
        let mut flusher = Flusher::ending_with(Err(io::Error::other("no disk")));
        assert!(flusher.wrote(&file, 1).is_err());
        flusher.wait().unwrap();
    }
}
