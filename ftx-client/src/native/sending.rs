//! The outgoing bytes of a connection, within the limits on the rate.
//!
//! A limited client sends in pieces, and waits before each. Such a wait is not the server's: it neither
//! counts as silence nor runs into a time limit. Replies are read meanwhile.

use std::time::Duration;

use ftx_io::{CHUNK_BYTES, Incoming, IoLimits, ReadError, StreamError};

use super::channel::Channel;
use crate::TransferError;

/// Queued bytes that trigger a flush; fewer within a limit on the rate.
const SEND_FLUSH_BYTES: usize = 128 * 1024;

impl Channel {
    /// Queues the bytes of a small file for the next flush; sends more at once.
    pub(super) async fn put_data(&mut self, data: &[u8]) -> Result<(), TransferError> {
        if data.len() > self.frames.outgoing_pacer().piece(CHUNK_BYTES) {
            return self.send(data).await;
        }
        self.frames.queue_data(data);
        self.activity.sent();
        Ok(())
    }

    /// Sends the queued bytes if they are many.
    pub(super) async fn flush_if_full(&mut self) -> Result<(), TransferError> {
        let full = self.frames.outgoing_pacer().piece(SEND_FLUSH_BYTES);
        let full = self.frames.flush_threshold(full);
        if self.frames.queued() >= full { self.flush().await } else { Ok(()) }
    }

