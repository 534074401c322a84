//! Actions and facts: the interface of the server's state machine and its driver.

use crate::legacy::wire::{LegacyReply, QString};
use crate::legacy::{Md5Digest, Prefix};
use crate::{NameError, RemoteName, Status};

/// A step for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// Send a message, in one write.
    Send(LegacyReply),
    /// Send a message so late that it arrives in a separate read: an original client that waits for
    /// two replies in a row takes all bytes of one read for the first of them.
    SendApart(LegacyReply),
    /// Look up the stored bytes of this file. Answer with [`Fact::UploadOffer`] or [`Fact::Failed`].
    OfferUpload {
        /// The file's name.
        name: RemoteName,
        /// Offer no more than this many bytes.
        limit: u64,
    },
    /// Open the file for `len` bytes. With `resume`, they follow the bytes offered last; otherwise they
    /// start a new version. Answer with [`Fact::UploadBegun`] or [`Fact::Failed`].
    BeginUpload {
        /// The file's name.
        name: RemoteName,
        /// Resume behind the offered bytes.
        resume: bool,
        /// Number of bytes that will follow.
        len: u64,
    },
    /// All bytes have arrived: publish the file. Answer with [`Fact::UploadPublished`] or
    /// [`Fact::Failed`].
    CommitUpload,
    /// Look up a file to download, and compare its first bytes with those that the client holds.
    /// Answer with [`Fact::DownloadOffer`] or [`Fact::Failed`].
    OfferDownload {
        /// The file's name.
        name: RemoteName,
        /// The client's bytes; `None` to skip the comparison.
        held: Option<Prefix>,
        /// Compare only if the client holds exactly as much as the file has.
        whole_only: bool,
    },
    /// Send `len` bytes of the file offered last, from `offset`. Answer with
    /// [`Fact::BodySent`]; if that fails, close the connection.
    SendBody {
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
    },
    /// Log a refused name. The next action sends the reply.
    NameRefused {
        /// The name as received.
        name: QString,
        /// The rule that the name breaks.
        error: NameError,
    },
}

/// The outcome of an action, or the arrival of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The stored bytes of the file to upload.
    UploadOffer {
        /// The bytes to offer, if any.
        held: Option<Prefix>,
        /// The bytes are the published file; otherwise a staging.
        published: bool,
    },
    /// The file is open for the announced bytes.
    UploadBegun,
    /// Bytes of the body arrived and were stored or, for [`Want::Discard`](crate::legacy::Want::Discard),
    /// discarded.
    BodyReceived {
        /// Number of bytes.
        len: u64,
    },
    /// The driver can no longer store the bytes of the body.
    BodyFailed {
        /// The status for the client.
        status: Status,
    },
    /// The file is published and, as far as the server promises it, durable.
    UploadPublished {
        /// MD5 of the whole file, if known without reading it.
        md5: Option<Md5Digest>,
    },
    /// The file to download.
    DownloadOffer {
        /// The size in bytes.
        size: u64,
        /// The first bytes equal those of the client.
        matches: bool,
        /// MD5 of the whole file, if known without reading it.
        md5: Option<Md5Digest>,
    },
    /// All bytes of the download were written to the connection.
    BodySent,
    /// The action failed.
    Failed {
        /// The status for the client.
        status: Status,
    },
}
