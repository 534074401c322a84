//! What is hashed in the native dialect, how that is stopped, and what follows a failure.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_client::blocking::Client;
use ftx_client::{
    Cancel, Dialect, Event, Observer, RemoteName, ServerAddr, TransferError, Transferred, Upload,
    Watch,
};
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK, BlockRange, Manifest};
use ftx_core::native::wire::{
    CLIENT_PREFACE, FrameHeader, FrameKind, HEADER_LEN, Meta, Reply, Request, Token, Version,
    server_preface,
};
use ftx_store::{Journal, Record, hash_blocks};

use crate::server::listen;
use crate::{SOON, config, name};

/// Long enough that it is not hashed before a stop is heard.
const BLOCKS: u64 = 256;
const LEN: u64 = BLOCKS * BLOCK;

/// The server's end of a native connection.
struct Peer(TcpStream);

impl Peer {
    /// Accepts a client and greets it.
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut peer = Self(stream);
        let mut preface = [0; CLIENT_PREFACE.len()];
        peer.0.read_exact(&mut preface).unwrap();
        assert_eq!(preface, CLIENT_PREFACE);
        assert!(matches!(peer.request(), Some((0, Request::Hello { .. }))));
        peer.0.write_all(&server_preface(1)).unwrap();
        let (features, agent) = (Vec::new(), "scripted/1".to_owned());
        let (session, window) = (Token([7; 16]), 8 << 20);
        let welcome =
            Reply::Welcome { version: 1, features, agent, session, window, requests: 1024 };
        peer.reply(0, &welcome);
        peer
    }

    /// The client's next message; `None` when it has left.
    fn request(&mut self) -> Option<(u32, Request)> {
        let (header, payload) = self.frame()?;
        Some((header.request, Request::decode(&header, &payload).unwrap()))
    }

    fn frame(&mut self) -> Option<(FrameHeader, Vec<u8>)> {
        let mut header = [0; HEADER_LEN];
        self.0.read_exact(&mut header).ok()?;
        let header = FrameHeader::decode(&header).unwrap();
        let mut payload = vec![0; usize::try_from(header.len).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        Some((header, payload))
    }

    /// Takes a client's offer, and answers that nothing of it is held.
    fn offered(&mut self, len: u64) -> u32 {
        let Some((id, Request::Offer { size, .. })) = self.request() else { panic!() };
        assert_eq!(size, len);
        self.reply(id, &Reply::Ready { resumed: 0 });
        id
    }

    /// Takes a block of this request.
    fn block(&mut self, id: u32) {
        let (header, _) = self.frame().expect("the client has left");
        assert_eq!((header.request, header.kind), (id, FrameKind::Block));
    }

    fn reply(&mut self, id: u32, reply: &Reply) {
        self.0.write_all(&reply.encode(id).unwrap()).unwrap();
    }
}

/// The manifest of a file of zeros.
fn manifest(path: &Path) -> Manifest {
    let all = BlockRange { first: 0, count: BLOCKS };
    let cvs = hash_blocks(&File::open(path).unwrap(), LEN, all, None, &mut |_| true);
    Manifest::new(LEN, cvs.unwrap().unwrap()).unwrap()
}

/// Has `transfer` run against `server`, and stops it as soon as some of the file is hashed. Returns
/// how much was hashed in the end.
fn stopped(
    server: impl FnOnce(Peer) + Send + 'static,
    transfer: impl FnOnce(&mut Client) -> Result<Transferred, TransferError>,
) -> u64 {
    let (listener, address) = listen();
    let server = thread::spawn(move || server(Peer::accept(&listener)));
    let hashed = Arc::new(Mutex::new(0));
    let mut client = client(address, Arc::clone(&hashed));
    let result = transfer(&mut client);
    assert!(matches!(result, Err(TransferError::Cancelled)), "{result:?}");
    drop(client);
    server.join().unwrap();
    let hashed = hashed.lock().unwrap();
    *hashed
}

fn client(address: ServerAddr, hashed: Arc<Mutex<u64>>) -> Client {
    let mut config = config();
    config.dialect = Dialect::Native;
    config.streams = Some(std::num::NonZeroUsize::MIN);
    let mut client = Client::new(address, config).unwrap();
    let cancel: Cancel = client.cancel();
    client.set_observer(Observer::new(move |event| {
        if let Event::Hashing { done: done @ 1.., .. } | Event::Progress { done, .. } = *event {
            *hashed.lock().unwrap() = done;
            cancel.cancel();
        }
    }));
    client
}

