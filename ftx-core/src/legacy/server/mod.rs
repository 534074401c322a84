//! A server's side of one legacy connection.
//!
//! ```text
//!              100                       offer              101                    begun
//!   Ready ───────────▶ OfferingUpload ─────────▶ Ready ───────────▶ OpeningUpload ───────┐
//!     ▲                (reply 100)              (pending)                                ▼
//!     │   published                        0 left                                   Receiving
//!     ├────────────── Committing ◀──────────────────────────────────────────────────┤    │
//!     │   0 left                                         the store fails            │    │
//!     ├────────────── Draining ◀────────────────────────────────────────────────────┼────┘
//!     │              200                         offer               202            │
//!   Ready ───────────▶ OfferingDownload ─────────▶ Ready ───────────▶ Sending       │
//!     ▲                (reply 200)              (pending)              │            │
//!     └────────────────────────────────────────────────────────────────┘            │
//! ```
//!
//! Every failure of the store ends in `Ready` with an honest status for the client. The exception is a
//! failure within the bytes of a download: no message can report it, so the connection is closed.

use alloc::collections::VecDeque;

use self::reply::{download_header, upload_header, upload_tail};
use super::wire::{LegacyReply, LegacyRequest, QString};
use super::{Md5Digest, ORIGINAL_MAX_BYTES, Peer, Prefix, ProtocolError, Want};
use crate::dialect::MAGIC;
use crate::{NameError, RemoteName, Status};

mod action;
mod reply;

pub use self::action::{Fact, ServerAction};
pub(super) use self::reply::wire_held;

#[derive(Debug)]
enum ServerState {
    Ready(LastOffer),
    OfferingUpload { name: RemoteName, peer: Peer },
    OpeningUpload { peer: Peer, len: u64 },
    Receiving { peer: Peer, left: u64 },
    Draining { left: u64, status: Status },
    Committing { peer: Peer, empty: bool },
    OfferingDownload { peer: Peer, held: Option<Prefix>, pos: i64 },
    Sending,
    Failed,
}

/// The offer that the next message may refer to.
#[derive(Debug)]
enum LastOffer {
    Nothing,
    Upload { name: RemoteName, peer: Peer, held: u64 },
    Download { offset: u64, len: u64 },
}

/// A server's side of one connection.
#[derive(Debug)]
pub struct ServerMachine {
    state: ServerState,
    actions: VecDeque<ServerAction>,
}

impl Default for ServerMachine {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerMachine {
    /// The machine of a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self { state: ServerState::Ready(LastOffer::Nothing), actions: VecDeque::new() }
    }

    /// Returns the next action.
    pub fn poll(&mut self) -> Option<ServerAction> {
        self.actions.pop_front()
    }

    /// Returns the input that the machine needs, once [`poll`](Self::poll) has returned all actions.
    #[must_use]
    pub fn want(&self) -> Want {
        match &self.state {
            ServerState::Ready(_) => Want::Message,
            ServerState::Receiving { left, .. } => Want::Body { left: *left },
            ServerState::Draining { left, .. } => Want::Discard { left: *left },
            ServerState::OfferingUpload { .. }
            | ServerState::OpeningUpload { .. }
            | ServerState::Committing { .. }
            | ServerState::OfferingDownload { .. }
            | ServerState::Sending => Want::Fact,
            ServerState::Failed => Want::Nothing,
        }
    }

    /// Takes the client's next message, when [`want`](Self::want) is [`Want::Message`].
    ///
    /// # Errors
    /// The message does not fit, and the connection must be closed.
    pub fn message(&mut self, request: LegacyRequest) -> Result<(), ProtocolError> {
        let ServerState::Ready(pending) = core::mem::replace(&mut self.state, ServerState::Failed)
        else {
            return Err(ProtocolError::OutOfStep);
        };
        self.state = match request {
            LegacyRequest::UploadHeader { name, extended } => {
                self.upload_header(name, Peer::from_extended(extended))
            }
            LegacyRequest::UploadPos { pos, len } => self.upload_pos(pending, pos, len),
            LegacyRequest::DownloadHeader { name, pos, md5, extended } => {
                self.download_header(name, pos, &md5, Peer::from_extended(extended))
            }
            LegacyRequest::DownloadContent { .. } => self.download_content(pending),
            LegacyRequest::DownloadTail { .. } => {
                self.send(LegacyReply::DownloadTail { status: Status::Ok });
                ServerState::Ready(pending)
            }
            LegacyRequest::Unknown { id } if id.to_be_bytes() == MAGIC => {
                return Err(ProtocolError::DialectChange);
            }
            LegacyRequest::Unknown { id } => {
                self.send(LegacyReply::Unknown { id });
                ServerState::Ready(pending)
            }
        };
        Ok(())
    }

