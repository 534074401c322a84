//! A connection in the native dialect: frames in and out, and bytes of files between socket and
//! caller without a buffer of ours in between.

mod idle_timer;
mod reader;
mod writer;

use std::io;

use ftx_core::native::wire::{HEADER_LEN, next_frame};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use self::idle_timer::IdleTimer;
use self::reader::Inbox;
pub use self::reader::{FrameReader, Incoming, ReadError};
pub use self::writer::FrameWriter;
use self::writer::Outbox;
use crate::{BufferedStream, IoLimits, StreamError};

/// What a read makes room for at most, a batch of small files in one system call; and the largest
/// buffer that is kept for what is sent next.
const MAX_BUFFER_BYTES: usize = 256 * 1024;

/// A connection that carries frames.
#[derive(Debug)]
pub struct Frames {
    stream: TcpStream,
    inbox: Inbox,
    outbox: Outbox,
    idle_timer: IdleTimer,
}

impl Frames {
    /// Takes a connection over from where its messages ended. Messages may have `max_message_bytes` bytes.
    #[must_use]
    pub fn new(wire: BufferedStream, max_message_bytes: u32) -> Self {
        let (stream, bytes) = wire.into_parts();
        let (inbox, outbox) = (Inbox::new(bytes, max_message_bytes), Outbox::default());
        Self { stream, inbox, outbox, idle_timer: IdleTimer::new() }
    }

    /// Both directions, to be used at the same time.
    pub fn split(&mut self) -> (FrameReader<'_>, FrameWriter<'_>) {
        let (read, write) = self.stream.split();
        let idle_timer = &self.idle_timer;
        let reader = FrameReader { half: read, inbox: &mut self.inbox, idle_timer };
        (reader, FrameWriter { half: write, outbox: &mut self.outbox, idle_timer })
    }

    /// The incoming direction.
    pub fn reader(&mut self) -> FrameReader<'_> {
        self.split().0
    }

    /// The outgoing direction.
    pub fn writer(&mut self) -> FrameWriter<'_> {
        self.split().1
    }

    /// Puts bytes behind those that the next [`flush`](FrameWriter::flush) sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.bytes.len()
    }

    /// Whether sending failed within the bytes of a file. The peer takes whatever follows for the
    /// rest of them, so nothing more can be said.
    #[must_use]
    pub fn is_desynced(&self) -> bool {
        self.outbox.desynced
    }

    /// Gives up the memory that is only needed while something moves.
    pub fn shrink_buffers(&mut self) {
        self.inbox.shrink();
        self.outbox.shrink();
    }

    /// Says that nothing more comes, and waits until the peer has closed its side, too. What it still
    /// says is read and dropped: a connection that is closed with bytes unread takes back what was
    /// said last.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn shut_down(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        self.stream.shutdown().await?;
        let hear_out = async {
            loop {
                self.inbox.bytes.clear();
                self.stream.readable().await?;
                match self.inbox.try_read(&self.stream) {
                    Ok(0) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        };
        limits.watch(hear_out).await
    }

    /// Whether a message or file is here to its end, so that reading it waits for nothing.
    #[must_use]
    pub fn has_complete_frame(&self) -> bool {
        let bytes = &self.inbox.bytes;
        match next_frame(bytes) {
            Ok(Some(header)) => {
                bytes.len() - HEADER_LEN >= usize::try_from(header.len).unwrap_or(usize::MAX)
            }
            Ok(None) => false,
            // To be found by the next read.
            Err(_) => true,
        }
    }

    /// Takes in what has arrived, without waiting for more, up to some more than `most` bytes.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_fill(&mut self, most: usize) -> io::Result<()> {
        while self.inbox.bytes.len() < most {
            match self.inbox.try_read(&self.stream) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the connection off the runtime that it is on.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedFrames> {
        let Self { stream, inbox, outbox, .. } = self;
        Ok(DetachedFrames { stream: stream.into_std()?, inbox, outbox })
    }
}

/// A connection that is on no runtime, on its way to another.
#[derive(Debug)]
pub struct DetachedFrames {
    stream: std::net::TcpStream,
    inbox: Inbox,
    outbox: Outbox,
}

impl DetachedFrames {
    /// Puts the connection on the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn attach(self) -> io::Result<Frames> {
        let Self { stream, inbox, outbox } = self;
        let stream = TcpStream::from_std(stream)?;
        Ok(Frames { stream, inbox, outbox, idle_timer: IdleTimer::new() })
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
    use crate::{BufferedStream, IoLimits, StreamError};

    const LIMIT: Duration = Duration::from_secs(30);

    async fn pair() -> (Frames, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Frames::new(BufferedStream::new(stream).unwrap(), 1000), peer)
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

    /// What is queued goes on where it was; but never between the bytes of a file.
    #[tokio::test]
    async fn what_is_said_after_a_failure_is_whole_or_not_said() {
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

    /// The rest, if any, is for the caller to send.
    #[tokio::test]
    async fn the_system_sends_what_a_file_has() {
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
        // More than there is.
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
