//! Numbers of a whole job, kept with each step of a file: they are told with every event.

use super::State;

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) files: u64,
    /// Files whose sizes are known.
    pub(crate) sized: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Bytes of the files whose sizes are known. What callers say of sizes may be anything, and
    /// must not overflow.
    pub(crate) bytes: u128,
    pub(crate) bytes_done: u128,
}

impl Totals {
    /// Bytes of the files whose sizes are known.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Bytes that are across.
    pub(crate) fn bytes_done(&self) -> u64 {
        u64::try_from(self.bytes_done).unwrap_or(u64::MAX)
    }
}

impl State {
    /// The size of a file is known, or is another than was known.
    pub(super) fn set_size(&mut self, index: usize, size: u64) {
        let Some(file) = self.files.get_mut(index) else { return };
        let before = file.size.replace(size);
        self.totals.sized += u64::from(before.is_none());
        self.totals.bytes -= u128::from(before.unwrap_or(0));
        self.totals.bytes += u128::from(size);
    }

    /// So many bytes of a file are across.
    pub(super) fn set_done(&mut self, index: usize, done: u64) {
        let Some(file) = self.files.get_mut(index) else { return };
        let before = std::mem::replace(&mut file.done, done);
        self.totals.bytes_done -= u128::from(before);
        self.totals.bytes_done += u128::from(done);
    }
}
