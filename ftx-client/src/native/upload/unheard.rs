//! Files that the server was told to publish when the connection broke: whether it did is not known.
//!
//! The next try offers them again. Where an existing file is not to be replaced, the server then
//! refuses what may be this client's own file. So it is asked to confirm that it has the file that was
//! sent, which also makes that file durable.

use std::sync::{Arc, Mutex};

use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Meta, Request};

use super::{Pending, UploadStream, lock};
use crate::{TransferError, Transferred};

/// What the server was told to publish, and in which request; clones are of the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Mutex<Option<(u32, Sent)>>>);

/// A file that was sent whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) digest: Digest,
    pub(super) meta: Meta,
}

impl Told {
    pub(super) fn publish(&self, request: u32, sent: Sent) {
        lock(&self.0).get_or_insert((request, sent));
    }

    /// The server has answered, as far as it was told.
    pub(super) fn answered(&self) {
        *lock(&self.0) = None;
    }

    /// What an earlier request than this one told it, without an answer.
    fn before(&self, request: u32) -> Option<Sent> {
        lock(&self.0).filter(|(told, _)| *told != request).map(|(_, sent)| sent)
    }
}

/// A file that was refused, while the server is asked whether it has just that file.
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
        if let Some((Some(Sent { digest, meta }), job_of)) = told
            && in_the_way
        {
            let id = self.shared.crew.new_request();
            let name = job_of.name.clone().into();
            self.channel.queue(id, &Request::Check { name, size, meta, digest })?;
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

    /// The server has confirmed a file of this digest, or has another one than was sent.
    pub(super) fn resolve(&self, doubt: Doubt, confirmed: Option<Digest>) {
        let Doubt { job, refused, digest, size } = doubt;
        let result = if confirmed == Some(digest) {
            Ok(Transferred { moved: size, already_there: false })
        } else {
            Err(refused)
        };
        self.shared.finish(job, result);
    }
}
