//! Where files are kept, as the connection drivers see it: versions of files, and uploads that grow in
//! any order of blocks.
//!
//! The traits mention no path, so that an object store fits as well as a local directory: there a staging
//! is a multipart upload, and a version is an entity tag. A store that also serves the legacy dialect
//! implements [`LegacyStore`].
//!
//! Implementations must not block the reactor thread that polls these futures: [`local`] hands
//! disk and hash work to blocking threads in bounded pieces.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, Digest, Manifest, PartialManifest};
use ftx_core::native::wire::{Entry, Listed, Meta, Overwrite, Token, Version};
use ftx_core::{RawName, RemoteName};

mod legacy;
pub mod local;
mod refusal;

pub use legacy::{LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload};
pub(crate) use local::MAX_LONG_JOBS;
pub use refusal::Refusal;

/// A namespace of files, block by block.
pub trait Store: Send + Sync + Sized + 'static {
    /// A file that grows; several connections may write to it.
    type Staging: StagedUpload;
    /// One version of a file.
    type File: StoredFile;
    /// Where a listing goes on after a page.
    type Cursor: Send + Sync + std::fmt::Debug + 'static;

    /// Opens a staging for a file, with what an interrupted upload left of it, and looks for what a
    /// published file of the name has. Room for the rest is reserved.
    ///
    /// # Errors
    /// No such file can be stored, or it may not be replaced.
    fn offer(
        &self,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<OpenedUpload<Self::Staging>, Refusal>> + Send;

    /// Stores small files if they have their digests, or finds out that they are there already; all
    /// durable before it returns where the store promises that. One result for each, in their order; one
    /// that fails keeps none of the others from its place. Files that replace a certain version only are
    /// offered instead.
    fn put(
        &self,
        files: Vec<SmallFile>,
    ) -> impl Future<Output = Vec<Result<PutOutcome, Refusal>>> + Send;

    /// Confirms that the file that has this name is the expected one. If it is, it gets the expected time
    /// and mode, and survives as if it had been sent.
    ///
    /// # Errors
    /// It cannot be read or made durable.
    fn confirm(
        &self,
        expected: ExpectedFile,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// Opens the present version of a file.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    fn open(&self, name: &RemoteName) -> impl Future<Output = Result<Self::File, Refusal>> + Send;

    /// What a name stands for.
    ///
    /// # Errors
    /// There is nothing of that name.
    fn stat(&self, name: &RemoteName) -> impl Future<Output = Result<Entry, Refusal>> + Send;

    /// What is in a directory, in a fixed order. Where the store has one, the cursor for the next page
    /// comes with a page. With it that one need not be looked for, which may take as long as all pages
    /// before; it must be of the same listing, and `list.after` the last name of its page.
    ///
    /// # Errors
    /// There is no such directory, or a part of it cannot be listed.
    fn list(
        &self,
        list: ListRequest,
        cursor: Option<Self::Cursor>,
    ) -> impl Future<Output = Result<(ListPage, Option<Self::Cursor>), Refusal>> + Send;

    /// Makes a directory, and those above it, unless it is there.
    ///
    /// # Errors
    /// A file is in the way, or it cannot be made.
    fn make_directory(
        &self,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Entry, Refusal>> + Send;

    /// Takes a file away.
    ///
    /// # Errors
    /// There is no such file, or it cannot be removed.
    fn remove(&self, name: &RemoteName) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// A file that is to be uploaded.
#[derive(Clone, Debug)]
pub struct UploadOffer {
    /// Its name.
    pub name: RemoteName,
    /// Its bytes.
    pub size: u64,
    /// What is kept of it besides.
    pub meta: Meta,
    /// What may become of a file that is there.
    pub overwrite: Overwrite,
    /// Whose upload it is; `None` for somebody who does not come back to it.
    pub owner: Option<UploadOwner>,
}

/// Whose upload it is. Of all offers of one owner the last one has what the others began: of several
/// runs that upload one source, only the one whose turn it is offers anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadOwner {
    /// That of a run of a client.
    Run(Token),
    /// That of whoever uploads this source.
    Source(Token),
}

/// What a store has for a file that is to be uploaded.
#[derive(Debug)]
pub struct OpenedUpload<U> {
    /// Where its blocks go.
    pub upload: U,
    /// Blocks that an interrupted upload left.
    pub staged: PartialManifest,
    /// What is known of the published file, if there is one, as far as that can be of use.
    pub published: Option<PartialManifest>,
}

/// A file of at most one block.
#[derive(Clone, Debug)]
pub struct SmallFile {
    /// Its name.
    pub name: RemoteName,
    /// What is kept of it besides.
    pub meta: Meta,
    /// What may become of a file that is there.
    pub overwrite: Overwrite,
    /// What there is of it.
    pub data: SmallData,
    /// The digest of its bytes, as the client says.
    pub digest: Digest,
}

/// A file as a client expects it to be stored.
#[derive(Clone, Debug)]
pub struct ExpectedFile {
    /// Its name.
    pub name: RemoteName,
    /// Its bytes.
    pub size: u64,
    /// Its time and mode.
    pub meta: Meta,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// What there is of a small file.
#[derive(Clone, Debug)]
pub enum SmallData {
    /// All its bytes.
    Whole(Vec<u8>),
    /// Nothing but their number: they come only if the file is not there already.
    Expected(u64),
}

impl SmallData {
    /// Bytes that are here.
    #[must_use]
    pub fn held(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Expected(_) => 0,
        }
    }

    /// Bytes that the file has.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Expected(size) => *size,
        }
    }
}

