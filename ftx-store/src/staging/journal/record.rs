//! The records of a journal.

use ftx_core::native::blocks::Cv;
use serde::{Deserialize, Serialize};

use crate::BootId;

/// One entry of a journal. Its form in bytes is given above; variants are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JournalRecord {
    /// What the staging is for; the first record of every journal.
    Begin {
        /// The name the file will be published under, as the staging's owner wrote it.
        name: String,
        /// The kernel run in which the staging was created, told of its data file.
        boot: Option<BootId>,
        /// When it was created, seconds since 1970.
        created_unix: u64,
    },
    /// The data was this long, with this hash.
    Checkpoint {
        /// The kernel run, told of the data file, in whose page cache the data was when this was
        /// written.
        boot: Option<BootId>,
        /// Length and hash of the data.
        hasher: HasherState,
    },
    /// A sync of the data failed: what the page cache holds may not be on the disk, so the
    /// records before this one must be verified whichever kernel run they are from.
    Distrust,
    /// What the staging of blocks is for; the first record of its journal.
    Blocks {
        /// The name the file will be published under, as the staging's owner wrote it.
        name: String,
        /// How many bytes the whole file has.
        size: u64,
        /// The kernel run in which the staging was created, told of its data file.
        boot: Option<BootId>,
        /// When it was created, seconds since 1970.
        created_unix: u64,
    },
    /// The bytes of a block are in the data file, since this kernel run.
    Block {
        /// Index of the block.
        index: u64,
        /// Its chaining value.
        cv: Cv,
    },
    /// Later blocks are from this kernel run; and all that the records before this one leave in the
    /// table was found in the data in it.
    Epoch {
        /// The kernel run, told of the data file.
        boot: Option<BootId>,
    },
    /// The bytes of a block are about to change, or were not found in the data.
    Forget {
        /// Index of the block.
        index: u64,
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
    /// How many bytes had been hashed.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether no byte had been hashed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
