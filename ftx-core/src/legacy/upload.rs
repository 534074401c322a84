//! A client's side of one upload.
//!
//! ```text
//!            reply 100                      hashed                  reply 101
//!   Offered ───────────▶ Hashing ─────────────────────▶ Opening ───────────────▶ Sending
//!      │                    │ equal, whole, published      ▲  │ nothing to send     │ sent
//!      │ nothing held       ▼                              │  │ (original: ended)   ▼
//!      └──────────────────────────────────────────────────▶┘  └────────────────▶ Tail
//!                         Ended ◀──────────────────────────────────────────────────┤ 103
//!                           ▲            reply 100                                 ▼
//!                           └──────────────────────────────────────────────── Confirming
//! ```
//!
//! An original server truncates a file before resuming it and confirms uploads without checking them.
//! So an upload to one always starts at 0, and succeeds only when the server, asked again, reports the
//! size and MD5 of the sent file.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::wire::{LegacyReply, LegacyRequest, QString};
use super::{Md5Digest, ORIGINAL_MAX_BYTES, Peer, Prefix, ProtocolError, Want};
use crate::{RemoteName, Status, shown};

/// A step for the driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadAction {
    /// Send a message, in one write.
    Send(LegacyRequest),
    /// Compute the MD5 of the first `len` bytes of the local file. Answer with
    /// [`UploadMachine::hashed`].
    HashPrefix {
        /// Number of bytes.
        len: u64,
    },
    /// Send `len` bytes of the local file from `offset`. Answer with [`UploadMachine::sent`].
    SendBody {
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        len: u64,
        /// Compute the MD5 of the file too: the machine compares it with the server's.
        hash: bool,
    },
    /// The upload has succeeded.
    Finish(UploadOutcome),
}

/// The outcome of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadOutcome {
    /// Bytes sent now; the server had the rest.
    pub sent: u64,
    /// The server had the whole file, and no byte was sent.
    pub already_there: bool,
    /// The connection can carry another transfer. An original server takes all bytes after an empty
    /// upload for contents of that file.
    pub reusable: bool,
}

/// Why an upload has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The server refused.
    #[error("the server refused: {0}")]
    Refused(Status),
    /// The bytes that the server offered are gone: another client has finished or replaced the file.
    /// A new request helps.
    #[error("the server no longer has the bytes that it offered to resume from: {0}")]
    OfferGone(Status),
    /// The server's answer does not fit the request.
    #[error("the server's answer does not fit the request: {0}")]
    Unexpected(String),
    /// An original server never confirms a file of this size, and loses the connection.
    #[error(
        "{size} bytes are more than an original server can store ({ORIGINAL_MAX_BYTES}); use an ftx server"
    )]
    TooLarge {
        /// The file's size.
        size: u64,
    },
    /// The stored file differs from the sent one.
    #[error("the server stored another file: {stored}; upload it again")]
    NotStored {
        /// Size or MD5 of the stored file.
        stored: String,
    },
    /// A mistake of the driver.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl UploadError {
    /// The status of this error.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Refused(status) | Self::OfferGone(status) => *status,
            Self::Unexpected(_) | Self::Protocol(_) => Status::UnknownData,
            Self::TooLarge { .. } => Status::UploadError,
            Self::NotStored { .. } => Status::WriteError,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum UploadState {
    Offered,
    Hashing { peer: Peer, offer: Prefix, published: bool },
    Opening { peer: Peer, start: u64 },
    Sending { peer: Peer, start: u64 },
    Tail { peer: Peer, start: u64, md5: Option<Md5Digest> },
    Confirming { md5: Md5Digest },
    Ended,
}

/// A client's side of one upload.
#[derive(Debug)]
pub struct UploadMachine {
    name: QString,
    size: u64,
    state: UploadState,
    actions: VecDeque<UploadAction>,
}

impl UploadMachine {
    /// An upload of a local file of `size` bytes. The first action sends the request.
    #[must_use]
    pub fn new(name: &RemoteName, size: u64) -> Self {
        let mut upload = Self {
            name: QString::from(name.as_str()),
            size,
            state: UploadState::Offered,
            actions: VecDeque::new(),
        };
        upload.ask();
        upload
    }

    /// Returns the next action.
    pub fn poll(&mut self) -> Option<UploadAction> {
        self.actions.pop_front()
    }

    /// Returns the input that the machine needs, once [`poll`](Self::poll) has returned all actions.
    #[must_use]
    pub fn want(&self) -> Want {
        match self.state {
            UploadState::Offered
            | UploadState::Opening { .. }
            | UploadState::Tail { .. }
            | UploadState::Confirming { .. } => Want::Message,
            UploadState::Hashing { .. } | UploadState::Sending { .. } => Want::Fact,
            UploadState::Ended => Want::Nothing,
        }
    }

