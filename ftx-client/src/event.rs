//! What a client tells while it works.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{TransferError, Transferred};

/// Something that happened. Sizes and positions are bytes of the file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Bytes that are here already are hashed, to find out whether they can be gone on from, or
    /// whether they are the server's. Where nothing is left of them to be read, it is not told.
    Hashing {
        /// Hashed so far.
        done: u64,
        /// To be hashed.
        total: u64,
    },
    /// Another run uploads this very file to this name, and the server lets one of them do it at a
    /// time. It goes on when that one has ended or stands still.
    Waiting,
    /// Bytes begin to move.
    Started {
        /// Where they go on from; 0 for a whole file.
        from: u64,
        /// The whole file's size.
        size: u64,
    },
    /// Bytes have moved.
    Progress {
        /// How much of the file is across, from its start.
        done: u64,
        /// The whole file's size.
        size: u64,
    },
    /// The transfer was cancelled, but an original server would hang for good if it were left now,
    /// so what it sends is read to the end.
    Draining {
        /// Bytes that are still to come.
        left: u64,
    },
    /// A try failed and there will be another.
    Retrying {
        /// Which try the next one is; the first retry is 1.
        attempt: u32,
        /// The pause before it.
        pause: Duration,
        /// What went wrong.
        error: &'a TransferError,
    },
}

/// Is told every [`Event`] in order, on the thread that runs the transfer, or on one that reads a
/// file for it. It must not block for long.
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

/// Is told what becomes of several files, on the thread that runs their transfers.
pub trait Watch: Send {
    /// The file of this index is begun; the observer is told what happens with it. A file that
    /// is begun anew after a failure gets another one.
    fn begin(&mut self, file: usize) -> Observer;

    /// The file is done, or has failed.
    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>);
}
