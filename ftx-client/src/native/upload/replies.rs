//! Does the steps that the machines of the requests take after a reply.

use ftx_core::native::TransferProgress;
use ftx_core::native::blocks::PartialManifest;
use ftx_core::native::upload::{
    AnsweredUpload, RefusedFile, UnconfirmedFile, UploadEnd, UploadStep,
};
use ftx_core::native::wire::{Reply, Request};
use ftx_io::Incoming;

use super::lock;
use super::stream::UploadStream;
use crate::native::decode::decode_control;
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

impl UploadStream {
    pub(super) async fn on_reply(&mut self, incoming: &Incoming) -> Result<(), TransferError> {
        let (request, reply) = decode_control(incoming)?;
        match reply {
            Reply::Stored { index } => {
                self.line.delivered(&self.shared.attempt, request, index);
            }
            Reply::Done { .. } => self.line.delivered(&self.shared.attempt, request, 0),
            Reply::Failed { .. } => self.line.ended(request),
            _ => {}
        }
        let answered = self.requests().on_reply(self.stream, request, reply)?;
        let Some(AnsweredUpload { file: job, step, own }) = answered else { return Ok(()) };
        match step {
            UploadStep::Nothing | UploadStep::Wanted => {}
            UploadStep::KeptPlace => self.shared.queue.gain(),
            UploadStep::Waits => self.shared.queue.push_event(job, QueueEvent::Waiting),
            UploadStep::Begun { resumed, size } => {
                let event = QueueEvent::Started { from: resumed, size };
                self.shared.queue.push_event(job, event);
                self.shared.attempt.changed.notify_waiters();
            }
            UploadStep::Stored { progress, size, is_last } => {
                self.tell_progress(job, progress, size, is_last);
            }
            UploadStep::Confirm(unconfirmed) => {
                self.shared.close(request);
                self.confirm(job, unconfirmed)?;
            }
            UploadStep::Ended(end) => self.on_ended(request, job, end, own).await,
        }
        Ok(())
    }

    /// Asks whether the server has the file that an earlier attempt sent, which also makes it durable.
    fn confirm(&mut self, job: usize, unconfirmed: UnconfirmedFile) -> Result<(), TransferError> {
        let Some(about) = self.shared.queue.job(job) else { return Ok(()) };
        let (name, sent) = (about.name.clone().into(), unconfirmed.sent);
        let check = Request::Check { name, size: sent.size, meta: sent.meta, digest: sent.digest };
        let request = self.shared.attempt.new_request();
        self.requests().confirm(self.stream, request, job, unconfirmed);
        self.channel.queue(request, &check)
    }

    async fn on_ended(
        &mut self,
        request: u32,
        job: usize,
        end: UploadEnd,
        own: Option<PartialManifest>,
    ) {
        let open = self.shared.close(request);
        let result = match end {
            UploadEnd::Done { moved, already_there } => {
                if let Some((open, own)) = open.zip(own) {
                    self.shared.save(&self.executor, &open, own).await;
                }
                Ok(Transferred { moved, already_there })
            }
            UploadEnd::UpToDate { size } => {
                self.shared.queue.push_event(job, QueueEvent::Started { from: size, size });
                Ok(Transferred { moved: 0, already_there: true })
            }
            UploadEnd::Refused(refused) => {
                if let Some(open) = open.filter(|_| refused.doubts_blocks()) {
                    self.shared.forget_manifest(&self.executor, &open).await;
                }
                if let Some(job) = self.shared.queue.job(job) {
                    lock(&job.commit).answered();
                }
                let RefusedFile { reason, message } = refused;
                Err(TransferError::refused(reason, &message))
            }
            UploadEnd::OtherStored => Err(TransferError::stored_other()),
        };
        self.shared.finish(job, result);
    }

    /// Reports the progress of a file; after its last block, the stream of the offer commits it.
    pub(super) fn tell_progress(
        &self,
        job: usize,
        progress: TransferProgress,
        size: u64,
        is_last: bool,
    ) {
        self.shared.queue.gain();
        self.shared.queue.push_event(job, QueueEvent::Progress { progress, size });
        if is_last {
            self.shared.attempt.changed.notify_waiters();
        }
    }
}
