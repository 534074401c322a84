//! Both sides' state machines of the legacy dialect, joined in memory: every message goes through
//! the codec in pieces of any size, and the connection is cut after any number of bytes. After
//! any number of cuts the file arrives intact, and no stored byte is sent again.

use ftx_core::RemoteName;
use ftx_core::legacy::download::{self, DownloadMachine};
use ftx_core::legacy::server::{self, Fact, ServerMachine};
use ftx_core::legacy::upload::{self, UploadMachine};
use ftx_core::legacy::wire::{DecodeLimits, decode_reply, decode_request};
use ftx_core::legacy::{Md5Digest, Prefix, Want};
use md5::{Digest as _, Md5};
use proptest::prelude::*;

fn md5(bytes: &[u8]) -> Md5Digest {
    Md5Digest(Md5::digest(bytes).into())
}

fn held(bytes: &[u8]) -> Prefix {
    Prefix { len: bytes.len() as u64, md5: md5(bytes) }
}

/// The server's disk: one name.
#[derive(Clone, Debug, Default)]
struct Disk {
    published: Option<Vec<u8>>,
    staged: Vec<u8>,
}

/// A connection that carries `budget` more bytes, both ways together, in pieces of `piece`.
struct Link {
    budget: usize,
    piece: usize,
    carried: usize,
}

struct Cut;

impl Link {
    /// Carries the next piece of `queue` over.
    fn carry(&mut self, queue: &mut Vec<u8>) -> Result<Vec<u8>, Cut> {
        let len = queue.len().min(self.piece);
        if len > self.budget {
            return Err(Cut);
        }
        self.budget -= len;
        self.carried += len;
        Ok(queue.drain(..len).collect())
    }
}

/// A server with a [`Disk`], and the bytes that it has received and not yet sent.
struct Server<'a> {
    machine: ServerMachine,
    disk: &'a mut Disk,
    open: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl<'a> Server<'a> {
    fn new(disk: &'a mut Disk) -> Self {
        let machine = ServerMachine::new();
        Self { machine, disk, open: false, input: Vec::new(), output: Vec::new() }
    }

    fn work(&mut self) {
        loop {
            while let Some(action) = self.machine.poll() {
                self.act(action);
            }
            match self.machine.want() {
                Want::Message => {
                    let decoded = decode_request(&self.input, &DecodeLimits::default()).unwrap();
                    let Some((request, len)) = decoded else { return };
                    self.input.drain(..len);
                    self.machine.message(request).unwrap();
                }
                Want::Body { left } | Want::Discard { left } => {
                    if self.input.is_empty() {
                        return;
                    }
                    let len = self.input.len().min(left as usize);
                    self.disk.staged.extend(self.input.drain(..len));
                    self.machine.fact(Fact::BodyReceived { len: len as u64 }).unwrap();
                }
                Want::Fact | Want::Nothing => panic!("the server waits for nothing"),
            }
        }
    }

    fn act(&mut self, action: server::ServerAction) {
        let fact = match action {
            server::ServerAction::Send(reply) | server::ServerAction::SendApart(reply) => {
                return reply.encode(&mut self.output);
            }
            server::ServerAction::NameRefused { .. } => return,
            server::ServerAction::OfferUpload { .. } => {
                let published = self.disk.staged.is_empty();
                let bytes =
                    if published { self.disk.published.as_ref() } else { Some(&self.disk.staged) };
                let held = bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| held(bytes));
                Fact::UploadOffer { held, published }
            }
            server::ServerAction::BeginUpload { resume, .. } => {
                if !resume {
                    self.disk.staged.clear();
                } else if self.disk.staged.is_empty() {
                    self.disk.staged = self.disk.published.clone().unwrap();
                }
                self.open = true;
                Fact::UploadBegun
            }
            server::ServerAction::CommitUpload => {
                assert!(self.open);
                let whole = std::mem::take(&mut self.disk.staged);
                let md5 = Some(md5(&whole));
                self.disk.published = Some(whole);
                Fact::UploadPublished { md5 }
            }
            server::ServerAction::OfferDownload { held, .. } => {
                let file = self.disk.published.as_ref().unwrap();
                let matches = held.is_some_and(|held| {
                    file.get(..held.len as usize).is_some_and(|prefix| md5(prefix) == held.md5)
                });
                Fact::DownloadOffer { size: file.len() as u64, matches, md5: Some(md5(file)) }
            }
            server::ServerAction::SendBody { offset, len } => {
                let file = self.disk.published.as_ref().unwrap();
                self.output.extend(&file[offset as usize..(offset + len) as usize]);
                Fact::BodySent
            }
        };
        self.machine.fact(fact).unwrap();
    }

    /// Moves bytes both ways until the client has `input` to look at, or nothing moves.
    fn exchange(
        &mut self,
        link: &mut Link,
        output: &mut Vec<u8>,
        input: &mut Vec<u8>,
    ) -> Result<(), Cut> {
        while !output.is_empty() {
            let piece = link.carry(output)?;
            self.input.extend(piece);
            self.work();
        }
        if !self.output.is_empty() {
            input.extend(link.carry(&mut self.output)?);
        }
        Ok(())
    }
}

fn name() -> RemoteName {
    RemoteName::parse("a/file").unwrap()
}

