//! A connection in the native dialect: frames in and out, and file bytes passed between socket and
//! caller without a buffer in between.

mod idle_timer;
mod reader;
mod writer;

use std::io;

use ftx_core::native::wire::{HEADER_BYTES, next_frame};

use self::idle_timer::IdleTimer;
use self::reader::Inbox;
pub use self::reader::{FrameReader, Incoming, ReadError};
pub use self::writer::FrameWriter;
use self::writer::Outbox;
use crate::flow::Flows;
use crate::{
    BufferedStream, DetachedTransport, IoLimits, Pacer, RateLimits, StreamError, Transport,
};

/// The greatest read, which takes a batch of small files in one system call, and the largest buffer
/// kept for later sends.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// A connection that carries frames.
#[derive(Debug)]
pub struct Frames {
    transport: Transport,
    inbox: Inbox,
    outbox: Outbox,
    idle_timer: IdleTimer,
    flows: Box<Flows>,
}

impl Frames {
    /// Takes over a connection behind its last message. Messages may have `max_message_bytes`
    /// bytes.
    #[must_use]
    pub fn new(stream: BufferedStream, max_message_bytes: u32) -> Self {
        let (transport, bytes, flows) = stream.into_parts();
        let (inbox, outbox) = (Inbox::new(bytes, max_message_bytes), Outbox::default());
        Self { transport, inbox, outbox, idle_timer: IdleTimer::new(), flows }
    }

    /// Limits the bytes of files from now on.
    pub fn set_rate_limits(&mut self, limits: RateLimits) {
        self.flows.set_rate_limits(limits);
    }

    /// The limits on the bytes of files that come in.
    #[must_use]
    pub fn incoming_pacer(&self) -> &Pacer {
        &self.flows.incoming.pacer
    }

    /// The limits on the bytes of files that go out.
    #[must_use]
    pub fn outgoing_pacer(&self) -> &Pacer {
        &self.flows.outgoing.pacer
    }

    /// Splits into both directions, for concurrent use.
    pub fn split(&mut self) -> (FrameReader<'_>, FrameWriter<'_>) {
        let Self { transport, inbox, outbox, idle_timer, flows } = self;
        let Flows { incoming, outgoing } = &**flows;
        let reader = FrameReader { transport, inbox, idle_timer, flow: incoming };
        (reader, FrameWriter { transport, outbox, idle_timer, flow: outgoing })
    }

    /// Returns the incoming direction.
    pub fn reader(&mut self) -> FrameReader<'_> {
        self.split().0
    }

    /// Returns the outgoing direction.
    pub fn writer(&mut self) -> FrameWriter<'_> {
        self.split().1
    }

    /// Appends bytes to those that the next [`flush`](FrameWriter::flush) sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.bytes.extend_from_slice(bytes);
    }

    /// Appends bytes of a small file, as [`queue`](Self::queue) does, and counts them for the limits on the
    /// rate.
    pub fn queue_data(&mut self, bytes: &[u8]) {
        self.flows.outgoing.pacer.count(bytes.len());
        self.queue(bytes);
    }

    /// Returns the number of bytes waiting for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.bytes.len()
    }

    /// Whether sending failed within the bytes of a file. The peer would take anything that follows
    /// for the rest of them, so no more can be sent.
    #[must_use]
    pub fn is_desynced(&self) -> bool {
        self.outbox.desynced
    }

    /// Frees the memory that is needed only while bytes move.
    pub fn shrink_buffers(&mut self) {
        self.inbox.shrink();
        self.outbox.shrink();
    }

    /// Closes the outgoing direction, and waits until the peer has closed its side, too. Meanwhile
    /// reads and drops its bytes: closing a connection with unread bytes would revoke the last sent
    /// ones.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn shut_down(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        limits.watch(self.transport.shut_down()).await?;
        let hear_out = async {
            loop {
                self.inbox.bytes.clear();
                self.transport.readable().await?;
                match self.inbox.try_read(&self.transport) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        limits.watch(hear_out).await
    }

    /// Whether a complete message or file is buffered, so that reading it does not wait.
    #[must_use]
    pub fn has_complete_frame(&self) -> bool {
        let bytes = &self.inbox.bytes;
        match next_frame(bytes) {
            Ok(Some(header)) => {
                bytes.len() - HEADER_BYTES >= usize::try_from(header.len).unwrap_or(usize::MAX)
            }
            Ok(None) => false,
            // The next read reports it.
            Err(_) => true,
        }
    }

    /// Reads the available bytes without waiting, until a little more than `most` are buffered.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_fill(&mut self, most: usize) -> io::Result<()> {
        while self.inbox.bytes.len() < most && self.try_read()? {}
        Ok(())
    }

    /// Reads available bytes once, without waiting; `false` if there are none.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_read(&mut self) -> io::Result<bool> {
        match self.inbox.try_read(&self.transport) {
            Ok(read) => Ok(read > 0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Detaches the connection from its runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedFrames> {
        let Self { transport, inbox, outbox, flows, .. } = self;
        Ok(DetachedFrames { transport: transport.detach()?, inbox, outbox, flows })
    }
}

/// A connection detached from any runtime.
#[derive(Debug)]
pub struct DetachedFrames {
    transport: DetachedTransport,
    inbox: Inbox,
    outbox: Outbox,
    flows: Box<Flows>,
}

impl DetachedFrames {
    /// Attaches the connection to the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn attach(self) -> io::Result<Frames> {
        let Self { transport, inbox, outbox, flows } = self;
        let transport = transport.attach()?;
        Ok(Frames { transport, inbox, outbox, idle_timer: IdleTimer::new(), flows })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use ftx_core::native::wire::{BlockHead, Request};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio_util::sync::CancellationToken;

    use super::{Frames, Incoming};
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
}
