//! A connection's bytes: buffered reads, complete writes, and limits on the time of both.

use std::future::Future;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::Interest;
use tokio_util::sync::CancellationToken;

use crate::flow::Flows;
use crate::{DetachedTransport, MinSpeed, Pacer, RateLimits, TlsHandshakeError, Transport};

/// The buffer for messages of a few hundred bytes; an idle connection keeps no more than this.
const MESSAGE_BUFFER_BYTES: usize = 4 * 1024;

/// The limits of a wait for the peer.
#[derive(Clone, Copy, Debug)]
pub struct IoLimits<'a> {
    /// The longest time in which no byte moves.
    pub limit: Duration,
    /// Cancels the wait at once.
    pub stop: &'a CancellationToken,
}

/// A reason why a connection's bytes stopped moving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The peer closed the connection in the middle of a message or transfer.
    #[error("the connection was closed in the middle of a message or transfer")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// A message missed its deadline, even though bytes moved.
    #[error("the expected message did not arrive within {}", humantime::format_duration(*.0))]
    Late(Duration),
    /// The token of the limits was cancelled.
    #[error("stopped")]
    Stopped,
    /// Bytes moved, but fewer than the least speed demands.
    #[error("only {bytes} bytes moved in a wait of {}", humantime::format_duration(*waited))]
    TooSlow {
        /// The bytes that moved.
        bytes: u64,
        /// The time in which this side waited for the peer.
        waited: Duration,
    },
    /// No byte moved within the limit.
    #[error("no data moved for {}", humantime::format_duration(*.0))]
    Timeout(Duration),
}

/// A connection, and the bytes read from it beyond the last message.
#[derive(Debug)]
pub struct BufferedStream {
    transport: Transport,
    buffer: BytesMut,
    flows: Box<Flows>,
}

