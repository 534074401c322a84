//! A client's side of one download.
//!
//! ```text
//!            reply 200                  prepared            all bytes          reply 203
//!   Offered ───────────▶ Preparing ───────────────▶ Receiving ────────▶ Tail ───────────▶ Publishing
//!      │                     │ empty file               │ cannot store                        │
//!      │ local copy is whole └────────────────────┐     ▼                                     │
//!      └──────────▶ Ended ◀──────────────────┐    │  Draining ──▶ (failed)                     │
//!                                            └────┴───────────────────────────────────────────┘
//! ```
//!
//! An original server that loses its client while it sends loses the thread it sends from, for
//! good. So the local target is made ready before 202 asks for the bytes, and when they cannot be
//! stored after all they are still read to the end.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::server::wire_held;
use super::wire::{LegacyReply, LegacyRequest, QString};
use super::{Md5Digest, Peer, Prefix, ProtocolError, Want};
use crate::{RemoteName, Status, shown};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadAction {
    /// Send a message, in one write.
    Send(LegacyRequest),
    /// Make the local staging ready for `len` bytes from `start`: `start` is either 0 or what the
    /// local copy was said to hold. Answer with [`DownloadMachine::prepared`].
    Prepare {
        /// Where the bytes go.
        start: u64,
        /// How many will follow.
        len: u64,
    },
    /// All bytes are here: publish the file locally. Answer with [`DownloadMachine::published`].
    Publish {
        /// What the MD5 of the whole file must be, where the server said so.
        md5: Option<Md5Digest>,
    },
    /// It has ended well.
    Finish(DownloadOutcome),
}

/// How a download ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadOutcome {
    /// Bytes that were received now.
    pub received: u64,
    /// The local copy was whole, and nothing was received. If it is a staging, the driver
    /// publishes it.
    pub already_there: bool,
}

/// Why a download cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(Status),
    /// The server answered something that does not fit.
    #[error("the server's answer does not fit the request: {0}")]
    Unexpected(String),
    /// The bytes could not be stored; what the server sent was read to its end.
    #[error("the bytes could not be stored: {0}")]
    NotStored(Status),
    /// The driver broke the rules.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl DownloadError {
    /// The status that stands for this error.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Refused(status) | Self::NotStored(status) => *status,
            Self::Unexpected(_) | Self::Protocol(_) => Status::UnknownData,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum DownloadState {
    Offered,
    Preparing { peer: Peer, len: u64, md5: Option<Md5Digest> },
    Receiving { peer: Peer, len: u64, left: u64, md5: Option<Md5Digest> },
    Draining { peer: Peer, left: u64, status: Status },
    Tail { len: u64, md5: Option<Md5Digest> },
    Publishing { len: u64 },
    Ended,
}

/// A client's side of one download.
#[derive(Debug)]
pub struct DownloadMachine {
    held: Option<Prefix>,
    state: DownloadState,
    actions: VecDeque<DownloadAction>,
}