/// What became of a small file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is stored.
    Stored,
    /// It was there already. The store need not look at each whose bytes are here.
    Unchanged,
    /// It is not there, and its bytes are not here.
    Wanted,
}

/// What is asked of a directory.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The directory; `None` for the root.
    pub name: Option<RemoteName>,
    /// With all that is below.
    pub recursive: bool,
    /// Only what comes after this.
    pub after: Option<RawName>,
    /// At most so many entries.
    pub limit: usize,
    /// At most so many bytes of records.
    pub bytes: usize,
}

/// Some of a directory.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// What is there, in order.
    pub entries: Vec<Listed>,
    /// There is more.
    pub more: bool,
}

/// How far a store is with reading its own files, as it goes on, and whether somebody still waits
/// for that; clones are of the same work.
#[derive(Clone, Debug, Default)]
pub struct WorkProgress(Arc<WorkCounters>);

#[derive(Debug, Default)]
struct WorkCounters {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl WorkProgress {
    /// Bytes that were read, and that are to be read.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        (self.0.done.load(Relaxed), self.0.total.load(Relaxed))
    }

    /// Sets both; says whether to go on.
    #[must_use = "nobody may wait for it any more"]
    pub fn set(&self, done: u64, total: u64) -> bool {
        self.0.total.store(total, Relaxed);
        self.0.done.store(done, Relaxed);
        !self.0.stopped.load(Relaxed)
    }

    /// Has the work stop as soon as it can.
    pub fn stop(&self) {
        self.0.stopped.store(true, Relaxed);
    }
}

/// A file that grows in any order of blocks. Dropping it keeps what is journalled.
///
/// Another connection of the same client may take the staging over; writing to it then fails with
/// [`Reason::TakenOver`](ftx_core::native::Reason::TakenOver).
pub trait StagedUpload: Send + Sync + 'static {
    /// Writes bytes of a block, and hashes them where that happens. Gives both back.
    ///
    /// # Errors
    /// They cannot be written; the same bytes can be tried again.
    fn write(
        &self,
        offset: u64,
        chunk: Vec<u8>,
        hasher: BlockHasher,
    ) -> impl Future<Output = Result<(Vec<u8>, BlockHasher), Refusal>> + Send;

    /// Takes note that all of a block is written and what its chaining value is.
    ///
    /// # Errors
    /// It cannot be noted.
    fn stored(&self, index: u64, cv: Cv) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Takes over blocks of the published version that was found when the file was offered, and
    /// publishes the file if it then has this digest. Whether the published file was this very one
    /// already.
    ///
    /// # Errors
    /// It cannot be published; the staging stays.
    fn publish(
        &self,
        copy: Vec<BlockRange>,
        digest: Digest,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// Puts the staging away for later, or throws it away.
    ///
    /// # Errors
    /// A later try goes on from an earlier point, or something stays behind.
    fn end(&self, discard: bool) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// One version of a file, open for reading.
pub trait StoredFile: Send + Sync + 'static {
    /// Its bytes.
    fn size(&self) -> u64;

    /// What is kept of it besides.
    fn meta(&self) -> Meta;

    /// Which version it is.
    fn version(&self) -> Version;

    /// The chaining value of a block, where it is known without reading it.
    fn known_cv(&self, index: u64) -> Option<Cv>;

    /// The file itself, where it is one of this system, which can send it without its being read here.
    fn local(&self) -> Option<&std::fs::File>;

    /// Takes note of the chaining value of a block that was read.
    ///
    /// # Errors
    /// As [`unchanged`](Self::unchanged).
    fn learn(&self, index: u64, cv: Cv) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Drops what is cached of the file. A handle that is opened afterwards reads it.
    ///
    /// # Errors
    /// It cannot be dropped.
    fn forget(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Reads `len` bytes from `offset` into a buffer, for which `spare` can be used, and hashes them
    /// where that happens.
    ///
    /// # Errors
    /// They cannot be read, or the file ends before.
    fn read(
        &self,
        offset: u64,
        len: usize,
        spare: Vec<u8>,
        hasher: Option<BlockHasher>,
    ) -> impl Future<Output = Result<(Vec<u8>, Option<BlockHasher>), Refusal>> + Send;

    /// The chaining values of all blocks; what is not known is read.
    ///
    /// # Errors
    /// The file cannot be read, or changed.
    fn manifest(
        &self,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<Arc<Manifest>, Refusal>> + Send;

    /// Fails if the file was written to since it was opened: what was read is a mix then.
    ///
    /// # Errors
    /// [`Reason::Changed`](ftx_core::native::Reason::Changed).
    fn unchanged(&self) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Whether its name still stands for it, and nothing that was known of its blocks has been dropped.
    fn is_current(&self) -> impl Future<Output = bool> + Send;
}