impl BufferedStream {
    /// Takes over a connection.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { transport, buffer: BytesMut::new(), flows: Box::default() }
    }

    /// With a least speed of the peer, in each direction.
    #[must_use]
    pub fn with_min_speed(mut self, min: Option<MinSpeed>) -> Self {
        self.flows.set_min_speed(min);
        self
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

    /// Makes reads busy poll for a moment before they sleep, if the transport can. For a thread
    /// that serves only this connection, and a peer that replies at once: waking up takes longer.
    #[must_use]
    pub fn with_busy_poll(mut self) -> Self {
        self.transport.enable_busy_poll();
        self
    }

    /// Starts TLS as the server. The buffered bytes are the first ones of the client's handshake.
    ///
    /// # Errors
    /// See [`TlsHandshakeError`]; the connection is closed then.
    pub async fn accept_tls(
        self,
        config: Arc<rustls::ServerConfig>,
    ) -> Result<Self, TlsHandshakeError> {
        let Self { transport, buffer, flows } = self;
        let transport = transport.accept_tls(config, buffer).await?;
        Ok(Self { transport, buffer: BytesMut::new(), flows })
    }

    /// Returns the connection.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Detaches the connection from its runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn detach(self) -> io::Result<DetachedStream> {
        let Self { transport, buffer, flows } = self;
        Ok(DetachedStream { transport: transport.detach()?, buffer, flows })
    }

    /// Returns the connection, the bytes read but not yet consumed, and the limits on its speed.
    pub(crate) fn into_parts(self) -> (Transport, BytesMut, Box<Flows>) {
        (self.transport, self.buffer, self.flows)
    }

    /// Returns the bytes read but not yet consumed.
    #[must_use]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Drops the first `len` buffered bytes.
    pub fn consume(&mut self, len: usize) {
        self.buffer.advance(len.min(self.buffer.len()));
        self.flows.incoming.gauge.reset();
    }

    /// Reads more of a message into the buffer. Returns `false` when the peer closed the connection
    /// and nothing is buffered.
    ///
    /// # Errors
    /// See [`StreamError`]; closing in the middle of a message is [`StreamError::Closed`].
    pub async fn fill(&mut self, limits: IoLimits<'_>) -> Result<bool, StreamError> {
        if !limits.stop.is_cancelled() && self.transport.busy_read(&mut self.buffer) {
            return Ok(true);
        }
        let is_begun = !self.buffer.is_empty();
        self.buffer.reserve(MESSAGE_BUFFER_BYTES);
        let reading = limits.watch(self.transport.read(&mut self.buffer));
        // The wait for a message is idle time.
        let read = if is_begun {
            self.flows.incoming.gauge.watch(reading).await?
        } else {
            reading.await?
        };
        self.flows.incoming.gauge.moved(read);
        match read {
            0 if self.buffer.is_empty() => Ok(false),
            0 => Err(StreamError::Closed),
            _ => Ok(true),
        }
    }

    /// Appends bytes of a file to `chunk`: at least one, at most `limit`, as many as are available.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn read_body(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        self.flows.incoming.pacer.ready(limits.stop).await?;
        let limit = self.flows.incoming.pacer.piece(limit);
        let before = chunk.len();
        self.read_piece(chunk, limit, limits).await?;
        self.flows.incoming.pacer.count(chunk.len() - before);
        Ok(())
    }

    async fn read_piece(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        if limits.stop.is_cancelled() {
            return Err(StreamError::Stopped);
        }
        // More bytes are better read in place, even if the thread sleeps.
        let little = limit <= MESSAGE_BUFFER_BYTES;
        if !self.buffer.is_empty() || (little && self.transport.busy_read(&mut self.buffer)) {
            let len = limit.min(self.buffer.len());
            chunk.put(self.buffer.split_to(len));
            return Ok(());
        }
        // The message buffer is not needed while a file arrives.
        self.buffer = BytesMut::new();
        chunk.reserve(limit);
        let mut room = chunk.limit(limit);
        match self.flows.incoming.gauge.watch(limits.watch(self.transport.read(&mut room))).await? {
            0 => return Err(StreamError::Closed),
            read => self.flows.incoming.gauge.moved(read),
        }
        while room.has_remaining_mut() {
            match self.transport.try_read(&mut room) {
                // The next read sees and reports the end.
                Ok(0) => break,
                Ok(read) => self.flows.incoming.gauge.moved(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes all of `bytes`; the limit applies to each piece that the system accepts.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn write_all(
        &mut self,
        mut bytes: &[u8],
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            let parts = [IoSlice::new(bytes)];
            let writing = limits.watch(self.transport.write_vectored(&parts));
            let written = self.flows.outgoing.gauge.watch(writing).await?;
            self.flows.outgoing.gauge.moved(written);
            bytes.advance(written);
        }
        Ok(())
    }

    /// Writes all of `bytes` of a file, within the limits on the rate; the time limit applies to each piece
    /// that the system accepts.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn write_data(
        &mut self,
        mut bytes: &[u8],
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            self.flows.outgoing.pacer.ready(limits.stop).await?;
            let piece = self.flows.outgoing.pacer.piece(bytes.len());
            let (piece, rest) = bytes.split_at_checked(piece).unwrap_or((bytes, &[]));
            self.write_all(piece, limits).await?;
            self.flows.outgoing.pacer.count(piece.len());
            bytes = rest;
        }
        Ok(())
    }

    /// Writes all of `bytes` of a file while watching the peer: after the peer has closed, the
    /// system keeps accepting bytes until it gives up on it. Incoming bytes are buffered, up to a
    /// message or two.
    ///
    /// # Errors
    /// See [`StreamError`]; [`StreamError::Closed`] as soon as the peer has closed its side.
    pub async fn write_body(
        &mut self,
        mut bytes: &[u8],
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            self.flows.outgoing.pacer.ready(limits.stop).await?;
            let piece = self.flows.outgoing.pacer.piece(bytes.len());
            let piece = bytes.get(..piece).unwrap_or(bytes);
            let interest = match self.buffer.len() {
                0..MESSAGE_BUFFER_BYTES => Interest::READABLE | Interest::WRITABLE,
                _ => Interest::WRITABLE,
            };
            let ready = self
                .flows
                .outgoing
                .gauge
                .watch(limits.watch(self.transport.ready(interest)))
                .await?;
            if ready.is_readable() {
                self.buffer_available()?;
            }
            if ready.is_writable() {
                match self.transport.try_write_vectored(&[IoSlice::new(piece)]) {
                    Ok(written) => {
                        self.flows.outgoing.gauge.moved(written);
                        self.flows.outgoing.pacer.count(written);
                        bytes.advance(written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Buffers the available bytes.
    fn buffer_available(&mut self) -> Result<(), StreamError> {
        self.buffer.reserve(MESSAGE_BUFFER_BYTES);
        match self.transport.try_read(&mut self.buffer) {
            Ok(0) => Err(StreamError::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A connection detached from any runtime.
#[derive(Debug)]
pub struct DetachedStream {
    transport: DetachedTransport,
    buffer: BytesMut,
    flows: Box<Flows>,
}

impl DetachedStream {
    /// Attaches the connection to the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn attach(self) -> io::Result<BufferedStream> {
        let Self { transport, buffer, flows } = self;
        Ok(BufferedStream { transport: transport.attach()?, buffer, flows })
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
