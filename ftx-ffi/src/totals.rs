//! Progress of a whole job, sent with every event.

/// Progress of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JobTotals {
    pub(crate) files: u64,
    /// Files whose sizes are known.
    pub(crate) sized: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    /// Bytes of the files whose sizes are known. Callers may pass any size, so the sum
    /// must not overflow.
    pub(crate) bytes: u128,
    pub(crate) bytes_done: u128,
}

impl JobTotals {
    /// Bytes of the files whose sizes are known.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Transferred bytes.
    pub(crate) fn bytes_done(&self) -> u64 {
        u64::try_from(self.bytes_done).unwrap_or(u64::MAX)
    }
}
