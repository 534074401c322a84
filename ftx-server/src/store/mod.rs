//! The interface between the connection handlers and the storage of files: versions of files, and uploads
//! whose blocks arrive in any order.
//!
//! The traits mention no path, so that an object store fits as well as a local directory: its staging is a
//! multipart upload, its version an entity tag. A store that also serves the legacy dialect implements
//! [`LegacyStore`].
//!
//! Implementations must not block the reactor thread that polls these futures: each call gets an
//! [`Executor`] that runs disk and hash work where it stalls no other connection. A connection may move to
//! another thread and runtime between two requests, so no executor is kept beyond its call.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, Digest, Manifest, PartialManifest};
use ftx_core::native::wire::{Entry, Listed, Meta, Overwrite, Token, Version};
use ftx_core::{RawName, RemoteName};
use ftx_io::Executor;

mod legacy;
pub mod local;
mod refusal;

pub use legacy::{LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload};
pub(crate) use local::MAX_LONG_JOBS;
pub use refusal::Refusal;

/// A namespace of files, which are transferred block by block.
pub trait Store: Send + Sync + Sized + 'static {
    /// An unfinished upload, to which several connections may write.
    type Staging: StagedUpload;
    /// One version of a file.
    type File: StoredFile;
    /// The state of a listing between two pages.
    type Cursor: Send + Sync + std::fmt::Debug + 'static;

    /// Opens a staging for a file, with the blocks of an interrupted upload, and looks up the blocks of the
    /// published file of this name. Reserves space for the missing bytes.
    ///
    /// # Errors
    /// The file cannot be stored, or the published one may not be replaced.
    fn offer(
        &self,
        executor: &Executor,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<OpenedUpload<Self::Staging>, Refusal>> + Send;

    /// Stores small files that match their digests, unless they are up to date. All of them are durable when
    /// this returns, if the store promises durability. Returns one result for each file in their order; a
    /// failure does not affect the other files. A file that may replace only a certain version must be
    /// offered instead.
    fn put(
        &self,
        executor: &Executor,
        files: Vec<SmallFile>,
    ) -> impl Future<Output = Vec<Result<PutOutcome, Refusal>>> + Send;

    /// Returns whether the published file is the expected one. If so, it gets the expected time and mode,
    /// and is as durable as if it had been sent.
    ///
    /// # Errors
    /// The published file cannot be read or made durable.
    fn confirm(
        &self,
        executor: &Executor,
        expected: ExpectedVersion,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// Opens the published version of a file.
    ///
    /// # Errors
    /// The file does not exist, or cannot be read.
    fn open(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Self::File, Refusal>> + Send;

    /// Returns the metadata of a file or directory.
    ///
    /// # Errors
    /// The name does not exist, or stands for something else.
    fn stat(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Entry, Refusal>> + Send;

    /// Returns a page of a directory in a fixed order, and possibly a cursor for the next page. The cursor
    /// saves the search for the start of that page, which may take as long as all pages before. It is valid
    /// only for the same listing, with the last name of its page as `list.after`.
    ///
    /// # Errors
    /// The directory does not exist, or a part of it cannot be listed.
    fn list(
        &self,
        executor: &Executor,
        list: ListRequest,
        cursor: Option<Self::Cursor>,
    ) -> impl Future<Output = Result<(ListPage, Option<Self::Cursor>), Refusal>> + Send;

    /// Creates a directory and its parents where they are missing.
    ///
    /// # Errors
    /// A file is in the way, or the directory cannot be created.
    fn make_directory(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Entry, Refusal>> + Send;

    /// Removes a file.
    ///
    /// # Errors
    /// The file does not exist, or cannot be removed.
    fn remove(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;
}

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
    /// The owner, who may resume the upload; `None` for an upload that is never resumed.
    pub owner: Option<UploadOwner>,
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

/// The progress of a store that reads its own files, and a flag to cancel it; clones share both.
#[derive(Clone, Debug, Default)]
pub struct WorkProgress(Arc<WorkCounters>);

#[derive(Debug, Default)]
struct WorkCounters {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl WorkProgress {
    /// The bytes that were read, and the bytes to read in all.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.0.done.load(Relaxed), self.0.total.load(Relaxed))
    }

    /// Sets both. Returns `false` if the work was cancelled.
    #[must_use = "the work may have been cancelled"]
    pub fn set(&self, done: u64, total: u64) -> bool {
        self.0.total.store(total, Relaxed);
        self.0.done.store(done, Relaxed);
        !self.0.stopped.load(Relaxed)
    }

    /// Cancels the work.
    pub fn stop(&self) {
        self.0.stopped.store(true, Relaxed);
    }
}

/// An unfinished upload, whose blocks arrive in any order. Dropping it keeps the journalled blocks.
///
/// A later offer of the same owner may take the staging over; writes then fail with
/// [`Reason::TakenOver`](ftx_core::native::Reason::TakenOver).
pub trait StagedUpload: Send + Sync + 'static {
    /// Writes bytes of a block at `offset` of the file, and hashes them on the same thread. Returns the buffer
    /// and the hasher.
    ///
    /// # Errors
    /// The bytes cannot be written; a retry is possible.
    fn write(
        &self,
        executor: &Executor,
        offset: u64,
        chunk: Vec<u8>,
        hasher: BlockHasher,
    ) -> impl Future<Output = Result<(Vec<u8>, BlockHasher), Refusal>> + Send;

    /// Journals a block that is completely written, with its chaining value.
    ///
    /// # Errors
    /// The journal cannot be written.
    fn stored(
        &self,
        executor: &Executor,
        index: u64,
        cv: Cv,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Copies these blocks from the version that was published at the time of the offer, and publishes the
    /// file if it has this digest. Returns whether the published file was up to date already.
    ///
    /// # Errors
    /// The file cannot be published; the staging stays.
    fn publish(
        &self,
        executor: &Executor,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// Suspends the upload, or discards its staging.
    ///
    /// # Errors
    /// The last blocks may not be journalled, or files of the staging may stay behind.
    fn end(
        &self,
        executor: &Executor,
        discard: bool,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// One version of a file, open for reading.
pub trait StoredFile: Send + Sync + 'static {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// Modification time and executable bit.
    fn meta(&self) -> Meta;

    /// The version's identity.
    fn version(&self) -> Version;

    /// The chaining value of a block, where it is known without reading the block.
    fn known_cv(&self, index: u64) -> Option<Cv>;

    /// The open file, where the system can send it without copying it through this process.
    fn local(&self) -> Option<&std::fs::File>;

    /// Caches the chaining value of a block that was read.
    ///
    /// # Errors
    /// As [`unchanged`](Self::unchanged).
    fn learn(
        &self,
        executor: &Executor,
        index: u64,
        cv: Cv,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Drops the cached chaining values of the file. A handle that is opened afterwards reads the file.
    ///
    /// # Errors
    /// The cache cannot be changed.
    fn forget(&self, executor: &Executor) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Reads `len` bytes from `offset` into a buffer, for which it may use `spare`, and hashes them on the
    /// same thread.
    ///
    /// # Errors
    /// The bytes cannot be read, or the file ends before them.
    fn read(
        &self,
        executor: &Executor,
        offset: u64,
        len: usize,
        spare: Vec<u8>,
        hasher: Option<BlockHasher>,
    ) -> impl Future<Output = Result<(Vec<u8>, Option<BlockHasher>), Refusal>> + Send;

    /// The chaining values of all blocks. Reads the blocks whose values are unknown.
    ///
    /// # Errors
    /// The file cannot be read, or has changed.
    fn manifest(
        &self,
        executor: &Executor,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<Arc<Manifest>, Refusal>> + Send;

    /// Fails if the file was written to since it was opened: the bytes read may be of two versions.
    ///
    /// # Errors
    /// [`Reason::Changed`](ftx_core::native::Reason::Changed).
    fn unchanged(&self, executor: &Executor) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Whether the name still stands for this version, and no cached chaining value has been dropped.
    fn is_current(&self, executor: &Executor) -> impl Future<Output = bool> + Send;
}
