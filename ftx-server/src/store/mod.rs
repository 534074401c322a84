//! The interface between the connection handlers and the storage of files.
//!
//! [`Store`] serves the native dialect: versions of files, and uploads whose blocks arrive in any order.
//! [`LegacyStore`] serves the legacy one; neither needs the other. [`local`] keeps files in a directory and
//! [`memory`] in memory. An object store fits too: its staging is a multipart upload, its version an entity
//! tag. `tests/stores` in this crate is the suite that every store passes.
//!
//! # The contract
//! - *Callers.* A connection makes one call at a time, but all connections of all clients call at the same
//!   time, also about the same name. The connections of one client write different blocks to one
//!   [`StagedUpload`]. So every method takes `&self`, and a store orders what must be ordered: of several
//!   uploads that publish one name, each replaces the file as a whole.
//! - *Threads.* A future is polled on a reactor thread, which must not block, or on a thread of its own; and
//!   a connection changes its runtime between two requests. Each call therefore gets an [`Executor`], which
//!   runs blocking work in the right place and is not kept beyond the call. A store with sockets or timers
//!   of its own gives them a runtime of its own.
//! - *Cancellation.* The caller may drop a future halfway. Its effect has then happened or not, and the next
//!   call finds the store in order. Long work takes a [`WorkProgress`], reports there and stops when asked.
//! - *Bytes.* The caller hashes; a store moves bytes and believes the hashes it is given. Only
//!   [`StagedUpload::publish`] compares a digest: that of the hashes it was given.
//! - *Durability.* A block that is [`stored`](StagedUpload::stored) outlives the process. A file that is
//!   published, put or confirmed outlives a power loss too, if the store promises durability.
//! - *Errors.* Each failure is a [`Refusal`]: its reason and message go to the client, so a message names the
//!   remote name and a remedy, and tells nothing else about the server.

use std::future::Future;
use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::Granule;
use ftx_core::native::blocks::{BlockRange, Cv, Digest, Manifest};
use ftx_core::native::wire::{Entry, Meta, Version};
use ftx_io::{Executor, SendSource};

use crate::auth::Principal;

mod legacy;
pub mod local;
pub mod memory;
mod progress;
mod refusal;
mod requests;
mod scoped;

pub use legacy::{LegacyBegin, LegacyDownload, LegacyOffer, LegacyStore, LegacyUpload, TakenName};
pub(crate) use local::MAX_LONG_JOBS;
pub use progress::WorkProgress;
pub use refusal::Refusal;
pub use requests::{
    ExpectedVersion, ListPage, ListRequest, Naming, OpenedUpload, PutOutcome, SmallData, SmallFile,
    UploadOffer, UploadOwner,
};
pub use scoped::{
    ScopedCursor, ScopedFile, ScopedLegacyUpload, ScopedOffer, ScopedStaging, ScopedStore,
};

/// A namespace of files, which are transferred block by block. Whoever keeps files for the server
/// implements it; clones share the files.
pub trait Store: Clone + Send + Sync + 'static {
    /// An unfinished upload, to which several connections may write.
    type Staging: StagedUpload;
    /// One version of a file.
    type File: StoredFile;
    /// The state of a listing between two pages.
    type Cursor: Send + Sync + std::fmt::Debug + 'static;

    /// The store as a principal sees it, perhaps a part of the namespace, perhaps with fewer rights. A
    /// connection asks once, after its handshake, and then uses nothing else. The default shows all of it to
    /// everybody.
    ///
    /// The view has its principal's stagings: only their principal's uploads find, resume or take over a
    /// staging, wait for it, or discard it. Otherwise a client could learn what another one is uploading,
    /// and publish it. A store whose stagings outlive the process keeps the principal with them. In one
    /// thing, anonymous and legacy clients, who have proved nothing, are alike: when one of them publishes a
    /// name, the idle stagings that the others have of it may go too.
    #[must_use]
    fn for_principal(&self, principal: &Principal) -> Self {
        let _ = principal;
        self.clone()
    }

    /// The number of blocks that the store makes durable together.
    fn granule(&self) -> Granule {
        Granule::ONE
    }

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

    /// Stores small files, whose bytes the caller has compared with their digests, unless they are up to
    /// date. All of them are durable when this returns, if the store promises durability. Returns one result
    /// for each file in their order; a failure does not affect the other files. A file that may replace only
    /// a certain version must be offered instead.
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

/// The other one of the two principals that have proved nothing; `None` for a user.
pub(crate) fn unproven_twin(principal: &Principal) -> Option<Principal> {
    match principal {
        Principal::Anonymous => Some(Principal::Legacy),
        Principal::Legacy => Some(Principal::Anonymous),
        Principal::User(_) => None,
    }
}

/// An unfinished upload, whose blocks arrive in any order. Dropping it keeps the journalled blocks.
///
/// A later offer of the same owner may take the staging over; writes then fail with
/// [`Reason::TakenOver`](ftx_core::native::Reason::TakenOver).
pub trait StagedUpload: Send + Sync + 'static {
    /// Writes bytes of a block at `offset` of the file. Returns the buffer for the next piece.
    ///
    /// # Errors
    /// The bytes cannot be written; a retry is possible.
    fn write(
        &self,
        executor: &Executor,
        offset: u64,
        chunk: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;

    /// Journals a block that is completely written, with the chaining value of the written bytes. Returns the
    /// blocks that are durable because of it: the block itself, or nothing until it completes its
    /// [granule](Store::granule), and then all blocks of that. A granule is written as a whole.
    ///
    /// # Errors
    /// The journal cannot be written.
    fn stored(
        &self,
        executor: &Executor,
        index: u64,
        cv: Cv,
    ) -> impl Future<Output = Result<BlockRange, Refusal>> + Send;

    /// Frees the memory of the blocks of a granule that is not durable, because its sender was lost or began
    /// another one. All its blocks are written again later, or the upload ends without them. A store whose
    /// granule is one block has nothing to free.
    ///
    /// # Errors
    /// The upload has ended.
    fn forget(
        &self,
        executor: &Executor,
        granule: BlockRange,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (executor, granule);
        async { Ok(()) }
    }

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

/// One version of a file, open for reading. It stays readable when the name gets another version.
pub trait StoredFile: Send + Sync + 'static {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// Modification time and executable bit.
    fn meta(&self) -> Meta;

    /// The version's identity.
    fn version(&self) -> Version;

    /// The chaining value of a block, where it is known without reading the block.
    fn known_cv(&self, index: u64) -> Option<Cv>;

    /// The file, where the system can send it without copying it through this process. An optional ability:
    /// without it the caller reads.
    fn send_source(&self) -> Option<SendSource<'_>> {
        None
    }

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

    /// Reads `len` bytes from `offset` into a buffer, for which it may use `spare`.
    ///
    /// # Errors
    /// The bytes cannot be read, or the file ends before them.
    fn read(
        &self,
        executor: &Executor,
        offset: u64,
        len: usize,
        spare: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;

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
