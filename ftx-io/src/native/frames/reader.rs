//! The incoming direction of a connection.

use std::io;

use bytes::{BufMut, Bytes};
use ftx_core::native::wire::{BlockHead, FileHead, FrameError, FrameHeader, HASH_BYTES};

use super::idle_timer::IdleTimer;
use super::inbox::Inbox;
use crate::flow::Flow;
use crate::{IoLimits, StreamError, Transport};

/// A reason why a frame could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer sent an invalid frame; nothing more can be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

/// An incoming frame.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Control {
        /// The frame's header.
        header: FrameHeader,
        /// The message's bytes.
        payload: Bytes,
    },
    /// A block. Read its bytes with [`read_data`](FrameReader::read_data), and then its hash with
    /// [`read_hash`](FrameReader::read_hash).
    Block {
        /// The block's request.
        request: u32,
        /// The block's header.
        head: BlockHead,
    },
    /// A whole file. Read its bytes and hash as those of a block.
    File {
        /// The file's request.
        request: u32,
        /// The file's header.
        head: FileHead,
        /// The number of bytes in the file.
        len: u64,
    },
}

/// The incoming direction of a connection.
#[derive(Debug)]
pub struct FrameReader<'a> {
    pub(super) transport: &'a Transport,
    pub(super) inbox: &'a mut Inbox,
    pub(super) idle_timer: &'a IdleTimer,
    pub(super) flow: &'a Flow,
}

impl FrameReader<'_> {
    /// Waits until part of the next frame is buffered; `false` when the peer closed the connection
    /// behind the last one. Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn wait(&mut self, limits: IoLimits<'_>) -> Result<bool, StreamError> {
        Ok(!self.inbox.is_empty() || self.fill(limits, false).await?)
    }

    /// Returns the next frame, or `None` when the peer closed the connection behind the last one.
    /// Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// See [`ReadError`]; closing within a frame is [`StreamError::Closed`].
    pub async fn next(&mut self, limits: IoLimits<'_>) -> Result<Option<Incoming>, ReadError> {
        loop {
            let taken = self.inbox.take_frame();
            self.count_compressed();
            if let Some(incoming) = taken? {
                self.flow.gauge.reset();
                return Ok(Some(incoming));
            }
            let is_begun = !self.inbox.is_empty();
            if !self.fill(limits, is_begun).await? {
                return Ok(None);
            }
        }
    }

    /// Appends bytes of a file to `chunk`: at least one, at most `limit`, as many as are available.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_data(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), ReadError> {
        self.flow.pacer.ready(limits.stop).await?;
        let (before, limit) = (chunk.len(), self.flow.pacer.piece(limit));
        if self.inbox.is_in_compressed_frame() {
            return self.read_decoded(chunk, limit, limits).await;
        }
        self.read_piece(chunk, limit, limits).await?;
        self.flow.pacer.count(chunk.len() - before);
        Ok(())
    }

    /// As [`read_data`](Self::read_data), inside compressed frames.
    async fn read_decoded(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), ReadError> {
        if limits.stop.is_cancelled() {
            return Err(StreamError::Stopped.into());
        }
        loop {
            if let Some(decoded) = self.inbox.take_data(limit) {
                chunk.put(decoded);
                return Ok(());
            }
            self.decode_more(limits).await?;
        }
    }

    /// Decodes the next compressed frame, if it has arrived, and otherwise reads more of it.
    async fn decode_more(&mut self, limits: IoLimits<'_>) -> Result<(), ReadError> {
        let decoded = self.inbox.decode_next();
        self.count_compressed();
        if !decoded? && !self.fill(limits, true).await? {
            return Err(StreamError::Closed.into());
        }
        Ok(())
    }

    /// Counts compressed bytes for the limits on the rate, in place of the decoded ones.
    fn count_compressed(&mut self) {
        self.flow.pacer.count(self.inbox.take_compressed_bytes());
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
        let start = chunk.len();
        chunk.put(self.inbox.take_data(limit).unwrap_or_default());
        chunk.reserve(limit - (chunk.len() - start));
        loop {
            let read_before = chunk.len() - start;
            let left = limit - read_before;
            if left == 0 {
                return Ok(());
            }
            let mut room = (&mut *chunk).limit(left);
            match self.transport.try_read(&mut room) {
                Ok(0) if read_before == 0 => return Err(StreamError::Closed),
                // The next read sees and reports the end.
                Ok(0) => return Ok(()),
                Ok(read) => {
                    self.idle_timer.note();
                    self.flow.gauge.moved(read);
                }
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if read_before > 0 => return Ok(()),
                Err(_) => {
                    // Until there are bytes: parts of a TLS record are none.
                    let reading = self.idle_timer.watch(limits, self.transport.read(&mut room));
                    match self.flow.gauge.watch(reading).await? {
                        0 => return Err(StreamError::Closed),
                        read => {
                            self.idle_timer.note();
                            self.flow.gauge.moved(read);
                        }
                    }
                }
            }
        }
    }

    /// Appends exactly `len` bytes to `chunk`.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_exact(
        &mut self,
        chunk: &mut Vec<u8>,
        len: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), ReadError> {
        let end = chunk.len() + len;
        while chunk.len() < end {
            let left = end - chunk.len();
            self.read_data(chunk, left, limits).await?;
        }
        Ok(())
    }

    /// Reads the hash behind the bytes of a file.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read_hash(&mut self, limits: IoLimits<'_>) -> Result<[u8; HASH_BYTES], ReadError> {
        loop {
            if let Some(hash) = self.inbox.take_hash() {
                self.flow.gauge.reset();
                return Ok(hash);
            }
            if self.inbox.is_in_compressed_frame() {
                self.decode_more(limits).await?;
            } else if !self.fill(limits, true).await? {
                return Err(StreamError::Closed.into());
            }
        }
    }

    /// Reads more; `false` when the peer closed the connection and nothing is buffered. `in_message` if the
    /// peer must not be slow.
    async fn fill(&mut self, limits: IoLimits<'_>, in_message: bool) -> Result<bool, StreamError> {
        let reading = self.idle_timer.watch(limits, self.inbox.read(self.transport));
        let read = if in_message { self.flow.gauge.watch(reading).await? } else { reading.await? };
        if read > 0 {
            self.idle_timer.note();
            self.flow.gauge.moved(read);
            return Ok(true);
        }
        if self.inbox.is_empty() { Ok(false) } else { Err(StreamError::Closed) }
    }
}
