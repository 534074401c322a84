//! A server's disk, which survives its process.
//!
//! A block is two halves, each with contents that a single byte stands for: so a block that is
//! half overwritten looks like one.

use std::collections::BTreeMap;

use ftx_core::native::blocks::{Cv, Manifest, PartialManifest, block_len};

/// A file of `size` bytes; a content for each block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) size: u64,
    pub(crate) blocks: Vec<u8>,
}

/// Different contents, lengths and places at the root have different chaining values, as in BLAKE3.
pub(crate) fn cv(size: u64, index: u64, [first, second]: [u8; 2]) -> Cv {
    let mut bytes = [first; 32];
    bytes[16..].fill(second);
    let len = block_len(size, index);
    bytes[..8].copy_from_slice(&len.to_le_bytes());
    bytes[8] = u8::from(len == size);
    Cv(bytes)
}

impl File {
    pub(crate) fn manifest(&self) -> Manifest {
        let cvs =
            (0..).zip(&self.blocks).map(|(index, content)| cv(self.size, index, [*content; 2]));
        Manifest::new(self.size, cvs.collect()).unwrap()
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Record {
    Block { index: u64, cv: Cv },
    Forget { index: u64 },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) published: Option<File>,
    pub(crate) staging_size: u64,
    pub(crate) data: BTreeMap<u64, [u8; 2]>,
    pub(crate) journal: Vec<Record>,
}

impl Disk {
    /// The blocks in the journal, checked against the data.
    pub(crate) fn table(&self) -> PartialManifest {
        let size = self.staging_size;
        let mut table = PartialManifest::new(size);
        for record in &self.journal {
            match *record {
                Record::Block { index, cv } => assert!(table.set(index, cv)),
                Record::Forget { index } => assert!(table.forget(index).is_some()),
            }
        }
        for (index, known) in table.known_from(0) {
            let halves = self.data[&index];
            assert_eq!(known, cv(size, index, halves), "block {index} is torn");
            assert_eq!(halves[0], halves[1], "block {index} is damaged");
        }
        table
    }

    /// An empty staging for a file of `size` bytes, in place of one of another size.
    pub(crate) fn stage(&mut self, size: u64) {
        if self.staging_size != size {
            self.clear(size);
        }
    }

    pub(crate) fn publish(&mut self) {
        let halves = self.data.values().copied();
        let blocks = halves.map(|[first, second]| {
            assert_eq!(first, second, "a torn block is published");
            first
        });
        self.published = Some(File { size: self.staging_size, blocks: blocks.collect() });
        self.clear(0);
    }

    pub(crate) fn clear(&mut self, size: u64) {
        self.staging_size = size;
        self.data.clear();
        self.journal.clear();
    }
}
