//! Handles the replies to uploads.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{Digest, block_len};
use ftx_core::native::wire::{Reply, Request};
use ftx_io::Incoming;

use super::ambiguous_commit::{CommitProbe, SentFile};
use super::stream::UploadStream;
use super::{OpenUpload, PendingUpload, lock};
use crate::native::channel::{decode, out_of_step, refused};
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

impl UploadStream {
    pub(super) async fn on_reply(&mut self, incoming: &Incoming) -> Result<(), TransferError> {
        let Incoming::Control { header, payload } = incoming else {
            return Err(out_of_step("bytes of a file that was not asked for"));
        };
        let (request, reply) = decode(header, payload)?;
        match reply {
            Reply::Working { .. } => {
                if let Some(PendingUpload::Offer(open)) = self.pending.get(&request)
                    && open.is_waiting.load(Relaxed)
                {
                    // It keeps its place in the line, so a later failure is the first in a row.
                    self.shared.queue.gain();
                }
                Ok(())
            }
            Reply::Found { .. } | Reply::Pong { .. } => Ok(()),
            Reply::Have { first, blocks } => {
                let open = self.offered(request)?;
                Ok(lock(&open.sender).have(first, &blocks)?)
            }
            Reply::Ready { resumed } => {
                let open = Arc::clone(self.offered(request)?);
                open.is_waiting.store(false, Relaxed);
                lock(&open.sender).ready()?;
                self.pending.remove(&request);
                let size = open.source.identity.size;
                self.shared.queue.push_event(open.job, QueueEvent::Started { from: resumed, size });
                self.shared.attempt.changed.notify_waiters();
                Ok(())
            }
            Reply::Waiting => {
                let open = self.offered(request)?;
                open.is_waiting.store(true, Relaxed);
                self.shared.queue.push_event(open.job, QueueEvent::Waiting);
                Ok(())
            }
            Reply::Stored { index } => self.on_stored(request, index),
            Reply::Done { digest, unchanged } => self.on_done(request, digest, unchanged).await,
            Reply::Wanted => match self.pending.remove(&request) {
                Some(PendingUpload::Check { job, .. }) => {
                    self.shared.probes.on_wanted();
                    self.wanted.push(job);
                    Ok(())
                }
                Some(PendingUpload::Probe(probe)) => {
                    self.end_probe(probe, None);
                    Ok(())
                }
                _ => Err(out_of_step("an answer to another request")),
            },
            Reply::Failed { reason, message } => {
                self.on_failed(request, refused(reason, &message)).await
            }
            _ => Err(out_of_step("an answer to another request")),
        }
    }

    fn offered(&self, request: u32) -> Result<&Arc<OpenUpload>, TransferError> {
        match self.pending.get(&request) {
            Some(PendingUpload::Offer(open)) => Ok(open),
            _ => Err(out_of_step("an answer to no offer")),
        }
    }

    fn on_stored(&mut self, request: u32, index: u64) -> Result<(), TransferError> {
        let opened = self.shared.opened();
        let Some(open) = opened.iter().find(|open| open.request == request) else {
            // It has failed on this side meanwhile.
            return Ok(());
        };
        let mut sender = lock(&open.sender);
        sender.stored(self.stream, index)?;
        drop(sender);
        let len = block_len(open.source.identity.size, index);
        if let Entry::Occupied(mut sent) = self.unanswered.entry(request) {
            *sent.get_mut() = sent.get().saturating_sub(len);
            if *sent.get() == 0 {
                sent.remove();
            }
        }
        self.tell_progress(open);
        self.wake_if_stored(open);
        Ok(())
    }

    /// The server has the whole file, whose digest is `stored`.
    async fn on_done(
        &mut self,
        request: u32,
        stored: Digest,
        unchanged: bool,
    ) -> Result<(), TransferError> {
        match self.pending.remove(&request) {
            Some(PendingUpload::Put { job, bytes, digest }) => {
                self.unanswered_small = self.unanswered_small.saturating_sub(bytes);
                if unchanged {
                    self.shared.probes.on_unchanged();
                }
                let done = Transferred { moved: bytes, already_there: false };
                self.shared.finish(job, as_sent(digest, stored, done));
            }
            Some(PendingUpload::Check { job, size, digest }) => {
                self.shared.probes.on_unchanged();
                self.shared.queue.push_event(job, QueueEvent::Started { from: size, size });
                let done = Transferred { moved: 0, already_there: true };
                self.shared.finish(job, as_sent(digest, stored, done));
            }
            Some(PendingUpload::Commit(open, digest)) => {
                let moved = lock(&open.sender).progress().moved;
                self.shared.close(&open);
                self.shared.save(&self.executor, &open).await;
                let already_there = unchanged && moved == 0;
                let done = Transferred { moved, already_there };
                self.shared.finish(open.job, as_sent(digest, stored, done));
            }
            Some(PendingUpload::Probe(probe)) => self.end_probe(probe, Some(stored)),
            Some(PendingUpload::Offer(_)) | None => {
                return Err(out_of_step("an answer to no commit"));
            }
        }
        Ok(())
    }

    async fn on_failed(&mut self, request: u32, error: TransferError) -> Result<(), TransferError> {
        match self.pending.remove(&request) {
            Some(PendingUpload::Put { job, bytes, .. }) => {
                self.unanswered_small = self.unanswered_small.saturating_sub(bytes);
                self.on_refused((request, job), error, bytes)
            }
            Some(PendingUpload::Check { job, .. }) => {
                self.shared.finish(job, Err(error));
                Ok(())
            }
            Some(PendingUpload::Offer(open) | PendingUpload::Commit(open, _)) => {
                self.shared.close(&open);
                if matches!(error.reason(), Reason::BlockMismatch | Reason::DigestMismatch) {
                    self.shared.forget_manifest(&self.executor, &open).await;
                }
                self.on_refused((request, open.job), error, open.source.identity.size)
            }
            Some(PendingUpload::Probe(probe)) => {
                self.end_probe(probe, None);
                Ok(())
            }
            None => {
                let opened = self.shared.opened();
                let open = opened.iter().find(|open| open.request == request);
                // Otherwise it has failed on this side already.
                if let Some(open) = open {
                    self.shared.close(open);
                    self.shared.finish(open.job, Err(error));
                }
                Ok(())
            }
        }
    }

    /// Handles the refusal of a file of `size` bytes: it has failed, unless an earlier attempt may have
    /// published it.
    fn on_refused(
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
    fn end_probe(&self, probe: CommitProbe, confirmed: Option<Digest>) {
        let CommitProbe { job, refused, digest, size } = probe;
        let result = if confirmed == Some(digest) {
            Ok(Transferred { moved: size, already_there: false })
        } else {
            Err(refused)
        };
        self.shared.finish(job, result);
    }
}

/// The result of a file that the server reports as done. `stored` is the digest of its bytes.
fn as_sent(sent: Digest, stored: Digest, done: Transferred) -> Result<Transferred, TransferError> {
    if stored == sent { Ok(done) } else { Err(TransferError::stored_other()) }
}
