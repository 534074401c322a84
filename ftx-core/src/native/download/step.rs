//! Instructions of a [`DownloadRequest`](super::DownloadRequest) to its driver.

use alloc::string::String;

use super::FetchError;
use crate::native::blocks::{BlockRange, Digest, Manifest};
use crate::native::wire::{BlockHead, Meta, Version};

/// The version of a file that the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteVersion {
    /// The size in bytes.
    pub size: u64,
    /// Modification time and access.
    pub meta: Meta,
    /// The version itself.
    pub version: Version,
}

/// The driver's data of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedFile<T, F> {
    /// Its target is not open.
    Unopened(T),
    /// Its target is open for blocks.
    Open(F),
}

/// The driver's next action for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum DownloadStep<T, F> {
    /// Read the next frame.
    Wait,
    /// Check that the target has room for the file. Without room, call
    /// [`abandon`](super::DownloadRequest::abandon).
    CheckRoom(RemoteVersion),
    /// Create an empty target and a [`Fetch::begun`](super::Fetch::begun) with `first`, and call
    /// [`opened`](super::DownloadRequest::opened). Otherwise the rest of the answer is skipped.
    Open {
        /// The file.
        file: T,
        /// Its version.
        remote: RemoteVersion,
        /// The blocks that this request asked for.
        first: BlockRange,
    },
    /// Compare the local data with the manifest, and fetch the blocks that differ with a
    /// [`Fetch::resumed`](super::Fetch::resumed).
    Compare {
        /// The file.
        file: T,
        /// Its version.
        remote: RemoteVersion,
        /// Its manifest, which has the digest that the server announced.
        manifest: Manifest,
    },
    /// Keep the local file: the server has the same bytes.
    Keep {
        /// The file.
        file: T,
        /// Its version.
        remote: RemoteVersion,
    },
    /// Read `len` bytes and their digest; if it is theirs, they are the file.
    Receive {
        /// The file.
        file: T,
        /// Its modification time and access.
        meta: Meta,
        /// Its size in bytes.
        len: u64,
    },
    /// Pass the head to [`Fetch::accept`](super::Fetch::accept), which says what to do with the bytes.
    Block {
        /// The file.
        file: F,
        /// The block.
        head: BlockHead,
    },
    /// Read and drop `len` bytes and their hash.
    Skip {
        /// Bytes of a block or a file.
        len: u64,
    },
    /// Call [`Fetch::range_end`](super::Fetch::range_end).
    EndBlocks {
        /// The file.
        file: F,
        /// The digest of the file, if all of it was requested.
        digest: Option<Digest>,
    },
    /// The file has failed: the server's manifest contradicts itself.
    Mismatched {
        /// The file.
        file: T,
        /// The contradiction.
        error: FetchError,
    },
    /// The file has failed: the server refuses it.
    Refused {
        /// The file.
        file: RequestedFile<T, F>,
        /// A [`Reason`](crate::native::Reason) as its code.
        reason: i32,
        /// The error and its remedy, for people. Not trusted.
        message: String,
    },
}
