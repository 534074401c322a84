//! The requests to a store, and its answers.

use ftx_core::native::blocks::{Digest, PartialManifest};
use ftx_core::native::wire::{Listed, Meta, Overwrite, Token};
use ftx_core::{RawName, RemoteName};

/// The offer of a file to upload.
#[derive(Clone, Debug)]
pub struct UploadOffer {
    /// The file's name.
    pub name: RemoteName,
    /// The file's size in bytes.
    pub size: u64,
    /// Modification time and executable bit.
    pub meta: Meta,
    /// Whether a published file may be replaced.
    pub overwrite: Overwrite,
    /// The name under which the file is published.
    pub naming: Naming,
    /// The owner, who may resume the upload; `None` for an upload that is never resumed.
    pub owner: Option<UploadOwner>,
}

/// The name under which a file is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// The name it was offered as. [`Overwrite`] says what happens to a file of that name.
    #[default]
    Exact,
    /// The first free one of the names `NAME`, `NAME~2`, `NAME~3` and so on, whatever `overwrite` says. A
    /// name is free if nothing has it: no file, no directory, no link. Two uploads never get one name.
    ///
    /// Nothing of a published file is used or told: not its blocks, and not that it is the same. So a file
    /// that is sent again because its `Done` was lost is stored again, once for each time. The staging has
    /// the offered name, so an interrupted upload resumes; publishing leaves other idle stagings of the name
    /// alone, since they will become other files.
    FirstFree,
}

/// The owner of an upload. The last offer of an owner takes over the staging of its earlier ones. Of several
/// runs that upload one source, only the one that holds the source's lease makes an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadOwner {
    /// One run of a client.
    Run(Token),
    /// Any run that uploads this source.
    Source(Token),
}

/// A staging that was opened for an offer, and the blocks that need not be sent.
#[derive(Debug)]
pub struct OpenedUpload<U> {
    /// The staging.
    pub upload: U,
    /// The blocks of an interrupted upload.
    pub staged: PartialManifest,
    /// The blocks of the published file, as far as they are known and can be reused.
    pub published: Option<PartialManifest>,
}

/// A file of at most one block.
#[derive(Clone, Debug)]
pub struct SmallFile {
    /// The file's name.
    pub name: RemoteName,
    /// Modification time and executable bit.
    pub meta: Meta,
    /// Whether a published file may be replaced.
    pub overwrite: Overwrite,
    /// The name under which the file is published.
    pub naming: Naming,
    /// The file's bytes, or their number.
    pub data: SmallData,
    /// The digest that the client claims.
    pub digest: Digest,
}

/// The version of a file that a client expects to be published.
#[derive(Clone, Debug)]
pub struct ExpectedVersion {
    /// The file's name.
    pub name: RemoteName,
    /// The file's size in bytes.
    pub size: u64,
    /// Modification time and executable bit.
    pub meta: Meta,
    /// The digest of the file's bytes.
    pub digest: Digest,
}

/// The bytes of a small file, or their number.
#[derive(Clone, Debug)]
pub enum SmallData {
    /// All bytes.
    Whole(Vec<u8>),
    /// Only the number of bytes: the client sends the bytes if the file is not up to date.
    Expected(u64),
}

impl SmallData {
    /// The number of bytes in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Expected(_) => 0,
        }
    }

    /// The file's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Expected(size) => *size,
        }
    }
}

/// The outcome for a small file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// The file was stored.
    Stored,
    /// The published file is up to date. The store need not check that for every file whose bytes it has.
    Unchanged,
    /// The published file is not up to date, and the client must send the bytes.
    Wanted,
}

/// A request for one page of a listing.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The directory; `None` for the root.
    pub name: Option<RemoteName>,
    /// Whether to list subdirectories too.
    pub recursive: bool,
    /// List only names after this one.
    pub after: Option<RawName>,
    /// The largest number of entries.
    pub limit: usize,
    /// The largest number of bytes of all records.
    pub bytes: usize,
}

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// The entries in order.
    pub entries: Vec<Listed>,
    /// Whether more pages follow.
    pub more: bool,
}
