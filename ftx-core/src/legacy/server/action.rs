//! What a server's state machine and its driver tell each other.

use crate::legacy::wire::{LegacyReply, QString};
use crate::legacy::{Md5Digest, Prefix};
use crate::{NameError, RemoteName, Status};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAction {
    /// Send a message, in one write.
    Send(LegacyReply),
    /// Send a message so that it cannot arrive glued to the one before: an original client that
    /// waits for two replies in a row takes everything that one read gives for the first of them.
    SendApart(LegacyReply),
    /// Look up what is held of this file. Answer with [`Fact::UploadOffer`] or [`Fact::Failed`].
    OfferUpload {
        /// The file's name.
        name: RemoteName,
        /// Offer no more than this many bytes.
        limit: u64,
    },
    /// Open the file for `len` bytes that will follow. With `resume`, they go behind what was
    /// offered last; otherwise they start a new version. Answer with [`Fact::UploadBegun`] or
    /// [`Fact::Failed`].
    BeginUpload {
        /// The file's name.
        name: RemoteName,
        /// Go on behind the offered bytes.
        resume: bool,
        /// Bytes that will follow.
        len: u64,
    },
    /// All bytes are here: publish the file. Answer with [`Fact::UploadPublished`] or
    /// [`Fact::Failed`].
    CommitUpload,
    /// Look up a file to be downloaded, and whether its first bytes are those that the client
    /// holds. Answer with [`Fact::DownloadOffer`] or [`Fact::Failed`].
    OfferDownload {
        /// The file's name.
        name: RemoteName,
        /// What the client holds; `None` to skip the comparison.
        held: Option<Prefix>,
        /// Compare only if the client holds exactly as much as the file has.
        whole_only: bool,
    },
    /// Send `len` bytes of the file that was offered last, from `offset`. Answer with
    /// [`Fact::BodySent`]; if that fails, close the connection.
    SendBody {
        /// Where to start.
        offset: u64,
        /// How many bytes.
        len: u64,
    },
    /// A name was refused; the reply that says so follows. For the log.
    NameRefused {
        /// The name as it came.
        name: QString,
        /// Why it is refused.
        error: NameError,
    },
}

/// What the driver tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// What is held of the file to be uploaded.
    UploadOffer {
        /// The bytes held, `None` if there are none worth an offer.
        held: Option<Prefix>,
        /// They are the published file; otherwise a staging.
        published: bool,
    },
    /// The file is open for the announced bytes.
    UploadBegun,
    /// Bytes of the body arrived and were stored or, when [`Want::Discard`](crate::legacy::Want::Discard) said so, thrown away.
    BodyReceived {
        /// How many.
        len: u64,
    },
    /// The bytes that arrive can no longer be stored.
    BodyFailed {
        /// Why, for the client.
        status: Status,
    },
    /// The file is published and, as far as the server promises it, durable.
    UploadPublished {
        /// MD5 of the whole file, where it is known without reading it.
        md5: Option<Md5Digest>,
    },
    /// The file that the client wants to download.
    DownloadOffer {
        /// Its size in bytes.
        size: u64,
        /// Its first bytes are those that the client holds.
        matches: bool,
        /// MD5 of the whole file, where it is known without reading it.
        md5: Option<Md5Digest>,
    },
    /// All bytes of the download were handed to the connection.
    BodySent,
    /// The step that an action asked for failed.
    Failed {
        /// Why, for the client.
        status: Status,
    },
}
