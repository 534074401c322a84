//! Compressed frames, over sockets: what arrives is what was sent, and nothing else is taken.

use std::time::Duration;

use bytes::BytesMut;
use ftx_core::native::wire::{
    BlockHead, CompressedHead, FileHead, FrameError, FrameHeader, FrameKind, HEADER_BYTES,
    MAX_DECODED_BYTES, Meta, Overwrite, Reply, Request, next_frame,
};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::super::{Frames, Incoming, ReadError};
use crate::native::compression::{Packer, compress_for_tests};
use crate::{BufferedStream, Compression, CompressionLevel, IoLimits, LineHint, Transport};

const LIMIT: Duration = Duration::from_secs(30);
const MAX_MESSAGE_BYTES: u32 = 1 << 20;

async fn socket_pair() -> (Frames, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    (frames_of(stream), peer)
}

fn frames_of(stream: TcpStream) -> Frames {
    let stream = BufferedStream::new(Transport::tcp(stream).unwrap());
    let mut frames = Frames::new(stream, MAX_MESSAGE_BYTES);
    let level = Compression::Level(CompressionLevel::new(3).unwrap());
    frames.enable_compression(level, LineHint::default());
    frames.set_inline_compression(true);
    frames
}

/// Bytes that shrink, or do not.
fn content(len: usize, shrinks: bool) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if shrinks { b"etaoin shrdlu"[(state % 13) as usize] } else { state.to_le_bytes()[4] }
    });
    random.take(len).collect()
}

/// A frame of a sender.
#[derive(Clone, Debug)]
enum Sent {
    Message(u64),
    File { len: usize, shrinks: bool },
    Block { len: usize, shrinks: bool },
}

/// Sends frames as the drivers do. Returns the bytes of the frames without compression.
async fn send(frames: &mut Frames, sent: &[Sent], limits: IoLimits<'_>) -> Vec<u8> {
    let mut plain = Vec::new();
    for frame in sent {
        match *frame {
            Sent::Message(payload) => {
                let bytes = Reply::Pong { payload }.encode(0).unwrap();
                frames.queue(&bytes);
                plain.extend(bytes);
            }
            Sent::File { len, shrinks } => {
                let (meta, overwrite) = (Meta::default(), Overwrite::Replace);
                let head = FileHead::Put { name: "f".to_owned(), meta, overwrite };
                let (head, data) = (head.encode(1, len as u64).unwrap(), content(len, shrinks));
                frames.queue(&head);
                frames.queue_data(&data);
                frames.queue(&[7; 32]);
                plain.extend([&head[..], &data, &[7; 32]].concat());
            }
            Sent::Block { len, shrinks } => {
                let head = BlockHead { index: 3, len: len as u64 }.encode(2).unwrap();
                let data = content(len, shrinks);
                frames.queue(&head);
                for chunk in data.chunks(128 * 1024) {
                    frames.writer().send(chunk, limits).await.unwrap();
                }
                frames.queue(&[8; 32]);
                plain.extend([&head[..], &data, &[8; 32]].concat());
            }
        }
    }
    frames.writer().flush(limits).await.unwrap();
    plain
}

/// Reads frames as the drivers do, and puts their bytes together again.
async fn receive(frames: &mut Frames, limits: IoLimits<'_>) -> Result<Vec<u8>, ReadError> {
    let mut plain = Vec::new();
    let mut reader = frames.reader();
    while let Some(incoming) = reader.next(limits).await? {
        let len = match incoming {
            Incoming::Control { header, payload } => {
                plain.extend([&header.encode()[..], &payload].concat());
                continue;
            }
            Incoming::Block { request, head } => {
                plain.extend(head.encode(request).unwrap());
                usize::try_from(head.len).unwrap()
            }
            Incoming::File { request, head, len } => {
                plain.extend(head.encode(request, len).unwrap());
                usize::try_from(len).unwrap()
            }
        };
        reader.read_exact(&mut plain, len, limits).await?;
        plain.extend(reader.read_hash(limits).await?);
    }
    Ok(plain)
}