/// Nothing is waited for meanwhile: all blocks are there.
#[test]
fn comparing_an_upload_with_what_the_server_holds_can_be_stopped() {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(LEN).unwrap();
    let held = manifest(&path);
    let hashed = stopped(
        move |mut peer| {
            let Some((id, Request::Offer { size: LEN, .. })) = peer.request() else { panic!() };
            let blocks = held.cvs().iter().copied().map(Some).collect();
            peer.reply(id, &Reply::Have { first: 0, blocks });
            peer.reply(id, &Reply::Ready { resumed: LEN });
            assert!(
                !matches!(peer.request(), Some((_, Request::Commit { .. }))),
                "it is not stopped"
            );
        },
        |client| client.upload(&path, &name()),
    );
    assert!(hashed < LEN, "it was hashed to the end");
}

/// What the legacy dialect left tells nothing of its blocks, so all of it is read.
#[test]
fn comparing_a_download_with_what_is_here_can_be_stopped_and_loses_nothing() {
    let local = tempfile::tempdir().unwrap();
    let part = local.path().join("a.bin.ftxpart");
    File::create(&part).unwrap().set_len(LEN).unwrap();
    let dir = Dir::open_ambient_dir(local.path(), ambient_authority()).unwrap();
    let mut journal = Journal::create(&dir, Path::new("a.bin.ftxpart.journal")).unwrap();
    let begin = Record::Begin { name: "a.bin".to_owned(), boot: None, created_unix: 0 };
    journal.append(&begin).unwrap();
    let theirs = manifest(&part);
    let hashed = stopped(
        move |mut peer| {
            let Some((id, Request::Get { .. })) = peer.request() else { panic!() };
            let meta = Meta { mtime: None, executable: false };
            peer.reply(id, &Reply::Found { size: LEN, meta, version: Version([1; 16]) });
            peer.reply(id, &Reply::Cvs { first: 0, cvs: theirs.cvs().to_vec() });
            peer.reply(id, &Reply::End { digest: Some(theirs.digest()) });
            assert!(peer.request().is_none(), "it goes on");
        },
        |client| client.download(&name(), &local.path().join("a.bin")),
    );
    assert!(hashed < LEN, "it was hashed to the end");
    assert_eq!(fs::metadata(&part).unwrap().len(), LEN, "it is not kept");
    assert!(matches!(
        Journal::peek(&dir, Path::new("a.bin.ftxpart.journal")),
        Ok(Some(Record::Begin { .. }))
    ));
}

/// What was sent of an upload before it failed gets no answer any more, and so takes no room from
/// the next one.
#[test]
fn what_a_failed_upload_had_sent_holds_up_no_other() {
    const LENS: [u64; 2] = [16 * BLOCK, 4 * BLOCK];
    let local = tempfile::tempdir().unwrap();
    let files = LENS.map(|len| {
        let path = local.path().join(len.to_string());
        File::create(&path).unwrap().set_len(len).unwrap();
        Upload { name: RemoteName::parse(&len.to_string()).unwrap(), path }
    });
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        let [first, second] = LENS.map(|len| peer.offered(len));
        // As many as the window has room for.
        (0..8).for_each(|_| peer.block(first));
        peer.reply(first, &Reply::failed(Reason::PermissionDenied, "no more of this one"));
        for index in 0..4 {
            peer.block(second);
            peer.reply(second, &Reply::Stored { index });
        }
        let Some((_, Request::Commit { digest })) = peer.request() else { panic!() };
        peer.reply(second, &Reply::Done { digest, unchanged: false });
        assert!(peer.request().is_none());
    });
    let mut client = client(address, Arc::default());
    client.set_observer(Observer::default());
    let mut results = Results::default();
    client.upload_all(&files, true, &mut results).unwrap();
    drop(client);
    server.join().unwrap();
    assert!(matches!(results.0.as_slice(), [(0, Err(_)), (1, Ok(_))]), "{results:?}");
}

/// What became of files, in the order in which they ended.
#[derive(Debug, Default)]
struct Results(Vec<(usize, Result<Transferred, TransferError>)>);

impl Watch for Results {
    fn begin(&mut self, _: usize) -> Observer {
        Observer::default()
    }

    fn end(&mut self, file: usize, result: Result<Transferred, TransferError>) {
        self.0.push((file, result));
    }
}
