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
//! Every failure of the store ends in `Ready` with an honest status for the client. Only
//! while a download's bytes are on their way is there no message to say it with; then the
//! connection is closed.

use alloc::collections::VecDeque;

use self::reply::{download_header, upload_header, upload_tail};
use super::wire::{QString, Reply, Request};
use super::{Held, ORIGINAL_MAX, Peer, ProtocolError, Want};
use crate::dialect::MAGIC;
use crate::{Md5Digest, NameError, RemoteName, Status};

mod action;
mod reply;

pub use self::action::{Action, Fact};
pub(super) use self::reply::wire_held;

#[derive(Debug)]
enum State {
    Ready(Pending),
    OfferingUpload { name: RemoteName, peer: Peer },
    OpeningUpload { peer: Peer, len: u64 },
    Receiving { peer: Peer, left: u64 },
    Draining { left: u64, status: Status },
    Committing { peer: Peer, empty: bool },
    OfferingDownload { peer: Peer, held: Option<Held>, pos: i64 },
    Sending,
    Failed,
}

/// What the messages so far allow the next one to refer to.
#[derive(Debug)]
enum Pending {
    Nothing,
    Upload { name: RemoteName, peer: Peer, held: u64 },
    Download { offset: u64, len: u64 },
}

/// A server's side of one connection.
#[derive(Debug)]
pub struct Connection {
    state: State,
    actions: VecDeque<Action>,
}

impl Default for Connection {
    fn default() -> Self {
        Self::new()
    }
}

impl Connection {
    /// A connection on which nothing was said yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Ready(Pending::Nothing), actions: VecDeque::new() }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What is to be handed in next, once [`poll`](Self::poll) has nothing more.
    #[must_use]
    pub fn want(&self) -> Want {
        match &self.state {
            State::Ready(_) => Want::Message,
            State::Receiving { left, .. } => Want::Body { left: *left },
            State::Draining { left, .. } => Want::Discard { left: *left },
            State::OfferingUpload { .. }
            | State::OpeningUpload { .. }
            | State::Committing { .. }
            | State::OfferingDownload { .. }
            | State::Sending => Want::Fact,
            State::Failed => Want::Nothing,
        }
    }

    /// Takes the client's next message, when [`want`](Self::want) is [`Want::Message`].
    ///
    /// # Errors
    /// The connection cannot go on and is to be closed.
    pub fn message(&mut self, request: Request) -> Result<(), ProtocolError> {
        let State::Ready(pending) = core::mem::replace(&mut self.state, State::Failed) else {
            return Err(ProtocolError::OutOfStep);
        };
        self.state = match request {
            Request::UploadHeader { name, extended } => {
                self.upload_header(name, Peer::from_extended(extended))
            }
            Request::UploadPos { pos, len } => self.upload_pos(pending, pos, len),
            Request::DownloadHeader { name, pos, md5, extended } => {
                self.download_header(name, pos, &md5, Peer::from_extended(extended))
            }
            Request::DownloadContent { .. } => self.download_content(pending),
            Request::DownloadTail { .. } => {
                self.send(Reply::DownloadTail { status: Status::Ok });
                State::Ready(pending)
            }
            Request::Unknown { id } if id.to_be_bytes() == MAGIC => {
                return Err(ProtocolError::DialectChange);
            }
            Request::Unknown { id } => {
                self.send(Reply::Unknown { id });
                State::Ready(pending)
            }
        };
        Ok(())
    }

