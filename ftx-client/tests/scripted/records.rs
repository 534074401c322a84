//! Bad servers below the frames: records and handshakes of TLS.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use ftx_client::blocking::BlockingClient;
use ftx_client::{DialectChoice, ServerAddr};
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Manifest, block_len};
use ftx_core::native::wire::{BlockHead, GetScope, Meta, Reply, Request, Version};
use ftx_tests::{Carrier, client_hello};
use rustls::ContentType;

use crate::native_peer::NativePeer;
use crate::server::{Listener, listen};
use crate::{SOON, config, name};

/// The time for a server that does not answer, which a test has to wait for.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Those of a file of zeros, the last one with 5 bytes.
const BLOCKS: u64 = 2;
const LEN: u64 = (BLOCKS - 1) * BLOCK_BYTES + 5;

/// The way a connection ends within a block.
#[derive(Clone, Debug)]
enum End {
    /// TCP alone ends.
    Unannounced,
    Announced,
    /// These bytes follow below TLS.
    Garbage(Vec<u8>),
    WrongTag,
    CutRecord,
    /// A record of this type, and then the rest as if nothing had happened.
    Forged(ContentType, Vec<u8>),
}

fn ends() -> Vec<End> {
    let request_of_certificate = vec![13, 0, 0, 3, 0, 0, 0];
    vec![
        End::Unannounced,
        End::Announced,
        End::Garbage(vec![0xff; 64]),
        End::Garbage(client_hello()),
        // An alert without encryption, which anybody on the way can send.
        End::Garbage(vec![21, 3, 3, 0, 2, 1, 0]),
        End::WrongTag,
        End::CutRecord,
        // The end is announced, but there is more.
        End::Forged(ContentType::Alert, vec![1, 0]),
        End::Forged(ContentType::Alert, vec![2, 40]),
        // A request to negotiate again, of which TLS 1.3 has none.
        End::Forged(ContentType::Handshake, vec![0, 0, 0, 0]),
        End::Forged(ContentType::Handshake, client_hello()[5..].to_vec()),
        End::Forged(ContentType::Handshake, request_of_certificate),
        End::Forged(ContentType::Handshake, vec![24, 0, 0, 1, 7]),
        End::Forged(ContentType::ChangeCipherSpec, vec![1]),
        End::Forged(ContentType::Unknown(99), vec![0]),
    ]
}

impl End {
    /// Ends the connection instead of sending these bytes of a file.
    fn instead_of(self, peer: NativePeer, rest: &[u8]) {
        let NativePeer(mut stream) = peer;
        let record = |bytes| stream.encrypt(bytes);
        match self {
            Self::Unannounced => stream.socket().shutdown(Shutdown::Write).unwrap(),
            Self::Announced => stream.shut_write().unwrap(),
            Self::Garbage(bytes) => stream.socket().write_all(&bytes).unwrap(),
            Self::WrongTag => {
                let mut record = record(&rest[..100]);
                *record.last_mut().unwrap() ^= 1;
                stream.socket().write_all(&record).unwrap();
            }
            Self::CutRecord => {
                let record = record(&rest[..100]);
                stream.socket().write_all(&record[..record.len() - 1]).unwrap();
            }
            Self::Forged(typ, content) => {
                let mut forger = stream.forge();
                forger.send(typ, &content).unwrap();
                // The client may be gone.
                let _ = rest
                    .chunks(10_000)
                    .try_for_each(|chunk| forger.send(ContentType::ApplicationData, chunk));
                assert!(forger.is_closed_within(SOON), "the client stays");
                return;
            }
        }
        // It may end the connection, or its own direction.
        let _ = stream.socket().shutdown(Shutdown::Write);
        while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    }
}

fn block_frame(id: u32, index: u64) -> Vec<u8> {
    let len = block_len(LEN, index);
    let head = BlockHead { index, len }.encode(id).unwrap();
    [&head[..], &vec![0; usize::try_from(len).unwrap()], &cv(index).0].concat()
}

/// The manifest of the file.
fn manifest() -> &'static Manifest {
    static MANIFEST: OnceLock<Manifest> = OnceLock::new();
    MANIFEST.get_or_init(|| {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LEN).unwrap();
        let all = BlockRange { first: 0, count: BLOCKS };
        let cvs = ftx_store::hash_blocks(&file, LEN, all, None, &mut |_| true).unwrap().unwrap();
        Manifest::new(LEN, cvs).unwrap()
    })
}

