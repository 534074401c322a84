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
//! An original server that loses its client while it sends loses the sending thread for good. So the
//! local target is prepared before 202 requests the bytes, and they are read to the end even if they
//! cannot be stored.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::server::wire_held;
use super::wire::{LegacyReply, LegacyRequest, QString};
use super::{Md5Digest, Peer, Prefix, ProtocolError, Want};
use crate::{RemoteName, Status, shown};

/// A step for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownloadAction {
    /// Send a message, in one write.
    Send(LegacyRequest),
    /// Prepare the local staging for `len` bytes from `start`, which is 0 or the length of the local
    /// copy. Answer with [`DownloadMachine::prepared`].
    Prepare {
        /// Offset of the first byte.
        start: u64,
        /// Number of bytes that will follow.
        len: u64,
    },
    /// All bytes have arrived: publish the file locally. Answer with [`DownloadMachine::published`].
    Publish {
        /// The expected MD5 of the whole file, if the server sent it.
        md5: Option<Md5Digest>,
    },
    /// The download has succeeded.
    Finish(DownloadOutcome),
}

/// The outcome of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadOutcome {
    /// Bytes received now.
    pub received: u64,
    /// The local copy was complete, and no byte was received. If it is a staging, the driver publishes
    /// it.
    pub already_there: bool,
}

/// Why a download has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The server refused.
    #[error("the server refused: {0}")]
    Refused(Status),
    /// The server's answer does not fit the request.
    #[error("the server's answer does not fit the request: {0}")]
    Unexpected(String),
    /// The bytes could not be stored. An original server's bytes were read to the end.
    #[error("the bytes could not be stored: {0}")]
    NotStored(Status),
    /// A mistake of the driver.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl DownloadError {
    /// The status of this error.
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
    /// A download of `name` into a target that holds the bytes `held`. The first action sends the
    /// request.
    #[must_use]
    pub fn new(name: &RemoteName, held: Option<Prefix>) -> Self {
        let (pos, md5) = wire_held(held);
        let name = QString::from(name.as_str());
        let request = LegacyRequest::DownloadHeader { name, pos, md5, extended: true };
        let actions = VecDeque::from([DownloadAction::Send(request)]);
        Self { held, state: DownloadState::Offered, actions }
    }

    /// Returns the next action.
    pub fn poll(&mut self) -> Option<DownloadAction> {
        self.actions.pop_front()
    }

    /// Returns the input that the machine needs, once [`poll`](Self::poll) has returned all actions.
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

    /// Whether the driver must read to the end: an original server is sending, and would lose a thread.
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
    /// The download has failed. The connection can be used again only after [`DownloadError::Refused`].
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

    /// Records that the local staging is prepared.
    ///
    /// # Errors
    /// No action requires this fact.
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

    /// Records `count` bytes of the file, stored or, for [`Want::Discard`], discarded.
    ///
    /// # Errors
    /// [`DownloadError::NotStored`] with the last byte of a body that could not be stored.
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

    /// Records that the driver can no longer store the bytes.
    ///
    /// # Errors
    /// The download has failed, and the connection can be closed at once.
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

    /// Records that the file is published.
    ///
    /// # Errors
    /// No action requires this fact.
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
        // An original server sends position 0 both for an equal empty copy and for its own empty
        // file. The file is empty in both cases, so an empty one is published.
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
