//! The promises a server makes on its connections.

use std::collections::HashMap;

use ftx_core::Status;
use ftx_core::legacy::wire as legacy;
use ftx_core::native::Reason;
use ftx_core::native::wire::{
    FileHead, FileLayout, FrameHeader, FrameKind, HEADER_BYTES, PREFACE_BYTES, Reply, Request,
};

/// A statement that a peer may rely on from now on, even across a power loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The name.
    pub name: String,
    /// The promised state of the name.
    pub of: Promised,
}

/// The promised state of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// There is a file, whole: it was stored, or was there already.
    File,
    /// There is a directory.
    Directory,
    /// There is nothing: it was removed, or was not there.
    Absence,
}

/// A statement of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// This holds from now on.
    Promise(Promise),
    /// This holds if the client sends nothing: its file is the one that the server has then, and it takes it
    /// for stored.
    Offered(Promise),
}

/// A connection as the server sees it. Bytes of a download may be missing from the sent data.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    heard: Vec<u8>,
    said: Vec<u8>,
    dialect: Option<Dialect>,
}

#[derive(Debug)]
enum Dialect {
    /// The promise each request would lead to, by its request id.
    Native {
        asked: HashMap<u32, Promise>,
        answers: bool,
    },
    Legacy(Legacy),
}

#[derive(Debug, Default)]
struct Legacy {
    name: String,
    /// Bytes of a file that follow when the server agrees.
    follow: usize,
    /// Bytes of a file that are still to come.
    raw: usize,
}

impl Conversation {
    /// Processes received bytes. Returns whether the client wants to send a file in the legacy dialect
    /// and therefore does not rely on the [offer](Said::Offered).
    pub(super) fn hear(&mut self, bytes: &[u8]) -> bool {
        self.heard.extend_from_slice(bytes);
        if self.dialect.is_none() && self.heard.len() >= PREFACE_BYTES {
            self.dialect = Some(if self.heard[0] == 0 {
                Dialect::Legacy(Legacy::default())
            } else {
                self.heard.drain(..PREFACE_BYTES);
                Dialect::Native { asked: HashMap::new(), answers: false }
            });
        }
        match &mut self.dialect {
            Some(Dialect::Native { asked, .. }) => {
                frames(&mut self.heard, |header, payload| {
                    asked.extend(wish(header, payload).map(|wish| (header.request, wish)));
                });
                false
            }
            Some(Dialect::Legacy(legacy)) => legacy.hear(&mut self.heard),
            None => false,
        }
    }

    /// Processes sent bytes. Returns the statements made by them.
    pub(super) fn say(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.said.extend_from_slice(bytes);
        let mut promises = Vec::new();
        match &mut self.dialect {
            Some(Dialect::Native { asked, answers }) => {
                if !*answers && self.said.len() >= PREFACE_BYTES {
                    *answers = true;
                    self.said.drain(..PREFACE_BYTES);
                }
                if *answers {
                    frames(&mut self.said, |header, payload| {
                        let asked = asked.get(&header.request);
                        let promise = asked.and_then(|asked| promise(asked, header, payload));
                        promises.extend(promise.map(Said::Promise));
                    });
                }
            }
            Some(Dialect::Legacy(legacy)) => legacy.say(&mut self.said, &mut promises),
            None => {}
        }
        promises
    }
}

/// Takes whole frames off the bytes.
fn frames(bytes: &mut Vec<u8>, mut each: impl FnMut(&FrameHeader, &[u8])) {
    let mut at = 0;
    while let Some((header, rest)) = bytes[at..].split_first_chunk::<HEADER_BYTES>() {
        let header = FrameHeader::decode(header).expect("no frame");
        let Some(payload) = rest.get(..header.len as usize) else { break };
        each(&header, payload);
        at += HEADER_BYTES + payload.len();
    }
    bytes.drain(..at);
}

/// The promise that a request leads to if it succeeds.
fn wish(header: &FrameHeader, payload: &[u8]) -> Option<Promise> {
    let promise = |name, of| Some(Promise { name, of });
    match header.kind {
        FrameKind::Control => match Request::decode(header, payload).expect("no request") {
            Request::Offer { name, .. } | Request::Check { name, .. } => {
                promise(name, Promised::File)
            }
            Request::Remove { name } => promise(name, Promised::Absence),
            Request::MakeDirectory { name } => promise(name, Promised::Directory),
            Request::Hello { .. }
            | Request::Commit { .. }
            | Request::Abandon { .. }
            | Request::Get { .. }
            | Request::Stat { .. }
            | Request::List { .. }
            | Request::Digest { .. }
            | Request::Ping { .. } => None,
        },
        FrameKind::File => {
            let (prefix, rest) = payload.split_first_chunk().expect("no file");
            let layout = FileLayout::decode(header, *prefix).expect("no file");
            match FileHead::decode(&rest[..layout.head_len]).expect("no file") {
                FileHead::Put { name, .. } => promise(name, Promised::File),
                FileHead::Got { .. } => None,
            }
        }
        FrameKind::Block => None,
        FrameKind::Compressed => panic!("a watched server does not compress"),
    }
}

/// The promise that a reply makes, given the request.
fn promise(asked: &Promise, header: &FrameHeader, payload: &[u8]) -> Option<Promise> {
    if header.kind != FrameKind::Control {
        return None;
    }
    let keeps = match Reply::decode(header, payload).expect("no reply") {
        Reply::Done { .. } => asked.of == Promised::File,
        Reply::Entry(_) => asked.of == Promised::Directory,
        Reply::Removed => asked.of == Promised::Absence,
        Reply::Failed { reason, .. } => {
            asked.of == Promised::Absence && reason == Reason::NotFound.code()
        }
        _ => false,
    };
    keeps.then(|| asked.clone())
}

impl Legacy {
    fn hear(&mut self, heard: &mut Vec<u8>) -> bool {
        let mut sends = false;
        loop {
            let raw = self.raw.min(heard.len());
            heard.drain(..raw);
            self.raw -= raw;
            let decoded = legacy::decode_request(heard, &legacy::DecodeLimits::default());
            let Some((request, taken)) = decoded.expect("no request").filter(|_| self.raw == 0)
            else {
                return sends;
            };
            heard.drain(..taken);
            match request {
                legacy::LegacyRequest::UploadHeader { name, .. } => {
                    self.name = name.to_text().unwrap_or_default();
                }
                legacy::LegacyRequest::UploadPos { len, .. } => {
                    self.follow = usize::try_from(len).unwrap_or(0);
                    sends = true;
                }
                _ => {}
            }
        }
    }

    fn say(&mut self, said: &mut Vec<u8>, promises: &mut Vec<Said>) {
        while let Ok(Some((reply, taken))) =
            legacy::decode_reply(said, &legacy::DecodeLimits::default())
        {
            said.drain(..taken);
            let promise = Promise { name: self.name.clone(), of: Promised::File };
            match reply {
                legacy::LegacyReply::UploadHeader { status: Status::AlreadyExists, .. }
                | legacy::LegacyReply::UploadTail { status: Status::Ok, .. } => {
                    promises.push(Said::Promise(promise));
                }
                legacy::LegacyReply::UploadHeader {
                    status: Status::Ok,
                    pos,
                    extended,
                    published,
                    ..
                } if pos > 0 && (published || !extended) => {
                    promises.push(Said::Offered(promise));
                }
                legacy::LegacyReply::UploadPos { status: Status::Ok } => self.raw = self.follow,
                _ => {}
            }
        }
    }
}