fn upload_once(
    file: &[u8],
    disk: &mut Disk,
    link: &mut Link,
) -> Result<upload::UploadOutcome, Cut> {
    let mut server = Server::new(disk);
    let mut client = UploadMachine::new(&name(), file.len() as u64);
    let (mut output, mut input) = (Vec::new(), Vec::new());
    loop {
        while let Some(action) = client.poll() {
            match action {
                upload::UploadAction::Send(request) => request.encode(&mut output),
                upload::UploadAction::HashPrefix { len } => {
                    client.hashed(md5(&file[..len as usize])).unwrap();
                }
                upload::UploadAction::SendBody { offset, len, .. } => {
                    output.extend(&file[offset as usize..(offset + len) as usize]);
                    client.sent(Some(md5(file))).unwrap();
                }
                upload::UploadAction::Finish(outcome) => return Ok(outcome),
            }
        }
        assert_eq!(client.want(), Want::Message);
        server.exchange(link, &mut output, &mut input)?;
        if let Some((reply, len)) = decode_reply(&input, &DecodeLimits::default()).unwrap() {
            input.drain(..len);
            client.message(reply).unwrap();
        }
    }
}

/// `local` is the client's file, before and after.
fn download_once(
    local: &mut Option<Vec<u8>>,
    disk: &mut Disk,
    link: &mut Link,
) -> Result<download::DownloadOutcome, Cut> {
    let mut server = Server::new(disk);
    let mut client = DownloadMachine::new(&name(), local.as_deref().map(held));
    let (mut output, mut input) = (Vec::new(), Vec::new());
    loop {
        while let Some(action) = client.poll() {
            match action {
                download::DownloadAction::Send(request) => request.encode(&mut output),
                download::DownloadAction::Prepare { start, .. } => {
                    local.get_or_insert_default().truncate(start as usize);
                    client.prepared().unwrap();
                }
                download::DownloadAction::Publish { md5: whole } => {
                    assert_eq!(whole, Some(md5(local.as_ref().unwrap())));
                    client.published().unwrap();
                }
                download::DownloadAction::Finish(outcome) => return Ok(outcome),
            }
        }
        server.exchange(link, &mut output, &mut input)?;
        match client.want() {
            Want::Message => {
                if let Some((reply, len)) = decode_reply(&input, &DecodeLimits::default()).unwrap()
                {
                    input.drain(..len);
                    client.message(reply).unwrap();
                }
            }
            Want::Body { left } => {
                let len = input.len().min(left as usize);
                local.as_mut().unwrap().extend(input.drain(..len));
                if len > 0 {
                    client.received(len as u64).unwrap();
                }
            }
            want => panic!("the client wants {want:?}"),
        }
    }
}

/// The most bytes of messages on one connection.
const TALK: usize = 700;

fn file() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..2000)
}

proptest! {
    #[test]
    fn an_upload_cut_anywhere_any_number_of_times_ends_right(
        file in file(),
        old in prop::option::of(file()),
        cuts in prop::collection::vec(0usize..1500, 0..6),
        piece in 1usize..300,
    ) {
        let mut disk = Disk { published: old.clone(), staged: Vec::new() };
        let mut carried = 0;
        for budget in &cuts {
            let mut link = Link { budget: *budget, piece, carried: 0 };
            if upload_once(&file, &mut disk, &mut link).is_err() {
                // The published file is the old one or the new one.
                prop_assert!(disk.published == old || disk.published.as_ref() == Some(&file));
            }
            carried += link.carried;
        }
        let mut link = Link { budget: usize::MAX, piece, carried: 0 };
        let outcome = upload_once(&file, &mut disk, &mut link).ok().unwrap();
        prop_assert!(outcome.reusable);
        prop_assert_eq!(disk.published.as_ref(), Some(&file));
        prop_assert!(disk.staged.is_empty());
        prop_assert!(carried + link.carried <= file.len() + TALK * (cuts.len() + 1) + piece * cuts.len());
    }

    #[test]
    fn a_download_cut_anywhere_any_number_of_times_ends_right(
        file in file(),
        local in prop::option::of(file()),
        keep in prop::option::of(0usize..2000),
        cuts in prop::collection::vec(0usize..1500, 0..6),
        piece in 1usize..300,
    ) {
        let mut disk = Disk { published: Some(file.clone()), staged: Vec::new() };
        // Either something unrelated, or a true prefix.
        let mut local = match keep {
            Some(len) => Some(file[..len.min(file.len())].to_vec()),
            None => local,
        };
        let mut carried = 0;
        for budget in &cuts {
            let mut link = Link { budget: *budget, piece, carried: 0 };
            let _ = download_once(&mut local, &mut disk, &mut link);
            carried += link.carried;
        }
        let mut link = Link { budget: usize::MAX, piece, carried: 0 };
        download_once(&mut local, &mut disk, &mut link).ok().unwrap();
        prop_assert_eq!(local.as_ref(), Some(&file));
        prop_assert!(carried + link.carried <= file.len() + TALK * (cuts.len() + 1) + piece * cuts.len());
    }
}

#[test]
fn an_identical_file_is_not_sent() {
    let file = b"the same".to_vec();
    let mut disk = Disk { published: Some(file.clone()), staged: Vec::new() };
    let mut link = Link { budget: TALK, piece: 100, carried: 0 };
    let outcome = upload_once(&file, &mut disk, &mut link).ok().unwrap();
    assert_eq!((outcome.sent, outcome.already_there), (0, true));
    let mut local = Some(file);
    let mut link = Link { budget: TALK, piece: 100, carried: 0 };
    let outcome = download_once(&mut local, &mut disk, &mut link).ok().unwrap();
    assert_eq!((outcome.received, outcome.already_there), (0, true));
}

#[test]
fn a_complete_staging_is_published_by_resuming_it_with_no_bytes() {
    let file = b"all of it".to_vec();
    let mut disk = Disk { published: None, staged: file.clone() };
    let mut link = Link { budget: TALK, piece: 100, carried: 0 };
    let outcome = upload_once(&file, &mut disk, &mut link).ok().unwrap();
    assert_eq!((outcome.sent, outcome.already_there), (0, false));
    assert_eq!(disk.published, Some(file));
}
