//! Sending and waiting, over sockets.

use std::io::Write as _;
use std::time::Duration;

use ftx_core::native::wire::{BlockHead, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::super::{Frames, Incoming};
use crate::{BufferedStream, IoLimits, StreamError, Transport};

const LIMIT: Duration = Duration::from_secs(30);

async fn pair() -> (Frames, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let stream = BufferedStream::new(Transport::tcp(stream).unwrap());
    (Frames::new(stream, 1000), peer)
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let (mut frames, mut peer) = pair().await;
    let stop = CancellationToken::new();
    let (short, long) = (Duration::from_millis(20), LIMIT);
    let mut reader = frames.reader();
    let waited = reader.wait(IoLimits { limit: short, stop: &stop }).await;
    assert!(matches!(waited, Err(StreamError::Timeout(_))));
    let frame = Request::Ping { payload: 5 }.encode(7).unwrap();
    peer.write_all(&frame[..15]).await.unwrap();
    assert!(reader.wait(IoLimits { limit: long, stop: &stop }).await.unwrap());
    let next = reader.next(IoLimits { limit: short, stop: &stop }).await;
    assert!(next.is_err());
    peer.write_all(&frame[15..]).await.unwrap();
    let next = reader.next(IoLimits { limit: long, stop: &stop }).await.unwrap();
    assert!(matches!(next, Some(Incoming::Control { header, .. }) if header.request == 7));
    drop(peer);
    assert!(!reader.wait(IoLimits { limit: long, stop: &stop }).await.unwrap());
}

/// A queue resumes where it stopped, but never between the bytes of a file.
#[tokio::test]
async fn a_message_after_a_failure_is_sent_in_full_or_not_at_all() {
    let stop = CancellationToken::new();
    let short = IoLimits { limit: Duration::from_millis(50), stop: &stop };
    let long = IoLimits { limit: LIMIT, stop: &stop };
    let large = vec![1; 32 << 20];

    let (mut frames, mut peer) = pair().await;
    frames.queue(&large);
    assert!(frames.writer().flush(short).await.is_err());
    assert!(!frames.is_desynced() && frames.queued() > 0);
    frames.queue(b"end");
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        all
    });
    frames.writer().flush(long).await.unwrap();
    frames.shut_down(long).await.unwrap();
    assert!(reading.await.unwrap() == [&large[..], b"end"].concat());

    let (mut frames, _peer) = pair().await;
    frames.queue(&BlockHead { index: 0, len: 1 << 20 }.encode(1).unwrap());
    assert!(frames.writer().send(&large, short).await.is_err());
    assert!(frames.is_desynced());
    frames.queue(b"end");
    assert!(frames.writer().flush(long).await.is_err());
    assert!(frames.writer().try_flush().is_err());
}

/// The caller must send the rest, if any.
#[tokio::test]
async fn the_system_sends_the_bytes_of_a_file() {
    let stop = CancellationToken::new();
    let limits = IoLimits { limit: LIMIT, stop: &stop };
    let content: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let (mut frames, mut peer) = pair().await;
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).await.unwrap();
        all
    });
    frames.queue(b"head");
    // More bytes than the file has.
    let (_, rest) = content.split_at(1_000);
    let sent = frames.writer().send_file(&file, 1_000, 4_000_000, limits).await.unwrap();
    assert_eq!(sent, if cfg!(target_os = "linux") { rest.len() as u64 } else { 0 });
    assert!(!frames.is_desynced());
    frames.queue(b"end");
    frames.writer().flush(limits).await.unwrap();
    frames.shut_down(limits).await.unwrap();
    let passed = if sent > 0 { rest } else { &[] };
    assert!(reading.await.unwrap() == [b"head", passed, b"end"].concat());
}

#[tokio::test]
async fn a_file_that_is_only_half_sent_tears_the_connection() {
    let stop = CancellationToken::new();
    let short = IoLimits { limit: Duration::from_millis(50), stop: &stop };
    let file = tempfile::tempfile().unwrap();
    file.set_len(64 << 20).unwrap();
    let (mut frames, _peer) = pair().await;
    match frames.writer().send_file(&file, 0, 64 << 20, short).await {
        Ok(sent) => assert_eq!(sent, 0, "all of it was taken"),
        Err(_) => assert!(frames.is_desynced()),
    }
}
