//! Keeps the totals of a job up to date with its files.

use super::Job;

impl Job {
    /// Sets the size of a file, or corrects it.
    pub(super) fn set_size(&mut self, index: usize, size: u64) {
        let Some(file) = self.files.get_mut(index) else { return };
        let before = file.size.replace(size);
        self.totals.sized += u64::from(before.is_none());
        self.totals.bytes -= u128::from(before.unwrap_or(0));
        self.totals.bytes += u128::from(size);
    }

    /// Sets the number of transferred bytes of a file.
    pub(super) fn set_done(&mut self, index: usize, done: u64) {
        let Some(file) = self.files.get_mut(index) else { return };
        let before = std::mem::replace(&mut file.done, done);
        self.totals.bytes_done -= u128::from(before);
        self.totals.bytes_done += u128::from(done);
    }
}
