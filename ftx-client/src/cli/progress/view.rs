//! The content of the display at one moment.

use std::time::Duration;

/// The content of the display at one moment. Names and messages are not escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProgressView {
    /// The files are being looked for.
    Scanning { scan: ScanView, detail: Option<DetailView> },
    /// Files are being transferred.
    Whole(WholeView),
}

/// The files found so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanView {
    pub(crate) files: u64,
    /// Their bytes, as far as sizes are known.
    pub(crate) bytes: u64,
}

/// The whole of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeView {
    /// The name of the file, if it is the only one.
    pub(crate) name: Option<String>,
    /// The files that have ended. The total is `None` until all are found.
    pub(crate) files: Amount,
    /// The bytes of all files that are in place. The total is `None` until all sizes are known.
    pub(crate) bytes: Amount,
    /// Bytes, with a fixed number for each file on top: small files take longer than their bytes.
    pub(crate) work: Amount,
    /// Bytes per second over the network.
    pub(crate) speed: Option<u64>,
    pub(crate) eta: Option<Duration>,
    pub(crate) detail: Option<DetailView>,
}

/// How much of a total is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
}

/// The second line of the display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DetailView {
    /// An attempt failed.
    Retrying {
        /// The number of the retry, from 1.
        attempt: u32,
        /// The time until it begins.
        pause: Duration,
        error: String,
    },
    /// A file that takes long.
    File { name: String, state: FileState, amount: Amount },
}

/// What happens with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It is requested or offered.
    Begun,
    /// Local bytes are hashed.
    Hashing,
    /// Another run uploads the same file.
    Waiting,
    /// Its bytes move.
    Moving,
    /// Its blocks are compared with those of the other side, and are the same.
    Comparing,
    /// All bytes are in place, and the other steps until it is published take their time.
    Finishing,
    /// It was cancelled, and is read to its end.
    Draining,
}

impl Amount {
    pub(crate) const fn of(done: u64, total: u64) -> Self {
        Self { done, total: Some(total) }
    }

    /// The done part of `whole`, rounded down. `None` if the total is unknown.
    pub(super) fn share(self, whole: usize) -> Option<usize> {
        let total = self.total?;
        let share = (self.done.min(total) as u128 * whole as u128).checked_div(u128::from(total));
        // Nothing is all of nothing.
        Some(share.map_or(whole, |share| usize::try_from(share).unwrap_or(whole)))
    }
}
