//! The incoming direction of a connection.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ftx_core::native::wire::{
    BLOCK_HEAD_BYTES, BlockHead, FILE_PREFIX_BYTES, FileHead, FileLayout, FrameError, FrameHeader,
    FrameKind, HASH_BYTES, HEADER_BYTES, next_frame,
};

use super::MAX_BUFFER_BYTES;
use super::idle_timer::IdleTimer;
use crate::flow::Flow;
use crate::{IoLimits, StreamError, Transport};

/// The size of the first read of an idle connection.
const FIRST_READ_BYTES: usize = 4 * 1024;

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
        Ok(!self.inbox.bytes.is_empty() || self.fill(limits, false).await?)
    }

    /// Returns the next frame, or `None` when the peer closed the connection behind the last one.
    /// Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// See [`ReadError`]; closing within a frame is [`StreamError::Closed`].
    pub async fn next(&mut self, limits: IoLimits<'_>) -> Result<Option<Incoming>, ReadError> {
        loop {
            if let Some(incoming) = self.inbox.take_frame()? {
                self.flow.gauge.reset();
                return Ok(Some(incoming));
            }
            let is_begun = !self.inbox.bytes.is_empty();
            if !self.fill(limits, is_begun).await? {
                return Ok(None);
            }
        }
    }

    /// Appends bytes of a file to `chunk`: at least one, at most `limit`, as many as are available.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn read_data(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
        self.flow.pacer.ready(limits.stop).await?;
        let (before, limit) = (chunk.len(), self.flow.pacer.piece(limit));
        self.read_piece(chunk, limit, limits).await?;
        self.flow.pacer.count(chunk.len() - before);
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
        let start = chunk.len();
        let buffered = limit.min(self.inbox.bytes.len());
        chunk.put(self.inbox.bytes.split_to(buffered));
        chunk.reserve(limit - buffered);
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
    /// See [`StreamError`].
    pub async fn read_exact(
        &mut self,
        chunk: &mut Vec<u8>,
        len: usize,
        limits: IoLimits<'_>,
    ) -> Result<(), StreamError> {
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
    /// See [`StreamError`].
    pub async fn read_hash(
        &mut self,
        limits: IoLimits<'_>,
    ) -> Result<[u8; HASH_BYTES], StreamError> {
        loop {
            if let Some(hash) = self.inbox.bytes.first_chunk::<HASH_BYTES>().copied() {
                self.inbox.bytes.advance(HASH_BYTES);
                self.flow.gauge.reset();
                return Ok(hash);
            }
            if !self.fill(limits, true).await? {
                return Err(StreamError::Closed);
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
        if self.inbox.bytes.is_empty() { Ok(false) } else { Err(StreamError::Closed) }
    }
}

/// The bytes read but not yet consumed.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) bytes: BytesMut,
    /// The size of the next read.
    step: usize,
    /// The longest accepted message.
    max_message_bytes: u32,
}

impl Inbox {
    pub(super) fn new(bytes: BytesMut, max_message_bytes: u32) -> Self {
        Self { bytes, step: FIRST_READ_BYTES, max_message_bytes }
    }

    /// Frees the memory that is needed only while bytes come in.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        self.step = FIRST_READ_BYTES;
    }

    /// Waits for bytes, and returns their number; 0 at the end of the peer's bytes. Cancelling the wait loses
    /// nothing.
    async fn read(&mut self, transport: &Transport) -> io::Result<usize> {
        loop {
            if self.bytes.is_empty() {
                // An idle connection keeps no memory.
                self.bytes = BytesMut::new();
            }
            transport.readable().await?;
            match self.try_read(transport) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    pub(super) fn try_read(&mut self, transport: &Transport) -> io::Result<usize> {
        self.bytes.reserve(self.step);
        let len = transport.try_read(&mut self.bytes)?;
        if len >= self.step {
            self.step = (2 * self.step).min(MAX_BUFFER_BYTES);
        }
        Ok(len)
    }

    /// Takes the next frame once the part held by [`Incoming`] is buffered.
    fn take_frame(&mut self) -> Result<Option<Incoming>, FrameError> {
        let Some(header) = next_frame(&self.bytes)? else { return Ok(None) };
        let request = header.request;
        let payload = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        match header.kind {
            FrameKind::Control => {
                if header.len > self.max_message_bytes {
                    return Err(FrameError::RequestTooLong { len: header.len.into() });
                }
                let len = usize::try_from(header.len).unwrap_or(usize::MAX);
                if payload.len() < len {
                    self.step = self.step.max(len.min(MAX_BUFFER_BYTES));
                    return Ok(None);
                }
                self.bytes.advance(HEADER_BYTES);
                let payload = self.bytes.split_to(len).freeze();
                Ok(Some(Incoming::Control { header, payload }))
            }
            FrameKind::Block => {
                let Some(head) = payload.first_chunk() else { return Ok(None) };
                let head = BlockHead::decode(&header, *head)?;
                self.bytes.advance(HEADER_BYTES + BLOCK_HEAD_BYTES);
                Ok(Some(Incoming::Block { request, head }))
            }
            FrameKind::File => {
                let Some((prefix, rest)) = payload.split_first_chunk() else { return Ok(None) };
                let layout = FileLayout::decode(&header, *prefix)?;
                let Some(head) = rest.get(..layout.head_len) else { return Ok(None) };
                let head = FileHead::decode(head)?;
                self.bytes.advance(HEADER_BYTES + FILE_PREFIX_BYTES + layout.head_len);
                Ok(Some(Incoming::File { request, head, len: layout.data_len }))
            }
        }
    }
}
