//! One connection's bytes: buffered reading, whole writes, and the limits on how long both take.

use std::future::Future;
use std::io::{self, Read as _};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, BytesMut};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Room for messages, which are a few hundred bytes; idle connections keep no more than this.
const MESSAGE_BUFFER_BYTES: usize = 4 * 1024;

/// How long a polled connection is looked at before its thread sleeps.
const BUSY_POLL_FOR: Duration = Duration::from_micros(60);

/// Bytes that the system has taken and not begun to send, at most: more are taken when half of them
/// have gone.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOTSENT_LOWAT_BYTES: u32 = 256 * 1024;

/// What ends a wait for the peer.
#[derive(Clone, Copy, Debug)]
pub struct IoLimits<'a> {
    /// The longest time without a byte moving.
    pub limit: Duration,
    /// Ends the wait at once when it is cancelled.
    pub stop: &'a CancellationToken,
}

/// Why a connection's bytes stopped moving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer closed the connection where more was due.
    #[error("the connection was closed in the middle of a message or transfer")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// What was due at a certain time was not there, whatever moved until then.
    #[error("what was due was not here within {}", humantime::format_duration(*.0))]
    Late(Duration),
    /// The limits's token was cancelled.
    #[error("stopped")]
    Stopped,
    /// Nothing moved for the limits's limit.
    #[error("nothing came or went for {}", humantime::format_duration(*.0))]
    Timeout(Duration),
}

/// A connection and what was read from it beyond the last message.
#[derive(Debug)]
pub struct BufferedStream {
    stream: TcpStream,
    buffer: BytesMut,
    /// The same connection, to be looked at without the runtime; see [`BufferedStream::with_busy_poll`].
    polled: Option<std::net::TcpStream>,
}

