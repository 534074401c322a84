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
//! An original server truncates what it resumes into and confirms what it did not check. So
//! towards one, an upload always starts at 0, and is done only when the server, asked again, names
//! the size and MD5 that were sent.

use alloc::collections::VecDeque;
use alloc::string::String;

use super::wire::{LegacyReply, LegacyRequest, QString};
use super::{Md5Digest, ORIGINAL_MAX_BYTES, Peer, Prefix, ProtocolError, Want};
use crate::{RemoteName, Status, shown};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadAction {
    /// Send a message, in one write.
    Send(LegacyRequest),
    /// Compute the MD5 of the first `len` bytes of the local file. Answer with
    /// [`UploadMachine::hashed`].
    HashPrefix {
        /// How many bytes.
        len: u64,
    },
    /// Send `len` bytes of the local file from `offset`. Answer with [`UploadMachine::sent`].
    SendBody {
        /// Where to start.
        offset: u64,
        /// How many bytes.
        len: u64,
        /// The file's MD5 is needed to check what the server says it has stored.
        hash: bool,
    },
    /// It has ended well.
    Finish(UploadOutcome),
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadOutcome {
    /// Bytes of the file that were sent now; the server had the others.
    pub sent: u64,
    /// The server had the whole file, and nothing was sent.
    pub already_there: bool,
    /// The connection can carry another job. An original server takes everything after an empty
    /// upload for contents of that file.
    pub reusable: bool,
}

/// Why an upload cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UploadError {
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(Status),
    /// What the server had offered to go on from is there no more: somebody else finished or
    /// replaced it. Asking again helps.
    #[error("the server no longer has what it offered to go on from: {0}")]
    OfferGone(Status),
    /// The server answered something that does not fit.
    #[error("the server's answer does not fit the request: {0}")]
    Unexpected(String),
    /// An original server never confirms such a file, and its connection is lost.
    #[error(
        "{size} bytes are more than an original server can take ({ORIGINAL_MAX_BYTES}); use an ftx server"
    )]
    TooLarge {
        /// The file's size.
        size: u64,
    },
    /// What the server holds at the end is not what was sent.
    #[error("the server stored something else: {stored}; nothing but a new upload helps")]
    NotStored {
        /// What it holds.
        stored: String,
    },
    /// The driver broke the rules.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

impl UploadError {
    /// The status that stands for this error.
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
    /// An upload of a local file of `size` bytes; its first action sends the request.
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

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<UploadAction> {
        self.actions.pop_front()
    }

    /// What is to be handed in next, once [`poll`](Self::poll) has nothing more.
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
    /// The upload has failed; unless the error is [`UploadError::Refused`], the connection is not
    /// to be used any more.
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
        // What is whole but only staged is announced with nothing to follow, and so published.
        self.state = self.begin(peer, if equal && peer.is_ftx() { offer.len } else { 0 })?;
        Ok(())
    }

    /// Takes note that all bytes of [`UploadAction::SendBody`] are on their way. `md5` is that of the
    /// whole local file; an original server's confirmation cannot be checked without it.
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
        // An original server's offer is of use only if it is the whole file.
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
            // What an ftx server says is done is done.
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