/// Sends the frames through a socket. Returns the bytes of the line.
async fn pass(sent: &[Sent]) -> Vec<u8> {
    let stop = CancellationToken::new();
    let limits = IoLimits { limit: LIMIT, stop: &stop };
    let (mut sender, mut peer) = socket_pair().await;
    let (mut receiver, mut to_receiver) = socket_pair().await;
    let line = tokio::spawn(async move {
        let mut line = Vec::new();
        peer.read_to_end(&mut line).await.unwrap();
        to_receiver.write_all(&line).await.unwrap();
        line
    });
    let receiving = tokio::spawn(async move {
        let stop = CancellationToken::new();
        receive(&mut receiver, IoLimits { limit: LIMIT, stop: &stop }).await
    });
    let plain = send(&mut sender, sent, limits).await;
    drop(sender);
    let line = line.await.unwrap();
    let arrived = receiving.await.unwrap().unwrap();
    assert!(arrived == plain, "{} bytes arrived of {}", arrived.len(), plain.len());
    line
}

fn kinds(mut line: &[u8]) -> Vec<FrameKind> {
    let mut kinds = Vec::new();
    while let Some(header) = next_frame(line).unwrap() {
        kinds.push(header.kind);
        line = &line[HEADER_BYTES + header.len as usize..];
    }
    kinds
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn frame() -> impl Strategy<Value = Sent> {
    let shrinks = prop::bool::weighted(0.7);
    prop_oneof![
        any::<u64>().prop_map(Sent::Message),
        (0_usize..100_000, shrinks).prop_map(|(len, shrinks)| Sent::File { len, shrinks }),
        (1_usize..=1 << 20, shrinks).prop_map(|(len, shrinks)| Sent::Block { len, shrinks }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_sent_arrives(sent in prop::collection::vec(frame(), 0..12)) {
        block_on(pass(&sent));
    }
}

#[test]
fn text_shrinks_on_the_line_and_small_files_shrink_together() {
    let files = vec![Sent::File { len: 1000, shrinks: true }; 500];
    let blocks = vec![Sent::Block { len: 1 << 20, shrinks: true }; 3];
    for (sent, bytes) in [(files, 500_000), (blocks, 3 << 20)] {
        let line = block_on(pass(&sent));
        assert!(line.len() < bytes * 6 / 10, "{} of {bytes}", line.len());
        assert!(kinds(&line).iter().all(|kind| *kind == FrameKind::Compressed));
    }
}

#[test]
fn random_bytes_stay_raw() {
    let sent = vec![Sent::Block { len: 1 << 20, shrinks: false }; 8];
    let line = block_on(pass(&sent));
    assert_eq!(line.len(), 8 * ((1 << 20) + 20 + 32));
    assert!(kinds(&line).iter().all(|kind| *kind == FrameKind::Block));
}

/// A message alone, such as a reply, is not worth it.
#[test]
fn few_bytes_stay_raw() {
    let line = block_on(pass(&[Sent::Message(1)]));
    assert_eq!(kinds(&line), [FrameKind::Control]);
}

fn compressed(plain: &[u8], announced: usize) -> Vec<u8> {
    let zstd = compress_for_tests(plain);
    let head = CompressedHead { decoded_len: announced }.encode(zstd.len()).unwrap();
    [&head[..], &zstd].concat()
}

/// The error of a reader that gets these bytes.
fn refusal(line: &[u8]) -> FrameError {
    block_on(async {
        let (mut receiver, mut peer) = socket_pair().await;
        peer.write_all(line).await.unwrap();
        drop(peer);
        let stop = CancellationToken::new();
        match receive(&mut receiver, IoLimits { limit: LIMIT, stop: &stop }).await {
            Err(ReadError::Frame(error)) => error,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn bombs_and_lies_are_refused() {
    let ping = Request::Ping { payload: 1 }.encode(0).unwrap();
    let pings = ping.repeat(100);
    let undecodable = |len: usize| FrameError::Undecodable { len: len as u64 };
    // More and fewer bytes than announced.
    for announced in [1, pings.len() - 1, pings.len() + 1, MAX_DECODED_BYTES] {
        assert_eq!(refusal(&compressed(&pings, announced)), undecodable(announced));
    }
    // A gigabyte of zeros takes few bytes, and announces what is allowed.
    let bomb = compressed(&vec![0; 64 << 20], MAX_DECODED_BYTES);
    assert_eq!(refusal(&bomb), undecodable(MAX_DECODED_BYTES));
    let mut bomb = compressed(&pings, pings.len());
    let beyond = u32::try_from(MAX_DECODED_BYTES).unwrap() + 1;
    bomb[HEADER_BYTES..][..4].copy_from_slice(&beyond.to_le_bytes());
    assert_eq!(refusal(&bomb), FrameError::DecodedLength { len: beyond.into() });
    // Two frames of zstd, one with a skippable frame behind it, one that is cut, and none.
    let two = [compress_for_tests(&ping), compress_for_tests(&ping)].concat();
    let cut = compress_for_tests(&pings);
    let followed = [&compress_for_tests(&ping)[..], b"\x50\x2a\x4d\x18\0\0\0\0"].concat();
    for (zstd, len) in [
        (two, 2 * ping.len()),
        (followed, ping.len()),
        (cut[..cut.len() - 1].to_vec(), pings.len()),
        (vec![0; 20], 100),
    ] {
        let head = CompressedHead { decoded_len: len }.encode(zstd.len()).unwrap();
        assert_eq!(refusal(&[&head[..], &zstd].concat()), undecodable(len));
    }
}

#[test]
fn frames_neither_nest_nor_leave_compressed_frames() {
    let ping = Request::Ping { payload: 1 }.encode(0).unwrap();
    let nested = compressed(&ping, ping.len());
    assert_eq!(refusal(&compressed(&nested, nested.len())), FrameError::NestedCompression);
    // The rest of a message, and of a block, must be compressed, too.
    let block = [&BlockHead { index: 0, len: 1000 }.encode(1).unwrap()[..], &[1; 1032]].concat();
    for frame in [ping.clone(), block] {
        for cut in [1, HEADER_BYTES, frame.len() - 1] {
            let (begun, rest) = frame.split_at(cut);
            let continued = [compressed(begun, begun.len()), ping.clone(), rest.to_vec()].concat();
            let error = FrameError::CutFrame { got: FrameKind::Control };
            assert_eq!(refusal(&continued), error, "{cut}");
        }
    }
}

#[test]
fn without_the_feature_they_are_unknown() {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let stream = BufferedStream::new(Transport::tcp(stream).unwrap());
        let mut frames = Frames::new(stream, MAX_MESSAGE_BYTES);
        let ping = Request::Ping { payload: 1 }.encode(0).unwrap();
        peer.write_all(&compressed(&ping, ping.len())).await.unwrap();
        let stop = CancellationToken::new();
        let next = frames.reader().next(IoLimits { limit: LIMIT, stop: &stop }).await;
        let unknown = FrameError::UnknownKind { kind: 4 };
        assert!(matches!(next, Err(ReadError::Frame(error)) if error == unknown));
    });
}

/// A connection on a reactor has its bytes compressed elsewhere, and a flush may be cancelled meanwhile.
#[tokio::test]
async fn a_flush_that_is_cancelled_loses_nothing() {
    let level = Compression::Level(CompressionLevel::new(19).unwrap());
    let mut packer = Packer::new(level, LineHint::default());
    let mut out = BytesMut::new();
    let head = BlockHead { index: 0, len: 1 << 20 }.encode(1).unwrap();
    let plain = [&head[..], &content(1 << 20, true), &[8; 32]].concat();
    assert!(packer.collects(&mut out).unwrap());
    packer.collect(&plain);
    while packer.collected() > 0 {
        // Cancelled at its first wait.
        let pack = packer.pack(MAX_DECODED_BYTES, &mut out);
        let _ = tokio::time::timeout(Duration::ZERO, pack).await;
    }
    let (mut receiver, mut peer) = socket_pair().await;
    peer.write_all(&out).await.unwrap();
    drop(peer);
    let stop = CancellationToken::new();
    let arrived = receive(&mut receiver, IoLimits { limit: LIMIT, stop: &stop }).await.unwrap();
    assert!(arrived == plain && out.len() < plain.len());
}

#[test]
fn the_header_of_a_compressed_frame_has_no_request() {
    let wrong = FrameHeader::new(FrameKind::Compressed, 7, 100).unwrap_err();
    assert_eq!(wrong, FrameError::RequestId { what: "a compressed frame", request: 7 });
}