impl BufferedStream {
    /// Takes a connection over, and turns off the delay of small packets: messages are small, and
    /// the peer waits for each. From here on its system takes no more than it can soon send.
    ///
    /// # Errors
    /// The connection is gone already.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        limit_unsent(&stream);
        Ok(Self { stream, buffer: BytesMut::new(), polled: None })
    }

    /// Has reads look out for the peer's next bytes for a moment before they sleep. For a thread
    /// that serves this connection only, and a peer that answers at once: being woken takes longer.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn with_busy_poll(self) -> io::Result<Self> {
        let polled = self.stream.into_std()?;
        let stream = TcpStream::from_std(polled.try_clone()?)?;
        Ok(Self { stream, buffer: self.buffer, polled: Some(polled) })
    }

    /// Takes the connection off the runtime that it is on.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedStream> {
        Ok(DetachedStream { stream: self.stream.into_std()?, buffer: self.buffer })
    }

    /// The connection, and what was read and not yet consumed.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.buffer)
    }

    /// What was read and not yet consumed.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops buffered bytes that were understood.
    pub fn consume(&mut self, len: usize) {
        self.buffer.advance(len.min(self.buffer.len()));
    }

    /// Reads more of a message into the buffer. `false` when the peer closed the connection and
    /// nothing is buffered.
    ///
    /// # Errors
    /// See [`StreamError`]; closing in the middle of a message is [`StreamError::Closed`].
    pub async fn fill(&mut self, limits: IoLimits<'_>) -> Result<bool, StreamError> {
        if !limits.stop.is_cancelled() && self.busy_poll() {
            return Ok(true);
        }
        self.buffer.reserve(MESSAGE_BUFFER_BYTES);
        match limits.watch(self.stream.read_buf(&mut self.buffer)).await? {
            0 if self.buffer.is_empty() => Ok(false),
            0 => Err(StreamError::Closed),
            _ => Ok(true),
        }
    }

    /// Reads bytes of a file to the end of `chunk`: at least one, at most `limit`, as many as are
    /// there.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn read_body(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        if limits.stop.is_cancelled() {
            return Err(StreamError::Stopped);
        }
        // More than a little is better read into its place, even if that means to sleep.
        let little = limit <= MESSAGE_BUFFER_BYTES;
        if !self.buffer.is_empty() || (little && self.busy_poll()) {
            let len = limit.min(self.buffer.len());
            chunk.put(self.buffer.split_to(len));
            return Ok(());
        }
        // What held the messages is not needed while a file arrives.
        self.buffer = BytesMut::new();
        chunk.reserve(limit);
        let mut room = chunk.limit(limit);
        if limits.watch(self.stream.read_buf(&mut room)).await? == 0 {
            return Err(StreamError::Closed);
        }
        while room.has_remaining_mut() {
            match self.stream.try_read_buf(&mut room) {
                // The end is seen again, and reported, by the next read.
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether bytes came in while a polled connection was looked at. The end, and what went wrong,
    /// are left for the read that follows to find.
    fn busy_poll(&mut self) -> bool {
        let Some(polled) = &mut self.polled else { return false };
        let mut bytes = [0; MESSAGE_BUFFER_BYTES];
        let until = Instant::now() + BUSY_POLL_FOR;
        while Instant::now() < until {
            match polled.read(&mut bytes) {
                Ok(len) if len > 0 => {
                    self.buffer.extend(bytes.iter().take(len));
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::yield_now();
                }
                _ => return false,
            }
        }
        false
    }

    /// Writes all of `bytes`; the limits's limit holds for each piece that the system takes.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn write_all(
        &mut self,
        mut bytes: &[u8],
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let written = limits.watch(self.stream.write(bytes)).await?;
            bytes.advance(written);
        }
        Ok(())
    }

    /// Writes all of `bytes` of a file, and looks out for the peer meanwhile: who has closed takes
    /// no more, and the system does not say so as long as it has not given up the peer. What the
    /// peer says is buffered, as far as it is no more than a message or two.
    ///
    /// # Errors
    /// See [`StreamError`]; [`StreamError::Closed`] as soon as the peer has closed its side.
    pub async fn write_body(
        &mut self,
        mut bytes: &[u8],
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let interest = match self.buffer.len() {
                0..MESSAGE_BUFFER_BYTES => Interest::READABLE | Interest::WRITABLE,
                _ => Interest::WRITABLE,
            };
            let ready = limits.watch(self.stream.ready(interest)).await?;
            if ready.is_readable() {
                self.buffer_available()?;
            }
            if ready.is_writable() {
                match self.stream.try_write(bytes) {
                    Ok(written) => bytes.advance(written),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Buffers what is there already.
    fn buffer_available(&mut self) -> Result<(), StreamError> {
        self.buffer.reserve(MESSAGE_BUFFER_BYTES);
        match self.stream.try_read_buf(&mut self.buffer) {
            Ok(0) => Err(StreamError::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Has the system take no more than it can soon send. Left alone it takes megabytes, and then nothing
/// until a third of them has gone, so that a peer that takes them slowly looks like one that takes
/// none. What is on its way is not counted: a long line is filled as before.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(stream: &TcpStream) {
    // Where it cannot be had, only a very slow peer fares worse.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(_: &TcpStream) {}

/// A connection that is on no runtime, on its way to another.
#[derive(Debug)]
pub struct DetachedStream {
    stream: std::net::TcpStream,
    buffer: BytesMut,
}

impl DetachedStream {
    /// Puts the connection on the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn attach(self) -> io::Result<BufferedStream> {
        Ok(BufferedStream {
            stream: TcpStream::from_std(self.stream)?,
            buffer: self.buffer,
            polled: None,
        })
    }
}

impl IoLimits<'_> {
    /// Waits for `io` within the limits.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn watch<T>(self, io: impl Future<Output = io::Result<T>>) -> Result<T, StreamError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(StreamError::Stopped),
            done = tokio::time::timeout(self.limit, io) => match done {
                Ok(result) => Ok(result?),
                Err(_) => Err(StreamError::Timeout(self.limit)),
            },
        }
    }
}
