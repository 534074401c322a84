//! The events of transfers, and their receivers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::wire::Listed;

use crate::{FileDownload, TransferError, Transferred};

/// An event of a transfer. Sizes and positions are bytes of the file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Local bytes are hashed, to decide whether the transfer can resume from them or is up to date.
    /// Absent if none have to be read.
    Hashing {
        /// Bytes hashed so far.
        done: u64,
        /// Bytes to hash.
        total: u64,
    },
    /// Another run uploads the same file to the same name, and the server admits one at a time. This one
    /// resumes when the other has ended or stalls.
    Waiting,
    /// The transfer of bytes begins.
    Started {
        /// Bytes that both sides have already, not necessarily the first ones; 0 for a whole file.
        from: u64,
        /// The whole file's size.
        size: u64,
    },
    /// Bytes were transferred.
    Progress {
        /// Bytes that both sides have.
        done: u64,
        /// The whole file's size.
        size: u64,
        /// Bytes that went over the network in this attempt, including repeated ones. The others were on
        /// both sides already.
        moved: u64,
    },
    /// The transfer was cancelled, but an original server would hang forever if the client left now, so
    /// its bytes are read to the end.
    Draining {
        /// Bytes still to read.
        left: u64,
    },
    /// An attempt failed and another one follows.
    Retrying {
        /// The number of the retry, from 1.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// The failure.
        error: &'a TransferError,
    },
}

/// Receives every [`Event`] in order, on the thread that runs the transfer or on one that reads a file
/// for it. It must not block for long.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Event<'_>) + Send + Sync>);

impl Observer {
    /// An observer that calls `tell`.
    pub fn new(tell: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl Default for Observer {
    /// An observer that ignores everything.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Follows several files, on the thread that runs their transfers.
pub trait Watch: Send {
    /// The file of this index begins; the returned observer receives its events. A file that restarts
    /// after a failure gets another observer.
    fn begin(&mut self, file: usize) -> Observer;

    /// The file is done, or has failed.
    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>);
}

/// A file, or a directory with all files below it, to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadSource {
    /// One file.
    File(FileDownload),
    /// The directory of this name on the server, `None` for the root.
    Directory(Option<RemoteName>),
}

/// Names the files of a download while it runs, on the thread that runs it, and follows them. A file's number
/// is the count of files that were named before it.
pub trait TreeWatch: Watch {
    /// The next file or directory; `None` after the last one. Called when all entries of the directory before
    /// it were passed to [`listed`](Self::listed).
    fn next_source(&mut self) -> Option<DownloadSource>;

    /// The next entry of the directory, below which it lies. Each comes once, in a fixed order. Returns the
    /// file to download; if that vanishes before its turn, others begin all the same.
    fn listed(&mut self, entry: Listed) -> Option<FileDownload>;

    /// The directory cannot be listed, or not to its end.
    fn listing_failed(&mut self, error: &TransferError);
}
