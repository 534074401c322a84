//! Where files are kept, as the drivers of the legacy dialect see it: prefixes that grow by the byte.

use std::future::Future;

use ftx_core::RemoteName;
use ftx_core::legacy::{Md5Digest, Prefix};
use ftx_store::StoreError;

/// A namespace of files.
pub trait LegacyStore: Send + Sync + 'static {
    /// Remembers what was offered, until the client says whether it resumes.
    type Offer: Send;
    /// A file that grows.
    type Upload: LegacyUpload;
    /// A file that is read.
    type Download: LegacyDownload;

    /// Looks up what is held of a file that is to be uploaded: of a staging, or else of the
    /// published file. Offers at most `limit` bytes, and nothing where finding out would take
    /// longer than a client waits.
    ///
    /// # Errors
    /// No file can be stored under this name.
    fn offer_prefix(
        &self,
        name: &RemoteName,
        limit: u64,
    ) -> impl Future<Output = Result<LegacyOffer<Self::Offer>, StoreError>> + Send;

    /// Opens a staging for `len` bytes: behind those of `offer` when it is resumed, from the start
    /// otherwise.
    ///
    /// # Errors
    /// There is no room for the bytes, or the staging cannot be made.
    fn begin(
        &self,
        name: &RemoteName,
        offer: LegacyBegin<Self::Offer>,
        len: u64,
    ) -> impl Future<Output = Result<Self::Upload, StoreError>> + Send;

    /// Opens a published file for reading.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read.
    fn open_download(
        &self,
        name: &RemoteName,
    ) -> impl Future<Output = Result<Self::Download, StoreError>> + Send;
}

/// What is held of a file.
#[derive(Debug)]
pub struct LegacyOffer<O> {
    /// Its first bytes, `None` if there is nothing to resume from.
    pub held: Option<Prefix>,
    /// They are the published file, not a staging.
    pub published: bool,
    /// To be handed back with [`LegacyStore::begin`].
    pub offer: O,
}

/// How an upload begins.
#[derive(Debug)]
pub enum LegacyBegin<O> {
    /// With the first byte. The client was offered this and can't use it.
    Anew(O),
    /// Behind the bytes of this offer.
    Resume(O),
}

/// A file that grows until it is whole. Dropping it keeps what is journalled.
pub trait LegacyUpload: Send {
    /// Appends a chunk, and gives a spent buffer back to be filled next. The chunk may still be
    /// on its way when this returns.
    ///
    /// # Errors
    /// This chunk or an earlier one could not be stored. What was stored before stays.
    fn write(&mut self, chunk: Vec<u8>)
    -> impl Future<Output = Result<Vec<u8>, StoreError>> + Send;

    /// Makes the staging the file: atomically, durably where the store promises it. Tells the MD5
    /// of the whole file where it is known without reading it.
    ///
    /// # Errors
    /// The file could not be published; the staging stays.
    fn publish(self) -> impl Future<Output = Result<Option<Md5Digest>, StoreError>> + Send;

    /// Records how far the upload got and keeps the staging for later.
    ///
    /// # Errors
    /// It could not be recorded; a later try goes on from an earlier point.
    fn suspend(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// One version of a published file, open for reading.
pub trait LegacyDownload: Send {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// MD5 of the whole file, if it is known without reading it.
    fn md5(&self) -> Option<Md5Digest>;

    /// Whether the file's first bytes are these. Answers no where finding out would take longer
    /// than a client waits.
    ///
    /// # Errors
    /// The file cannot be read.
    fn starts_with(
        &mut self,
        held: Prefix,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Reads up to `len` bytes from `offset` into a buffer, of which `spare` may become the next.
    /// Returns at least one byte.
    ///
    /// # Errors
    /// The file cannot be read, or it ends before `offset`: it was changed.
    fn read(
        &mut self,
        offset: u64,
        len: u64,
        spare: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, StoreError>> + Send;
}
