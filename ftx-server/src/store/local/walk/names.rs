//! SortedNames of a directory in their order, with bounded memory.
//!
//! A directory is read once, as long as its names fit the memory that all listings of the server share.
//! Where they do not, the smaller ones are kept, and it is read again for those behind them.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cap_std::fs::Dir;

/// Bytes for the names of all listings of a server together, beyond [`FLOOR_BYTES`] for each that is being
/// answered: about a million names of 20 bytes.
const SHARED_BYTES: usize = 64 << 20;

/// Bytes of names that a listing may have in any case while it is being answered.
const FLOOR_BYTES: usize = 1 << 20;

/// Bytes that a name takes besides its own: its place in a list that grows, and what allocations cost.
const NAME_BYTES: usize = 48;

/// Bytes that are taken from what is shared at a time.
const STEP_BYTES: usize = 256 << 10;

/// The memory that all listings of a server share; clones are the same memory.
#[derive(Clone, Debug)]
pub(in crate::store::local) struct NameMemory {
    left: Arc<AtomicUsize>,
    floor: usize,
}

impl Default for NameMemory {
    fn default() -> Self {
        Self::new(SHARED_BYTES, FLOOR_BYTES)
    }
}

impl NameMemory {
    pub(super) fn new(shared_bytes: usize, floor_bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(shared_bytes)), floor: floor_bytes }
    }

    /// Bytes that nobody has.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// A share of it, of no bytes so far.
    pub(super) fn share(&self) -> MemoryShare {
        MemoryShare { memory: self.clone(), bytes: 0 }
    }
}

/// A listing's part of the memory, which is given back with it.
#[derive(Debug)]
pub(super) struct MemoryShare {
    memory: NameMemory,
    bytes: usize,
}

impl MemoryShare {
    /// Makes room for so many bytes in all; `false` if others have too much for that.
    pub(super) fn reach(&mut self, bytes: usize) -> bool {
        let Some(missing) = bytes.checked_sub(self.bytes).filter(|missing| *missing > 0) else {
            return true;
        };
        let taken = [missing.next_multiple_of(STEP_BYTES), missing].into_iter().find(|wanted| {
            let less = |left: usize| left.checked_sub(*wanted);
            self.memory.left.fetch_update(Relaxed, Relaxed, less).is_ok()
        });
        self.bytes += taken.unwrap_or(0);
        taken.is_some()
    }

    /// Gives back what is more than this.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.memory.left.fetch_add(spare, Relaxed);
    }

    /// Whether names may take so many bytes while a listing is being answered.
    fn allows(&mut self, bytes: usize) -> bool {
        bytes <= self.memory.floor || self.reach(bytes)
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// SortedNames of one directory, from some name on.
#[derive(Debug)]
pub(super) struct SortedNames {
    /// The next names, the last one first.
    next: Vec<Box<OsStr>>,
    /// Bytes that they take.
    bytes: usize,
    /// All names up to this one were in `next` once.
    read_to: Option<Vec<u8>>,
    /// There may be more behind `next`.
    more: bool,
}

impl SortedNames {
    /// All names behind `after`.
    pub(super) fn behind(after: Option<Vec<u8>>) -> Self {
        Self { next: Vec::new(), bytes: 0, read_to: after, more: true }
    }

    /// The next name, if it has been read; see [`must_read`](Self::must_read).
    pub(super) fn pop(&mut self) -> Option<Box<OsStr>> {
        let name = self.next.pop()?;
        self.bytes = self.bytes.saturating_sub(cost(&name));
        Some(name)
    }

    /// Whether the directory is to be read for the next name.
    pub(super) fn must_read(&self) -> bool {
        self.next.is_empty() && self.more
    }

    /// Bytes that it takes now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the names that come next, so that the directory is read for them again. `given` was the
    /// last one that was taken.
    pub(super) fn forget(&mut self, given: &[u8]) {
        if !self.next.is_empty() {
            *self = Self::behind(Some(given.to_owned()));
        }
    }

    /// Gives back memory of names that were taken.
    pub(super) fn shrink(&mut self) {
        self.next.shrink_to_fit();
    }

    /// Reads the directory for its next names, `others` bytes beside those of other directories in the
    /// same listing. `forget_others` is called when there is too little room, and frees these.
    pub(super) fn read(
        &mut self,
        dir: &Dir,
        share: &mut MemoryShare,
        mut others: usize,
        mut forget_others: impl FnMut(),
    ) -> io::Result<()> {
        self.more = false;
        let (mut next, mut bytes): (Vec<Box<OsStr>>, usize) = (Vec::new(), 0);
        // There is no room for names behind this one.
        let mut ceiling: Option<Box<OsStr>> = None;
        for entry in dir.entries()? {
            let name = entry?.file_name();
            let is_read = |read_to: &Vec<u8>| name.as_encoded_bytes() <= read_to.as_slice();
            if self.read_to.as_ref().is_some_and(is_read) {
                continue;
            }
            if ceiling.as_ref().is_some_and(|ceiling| *name > **ceiling) {
                continue;
            }
            bytes += cost(&name);
            next.push(name.into_boxed_os_str());
            if share.allows(others + bytes) {
                continue;
            }
            if others > 0 {
                forget_others();
                others = 0;
                if share.allows(bytes) {
                    continue;
                }
            }
            // Half of them at a time, so that each name is moved a few times at most.
            let half = next.len() / 2;
            next.select_nth_unstable(half);
            next.truncate(half + 1);
            bytes = next.iter().map(|name| cost(name)).sum();
            ceiling = next.last().cloned();
            self.more = true;
        }
        next.sort_unstable();
        let last = next.last().map(|name| name.as_encoded_bytes().to_owned());
        self.read_to = last.or_else(|| self.read_to.take());
        next.reverse();
        (self.next, self.bytes) = (next, bytes);
        Ok(())
    }
}

/// Bytes that a name takes.
fn cost(name: &OsStr) -> usize {
    NAME_BYTES + name.len()
}
