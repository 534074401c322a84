//! Room that is promised to uploads under way.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;
use ftx_store::{StoreError, check_space};

/// Bytes that are promised and not yet written.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Mutex<u64>>);

/// Room for one upload. It is given back as it is used up, and the rest when this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Ledger,
    left: Mutex<u64>,
}

impl Ledger {
    /// Promises `len` bytes in the file system of `dir` for the file `path`.
    ///
    /// # Errors
    /// The free space, less the reservations of other uploads, is too small.
    pub(super) fn reserve(
        &self,
        dir: &Dir,
        path: &Path,
        len: u64,
    ) -> Result<Reservation, StoreError> {
        // Checked under the lock, so that a failed reservation is never visible.
        let mut promised = lock(&self.0);
        let wanted = promised.saturating_add(len);
        check_space(dir, path, wanted)?;
        *promised = wanted;
        Ok(Reservation { ledger: self.clone(), left: Mutex::new(len) })
    }
}

impl Reservation {
    /// Notes that `len` bytes are written, and so no longer free anyway.
    pub(super) fn used(&self, len: u64) {
        let mut left = lock(&self.left);
        let used = len.min(*left);
        *left -= used;
        *lock(&self.ledger.0) -= used;
    }

    /// Returns the rest of the reservation.
    pub(super) fn give_back(&self) {
        self.used(u64::MAX);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn lock(number: &Mutex<u64>) -> MutexGuard<'_, u64> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_store::{StoreError, available_bytes};

    use super::{Ledger, lock};

    #[test]
    fn reserved_space_is_not_reserved_again_until_its_release() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("a.bin");
        let ledger = Ledger::default();
        // Other programs use the disk, too: halves leave them some space.
        let half = available_bytes(&dir).unwrap() / 2;
        let first = ledger.reserve(&dir, path, half).unwrap();
        let refused = ledger.reserve(&dir, path, half + half / 2);
        assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
        assert_eq!(*lock(&ledger.0), half);
        first.used(half / 2);
        first.used(0);
        assert_eq!(*lock(&ledger.0), half - half / 2);
        drop(first);
        assert_eq!(*lock(&ledger.0), 0);
    }

    #[test]
    fn absurd_wishes_are_refused_and_change_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let ledger = Ledger::default();
        let some = ledger.reserve(&dir, Path::new("a"), 1000).unwrap();
        for len in [u64::MAX, u64::MAX - 999, i64::MAX as u64] {
            assert!(ledger.reserve(&dir, Path::new("b"), len).is_err());
            assert_eq!(*lock(&ledger.0), 1000);
        }
        some.used(u64::MAX);
        some.give_back();
        assert_eq!(*lock(&ledger.0), 0);
    }
}
