//! A client's request about a whole file: a `Put`, or a `Check`.
//!
//! ```text
//!            Done                             Done
//!   Put ───────────────▶ ended   Checking ─────────▶ ended
//!    │ Failed                        │ Wanted
//!    ▼                               ▼
//!   ended, or Confirming          ended, and the file is put
//!
//!   Confirming: Done with our digest ▶ the file is done; all other replies ▶ the first refusal counts
//! ```
//!
//! `Confirming` is a `Check` after a refusal: an earlier attempt may have published the file, and only
//! the reply was lost. The server makes the file durable before it answers `Done`.

use super::probe::ProbePolicy;
use super::step::{
    FileId, RefusedFile, SentFile, UnconfirmedFile, UploadEnd, UploadStep, out_of_step, refused,
};
use crate::native::Reason;
use crate::native::step::{StepError, StreamId};
use crate::native::wire::Reply;

#[derive(Clone, Debug)]
enum SmallState {
    Put,
    Checking,
    Confirming(RefusedFile),
}

/// A `Put` or `Check` without its reply.
#[derive(Clone, Debug)]
pub(super) struct SmallRequest {
    pub(super) file: FileId,
    pub(super) home: StreamId,
    state: SmallState,
    sent: SentFile,
    /// The file of an earlier attempt that got no reply.
    before: Option<SentFile>,
}

impl SmallRequest {
    /// The file is sent. `before` is the file of an earlier attempt that got no reply.
    pub(super) const fn put(
        file: FileId,
        home: StreamId,
        sent: SentFile,
        before: Option<SentFile>,
    ) -> Self {
        Self { file, home, state: SmallState::Put, sent, before }
    }

    /// The server is asked whether it has the file.
    pub(super) const fn check(file: FileId, home: StreamId, sent: SentFile) -> Self {
        Self { file, home, state: SmallState::Checking, sent, before: None }
    }

    /// The server is asked whether it has the file of an earlier attempt.
    pub(super) fn confirm(file: FileId, home: StreamId, unconfirmed: UnconfirmedFile) -> Self {
        let UnconfirmedFile { sent, refused } = unconfirmed;
        Self { file, home, state: SmallState::Confirming(refused), sent, before: None }
    }

    /// Bytes that the server has not answered.
    pub(super) const fn unanswered(&self) -> u64 {
        match self.state {
            SmallState::Put => self.sent.size,
            SmallState::Checking | SmallState::Confirming(_) => 0,
        }
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// The reply does not fit the request.
    pub(super) fn on_reply(
        &self,
        reply: Reply,
        probes: &mut ProbePolicy,
    ) -> Result<UploadStep, StepError> {
        match reply {
            Reply::Working { .. } => Ok(UploadStep::Nothing),
            Reply::Done { digest, unchanged } => Ok(match &self.state {
                SmallState::Put => {
                    if unchanged {
                        probes.on_unchanged();
                    }
                    let end = UploadEnd::Done { moved: self.sent.size, already_there: false };
                    UploadEnd::of(self.sent.digest, digest, end)
                }
                SmallState::Checking => {
                    probes.on_unchanged();
                    let end = UploadEnd::UpToDate { size: self.sent.size };
                    UploadEnd::of(self.sent.digest, digest, end)
                }
                SmallState::Confirming(_) if digest == self.sent.digest => {
                    let (moved, already_there) = (self.sent.size, false);
                    UploadStep::Ended(UploadEnd::Done { moved, already_there })
                }
                SmallState::Confirming(refused) => first_refusal(refused),
            }),
            Reply::Wanted => match &self.state {
                SmallState::Put => Err(out_of_step("a Wanted for a file that was sent")),
                SmallState::Checking => {
                    probes.on_wanted();
                    Ok(UploadStep::Wanted)
                }
                SmallState::Confirming(refused) => Ok(first_refusal(refused)),
            },
            Reply::Failed { reason, message } => Ok(match &self.state {
                SmallState::Confirming(refused) => first_refusal(refused),
                SmallState::Put | SmallState::Checking => {
                    let reason = Reason::from_code(reason);
                    refused(self.before, RefusedFile { reason, message })
                }
            }),
            Reply::Welcome { .. }
            | Reply::Have { .. }
            | Reply::Ready { .. }
            | Reply::Stored { .. }
            | Reply::Found { .. }
            | Reply::Cvs { .. }
            | Reply::End { .. }
            | Reply::Entry(_)
            | Reply::Entries { .. }
            | Reply::Pong { .. }
            | Reply::Removed
            | Reply::Goodbye { .. }
            | Reply::Waiting => Err(out_of_step("a reply to another request than a small file")),
        }
    }
}

fn first_refusal(refused: &RefusedFile) -> UploadStep {
    UploadStep::Ended(UploadEnd::Refused(refused.clone()))
}
