//! Files that the server was told to publish when the connection broke: whether it did is not known.
//!
//! The next try offers them again. Where a file that is there is not to be replaced, the server
//! refuses then what may be this client's own file; its digest tells.

use std::sync::{Arc, Mutex};

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Request;

use super::{Pending, UploadStream, lock};
use crate::{TransferError, Transferred};

/// What the server was told to publish, and in which request; clones are of the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<Option<(u32, Digest)>>>);

impl Told {
    pub(super) fn publish(&self, request: u32, digest: Digest) {
        lock(&self.0).get_or_insert((request, digest));
    }

    /// The server has answered, as far as it was told.
    pub(super) fn answered(&self) {
        *lock(&self.0) = None;
    }

    /// What an earlier request than this one told it, without an answer.
    fn before(&self, request: u32) -> Option<Digest> {
        lock(&self.0).filter(|(told, _)| *told != request).map(|(_, digest)| digest)
    }
}

/// A file that was refused, while it is asked whether it is the one that was sent.
pub(super) struct Doubt {
    job: usize,
    refused: TransferError,
    digest: Digest,
    size: u64,
}

impl UploadStream {
    /// The server has refused a file of `size` bytes. It has failed, unless an earlier try may have
    /// published it.
    pub(super) fn refused(
        &mut self,
        (request, job): (u32, usize),
        error: TransferError,
        size: u64,
    ) -> Result<(), TransferError> {
        let in_the_way =
            matches!(error.reason(), Reason::AlreadyExists | Reason::PreconditionFailed);
        let told = self.shared.run.job(job).map(|job| (job.told.before(request), job));
        if let Some((Some(digest), job_of)) = told
            && in_the_way
        {
            let id = self.shared.crew.new_request();
            let name = job_of.name.clone().into();
            self.channel.queue(id, &Request::Digest { name })?;
            let doubt = Doubt { job, refused: error, digest, size };
            self.pending.insert(id, Pending::Doubt(doubt));
            return Ok(());
        }
        if let Some((_, job)) = told {
            job.told.answered();
        }
        self.shared.finish(job, Err(error));
        Ok(())
    }

    /// The server has told the digest of a file that it refused, or nothing of it.
    pub(super) fn resolve(&self, doubt: Doubt, digest: Option<Digest>) {
        let Doubt { job, refused, digest: sent, size } = doubt;
        let result = if digest == Some(sent) {
            Ok(Transferred { moved: size, already_there: false })
        } else {
            Err(refused)
        };
        self.shared.finish(job, result);
    }
}
