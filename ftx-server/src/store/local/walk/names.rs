//! The sorted names of a directory, with bounded memory.
//!
//! A directory is read once, if its names fit the memory that all listings of the server share. Otherwise
//! the smallest names are kept, and the directory is read again for the names after them.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cap_std::fs::Dir;

/// Memory for the names of all listings of a server, beyond [`FLOOR_BYTES`] for each active request: about a
/// million names of 20 bytes.
const SHARED_BYTES: usize = 64 << 20;

/// Memory for the names of one listing during a request, in any case.
const FLOOR_BYTES: usize = 1 << 20;

/// The cost of a name besides its bytes: its slot in a growing list, and the allocation.
const NAME_BYTES: usize = 48;

/// The step in which shared memory is taken.
const STEP_BYTES: usize = 256 << 10;

/// The memory that all listings of a server share; clones share it.
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

    /// The unused bytes.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left.load(Relaxed)
    }

    /// An empty share.
    pub(super) fn share(&self) -> MemoryShare {
        MemoryShare { memory: self.clone(), bytes: 0 }
    }
}

/// A listing's share of the memory, which is released when it is dropped.
#[derive(Debug)]
pub(super) struct MemoryShare {
    memory: NameMemory,
    bytes: usize,
}

impl MemoryShare {
    /// Grows the share to this size; `false` if too little memory is left.
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

    /// Shrinks the share to this size.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.memory.left.fetch_add(spare, Relaxed);
    }

    /// Whether the names of a listing may take this many bytes during a request.
    fn allows(&mut self, bytes: usize) -> bool {
        bytes <= self.memory.floor || self.reach(bytes)
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// The names of one directory after some name, in order.
#[derive(Debug)]
pub(super) struct SortedNames {
    /// The next names in reverse order.
    next: Vec<Box<OsStr>>,
    /// The cost of `next` in bytes.
    bytes: usize,
    /// All names up to this one have been in `next`.
    read_to: Option<Vec<u8>>,
    /// The directory may have names after `next`.
    more: bool,
}

impl SortedNames {
    /// The names after `after`.
    pub(super) fn behind(after: Option<Vec<u8>>) -> Self {
        Self { next: Vec::new(), bytes: 0, read_to: after, more: true }
    }

    /// The next name, if it has been read; see [`must_read`](Self::must_read).
    pub(super) fn pop(&mut self) -> Option<Box<OsStr>> {
        let name = self.next.pop()?;
        self.bytes = self.bytes.saturating_sub(cost(&name));
        Some(name)
    }

    /// Whether the directory must be read for the next name.
    pub(super) fn must_read(&self) -> bool {
        self.next.is_empty() && self.more
    }

    /// The memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the next names, so that the directory must be read again. `given` was the last name taken.
    pub(super) fn forget(&mut self, given: &[u8]) {
        if !self.next.is_empty() {
            *self = Self::behind(Some(given.to_owned()));
        }
    }

    /// Frees the memory of names that were taken.
    pub(super) fn shrink(&mut self) {
        self.next.shrink_to_fit();
    }

    /// Reads the directory for its next names. The other directories of the listing use `others` bytes, which
    /// `forget_others` frees when memory runs out.
    pub(super) fn read(
        &mut self,
        dir: &Dir,
        share: &mut MemoryShare,
        mut others: usize,
        mut forget_others: impl FnMut(),
    ) -> io::Result<()> {
        self.more = false;
        let (mut next, mut bytes): (Vec<Box<OsStr>>, usize) = (Vec::new(), 0);
        // Names after this one do not fit.
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
            // Drops half of them at a time, so that each name moves only a few times.
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

/// The memory that a name takes.
fn cost(name: &OsStr) -> usize {
    NAME_BYTES + name.len()
}