    /// Takes the fact that an action requires, or the arrival of bytes.
    ///
    /// # Errors
    /// The fact does not fit, and the connection must be closed.
    pub fn fact(&mut self, fact: Fact) -> Result<(), ProtocolError> {
        let state = core::mem::replace(&mut self.state, ServerState::Failed);
        self.state = match (state, fact) {
            (ServerState::OfferingUpload { name, peer }, Fact::UploadOffer { held, published }) => {
                self.offered_upload(name, peer, held, published)
            }
            (ServerState::OfferingUpload { peer, .. }, Fact::Failed { status }) => {
                self.send(upload_header(status, None, peer, false));
                ServerState::Ready(LastOffer::Nothing)
            }
            (ServerState::OpeningUpload { peer, len }, Fact::UploadBegun) => {
                self.send(LegacyReply::UploadPos { status: Status::Ok });
                if len == 0 {
                    self.actions.push_back(ServerAction::CommitUpload);
                    ServerState::Committing { peer, empty: true }
                } else {
                    ServerState::Receiving { peer, left: len }
                }
            }
            (ServerState::OpeningUpload { .. }, Fact::Failed { status }) => {
                self.send(LegacyReply::UploadPos { status });
                ServerState::Ready(LastOffer::Nothing)
            }
            (ServerState::Receiving { peer, left }, Fact::BodyReceived { len }) => {
                match left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)? {
                    0 => {
                        self.actions.push_back(ServerAction::CommitUpload);
                        ServerState::Committing { peer, empty: false }
                    }
                    left => ServerState::Receiving { peer, left },
                }
            }
            // The status follows the last byte: an original client does not read before that.
            (ServerState::Receiving { left, .. }, Fact::BodyFailed { status }) => {
                ServerState::Draining { left, status }
            }
            (ServerState::Draining { left, status }, Fact::BodyReceived { len }) => {
                match left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)? {
                    0 => {
                        self.send(upload_tail(status, None));
                        ServerState::Ready(LastOffer::Nothing)
                    }
                    left => ServerState::Draining { left, status },
                }
            }
            (ServerState::Committing { peer, empty }, Fact::UploadPublished { md5 }) => {
                self.end_upload(peer, empty, upload_tail(Status::Ok, md5.filter(|_| peer.is_ftx())))
            }
            (ServerState::Committing { peer, empty }, Fact::Failed { status }) => {
                self.end_upload(peer, empty, upload_tail(status, None))
            }
            (
                ServerState::OfferingDownload { peer, held, .. },
                Fact::DownloadOffer { size, matches, md5 },
            ) => self.offered_download(peer, held.filter(|_| matches), size, md5),
            (ServerState::OfferingDownload { peer, pos, .. }, Fact::Failed { status }) => {
                self.send(download_header(status, pos, 0, None, peer));
                ServerState::Ready(LastOffer::Nothing)
            }
            (ServerState::Sending, Fact::BodySent) => ServerState::Ready(LastOffer::Nothing),
            (
                ServerState::Ready(_)
                | ServerState::OfferingUpload { .. }
                | ServerState::OpeningUpload { .. }
                | ServerState::Receiving { .. }
                | ServerState::Draining { .. }
                | ServerState::Committing { .. }
                | ServerState::OfferingDownload { .. }
                | ServerState::Sending
                | ServerState::Failed,
                _,
            ) => return Err(ProtocolError::OutOfStep),
        };
        Ok(())
    }

    fn send(&mut self, reply: LegacyReply) {
        self.actions.push_back(ServerAction::Send(reply));
    }

    /// Validates a name. An invalid one is answered by `refusal`, with the open error like the original's.
    fn parse_name(&mut self, name: QString, refusal: LegacyReply) -> Option<RemoteName> {
        let parsed = match name.to_text() {
            Some(text) => RemoteName::parse(&text),
            None => Err(NameError::NotUnicode),
        };
        match parsed {
            Ok(name) => Some(name),
            Err(error) => {
                self.actions.push_back(ServerAction::NameRefused { name, error });
                self.send(refusal);
                None
            }
        }
    }

    fn upload_header(&mut self, name: QString, peer: Peer) -> ServerState {
        let refusal = upload_header(Status::OpenError, None, peer, false);
        let Some(name) = self.parse_name(name, refusal) else {
            return ServerState::Ready(LastOffer::Nothing);
        };
        let limit = match peer {
            Peer::Ftx => i64::MAX.unsigned_abs(),
            Peer::Original => ORIGINAL_MAX_BYTES,
        };
        self.actions.push_back(ServerAction::OfferUpload { name: name.clone(), limit });
        ServerState::OfferingUpload { name, peer }
    }

    fn offered_upload(
        &mut self,
        name: RemoteName,
        peer: Peer,
        held: Option<Prefix>,
        published: bool,
    ) -> ServerState {
        self.send(upload_header(Status::Ok, held, peer, published));
        ServerState::Ready(LastOffer::Upload { name, peer, held: held.map_or(0, |held| held.len) })
    }

    fn upload_pos(&mut self, pending: LastOffer, pos: i64, len: i64) -> ServerState {
        let LastOffer::Upload { name, peer, held } = pending else {
            self.send(LegacyReply::UploadPos { status: Status::OpenError });
            return ServerState::Ready(LastOffer::Nothing);
        };
        let refusal = match (u64::try_from(pos), u64::try_from(len)) {
            (Ok(pos), Ok(_)) if pos != 0 && pos != held => Status::SeekError,
            (Ok(_), Ok(_)) if pos.checked_add(len).is_none() => Status::UploadError,
            (Ok(pos), Ok(len)) => {
                self.actions.push_back(ServerAction::BeginUpload { name, resume: pos != 0, len });
                return ServerState::OpeningUpload { peer, len };
            }
            (Err(_), _) => Status::SeekError,
            (Ok(_), Err(_)) => Status::UploadError,
        };
        self.send(LegacyReply::UploadPos { status: refusal });
        ServerState::Ready(LastOffer::Upload { name, peer, held })
    }

    fn end_upload(&mut self, peer: Peer, empty: bool, reply: LegacyReply) -> ServerState {
        self.actions.push_back(match peer {
            // No bytes came since the reply to 101, so both replies could arrive in one read.
            Peer::Original if empty => ServerAction::SendApart(reply),
            Peer::Original | Peer::Ftx => ServerAction::Send(reply),
        });
        ServerState::Ready(LastOffer::Nothing)
    }

    fn download_header(
        &mut self,
        name: QString,
        pos: i64,
        md5: &QString,
        peer: Peer,
    ) -> ServerState {
        let refusal = download_header(Status::OpenError, pos, 0, None, peer);
        let Some(name) = self.parse_name(name, refusal) else {
            return ServerState::Ready(LastOffer::Nothing);
        };
        let Ok(len) = u64::try_from(pos) else {
            self.send(download_header(Status::SeekError, pos, 0, None, peer));
            return ServerState::Ready(LastOffer::Nothing);
        };
        let md5 = md5.to_text().and_then(|text| text.parse().ok());
        let held = md5.map(|md5| Prefix { len, md5 });
        let whole_only = !peer.is_ftx();
        self.actions.push_back(ServerAction::OfferDownload { name, held, whole_only });
        ServerState::OfferingDownload { peer, held, pos }
    }

    fn offered_download(
        &mut self,
        peer: Peer,
        held: Option<Prefix>,
        size: u64,
        md5: Option<Md5Digest>,
    ) -> ServerState {
        let held_whole = held.is_some_and(|held| held.len == size);
        let (status, offset) = match peer {
            Peer::Ftx => (Status::Ok, held.map_or(0, |held| held.len.min(size))),
            // The client misreads larger numbers: no file is better than a wrong one.
            Peer::Original if size > ORIGINAL_MAX_BYTES => (Status::DownloadError, 0),
            Peer::Original if held_whole => (Status::Ok, size),
            // A length of 0 means to the client that it has the file already.
            Peer::Original if size == 0 => (Status::DownloadError, 0),
            // The client truncates its file before it seeks, so a resumed one would begin with zeros.
            Peer::Original => (Status::Ok, 0),
        };
        let len = if status.is_ok() { size - offset } else { 0 };
        let (Ok(wire_pos), Ok(wire_len)) = (i64::try_from(offset), i64::try_from(len)) else {
            self.send(download_header(Status::DownloadError, 0, 0, None, peer));
            return ServerState::Ready(LastOffer::Nothing);
        };
        self.send(download_header(status, wire_pos, wire_len, md5, peer));
        match len {
            0 => ServerState::Ready(LastOffer::Nothing),
            len => ServerState::Ready(LastOffer::Download { offset, len }),
        }
    }

    fn download_content(&mut self, pending: LastOffer) -> ServerState {
        let LastOffer::Download { offset, len } = pending else {
            // The original says nothing either; the client has its answer to 200.
            return ServerState::Ready(pending);
        };
        self.actions.push_back(ServerAction::SendBody { offset, len });
        ServerState::Sending
    }
}
