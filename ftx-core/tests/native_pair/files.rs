//! Files and stagings. One byte stands for all bytes of a block.

use std::collections::BTreeMap;

use ftx_core::native::blocks::{Cv, Manifest, PartialManifest, block_count, block_len};
use ftx_core::native::wire::Version;

/// A file of `size` bytes; a content for each block.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ModelFile {
    pub(crate) size: u64,
    pub(crate) blocks: Vec<u8>,
}

/// Different contents, lengths and places at the root have different chaining values, as in BLAKE3.
pub(crate) fn model_cv(size: u64, index: u64, content: u8) -> Cv {
    let mut bytes = [content; 32];
    let len = block_len(size, index);
    bytes[..8].copy_from_slice(&len.to_le_bytes());
    bytes[8] = u8::from(len == size);
    Cv(bytes)
}

impl ModelFile {
    pub(crate) fn cv(&self, index: u64) -> Cv {
        model_cv(self.size, index, self.blocks[index as usize])
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let cvs = (0..block_count(self.size)).map(|index| self.cv(index));
        Manifest::new(self.size, cvs.collect()).unwrap()
    }

    /// Equal for equal contents.
    pub(crate) fn version(&self) -> Version {
        let digest = self.manifest().digest().0;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Version(bytes)
    }
}

/// A block on a disk: `fresh` bytes of `content`, and others behind them.
#[derive(Clone, Copy, Debug)]
struct StagedBlock {
    content: u8,
    fresh: u64,
}

/// A file that grows, and its journal. Both survive their process.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelStaging {
    size: u64,
    data: BTreeMap<u64, StagedBlock>,
    journal: BTreeMap<u64, Cv>,
}

impl ModelStaging {
    pub(crate) fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The blocks in the journal. Each of them is whole on the disk.
    pub(crate) fn block_map(&self) -> PartialManifest {
        let mut map = PartialManifest::new(self.size);
        for (index, cv) in &self.journal {
            assert_eq!(self.computed(*index), Some(*cv), "block {index} is torn");
            assert!(map.set(*index, *cv));
        }
        map
    }

    /// Removes a block from the journal, as must be done before it is written to.
    pub(crate) fn forget(&mut self, index: u64) {
        self.journal.remove(&index);
    }

    /// Writes the next `len` bytes of a block.
    pub(crate) fn write(&mut self, index: u64, offset: u64, content: u8, len: u64) {
        let block = StagedBlock { content, fresh: offset + len };
        let before = self.data.insert(index, block);
        let is_next = before.is_some_and(|old| old.content == content && old.fresh == offset);
        assert!(offset == 0 || is_next, "a block is mixed");
        assert!(block.fresh <= block_len(self.size, index));
    }

    /// Records a block.
    pub(crate) fn stored(&mut self, index: u64, cv: Cv) {
        self.journal.insert(index, cv);
    }

    /// The chaining value of the bytes on the disk; `None` if they are torn.
    pub(crate) fn computed(&self, index: u64) -> Option<Cv> {
        let block = self.data.get(&index)?;
        let is_whole = block.fresh == block_len(self.size, index);
        is_whole.then(|| model_cv(self.size, index, block.content))
    }

    /// The file that the staging makes.
    ///
    /// # Panics
    /// A block is torn or missing.
    pub(crate) fn publish(self) -> ModelFile {
        let blocks = (0..block_count(self.size)).map(|index| {
            assert!(self.computed(index).is_some(), "block {index} is published torn");
            self.data[&index].content
        });
        let blocks = blocks.collect();
        ModelFile { size: self.size, blocks }
    }
}

/// The published file and the staging of one name.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelDisk {
    pub(crate) published: Option<ModelFile>,
    pub(crate) staging: Option<ModelStaging>,
}
