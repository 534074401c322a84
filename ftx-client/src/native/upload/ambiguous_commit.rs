//! Ambiguous commits: the connection was lost after the commit of a file and before its reply.
//!
//! The next attempt offers the file again. Where existing files must not be replaced, the server may
//! then refuse because of this client's own file. In that case a `Check` asks whether the server's
//! file is the one that was sent, which also makes it durable.

use std::sync::{Arc, Mutex};

use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Meta;

use super::lock;
use crate::TransferError;

/// The unanswered commit of a file, and its request. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PendingCommit(Arc<Mutex<Option<(u32, SentFile)>>>);

/// A file that was sent completely.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentFile {
    pub(super) digest: Digest,
    pub(super) meta: Meta,
}

impl PendingCommit {
    /// A commit is about to be sent. The first one counts.
    pub(super) fn announce(&self, request: u32, sent: SentFile) {
        lock(&self.0).get_or_insert((request, sent));
    }

    /// The server has answered the commit.
    pub(super) fn answered(&self) {
        *lock(&self.0) = None;
    }

    /// The file that an earlier request than this one committed, without a reply.
    pub(super) fn before(&self, request: u32) -> Option<SentFile> {
        lock(&self.0).filter(|(commit, _)| *commit != request).map(|(_, sent)| sent)
    }
}

/// A refused file, while a `Check` asks whether the server already has it.
pub(super) struct CommitProbe {
    pub(super) job: usize,
    pub(super) refused: TransferError,
    pub(super) digest: Digest,
    pub(super) size: u64,
}
