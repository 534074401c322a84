//! Counts the bytes that pass through a proxy and holds bytes back.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard};

use super::Direction;

/// The one place that all bytes of all connections come through.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Bytes that were passed on, by direction, and how many may be.
    passed: [u64; 2],
    most: [u64; 2],
    held: bool,
    stopped: bool,
}

impl Gate {
    pub(super) fn new() -> Self {
        let state = State { passed: [0; 2], most: [u64::MAX; 2], held: false, stopped: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until one or more of `count` bytes may pass, and takes note that they do. How many;
    /// `None` if the connection is cut or the proxy is no more.
    pub(super) fn pass(
        &self,
        direction: Direction,
        count: usize,
        is_cut: &AtomicBool,
    ) -> Option<usize> {
        let way = direction.index();
        let mut state = self.wait_while(is_cut, |state| state.left(way) == 0)?;
        // Under the same lock, or two connections would pass the same last bytes.
        let count = count.min(usize::try_from(state.left(way)).unwrap_or(usize::MAX));
        state.passed[way] += count as u64;
        Some(count)
    }

    /// Takes back bytes that could not be passed on.
    pub(super) fn take_back(&self, direction: Direction, count: usize) {
        self.change(|state| state.passed[direction.index()] -= count as u64);
    }

    /// Waits while everything is held back; `None` as in [`pass`](Self::pass).
    pub(super) fn wait_while_held(&self, is_cut: &AtomicBool) -> Option<()> {
        self.wait_while(is_cut, |state| state.held).map(drop)
    }

    pub(super) fn wait_until_stopped(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| !state.stopped).unwrap());
    }

    pub(super) fn passed(&self, direction: Direction) -> u64 {
        self.state.lock().unwrap().passed[direction.index()]
    }

    pub(super) fn let_pass(&self, direction: Direction, total: u64) {
        self.change(|state| state.most[direction.index()] = total);
    }

    pub(super) fn hold(&self, hold: bool) {
        self.change(|state| state.held = hold);
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.stopped = true);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().unwrap().stopped
    }

    /// Wakes all waiters so that they check again, for example whether the connection is cut.
    pub(super) fn wake(&self) {
        self.change(|_| ());
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait_while(
        &self,
        is_cut: &AtomicBool,
        waits: impl Fn(&State) -> bool,
    ) -> Option<MutexGuard<'_, State>> {
        let is_over = |state: &State| state.stopped || is_cut.load(SeqCst);
        let state = self.state.lock().unwrap();
        let state = self.changed.wait_while(state, |state| !is_over(state) && waits(state));
        state.ok().filter(|state| !is_over(state))
    }
}

impl State {
    /// How many bytes may pass now.
    fn left(&self, way: usize) -> u64 {
        if self.held { 0 } else { self.most[way].saturating_sub(self.passed[way]) }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::wait::{DEADLINE, wait_until};

    #[test]
    fn connections_together_pass_exactly_the_allowed_bytes() {
        let gate = Gate::new();
        let is_cut = AtomicBool::new(false);
        gate.let_pass(Direction::ToServer, 100);
        let pass_all = || while gate.pass(Direction::ToServer, 7, &is_cut).is_some() {};
        thread::scope(|scope| {
            let connections = [(); 2].map(|()| scope.spawn(pass_all));
            wait_until("all has passed", DEADLINE, || gate.passed(Direction::ToServer) == 100);
            assert_eq!(gate.pass(Direction::ToClient, 7, &is_cut), Some(7));
            assert!(connections.iter().all(|connection| !connection.is_finished()));
            gate.take_back(Direction::ToServer, 50);
            wait_until("the rest has passed", DEADLINE, || gate.passed(Direction::ToServer) == 100);
            is_cut.store(true, SeqCst);
            gate.wake();
        });
        assert_eq!(gate.passed(Direction::ToServer), 100);
    }

    #[test]
    fn nothing_passes_while_all_is_held_or_after_the_end() {
        let gate = Gate::new();
        let is_cut = AtomicBool::new(false);
        gate.hold(true);
        thread::scope(|scope| {
            let held = scope.spawn(|| gate.pass(Direction::ToServer, 7, &is_cut));
            let ended = scope.spawn(|| gate.wait_while_held(&is_cut));
            assert_eq!(gate.passed(Direction::ToServer), 0);
            gate.stop();
            assert_eq!((held.join().unwrap(), ended.join().unwrap()), (None, None));
        });
    }
}
