//! A mutex for each name, for work that examines the file of a name and then changes it.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

use ftx_core::RemoteName;

/// The locked names.
#[derive(Debug, Default)]
pub(super) struct NameLocks {
    locked: Mutex<HashSet<RemoteName>>,
    unlocked: Condvar,
}

/// A lock on some names, until it is dropped.
#[derive(Debug)]
pub(super) struct NameLock<'a> {
    locks: &'a NameLocks,
    names: HashSet<RemoteName>,
}

impl NameLocks {
    /// Waits until none of `names` is locked, and locks all of them. Blocks; the holder of a lock must
    /// not wait for another one.
    pub(super) fn lock(&self, names: impl IntoIterator<Item = RemoteName>) -> NameLock<'_> {
        let names: HashSet<_> = names.into_iter().collect();
        let locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner);
        // All at once, so that no thread waits for one name while it holds another.
        let is_locked = |locked: &mut HashSet<_>| !locked.is_disjoint(&names);
        let locked = self.unlocked.wait_while(locked, is_locked);
        locked.unwrap_or_else(PoisonError::into_inner).extend(names.iter().cloned());
        NameLock { locks: self, names }
    }
}

impl Drop for NameLock<'_> {
    fn drop(&mut self) {
        let mut locked = self.locks.locked.lock().unwrap_or_else(PoisonError::into_inner);
        locked.retain(|name| !self.names.contains(name));
        drop(locked);
        self.locks.unlocked.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::thread;

    use ftx_core::RemoteName;

    use super::NameLocks;

    #[test]
    fn a_name_has_one_lock_at_a_time() {
        let locks = NameLocks::default();
        let names = ["a", "b", "c"].map(|name| RemoteName::parse(name).unwrap());
        let inside = [const { AtomicU32::new(0) }; 3];
        thread::scope(|scope| {
            for which in [vec![0, 1], vec![1, 2], vec![2, 0], vec![0], vec![1, 1]] {
                let (locks, names, inside) = (&locks, &names, &inside);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let _lock = locks.lock(which.iter().map(|&at| names[at].clone()));
                        let mut own = which.clone();
                        own.dedup();
                        for &at in &own {
                            assert_eq!(inside[at].fetch_add(1, Relaxed), 0);
                        }
                        thread::yield_now();
                        for &at in &own {
                            inside[at].fetch_sub(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert!(locks.locked.lock().unwrap().is_empty());
    }
}
