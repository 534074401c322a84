//! Ambiguous commits: the connection was lost after the commit of a file and before its reply.
//!
//! The next attempt offers the file again. Where existing files must not be replaced, the server may
//! then refuse because of this client's own file. In that case a `Check` asks whether the server's
//! file is the one that was sent, which also makes it durable.

use std::sync::{Arc, Mutex};

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Meta, Request};

use super::stream::UploadStream;
use super::{PendingUpload, lock};
use crate::{TransferError, Transferred};

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
    fn before(&self, request: u32) -> Option<SentFile> {
        lock(&self.0).filter(|(commit, _)| *commit != request).map(|(_, sent)| sent)
    }
}

/// A refused file, while a `Check` asks whether the server already has it.
pub(super) struct CommitProbe {
    job: usize,
    refused: TransferError,
    digest: Digest,
    size: u64,
}

impl UploadStream {
    /// Handles the refusal of a file of `size` bytes: it has failed, unless an earlier attempt may have
    /// published it.
    pub(super) fn on_refused(
        &mut self,
        (request, job): (u32, usize),
        error: TransferError,
        size: u64,
    ) -> Result<(), TransferError> {
        let is_in_the_way =
            matches!(error.reason(), Reason::AlreadyExists | Reason::PreconditionFailed);
        let commit = self.shared.queue.job(job).map(|job| (job.commit.before(request), job));
        if let Some((Some(SentFile { digest, meta }), job_of)) = commit
            && is_in_the_way
        {
            let id = self.shared.attempt.new_request();
            let name = job_of.name.clone().into();
            self.channel.queue(id, &Request::Check { name, size, meta, digest })?;
            let probe = CommitProbe { job, refused: error, digest, size };
            self.pending.insert(id, PendingUpload::Probe(probe));
            return Ok(());
        }
        if let Some((_, job)) = commit {
            job.commit.answered();
        }
        self.shared.finish(job, Err(error));
        Ok(())
    }

    /// Ends a probed file. `confirmed` is the digest of the server's file, `None` if that is another one.
    pub(super) fn end_probe(&self, probe: CommitProbe, confirmed: Option<Digest>) {
        let CommitProbe { job, refused, digest, size } = probe;
        let result = if confirmed == Some(digest) {
            Ok(Transferred { moved: size, already_there: false })
        } else {
            Err(refused)
        };
        self.shared.finish(job, result);
    }
}