    /// Takes a fact that an action asked for, or the arrival of bytes.
    ///
    /// # Errors
    /// The fact does not fit; the connection is to be closed.
    pub fn fact(&mut self, fact: Fact) -> Result<(), ProtocolError> {
        let state = core::mem::replace(&mut self.state, State::Failed);
        self.state = match (state, fact) {
            (State::OfferingUpload { name, peer }, Fact::UploadOffer { held, published }) => {
                self.offered_upload(name, peer, held, published)
            }
            (State::OfferingUpload { peer, .. }, Fact::Failed { status }) => {
                self.send(upload_header(status, None, peer, false));
                State::Ready(Pending::Nothing)
            }
            (State::OpeningUpload { peer, len }, Fact::UploadBegun) => {
                self.send(Reply::UploadPos { status: Status::Ok });
                if len == 0 {
                    self.actions.push_back(Action::CommitUpload);
                    State::Committing { peer, empty: true }
                } else {
                    State::Receiving { peer, left: len }
                }
            }
            (State::OpeningUpload { .. }, Fact::Failed { status }) => {
                self.send(Reply::UploadPos { status });
                State::Ready(Pending::Nothing)
            }
            (State::Receiving { peer, left }, Fact::BodyReceived { len }) => {
                match left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)? {
                    0 => {
                        self.actions.push_back(Action::CommitUpload);
                        State::Committing { peer, empty: false }
                    }
                    left => State::Receiving { peer, left },
                }
            }
            // The client hears of it when it has sent all: an original one does not listen before.
            (State::Receiving { left, .. }, Fact::BodyFailed { status }) => {
                State::Draining { left, status }
            }
            (State::Draining { left, status }, Fact::BodyReceived { len }) => {
                match left.checked_sub(len).ok_or(ProtocolError::TooManyBytes)? {
                    0 => {
                        self.send(upload_tail(status, None));
                        State::Ready(Pending::Nothing)
                    }
                    left => State::Draining { left, status },
                }
            }
            (State::Committing { peer, empty }, Fact::UploadPublished { md5 }) => {
                self.end_upload(peer, empty, upload_tail(Status::Ok, md5.filter(|_| peer.is_ftx())))
            }
            (State::Committing { peer, empty }, Fact::Failed { status }) => {
                self.end_upload(peer, empty, upload_tail(status, None))
            }
            (
                State::OfferingDownload { peer, held, .. },
                Fact::DownloadOffer { size, matches, md5 },
            ) => self.offered_download(peer, held.filter(|_| matches), size, md5),
            (State::OfferingDownload { peer, pos, .. }, Fact::Failed { status }) => {
                self.send(download_header(status, pos, 0, None, peer));
                State::Ready(Pending::Nothing)
            }
            (State::Sending, Fact::BodySent) => State::Ready(Pending::Nothing),
            (
                State::Ready(_)
                | State::OfferingUpload { .. }
                | State::OpeningUpload { .. }
                | State::Receiving { .. }
                | State::Draining { .. }
                | State::Committing { .. }
                | State::OfferingDownload { .. }
                | State::Sending
                | State::Failed,
                _,
            ) => return Err(ProtocolError::OutOfStep),
        };
        Ok(())
    }

    fn send(&mut self, reply: Reply) {
        self.actions.push_back(Action::Send(reply));
    }

    /// The name, or the open error that the original gives for what it cannot open.
    fn parse_name(&mut self, name: QString) -> Option<RemoteName> {
        let parsed = match name.to_text() {
            Some(text) => RemoteName::parse(&text),
            None => Err(NameError::NotUnicode),
        };
        parsed.map_err(|error| self.actions.push_back(Action::NameRefused { name, error })).ok()
    }

    fn upload_header(&mut self, name: QString, peer: Peer) -> State {
        let Some(name) = self.parse_name(name) else {
            self.send(upload_header(Status::OpenError, None, peer, false));
            return State::Ready(Pending::Nothing);
        };
        let limit = match peer {
            Peer::Ftx => i64::MAX.unsigned_abs(),
            Peer::Original => ORIGINAL_MAX,
        };
        self.actions.push_back(Action::OfferUpload { name: name.clone(), limit });
        State::OfferingUpload { name, peer }
    }

    fn offered_upload(
        &mut self,
        name: RemoteName,
        peer: Peer,
        held: Option<Held>,
        published: bool,
    ) -> State {
        self.send(upload_header(Status::Ok, held, peer, published));
        State::Ready(Pending::Upload { name, peer, held: held.map_or(0, |held| held.len) })
    }

    fn upload_pos(&mut self, pending: Pending, pos: i64, len: i64) -> State {
        let Pending::Upload { name, peer, held } = pending else {
            self.send(Reply::UploadPos { status: Status::OpenError });
            return State::Ready(Pending::Nothing);
        };
        let refusal = match (u64::try_from(pos), u64::try_from(len)) {
            (Ok(pos), Ok(_)) if pos != 0 && pos != held => Status::SeekError,
            (Ok(_), Ok(_)) if pos.checked_add(len).is_none() => Status::UploadError,
            (Ok(pos), Ok(len)) => {
                self.actions.push_back(Action::BeginUpload { name, resume: pos != 0, len });
                return State::OpeningUpload { peer, len };
            }
            (Err(_), _) => Status::SeekError,
            (Ok(_), Err(_)) => Status::UploadError,
        };
        self.send(Reply::UploadPos { status: refusal });
        State::Ready(Pending::Upload { name, peer, held })
    }

    fn end_upload(&mut self, peer: Peer, empty: bool, reply: Reply) -> State {
        self.actions.push_back(match peer {
            // Nothing was received since the reply to 101, so the two would travel together.
            Peer::Original if empty => Action::SendApart(reply),
            Peer::Original | Peer::Ftx => Action::Send(reply),
        });
        State::Ready(Pending::Nothing)
    }

    fn download_header(&mut self, name: QString, pos: i64, md5: &QString, peer: Peer) -> State {
        let Some(name) = self.parse_name(name) else {
            self.send(download_header(Status::OpenError, pos, 0, None, peer));
            return State::Ready(Pending::Nothing);
        };
        let Ok(len) = u64::try_from(pos) else {
            self.send(download_header(Status::SeekError, pos, 0, None, peer));
            return State::Ready(Pending::Nothing);
        };
        let md5 = md5.to_text().and_then(|text| text.parse().ok());
        let held = md5.map(|md5| Held { len, md5 });
        let whole_only = !peer.is_ftx();
        self.actions.push_back(Action::OfferDownload { name, held, whole_only });
        State::OfferingDownload { peer, held, pos }
    }

    fn offered_download(
        &mut self,
        peer: Peer,
        held: Option<Held>,
        size: u64,
        md5: Option<Md5Digest>,
    ) -> State {
        let held_whole = held.is_some_and(|held| held.len == size);
        let (status, offset) = match peer {
            Peer::Ftx => (Status::Ok, held.map_or(0, |held| held.len.min(size))),
            // No larger number is read rightly: better no file than a false one.
            Peer::Original if size > ORIGINAL_MAX => (Status::DownloadError, 0),
            Peer::Original if held_whole => (Status::Ok, size),
            // A length of 0 would tell the client that it has the file already.
            Peer::Original if size == 0 => (Status::DownloadError, 0),
            // The client cuts its file before it seeks, so a resumed one would begin with zeros.
            Peer::Original => (Status::Ok, 0),
        };
        let len = if status.is_ok() { size - offset } else { 0 };
        let (Ok(wire_pos), Ok(wire_len)) = (i64::try_from(offset), i64::try_from(len)) else {
            self.send(download_header(Status::DownloadError, 0, 0, None, peer));
            return State::Ready(Pending::Nothing);
        };
        self.send(download_header(status, wire_pos, wire_len, md5, peer));
        match len {
            0 => State::Ready(Pending::Nothing),
            len => State::Ready(Pending::Download { offset, len }),
        }
    }

    fn download_content(&mut self, pending: Pending) -> State {
        let Pending::Download { offset, len } = pending else {
            // The original says nothing either; the client has its answer to 200.
            return State::Ready(pending);
        };
        self.actions.push_back(Action::SendBody { offset, len });
        State::Sending
    }
}
