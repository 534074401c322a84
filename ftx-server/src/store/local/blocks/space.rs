//! Room that is promised to uploads under way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cap_std::fs::Dir;
use ftx_store::{StoreError, check_space};

/// Bytes that are promised and not yet written.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<AtomicU64>);

/// Room for one upload. It is given back as it is used up, and the rest when this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    ledger: Ledger,
    left: AtomicU64,
}

impl Ledger {
    /// Promises `len` bytes in the file system of `dir` for the file `path`.
    ///
    /// # Errors
    /// There is no room besides what is promised to others.
    pub(super) fn reserve(
        &self,
        dir: &Dir,
        path: &Path,
        len: u64,
    ) -> Result<Reservation, StoreError> {
        let before = self.0.fetch_add(len, Relaxed);
        // From here on it is given back in whatever way this ends.
        let reservation = Reservation { ledger: self.clone(), left: AtomicU64::new(len) };
        check_space(dir, path, before.saturating_add(len))?;
        Ok(reservation)
    }
}

impl Reservation {
    /// Notes that `len` bytes are written, and so no longer free anyway.
    pub(super) fn used(&self, len: u64) {
        let taken = self.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(len)));
        let used = taken.map_or(0, |left| left.min(len));
        self.ledger.0.fetch_sub(used, Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.used(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::Ordering::Relaxed;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_store::{StoreError, available_bytes};

    use super::Ledger;

    #[test]
    fn what_is_promised_is_not_promised_again_until_it_is_given_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("a.bin");
        let ledger = Ledger::default();
        // Others use the disk too, so halves leave them some room.
        let half = available_bytes(&dir).unwrap() / 2;
        let first = ledger.reserve(&dir, path, half).unwrap();
        let refused = ledger.reserve(&dir, path, half + half / 2);
        assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
        assert_eq!(ledger.0.load(Relaxed), half);
        first.used(half / 2);
        first.used(0);
        assert_eq!(ledger.0.load(Relaxed), half - half / 2);
        drop(first);
        assert_eq!(ledger.0.load(Relaxed), 0);
    }
}