    /// Sends the queued bytes and then `data`. Replies that arrive meanwhile are kept, because a server
    /// that cannot send its replies stops reading.
    pub(super) async fn send(&mut self, mut data: &[u8]) -> Result<(), TransferError> {
        loop {
            let piece = self.frames.outgoing_pacer().piece(data.len());
            let (piece, rest) = data.split_at_checked(piece).unwrap_or((data, &[]));
            self.send_piece(piece).await?;
            data = rest;
            if data.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends bytes that the limits on the rate let pass together.
    async fn send_piece(&mut self, data: &[u8]) -> Result<(), TransferError> {
        self.activity.defer(self.frames.outgoing_pacer().wait());
        let limit = self.activity.limit(self.timeout);
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        let (mut reader, mut writer) = self.frames.split();
        let send = writer.send(data, limits);
        tokio::pin!(send);
        loop {
            tokio::select! {
                biased;
                sent = &mut send => {
                    sent?;
                    if !data.is_empty() {
                        self.activity.sent();
                    }
                    return Ok(());
                }
                incoming = reader.next(limits), if !self.backlog.holds_data() => match incoming {
                    Ok(Some(incoming)) => {
                        self.activity.touch();
                        self.backlog.push(incoming)?;
                    }
                    Ok(None) => return Err(TransferError::closed()),
                    // The time limit of the send counts.
                    Err(ReadError::Stream(StreamError::Timeout(_))) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// The next frame. Sends the queued bytes meanwhile, because a server that is sending reads no
    /// requests.
    pub(super) async fn next_flushing(
        &mut self,
        limit: Duration,
    ) -> Result<Incoming, TransferError> {
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        let (mut reader, mut writer) = self.frames.split();
        let flush = writer.flush(limits);
        tokio::pin!(flush);
        let next = loop {
            tokio::select! {
                biased;
                flushed = &mut flush => {
                    flushed?;
                    break reader.next(limits).await?;
                }
                next = reader.next(limits) => match next {
                    // The time limit of the flush counts, which begins behind the wait for the rate.
                    Err(ReadError::Stream(StreamError::Timeout(_))) => {}
                    next => break next?,
                },
            }
        };
        self.activity.touch();
        next.ok_or(TransferError::closed())
    }
}

/// Sockets, and a clock that stands still while bytes move: only waits take time.
#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::num::NonZeroU64;

    use ftx_core::native::Reason;
    use ftx_core::native::wire::{
        CLIENT_PREFACE, FrameHeader, HEADER_BYTES, Reply, Token, server_preface,
    };
    use ftx_io::{BufferedStream, RateLimits, Transport};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::activity::Activity;
    use crate::native::channel::Handshake;
    use crate::native::hello::SessionRequest;
    use crate::options::MIN_LIMIT_RATE;
    use crate::shared_rate::SharedRate;
    use crate::{Cancel, ClientConfig};

    const SECOND: Duration = Duration::from_secs(1);

    /// Shorter than every wait for the least rate in these tests.
    const TIMEOUT: Duration = SECOND;

    /// The server's end: shakes hands, and reads to the end. Returns the bytes of the frames.
    async fn serve(mut peer: TcpStream) -> usize {
        let mut bytes = [0; CLIENT_PREFACE.len() + HEADER_BYTES];
        peer.read_exact(&mut bytes).await.unwrap();
        let header = FrameHeader::decode(bytes.last_chunk().unwrap()).unwrap();
        let mut hello = vec![0; header.len as usize];
        peer.read_exact(&mut hello).await.unwrap();
        peer.write_all(&server_preface(1)).await.unwrap();
        let (features, agent) = (Vec::new(), String::new());
        let (session, window, requests) = (Token([7; 16]), 8 << 20, 1024);
        let welcome = Reply::Welcome { version: 1, features, agent, session, window, requests };
        peer.write_all(&welcome.encode(0).unwrap()).await.unwrap();
        let mut frames = Vec::new();
        peer.read_to_end(&mut frames).await.unwrap();
        frames.len()
    }

    async fn connect(limits: RateLimits) -> (Channel, JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let peer = tokio::spawn(serve(listener.accept().await.unwrap().0));
        let mut stream = BufferedStream::new(Transport::tcp(stream).unwrap());
        stream.set_rate_limits(limits);
        let config = ClientConfig { timeout: TIMEOUT, ..ClientConfig::default() };
        let session = SessionRequest::New { replaces: None, streams: 1 };
        let shaken = Channel::handshake(stream, &config, &Cancel::new(), session).await;
        let Ok(Handshake::Native(channel)) = shaken else { panic!("no handshake") };
        (*channel, peer)
    }

    fn limits_of(rate: u64) -> RateLimits {
        SharedRate::default().limits(NonZeroU64::new(rate))
    }

    fn assert_about(took: Duration, expected: Duration) {
        assert!((expected * 9 / 10..=expected * 11 / 10).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn bytes_go_out_at_the_rate() {
        let (mut channel, peer) = connect(limits_of(100_000)).await;
        tokio::time::pause();
        let start = Instant::now();
        for _ in 0..20 {
            channel.send(&[1; 100_000]).await.unwrap();
        }
        assert_about(start.elapsed(), 20 * SECOND);
        drop(channel);
        assert_eq!(peer.await.unwrap(), 2_000_000);
    }

    #[tokio::test]
    async fn without_a_limit_nothing_waits() {
        let (mut channel, peer) = connect(limits_of(0)).await;
        tokio::time::pause();
        let start = Instant::now();
        channel.put_data(&[1; 100_000]).await.unwrap();
        assert_eq!(channel.queued(), 100_000);
        channel.flush().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        drop(channel);
        assert_eq!(peer.await.unwrap(), 100_000);
    }

    #[tokio::test]
    async fn small_files_go_out_at_the_rate() {
        let (mut channel, peer) = connect(limits_of(100_000)).await;
        tokio::time::pause();
        let start = Instant::now();
        for len in [1000, 3000, 30_000, 6000].into_iter().cycle().take(80) {
            channel.put_data(&vec![1; len]).await.unwrap();
            channel.flush_if_full().await.unwrap();
            assert!(channel.queued() < 10_000, "more is queued than the rate lets pass together");
        }
        channel.flush().await.unwrap();
        assert_about(start.elapsed(), 8 * SECOND);
        drop(channel);
        assert_eq!(peer.await.unwrap(), 800_000);
    }

    #[tokio::test]
    async fn connections_share_the_rate() {
        let shared = SharedRate::default();
        let limits = || shared.limits(NonZeroU64::new(100_000));
        let (mut one, _peer) = connect(limits()).await;
        let (mut other, _other_peer) = connect(limits()).await;
        tokio::time::pause();
        let start = Instant::now();
        let (data, more) = ([1; 1_000_000], [1; 1_000_000]);
        let (sent, also_sent) = tokio::join!(one.send(&data), other.send(&more));
        sent.unwrap();
        also_sent.unwrap();
        assert_about(start.elapsed(), 20 * SECOND);
    }

    /// Even on a connection that the server may have closed, which gets half the timeout at first.
    #[tokio::test]
    async fn a_wait_for_the_rate_is_no_silence() {
        let (mut channel, _peer) = connect(limits_of(MIN_LIMIT_RATE)).await;
        tokio::time::pause();
        let activity = Activity::new();
        channel.used = true;
        channel.set_activity(&activity);
        let start = Instant::now();
        channel.send(&[1; 80 * 1024]).await.unwrap();
        assert_about(start.elapsed(), 10 * SECOND);
        assert!(activity.limit(TIMEOUT) >= TIMEOUT / 4, "{:?}", activity.limit(TIMEOUT));
        assert!(activity.idle() < TIMEOUT / 4, "{:?}", activity.idle());
    }

    #[tokio::test]
    async fn the_wait_for_an_answer_begins_behind_that_for_the_rate() {
        let (mut channel, peer) = connect(limits_of(MIN_LIMIT_RATE)).await;
        tokio::time::pause();
        let start = Instant::now();
        for _ in 0..80 {
            channel.put_data(&[1; 1024]).await.unwrap();
        }
        let waited = channel.wait(true, pending(), &mut || {}).await;
        assert_eq!(waited.unwrap_err().reason(), Reason::TimedOut);
        assert_about(start.elapsed(), 10 * SECOND + TIMEOUT);
        drop(channel);
        assert_eq!(peer.await.unwrap(), 80 * 1024);
    }
}
