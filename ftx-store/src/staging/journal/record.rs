//! The records of a journal.

use ftx_core::native::blocks::Cv;
use serde::{Deserialize, Serialize};

use crate::BootId;

/// One entry of a journal. The journal's module doc gives its bytes; variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JournalRecord {
    /// The purpose of the staging; the first record of its journal.
    Begin {
        /// The name to publish under, as the staging's owner wrote it.
        name: String,
        /// The cache epoch in which the staging was created.
        boot: Option<BootId>,
        /// When it was created, seconds since 1970.
        created_unix: u64,
    },
    /// The length and hash of the data at this point.
    Checkpoint {
        /// The cache epoch in which the data was written.
        boot: Option<BootId>,
        /// Length and hash of the data.
        hasher: HasherState,
    },
    /// A sync of the data failed: pages in the cache may not be on the disk, so the records before
    /// this one must be verified in any epoch.
    Distrust,
    /// The purpose of a staging of blocks; the first record of its journal.
    Blocks {
        /// The name to publish under, as the staging's owner wrote it.
        name: String,
        /// The size of the whole file in bytes.
        size: u64,
        /// The cache epoch in which the staging was created.
        boot: Option<BootId>,
        /// When it was created, seconds since 1970.
        created_unix: u64,
    },
    /// The bytes of a block were written to the data file in this epoch.
    Block {
        /// Index of the block.
        index: u64,
        /// Its chaining value.
        cv: Cv,
    },
    /// Later blocks are of this epoch, and all blocks that the records before it leave known were
    /// found in the data in it.
    Epoch {
        /// The cache epoch.
        boot: Option<BootId>,
    },
    /// The bytes of a block are about to change, or were missing in the data.
    Forget {
        /// Index of the block.
        index: u64,
    },
    /// The purpose of a staging of blocks that belongs to a principal of a server, instead of
    /// [`Blocks`](Self::Blocks).
    OwnedBlocks {
        /// The name to publish under, as the staging's owner wrote it.
        name: String,
        /// The size of the whole file in bytes.
        size: u64,
        /// The cache epoch in which the staging was created.
        boot: Option<BootId>,
        /// When it was created, seconds since 1970.
        created_unix: u64,
        /// The principal, as the server writes it.
        principal: String,
    },
}

/// A saved [`PrefixHasher`](crate::PrefixHasher). Two are equal when they were saved after the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HasherState {
    pub(crate) len: u64,
    /// The state as the hash implementation serializes it. A test pins its bytes, since they are part of
    /// the journal's format.
    pub(crate) md5: Vec<u8>,
}

impl HasherState {
    /// The number of hashed bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte was hashed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
