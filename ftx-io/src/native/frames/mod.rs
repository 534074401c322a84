//! A connection in the native dialect: frames in and out, and file bytes passed between socket and
//! caller without a buffer in between.

mod idle_timer;
mod inbox;
mod reader;
mod writer;

use std::io;

use self::idle_timer::IdleTimer;
use self::inbox::Inbox;
pub use self::inbox::count_frames;
pub use self::reader::{FrameReader, Incoming, ReadError};
pub use self::writer::FrameWriter;
use self::writer::Outbox;
use crate::flow::Flows;
use crate::native::compression::{LineHint, Packer};
use crate::{
    BufferedStream, Compression, DetachedTransport, IoLimits, Pacer, RateLimits, StreamError,
    Transport,
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

    /// Lets both sides compress, which have agreed on it. Both directions must be between two frames.
    pub fn enable_compression(&mut self, compression: Compression, hint: LineHint) {
        self.inbox.enable_compression();
        self.outbox.packer = Some(Box::new(Packer::new(compression, hint)));
    }

    /// Tells the compressor about the line, before the first bytes of files.
    pub fn estimate_line(&mut self, hint: LineHint) {
        if let Some(packer) = &mut self.outbox.packer {
            packer.policy().estimate(hint);
        }
    }

    /// Compresses on the calling thread, or on the blocking threads of its runtime (the default).
    pub fn set_inline_compression(&mut self, is_inline: bool) {
        if let Some(packer) = &mut self.outbox.packer {
            packer.set_inline(is_inline);
        }
    }

    /// Whether the next bytes go out compressed.
    pub fn is_compressing(&mut self) -> bool {
        self.outbox.collects()
    }

    /// The queued bytes that are worth a flush, if `usual` are without compression: bytes that are compressed
    /// together take less room.
    pub fn flush_threshold(&mut self, usual: usize) -> usize {
        if self.is_compressing() { self.outbox.piece_bytes() } else { usual }
    }

    /// Appends bytes to those that the next [`flush`](FrameWriter::flush) sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.queue(bytes);
    }

    /// Appends bytes of a small file, as [`queue`](Self::queue) does, and counts them for the limits on the
    /// rate. Compressed bytes count when they are.
    pub fn queue_data(&mut self, bytes: &[u8]) {
        if !self.is_compressing() {
            self.flows.outgoing.pacer.count(bytes.len());
        }
        self.queue(bytes);
    }

    /// Returns the number of bytes waiting for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len()
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
                self.inbox.clear();
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

    /// Whether a complete message or file is buffered, so that reading it does not wait. May be early for one
    /// that reaches over several compressed frames.
    #[must_use]
    pub fn has_complete_frame(&self) -> bool {
        self.inbox.has_complete_frame()
    }

    /// Reads the available bytes without waiting, until a little more than `most` are buffered.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_fill(&mut self, most: usize) -> io::Result<()> {
        while self.inbox.len() < most && self.try_read()? {}
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
mod tests;
