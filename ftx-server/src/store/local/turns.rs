//! One at a time for each name: whoever looks at what has a name and then changes it.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

use ftx_core::RemoteName;

/// Names that are being changed.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<HashSet<RemoteName>>,
    given_back: Condvar,
}

/// Leave to change some names, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    names: HashSet<RemoteName>,
}

impl Turns {
    /// Waits until nobody else changes any of `names`. Blocks; whoever has a turn must not wait for
    /// another one.
    pub(super) fn take(&self, names: impl IntoIterator<Item = RemoteName>) -> Turn<'_> {
        let names: HashSet<_> = names.into_iter().collect();
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        // All at once, so that nobody waits for one name while holding another.
        let is_taken = |taken: &mut HashSet<_>| !taken.is_disjoint(&names);
        let taken = self.given_back.wait_while(taken, is_taken);
        taken.unwrap_or_else(PoisonError::into_inner).extend(names.iter().cloned());
        Turn { turns: self, names }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|name| !self.names.contains(name));
        drop(taken);
        self.turns.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::thread;

    use ftx_core::RemoteName;

    use super::Turns;

    #[test]
    fn nobody_has_a_turn_with_a_name_of_anothers() {
        let turns = Turns::default();
        let names = ["a", "b", "c"].map(|name| RemoteName::parse(name).unwrap());
        let inside = [const { AtomicU32::new(0) }; 3];
        thread::scope(|scope| {
            for which in [vec![0, 1], vec![1, 2], vec![2, 0], vec![0], vec![1, 1]] {
                let (turns, names, inside) = (&turns, &names, &inside);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let _turn = turns.take(which.iter().map(|&at| names[at].clone()));
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
        assert!(turns.taken.lock().unwrap().is_empty());
    }
}
