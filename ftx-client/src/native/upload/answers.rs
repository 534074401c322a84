//! What the server answers.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{Digest, block_len};
use ftx_core::native::wire::Reply;
use ftx_io::Incoming;

use super::{Open, Pending, UploadStream, lock};
use crate::native::channel::{decode, out_of_step, refused};
use crate::native::run::Note;
use crate::{TransferError, Transferred};

impl UploadStream {
    pub(super) async fn take(&mut self, incoming: &Incoming) -> Result<(), TransferError> {
        let Incoming::Control { header, payload } = incoming else {
            return Err(out_of_step("bytes of a file that was not asked for"));
        };
        let (request, reply) = decode(header, payload)?;
        match reply {
            Reply::Working { .. } => {
                if let Some(Pending::Offer(open)) = self.pending.get(&request)
                    && open.waits.load(Relaxed)
                {
                    // It keeps its place in line: that it is lost later is no failure in a row.
                    self.shared.run.gain();
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
                open.waits.store(false, Relaxed);
                lock(&open.sender).ready()?;
                self.pending.remove(&request);
                let size = open.source.identity.size;
                self.shared.run.note(open.job, Note::Started { from: resumed, size });
                self.shared.crew.changed.notify_waiters();
                Ok(())
            }
            Reply::Waiting => {
                let open = self.offered(request)?;
                open.waits.store(true, Relaxed);
                self.shared.run.note(open.job, Note::Waiting);
                Ok(())
            }
            Reply::Stored { index } => self.stored(request, index),
            Reply::Done { digest, unchanged } => self.done(request, digest, unchanged).await,
            Reply::Wanted => match self.pending.remove(&request) {
                Some(Pending::Check { job, .. }) => {
                    self.shared.again.wants();
                    self.wanted.push(job);
                    Ok(())
                }
                Some(Pending::Doubt(doubt)) => {
                    self.resolve(doubt, None);
                    Ok(())
                }
                _ => Err(out_of_step("an answer to another request")),
            },
            Reply::Failed { reason, message } => {
                self.failed(request, refused(reason, &message)).await
            }
            _ => Err(out_of_step("an answer to another request")),
        }
    }

    fn offered(&self, request: u32) -> Result<&Arc<Open>, TransferError> {
        match self.pending.get(&request) {
            Some(Pending::Offer(open)) => Ok(open),
            _ => Err(out_of_step("an answer to no offer")),
        }
    }

    fn stored(&mut self, request: u32, index: u64) -> Result<(), TransferError> {
        let opened = self.shared.opened();
        let Some(open) = opened.iter().find(|open| open.request == request) else {
            // It has failed here meanwhile.
            return Ok(());
        };
        let mut sender = lock(&open.sender);
        sender.stored(self.stream, index)?;
        drop(sender);
        let len = block_len(open.source.identity.size, index);
        if let Entry::Occupied(mut sent) = self.sent.entry(request) {
            *sent.get_mut() = sent.get().saturating_sub(len);
            if *sent.get() == 0 {
                sent.remove();
            }
        }
        self.tell_progress(open);
        self.wake_if_stored(open);
        Ok(())
    }

    /// The server says that it has the file of this digest.
    async fn done(
        &mut self,
        request: u32,
        stored: Digest,
        unchanged: bool,
    ) -> Result<(), TransferError> {
        match self.pending.remove(&request) {
            Some(Pending::Put { job, bytes, digest }) => {
                self.put = self.put.saturating_sub(bytes);
                if unchanged {
                    self.shared.again.had();
                }
                let done = Transferred { moved: bytes, already_there: false };
                self.shared.finish(job, as_sent(digest, stored, done));
            }
            Some(Pending::Check { job, size, digest }) => {
                self.shared.again.had();
                self.shared.run.note(job, Note::Started { from: size, size });
                let done = Transferred { moved: 0, already_there: true };
                self.shared.finish(job, as_sent(digest, stored, done));
            }
            Some(Pending::Commit(open, digest)) => {
                let moved = lock(&open.sender).progress().moved;
                self.shared.close(&open);
                self.shared.keep(&open).await;
                let already_there = unchanged && moved == 0;
                let done = Transferred { moved, already_there };
                self.shared.finish(open.job, as_sent(digest, stored, done));
            }
            Some(Pending::Doubt(doubt)) => self.resolve(doubt, Some(stored)),
            Some(Pending::Offer(_)) | None => {
                return Err(out_of_step("an answer to no commit"));
            }
        }
        Ok(())
    }

    async fn failed(&mut self, request: u32, error: TransferError) -> Result<(), TransferError> {
        match self.pending.remove(&request) {
            Some(Pending::Put { job, bytes, .. }) => {
                self.put = self.put.saturating_sub(bytes);
                self.refused((request, job), error, bytes)
            }
            Some(Pending::Check { job, .. }) => {
                self.shared.finish(job, Err(error));
                Ok(())
            }
            Some(Pending::Offer(open) | Pending::Commit(open, _)) => {
                self.shared.close(&open);
                if matches!(error.reason(), Reason::BlockMismatch | Reason::DigestMismatch) {
                    self.shared.distrust(&open).await;
                }
                self.refused((request, open.job), error, open.source.identity.size)
            }
            Some(Pending::Doubt(doubt)) => {
                self.resolve(doubt, None);
                Ok(())
            }
            None => {
                let opened = self.shared.opened();
                let open = opened.iter().find(|open| open.request == request);
                // Or else it is about one that was given up here.
                if let Some(open) = open {
                    self.shared.close(open);
                    self.shared.finish(open.job, Err(error));
                }
                Ok(())
            }
        }
    }
}

/// What becomes of a file that the server says is done, with the digest of what it stored.
fn as_sent(sent: Digest, stored: Digest, done: Transferred) -> Result<Transferred, TransferError> {
    if stored == sent { Ok(done) } else { Err(TransferError::stored_other()) }
}