fn cv(index: u64) -> Cv {
    manifest().cvs()[usize::try_from(index).unwrap()]
}

fn found() -> Reply {
    Reply::Found { size: LEN, meta: Meta::default(), version: Version([1; 16]) }
}

/// Receives a request for blocks, and returns its id and their indices. Requests for the chaining values are
/// answered before.
fn asked(peer: &mut NativePeer) -> Option<(u32, Vec<u64>)> {
    loop {
        let (id, request) = peer.request()?;
        let Request::Get { what, .. } = request else { panic!("{request:?}") };
        peer.reply(id, &found());
        match what {
            GetScope::Blocks(ranges) => {
                let indices =
                    ranges.iter().flat_map(|range| range.first..range.first + range.count);
                return Some((id, indices.filter(|index| *index < BLOCKS).collect()));
            }
            GetScope::Manifest => {
                peer.reply(id, &Reply::Cvs { first: 0, cvs: manifest().cvs().to_vec() });
                peer.reply(id, &Reply::End { digest: Some(manifest().digest()) });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Serves a file of zeros until the client leaves, and returns the blocks that were sent.
fn serve(mut peer: NativePeer) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some((id, indices)) = asked(&mut peer) {
        for &index in &indices {
            peer.0.write_all(&block_frame(id, index)).unwrap();
        }
        peer.reply(id, &Reply::End { digest: None });
        sent.extend(indices);
    }
    sent
}

fn client(address: ServerAddr, retries: u32) -> BlockingClient {
    let mut config = config(Carrier::Tls);
    (config.dialect, config.streams) = (DialectChoice::Native, Some(NonZeroUsize::MIN));
    (config.retries, config.min_backoff) = (retries, Duration::from_millis(1));
    BlockingClient::new(address, config).unwrap()
}

/// Serves the file up to its last bytes, and ends as `end` says.
fn break_off(mut peer: NativePeer, end: End) {
    loop {
        let (id, indices) = asked(&mut peer).expect("the client leaves");
        let frames: Vec<u8> = indices.iter().flat_map(|index| block_frame(id, *index)).collect();
        let finish = Reply::End { digest: None }.encode(id).unwrap();
        if indices.contains(&(BLOCKS - 1)) {
            let (sent, rest) = frames.split_at(frames.len() - 35);
            peer.0.write_all(sent).unwrap();
            // Enough for each of the records.
            return end.instead_of(peer, &[rest, &finish, &[0; 100]].concat());
        }
        peer.0.write_all(&[frames, finish].concat()).unwrap();
    }
}

#[test]
fn a_download_that_breaks_off_is_no_file_and_resumes() {
    for end in ends() {
        for retries in [0, 1] {
            let local = tempfile::tempdir().unwrap();
            let path = local.path().join("a.bin");
            let (listener, address) = listen(Carrier::Tls);
            let server = thread::spawn({
                let end = end.clone();
                move || {
                    break_off(NativePeer::accept(&listener), end);
                    (retries > 0).then(|| serve(NativePeer::accept(&listener)))
                }
            });
            let mut client = client(address, retries);
            let result = client.download(&name(), &path);
            drop(client);
            let resumed = server.join().unwrap();
            if retries == 0 {
                let error = result.unwrap_err();
                assert_eq!(error.reason(), Reason::ConnectionLost, "{end:?}: {error}");
                assert!(error.is_transient() && !path.exists(), "{end:?}");
            } else {
                result.unwrap();
                assert_eq!(resumed, Some(vec![1]), "{end:?}");
                assert!(fs::read(&path).unwrap() == vec![0; usize::try_from(LEN).unwrap()]);
            }
        }
    }
}

/// The reply that would confirm the file comes behind the end.
#[test]
fn an_upload_that_breaks_off_is_not_done() {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    File::create(&path).unwrap().set_len(LEN).unwrap();
    for end in ends() {
        let (listener, address) = listen(Carrier::Tls);
        let server = thread::spawn({
            let end = end.clone();
            move || {
                let mut peer = NativePeer::accept(&listener);
                let id = peer.offered(LEN);
                let digest = peer.published(id, 0..BLOCKS);
                let done = Reply::Done { digest, unchanged: false }.encode(id).unwrap();
                end.instead_of(peer, &[&done[..], &[0; 100]].concat());
            }
        });
        let mut client = client(address, 0);
        let error = client.upload(&path, &name()).unwrap_err();
        assert_eq!(error.reason(), Reason::ConnectionLost, "{end:?}: {error}");
        drop(client);
        server.join().unwrap();
    }
}

/// Downloads from a server that does this with its first connection, and returns the failure.
fn failure(serve: impl FnOnce(Listener) + Send + 'static) -> Reason {
    let local = tempfile::tempdir().unwrap();
    let (listener, address) = listen(Carrier::Tls);
    let server = thread::spawn(move || serve(listener));
    let mut config = config(Carrier::Tls);
    (config.dialect, config.timeout) = (DialectChoice::Native, TIMEOUT);
    let mut client = BlockingClient::new(address, config).unwrap();
    let begun = Instant::now();
    let error = download(&mut client, local.path());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    drop(client);
    server.join().unwrap();
    error
}

fn download(client: &mut BlockingClient, local: &Path) -> Reason {
    client.download(&name(), &local.join("a.bin")).unwrap_err().reason()
}

/// They are no answer, however many come and however fast.
#[test]
fn tickets_without_end_cost_one_timeout() {
    let reason = failure(|listener| {
        let mut peer = NativePeer::accept(&listener);
        peer.request().unwrap();
        let mut forger = peer.0.forge();
        // Lifetime, addend of the age, nonce, ticket, extensions.
        let ticket = [&[4, 0, 0, 15][..], &[0, 0, 1, 0], &[0; 4], &[1, 0], &[0, 1, 7], &[0, 0]];
        let ticket = ticket.concat();
        while forger.send(ContentType::Handshake, &ticket).is_ok() {}
    });
    assert_eq!(reason, Reason::TimedOut);
}

/// Parts of a record are no answer either.
#[test]
fn a_record_that_drips_costs_one_timeout() {
    let reason = failure(|listener| {
        let mut peer = NativePeer::accept(&listener);
        peer.request().unwrap();
        let record = peer.0.encrypt(&[0; 16_000]);
        drip(peer.0.socket(), &record);
    });
    assert_eq!(reason, Reason::TimedOut);
}

#[test]
fn a_handshake_that_drips_costs_one_timeout() {
    let reason = failure(|listener| {
        let (mut socket, _) = listener.tcp.accept().unwrap();
        assert!(socket.read(&mut [0; 4096]).unwrap() > 100);
        // The head of a long record, and its zeros.
        drip(&socket, &[&[22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc][..], &[0; 16_000]].concat());
    });
    assert_eq!(reason, Reason::TimedOut);
}

/// Sends byte by byte until the client is gone.
fn drip(mut socket: &TcpStream, bytes: &[u8]) {
    socket.set_read_timeout(Some(TIMEOUT / 40)).unwrap();
    let is_taken = bytes.chunks(1).all(|byte| {
        let is_gone = |read: std::io::Result<usize>| matches!(read, Ok(0));
        socket.write_all(byte).is_ok() && !is_gone(socket.read(&mut [0; 4096]))
    });
    assert!(!is_taken, "the client takes all of it");
}

#[test]
fn keys_may_change_at_any_time() {
    let local = tempfile::tempdir().unwrap();
    let path = local.path().join("a.bin");
    let (listener, address) = listen(Carrier::Tls);
    let server = thread::spawn(move || {
        let mut peer = NativePeer::accept(&listener);
        peer.0.update_keys().unwrap();
        while let Some((id, indices)) = asked(&mut peer) {
            for piece in indices.iter().flat_map(|index| {
                block_frame(id, *index).chunks(300_000).map(<[u8]>::to_vec).collect::<Vec<_>>()
            }) {
                peer.0.write_all(&piece).unwrap();
                peer.0.update_keys().unwrap();
            }
            peer.reply(id, &Reply::End { digest: None });
        }
    });
    let mut client = client(address, 0);
    client.download(&name(), &path).unwrap();
    drop(client);
    server.join().unwrap();
    assert!(fs::read(&path).unwrap() == vec![0; usize::try_from(LEN).unwrap()]);
}
