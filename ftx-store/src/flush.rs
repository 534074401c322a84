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

/// At most one sync under way, and the count of bytes since it began. Dropping it lets a sync run
/// to its end unwatched, so whoever has one [waits](Self::wait) before.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    running: Option<JoinHandle<io::Result<()>>>,
    dirty: u64,
}

impl Flusher {
    /// Takes note of `bytes` more in `file`; syncs when it is time, waiting for the sync before.
    pub(crate) fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.note(bytes);
        if self.dirty < FLUSH_BYTES {
            return Ok(());
        }
        self.wait()?;
        self.dirty = 0;
        let file = file.try_clone()?;
        let sync = thread::Builder::new().name("ftx-flush".into()).spawn(move || file.sync_data());
        self.running = Some(sync?);
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::{FLUSH_BYTES, Flusher};

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

    #[test]
    fn a_failed_sync_is_told_once() {
        let file = tempfile::tempfile().unwrap();
        let mut flusher = Flusher::ending_with(Err(io::Error::other("no disk")));
        assert!(flusher.wrote(&file, 1).is_err());
        flusher.wait().unwrap();
    }
}
