//! The interface between the legacy handler and the storage of files: prefixes that grow byte by byte.
//!
//! The contract is that of [`Store`](super::Store), except that an upload and a download belong to one
//! connection, and that a store hashes with MD5 itself: only it knows a file's first bytes.

use std::future::Future;

use ftx_core::RemoteName;
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_io::Executor;

use super::Refusal;

/// A namespace of files, which are transferred as prefixes. A store implements it to serve the original Qt
/// programs too.
pub trait LegacyStore: Send + Sync + 'static {
    /// The offered prefix, until the client decides whether to resume.
    type Offer: Send;
    /// An unfinished upload.
    type Upload: LegacyUpload;
    /// A file that is downloaded.
    type Download: LegacyDownload;

    /// Looks up the prefix of a file to upload, in a staging or else in the published file. Offers at most
    /// `limit` bytes, and none if hashing them would take longer than a client waits.
    ///
    /// # Errors
    /// No file can be stored under this name.
    fn offer_prefix(
        &self,
        executor: &Executor,
        name: &RemoteName,
        limit: u64,
    ) -> impl Future<Output = Result<LegacyOffer<Self::Offer>, Refusal>> + Send;

    /// Opens a staging for `len` more bytes, after the offered prefix or from the start.
    ///
    /// # Errors
    /// There is too little space, or the staging cannot be created.
    fn begin(
        &self,
        executor: &Executor,
        name: &RemoteName,
        offer: LegacyBegin<Self::Offer>,
        len: u64,
    ) -> impl Future<Output = Result<Self::Upload, Refusal>> + Send;

    /// Opens a published file for reading.
    ///
    /// # Errors
    /// The file does not exist, or cannot be read.
    fn open_download(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Self::Download, Refusal>> + Send;
}

/// The offered prefix of a file.
#[derive(Debug)]
pub struct LegacyOffer<O> {
    /// Its length and MD5; `None` if there is nothing to resume.
    pub held: Option<Prefix>,
    /// The prefix is the whole published file, not a staging.
    pub published: bool,
    /// For the call of [`LegacyStore::begin`].
    pub offer: O,
}

/// The start of an upload.
#[derive(Debug)]
pub enum LegacyBegin<O> {
    /// With the first byte. The client cannot use the offer.
    Anew(O),
    /// After the offered prefix.
    Resume(O),
}

/// What becomes of a file whose name is taken when it is published. The legacy protocol cannot say it: a
/// principal's rights do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenName {
    /// It replaces the older file.
    Replace,
    /// It is refused with [`Reason::AlreadyExists`](ftx_core::native::Reason::AlreadyExists).
    Refuse,
    /// It gets another name, as with [`Naming::FirstFree`](super::Naming::FirstFree).
    FirstFree,
}

/// An unfinished upload. Dropping it keeps the journalled bytes.
pub trait LegacyUpload: Send {
    /// Appends a chunk and returns a used buffer for the next one. The chunk may be written after this
    /// returns.
    ///
    /// # Errors
    /// This chunk or an earlier one could not be stored. The bytes before it stay.
    fn write(
        &mut self,
        executor: &Executor,
        chunk: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;

    /// Publishes the staging atomically, and durably if the store promises durability. Returns the MD5 of
    /// the whole file, where it is known without reading the file.
    ///
    /// # Errors
    /// The file could not be published; the staging stays.
    fn publish_as(
        self,
        executor: &Executor,
        taken: TakenName,
    ) -> impl Future<Output = Result<Option<Md5Digest>, Refusal>> + Send;

    /// Publishes the staging in place of an older file.
    ///
    /// # Errors
    /// As [`publish_as`](Self::publish_as).
    fn publish(
        self,
        executor: &Executor,
    ) -> impl Future<Output = Result<Option<Md5Digest>, Refusal>> + Send
    where
        Self: Sized,
    {
        self.publish_as(executor, TakenName::Replace)
    }

    /// Journals the progress of the upload and keeps the staging.
    ///
    /// # Errors
    /// The journal could not be written; the upload resumes at an earlier byte.
    fn suspend(self, executor: &Executor) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// One version of a published file, open for reading.
pub trait LegacyDownload: Send {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// The MD5 of the whole file, where it is known without reading the file.
    fn md5(&self) -> Option<Md5Digest>;

    /// Whether the file begins with this prefix. Returns `false` if hashing would take longer than a client
    /// waits.
    ///
    /// # Errors
    /// The file cannot be read.
    fn starts_with(
        &mut self,
        executor: &Executor,
        held: Prefix,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;

    /// Reads up to `len` bytes from `offset` into a buffer, for which it may use `spare`. Returns at least
    /// one byte.
    ///
    /// # Errors
    /// The file cannot be read, or ends before `offset` because it has changed.
    fn read(
        &mut self,
        executor: &Executor,
        offset: u64,
        len: u64,
        spare: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send;
}