    /// Takes the server's next message.
    ///
    /// # Errors
    /// The upload has failed. The connection can be used again only after [`UploadError::Refused`].
    pub fn message(&mut self, reply: LegacyReply) -> Result<(), UploadError> {
        let state = core::mem::replace(&mut self.state, UploadState::Ended);
        self.state = match (state, reply) {
            (
                UploadState::Offered,
                LegacyReply::UploadHeader { status, pos, md5, extended, published },
            ) => {
                if status == Status::AlreadyExists {
                    self.finish(0, true, true);
                    return Ok(());
                }
                accept(status)?;
                self.offered(Peer::from_extended(extended), pos, &md5, published)?
            }
            (UploadState::Opening { peer, start }, LegacyReply::UploadPos { status }) => {
                if start > 0 && status == Status::SeekError {
                    return Err(UploadError::OfferGone(status));
                }
                accept(status)?;
                self.opened(peer, start)
            }
            (
                UploadState::Tail { peer, start, md5 },
                LegacyReply::UploadTail { status, md5: stored },
            ) => {
                accept(status)?;
                return self.ended(peer, start, md5, &stored);
            }
            (
                UploadState::Confirming { md5 },
                LegacyReply::UploadHeader { status, pos, md5: stored, .. },
            ) => {
                accept(status)?;
                if u64::try_from(pos) == Ok(self.size) && parse(&stored) == Some(md5) {
                    self.finish(self.size, false, true);
                    return Ok(());
                }
                let stored = alloc::format!("{pos} bytes with MD5 {stored:?}");
                return Err(UploadError::NotStored { stored: shown(&stored) });
            }
            (
                UploadState::Offered
                | UploadState::Hashing { .. }
                | UploadState::Opening { .. }
                | UploadState::Sending { .. }
                | UploadState::Tail { .. }
                | UploadState::Confirming { .. }
                | UploadState::Ended,
                reply,
            ) => return Err(UploadError::Unexpected(shown(&alloc::format!("{reply:?}")))),
        };
        Ok(())
    }

    /// Takes the MD5 that [`UploadAction::HashPrefix`] asked for.
    ///
    /// # Errors
    /// The upload has failed.
    pub fn hashed(&mut self, md5: Md5Digest) -> Result<(), UploadError> {
        let UploadState::Hashing { peer, offer, published } = self.state else {
            return Err(ProtocolError::OutOfStep.into());
        };
        let equal = md5 == offer.md5;
        if equal && offer.len == self.size && (published || !peer.is_ftx()) {
            self.finish(0, true, true);
            return Ok(());
        }
        // A complete staging is resumed with no bytes, which publishes it.
        self.state = self.begin(peer, if equal && peer.is_ftx() { offer.len } else { 0 })?;
        Ok(())
    }

    /// Records that all bytes of [`UploadAction::SendBody`] were written to the connection. `md5` is
    /// that of the whole local file, which the check of an original server's confirmation needs.
    ///
    /// # Errors
    /// The upload has failed.
    pub fn sent(&mut self, md5: Option<Md5Digest>) -> Result<(), UploadError> {
        let UploadState::Sending { peer, start } = self.state else {
            return Err(ProtocolError::OutOfStep.into());
        };
        self.state = UploadState::Tail { peer, start, md5 };
        Ok(())
    }

    fn ask(&mut self) {
        let name = self.name.clone();
        self.actions
            .push_back(UploadAction::Send(LegacyRequest::UploadHeader { name, extended: true }));
    }

    fn finish(&mut self, sent: u64, already_there: bool, reusable: bool) {
        self.state = UploadState::Ended;
        self.actions.push_back(UploadAction::Finish(UploadOutcome {
            sent,
            already_there,
            reusable,
        }));
    }

    fn offered(
        &mut self,
        peer: Peer,
        pos: i64,
        md5: &QString,
        published: bool,
    ) -> Result<UploadState, UploadError> {
        let Ok(len) = u64::try_from(pos) else {
            return Err(UploadError::Unexpected(alloc::format!("it holds {pos} bytes")));
        };
        // An original server's offer is useful only if it is the whole file.
        let useful = if peer.is_ftx() { len <= self.size } else { len == self.size };
        match parse(md5) {
            Some(md5) if len > 0 && useful => {
                self.actions.push_back(UploadAction::HashPrefix { len });
                Ok(UploadState::Hashing { peer, offer: Prefix { len, md5 }, published })
            }
            _ => self.begin(peer, 0),
        }
    }

    fn begin(&mut self, peer: Peer, start: u64) -> Result<UploadState, UploadError> {
        let size = self.size;
        if !peer.is_ftx() && size > ORIGINAL_MAX_BYTES {
            return Err(UploadError::TooLarge { size });
        }
        let (Ok(pos), Ok(len)) = (i64::try_from(start), i64::try_from(size - start)) else {
            return Err(UploadError::TooLarge { size });
        };
        self.actions.push_back(UploadAction::Send(LegacyRequest::UploadPos { pos, len }));
        Ok(UploadState::Opening { peer, start })
    }

    fn opened(&mut self, peer: Peer, start: u64) -> UploadState {
        let len = self.size - start;
        if len > 0 {
            // The confirmation of an ftx server needs no check.
            let hash = !peer.is_ftx();
            self.actions.push_back(UploadAction::SendBody { offset: start, len, hash });
            return UploadState::Sending { peer, start };
        }
        if peer.is_ftx() {
            return UploadState::Tail { peer, start, md5: None };
        }
        self.finish(0, false, false);
        UploadState::Ended
    }

    fn ended(
        &mut self,
        peer: Peer,
        start: u64,
        md5: Option<Md5Digest>,
        stored: &QString,
    ) -> Result<(), UploadError> {
        match (peer, md5) {
            (Peer::Ftx, Some(md5)) if parse(stored).is_some_and(|stored| stored != md5) => {
                Err(UploadError::NotStored { stored: shown(&alloc::format!("MD5 {stored:?}")) })
            }
            (Peer::Ftx, _) => {
                self.finish(self.size - start, false, true);
                Ok(())
            }
            (Peer::Original, Some(md5)) => {
                self.ask();
                self.state = UploadState::Confirming { md5 };
                Ok(())
            }
            (Peer::Original, None) => Err(ProtocolError::OutOfStep.into()),
        }
    }
}

fn accept(status: Status) -> Result<(), UploadError> {
    if status.is_ok() { Ok(()) } else { Err(UploadError::Refused(status)) }
}

fn parse(md5: &QString) -> Option<Md5Digest> {
    md5.to_text()?.parse().ok()
}