impl DownloadMachine {
    /// A download of `name`, of which `held` is here already; its first action sends the request.
    #[must_use]
    pub fn new(name: &RemoteName, held: Option<Prefix>) -> Self {
        let (pos, md5) = wire_held(held);
        let name = QString::from(name.as_str());
        let request = LegacyRequest::DownloadHeader { name, pos, md5, extended: true };
        let actions = VecDeque::from([DownloadAction::Send(request)]);
        Self { held, state: DownloadState::Offered, actions }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<DownloadAction> {
        self.actions.pop_front()
    }

    /// What is to be handed in next, once [`poll`](Self::poll) has nothing more.
    #[must_use]
    pub fn want(&self) -> Want {
        match self.state {
            DownloadState::Offered | DownloadState::Tail { .. } => Want::Message,
            DownloadState::Preparing { .. } | DownloadState::Publishing { .. } => Want::Fact,
            DownloadState::Receiving { left, .. } => Want::Body { left },
            DownloadState::Draining { left, .. } => Want::Discard { left },
            DownloadState::Ended => Want::Nothing,
        }
    }

    /// The peer, while leaving the connection would cost it a thread: an original server that is
    /// sending.
    #[must_use]
    pub const fn must_read_to_end(&self) -> bool {
        matches!(
            self.state,
            DownloadState::Receiving { peer: Peer::Original, .. }
                | DownloadState::Draining { peer: Peer::Original, .. }
        )
    }

    /// Takes the server's next message.
    ///
    /// # Errors
    /// The download has failed; unless the error is [`DownloadError::Refused`], the connection is
    /// not to be used any more.
    pub fn message(&mut self, reply: LegacyReply) -> Result<(), DownloadError> {
        let state = core::mem::replace(&mut self.state, DownloadState::Ended);
        match (state, reply) {
            (
                DownloadState::Offered,
                LegacyReply::DownloadHeader { status, pos, len, md5, extended },
            ) => {
                if status == Status::AlreadyExists {
                    self.finish(0, true);
                    return Ok(());
                }
                accept(status)?;
                let md5 = md5.to_text().and_then(|text| text.parse().ok());
                self.offered(Peer::from_extended(extended), pos, len, md5)
            }
            (DownloadState::Tail { len, md5 }, LegacyReply::DownloadTail { status }) => {
                accept(status)?;
                self.publish(len, md5);
                Ok(())
            }
            (
                DownloadState::Offered
                | DownloadState::Preparing { .. }
                | DownloadState::Receiving { .. }
                | DownloadState::Draining { .. }
                | DownloadState::Tail { .. }
                | DownloadState::Publishing { .. }
                | DownloadState::Ended,
                reply,
            ) => Err(DownloadError::Unexpected(shown(&alloc::format!("{reply:?}")))),
        }
    }

    /// Takes note that the local staging is ready.
    ///
    /// # Errors
    /// The fact is out of step.
    pub fn prepared(&mut self) -> Result<(), DownloadError> {
        let DownloadState::Preparing { peer, len, md5 } = self.state else {
            return Err(ProtocolError::OutOfStep.into());
        };
        if len == 0 {
            self.publish(0, md5);
            return Ok(());
        }
        self.actions
            .push_back(DownloadAction::Send(LegacyRequest::DownloadContent { status: Status::Ok }));
        self.state = DownloadState::Receiving { peer, len, left: len, md5 };
        Ok(())
    }

    /// Takes note of `count` bytes of the file, stored or, when [`Want::Discard`] said so, thrown
    /// away.
    ///
    /// # Errors
    /// The last byte of a body that could not be stored gives [`DownloadError::NotStored`].
    pub fn received(&mut self, count: u64) -> Result<(), DownloadError> {
        match self.state {
            DownloadState::Receiving { peer, len, left, md5 } => {
                let left = left.checked_sub(count).ok_or(ProtocolError::TooManyBytes)?;
                if left > 0 {
                    self.state = DownloadState::Receiving { peer, len, left, md5 };
                } else {
                    let status = Status::Ok;
                    self.actions
                        .push_back(DownloadAction::Send(LegacyRequest::DownloadTail { status }));
                    self.state = DownloadState::Tail { len, md5 };
                }
                Ok(())
            }
            DownloadState::Draining { peer, left, status } => {
                let left = left.checked_sub(count).ok_or(ProtocolError::TooManyBytes)?;
                if left == 0 {
                    self.state = DownloadState::Ended;
                    return Err(DownloadError::NotStored(status));
                }
                self.state = DownloadState::Draining { peer, left, status };
                Ok(())
            }
            DownloadState::Offered
            | DownloadState::Preparing { .. }
            | DownloadState::Tail { .. }
            | DownloadState::Publishing { .. }
            | DownloadState::Ended => Err(ProtocolError::OutOfStep.into()),
        }
    }

    /// Takes note that the bytes that arrive can no longer be stored.
    ///
    /// # Errors
    /// The peer can be left at once.
    pub fn store_failed(&mut self, status: Status) -> Result<(), DownloadError> {
        match self.state {
            DownloadState::Receiving { peer: peer @ Peer::Original, left, .. } => {
                self.state = DownloadState::Draining { peer, left, status };
                Ok(())
            }
            _ => {
                self.state = DownloadState::Ended;
                Err(DownloadError::NotStored(status))
            }
        }
    }

    /// Takes note that the file is published.
    ///
    /// # Errors
    /// The fact is out of step.
    pub fn published(&mut self) -> Result<(), DownloadError> {
        let DownloadState::Publishing { len } = self.state else {
            return Err(ProtocolError::OutOfStep.into());
        };
        self.finish(len, false);
        Ok(())
    }

    fn finish(&mut self, received: u64, already_there: bool) {
        self.state = DownloadState::Ended;
        self.actions.push_back(DownloadAction::Finish(DownloadOutcome { received, already_there }));
    }

    fn publish(&mut self, len: u64, md5: Option<Md5Digest>) {
        self.actions.push_back(DownloadAction::Publish { md5 });
        self.state = DownloadState::Publishing { len };
    }

    fn offered(
        &mut self,
        peer: Peer,
        pos: i64,
        len: i64,
        md5: Option<Md5Digest>,
    ) -> Result<(), DownloadError> {
        let held = self.held.map_or(0, |held| held.len);
        let (start, len) = match (u64::try_from(pos), u64::try_from(len)) {
            (Ok(start), Ok(len)) if start == 0 || start == held => (start, len),
            _ => {
                return Err(DownloadError::Unexpected(alloc::format!(
                    "{len} bytes from position {pos}, where {held} bytes are held"
                )));
            }
        };
        if start.checked_add(len).is_none() {
            return Err(ProtocolError::TooManyBytes.into());
        }
        // An original server names position 0 both for an equal empty copy and for its own empty
        // file; either way the file is empty, so making it so is right.
        if len == 0 && start > 0 {
            self.finish(0, true);
            return Ok(());
        }
        self.actions.push_back(DownloadAction::Prepare { start, len });
        self.state = DownloadState::Preparing { peer, len, md5 };
        Ok(())
    }
}

fn accept(status: Status) -> Result<(), DownloadError> {
    if status.is_ok() { Ok(()) } else { Err(DownloadError::Refused(status)) }
}
