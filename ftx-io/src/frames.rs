//! A connection in the native dialect: frames in and out, and bytes of files between socket and
//! caller without a buffer of ours in between.

use std::io::{self, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ftx_core::native::wire::{
    BLOCK_HEAD_LEN, BlockHead, FILE_PREFIX_LEN, FileHead, FileLayout, FrameHeader, FrameKind,
    HASH_LEN, HEADER_LEN, WireError as FrameError, next_frame,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use crate::{Guard, Wire, WireError};

/// What the first read of an idle connection makes room for.
const FIRST_READ: usize = 4 * 1024;

/// What a read makes room for at most: a batch of small files in one system call.
const LARGEST_READ: usize = 256 * 1024;

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer sent what is no frame; nothing more can be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection failed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// What came in.
#[derive(Debug)]
pub enum Incoming {
    /// A message.
    Control {
        /// The frame's header.
        header: FrameHeader,
        /// The message's bytes.
        payload: Bytes,
    },
    /// A block. Its bytes and then its hash are to be read by
    /// [`read_data`](FrameReader::read_data) and [`read_hash`](FrameReader::read_hash).
    Block {
        /// The request that it belongs to.
        request: u32,
        /// Which block it is.
        head: BlockHead,
    },
    /// A whole file. Its bytes and hash are to be read as those of a block.
    File {
        /// The request that it belongs to.
        request: u32,
        /// What is said of the file.
        head: FileHead,
        /// Bytes of the file.
        len: u64,
    },
}

/// A connection that carries frames.
#[derive(Debug)]
pub struct Frames {
    stream: TcpStream,
    inbox: Inbox,
    outbox: Outbox,
}

/// What waits to be sent.
#[derive(Debug, Default)]
struct Outbox {
    bytes: BytesMut,
    /// Bytes of a file are missing in what was sent: nothing that follows would be understood.
    torn: bool,
}

/// What was read and not yet consumed.
#[derive(Debug)]
struct Inbox {
    bytes: BytesMut,
    /// What the next read makes room for.
    step: usize,
    /// The longest message that is taken, in bytes.
    longest: u32,
}

impl Frames {
    /// Takes a connection over from where its messages ended. Messages may have `longest` bytes.
    #[must_use]
    pub fn new(wire: Wire, longest: u32) -> Self {
        let (stream, bytes) = wire.into_parts();
        let inbox = Inbox { bytes, step: FIRST_READ, longest };
        Self { stream, inbox, outbox: Outbox::default() }
    }

    /// Both directions, to be used at the same time.
    pub fn split(&mut self) -> (FrameReader<'_>, FrameWriter<'_>) {
        let (read, write) = self.stream.split();
        let reader = FrameReader { half: read, inbox: &mut self.inbox };
        (reader, FrameWriter { half: write, outbox: &mut self.outbox })
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
    pub fn is_torn(&self) -> bool {
        self.outbox.torn
    }

    /// Gives up the memory that is only needed while something moves.
    pub fn rest(&mut self) {
        if self.outbox.bytes.is_empty() {
            self.outbox.bytes = BytesMut::new();
        }
        if self.inbox.bytes.is_empty() {
            self.inbox.bytes = BytesMut::new();
        }
        self.inbox.step = FIRST_READ;
    }

    /// Says that nothing more comes, and waits until the peer has closed its side, too. What it still
    /// says is read and dropped: a connection that is closed with bytes unread takes back what was
    /// said last.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn part(&mut self, guard: Guard<'_>) -> Result<(), WireError> {
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
        guard.watch(hear_out).await
    }

    /// Whether a message or file is here to its end, so that reading it waits for nothing.
    #[must_use]
    pub fn holds_frame(&self) -> bool {
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
    pub fn take_in(&mut self, most: usize) -> io::Result<()> {
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
    pub fn park(self) -> io::Result<ParkedFrames> {
        let Self { stream, inbox, outbox } = self;
        Ok(ParkedFrames { stream: stream.into_std()?, inbox, outbox })
    }
}

/// A connection that is on no runtime, on its way to another.
#[derive(Debug)]
pub struct ParkedFrames {
    stream: std::net::TcpStream,
    inbox: Inbox,
    outbox: Outbox,
}

impl ParkedFrames {
    /// Puts the connection on the current runtime.
    ///
    /// # Errors
    /// The system refuses; the connection is closed then.
    pub fn resume(self) -> io::Result<Frames> {
        let Self { stream, inbox, outbox } = self;
        Ok(Frames { stream: TcpStream::from_std(stream)?, inbox, outbox })
    }
}

/// The incoming direction of a connection.
#[derive(Debug)]
pub struct FrameReader<'a> {
    half: ReadHalf<'a>,
    inbox: &'a mut Inbox,
}

impl FrameReader<'_> {
    /// Waits until something of the next frame is here; `false` when the peer closed the connection
    /// behind the last one. Nothing is lost when the wait is given up.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn wait(&mut self, guard: Guard<'_>) -> Result<bool, WireError> {
        Ok(!self.inbox.bytes.is_empty() || self.fill(guard).await?)
    }

    /// The next frame, or `None` when the peer closed the connection behind the last one. Nothing
    /// is lost when the wait is given up.
    ///
    /// # Errors
    /// See [`ReadError`]; closing within a frame is [`WireError::Closed`].
    pub async fn next(&mut self, guard: Guard<'_>) -> Result<Option<Incoming>, ReadError> {
        loop {
            if let Some(incoming) = self.inbox.take_frame()? {
                return Ok(Some(incoming));
            }
            if !self.fill(guard).await? {
                return Ok(None);
            }
        }
    }

    /// Reads bytes of a file to the end of `chunk`: at least one, at most `limit`, as many as are
    /// there.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn read_data(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        guard: Guard<'_>,
    ) -> Result<(), WireError> {
        if guard.stop.is_cancelled() {
            return Err(WireError::Stopped);
        }
        let start = chunk.len();
        let buffered = limit.min(self.inbox.bytes.len());
        chunk.put(self.inbox.bytes.split_to(buffered));
        chunk.reserve(limit - buffered);
        loop {
            let left = limit - (chunk.len() - start);
            if left == 0 {
                return Ok(());
            }
            let mut room = (&mut *chunk).limit(left);
            match self.half.try_read_buf(&mut room) {
                Ok(0) if chunk.len() == start => return Err(WireError::Closed),
                // The end is seen again, and reported, by the next read.
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
                Err(_) if chunk.len() > start => return Ok(()),
                Err(_) => guard.watch(self.half.readable()).await?,
            }
        }
    }

    /// Reads `len` bytes to the end of `chunk`.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn read_exact(
        &mut self,
        chunk: &mut Vec<u8>,
        len: usize,
        guard: Guard<'_>,
    ) -> Result<(), WireError> {
        let end = chunk.len() + len;
        while chunk.len() < end {
            let left = end - chunk.len();
            self.read_data(chunk, left, guard).await?;
        }
        Ok(())
    }

    /// Reads the hash that stands behind the bytes of a file.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn read_hash(&mut self, guard: Guard<'_>) -> Result<[u8; HASH_LEN], WireError> {
        loop {
            if let Some(hash) = self.inbox.bytes.first_chunk::<HASH_LEN>().copied() {
                self.inbox.bytes.advance(HASH_LEN);
                return Ok(hash);
            }
            if !self.fill(guard).await? {
                return Err(WireError::Closed);
            }
        }
    }

    /// Reads more; `false` when the peer closed the connection and nothing is buffered.
    async fn fill(&mut self, guard: Guard<'_>) -> Result<bool, WireError> {
        loop {
            if self.inbox.bytes.is_empty() {
                // An idle connection keeps no memory.
                self.inbox.bytes = BytesMut::new();
            }
            guard.watch(self.half.readable()).await?;
            match self.inbox.try_read(self.half.as_ref()) {
                Ok(0) if self.inbox.bytes.is_empty() => return Ok(false),
                Ok(0) => return Err(WireError::Closed),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Inbox {
    fn try_read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.bytes.reserve(self.step);
        let len = stream.try_read_buf(&mut self.bytes)?;
        if len >= self.step {
            self.step = (2 * self.step).min(LARGEST_READ);
        }
        Ok(len)
    }

    /// The next frame, as soon as what [`Incoming`] holds of it is here.
    fn take_frame(&mut self) -> Result<Option<Incoming>, FrameError> {
        let Some(header) = next_frame(&self.bytes)? else { return Ok(None) };
        let request = header.request;
        let payload = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        match header.kind {
            FrameKind::Control => {
                if header.len > self.longest {
                    return Err(FrameError::RequestTooLong { len: header.len.into() });
                }
                let len = usize::try_from(header.len).unwrap_or(usize::MAX);
                if payload.len() < len {
                    self.step = self.step.max(len.min(LARGEST_READ));
                    return Ok(None);
                }
                self.bytes.advance(HEADER_LEN);
                let payload = self.bytes.split_to(len).freeze();
                Ok(Some(Incoming::Control { header, payload }))
            }
            FrameKind::Block => {
                let Some(head) = payload.first_chunk() else { return Ok(None) };
                let head = BlockHead::decode(&header, *head)?;
                self.bytes.advance(HEADER_LEN + BLOCK_HEAD_LEN);
                Ok(Some(Incoming::Block { request, head }))
            }
            FrameKind::File => {
                let Some((prefix, rest)) = payload.split_first_chunk() else { return Ok(None) };
                let layout = FileLayout::decode(&header, *prefix)?;
                let Some(head) = rest.get(..layout.head_len) else { return Ok(None) };
                let head = FileHead::decode(head)?;
                self.bytes.advance(HEADER_LEN + FILE_PREFIX_LEN + layout.head_len);
                Ok(Some(Incoming::File { request, head, len: layout.data_len }))
            }
        }
    }
}

/// The outgoing direction of a connection.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    half: WriteHalf<'a>,
    outbox: &'a mut Outbox,
}

impl FrameWriter<'_> {
    /// Puts bytes behind those that the next flush sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.bytes.extend_from_slice(bytes);
    }

    /// Sends what is queued. The guard's limit holds for each piece that the system takes. When the
    /// wait is given up, what is not sent yet stays queued.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn flush(&mut self, guard: Guard<'_>) -> Result<(), WireError> {
        self.outbox.check()?;
        while !self.outbox.bytes.is_empty() {
            let written = guard.watch(self.half.write(&self.outbox.bytes)).await?;
            self.outbox.sent(written)?;
        }
        Ok(())
    }

    /// Sends as much of what is queued as the system takes at once.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_flush(&mut self) -> io::Result<()> {
        self.outbox.check()?;
        while !self.outbox.bytes.is_empty() {
            match self.half.try_write(&self.outbox.bytes) {
                Ok(written) => self.outbox.sent(written)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what is queued, and then `data`, which are bytes of a file.
    ///
    /// # Errors
    /// See [`WireError`]. If not all of `data` was sent, the connection [is torn](Frames::is_torn).
    pub async fn send(&mut self, mut data: &[u8], guard: Guard<'_>) -> Result<(), WireError> {
        self.outbox.check()?;
        // From here on, also if the wait is given up.
        self.outbox.torn = !data.is_empty();
        while !self.outbox.bytes.is_empty() || !data.is_empty() {
            let queued = self.outbox.bytes.len();
            let written = if queued == 0 {
                guard.watch(self.half.write(data)).await?
            } else {
                let parts = [IoSlice::new(&self.outbox.bytes), IoSlice::new(data)];
                guard.watch(self.half.write_vectored(&parts)).await?
            };
            data.advance(written.saturating_sub(queued));
            self.outbox.sent(written)?;
        }
        self.outbox.torn = false;
        Ok(())
    }
}

impl Outbox {
    fn check(&self) -> io::Result<()> {
        if self.torn { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Takes note that the system has taken `written` bytes, of what is queued first.
    fn sent(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.advance(written.min(self.bytes.len()));
        if self.bytes.is_empty() && self.bytes.capacity() > LARGEST_READ {
            self.bytes = BytesMut::new();
        }
        Ok(())
    }
}
