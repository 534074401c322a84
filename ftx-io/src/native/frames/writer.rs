//! The outgoing direction of a connection.

use std::fs::File;
use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};
use ftx_core::native::wire::MAX_DECODED_BYTES;
use tokio::time::Instant;

use super::MAX_BUFFER_BYTES;
use super::idle_timer::IdleTimer;
use crate::flow::Flow;
use crate::native::compression::Packer;
use crate::{IoLimits, StreamError, Transport};

/// Plain bytes for a byte on the line, roughly, and the fewest that are compressed together, within a limit on
/// the rate.
const PLAIN_PER_PACKED: usize = 4;
const MIN_PACKED_PIECE_BYTES: usize = 16 * 1024;

/// The outgoing direction of a connection.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    pub(super) transport: &'a Transport,
    pub(super) outbox: &'a mut Outbox,
    pub(super) idle_timer: &'a IdleTimer,
    pub(super) flow: &'a Flow,
}

impl FrameWriter<'_> {
    /// Appends bytes to those that the next flush sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.queue(bytes);
    }

    /// Returns the number of bytes waiting for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Sends the queue. The limit applies to each piece that the system accepts, and restarts when
    /// bytes come in. If the wait is cancelled, unsent bytes stay queued.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn flush(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        self.outbox.check()?;
        while self.outbox.collected() > 0 {
            self.send_packed(limits).await?;
        }
        self.write_queue(limits).await
    }

    async fn write_queue(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        let start = Instant::now();
        let queued = self.outbox.bytes.len();
        self.flow.pacer.ready(limits.stop).await?;
        while !self.outbox.bytes.is_empty() {
            let parts = [IoSlice::new(&self.outbox.bytes)];
            let written = self.watch(limits, self.transport.write_vectored(&parts)).await?;
            self.flow.gauge.moved(written);
            self.outbox.sent(written)?;
        }
        self.outbox.wrote(queued, start);
        Ok(())
    }

    /// Compresses some of the collected bytes, and sends the result.
    async fn send_packed(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        let most = self.packed_bytes();
        let Outbox { packer: Some(packer), bytes, .. } = &mut *self.outbox else { return Ok(()) };
        let packed = packer.pack(most, bytes).await?;
        self.flow.pacer.count(packed);
        self.write_queue(limits).await
    }

    /// The plain bytes to compress together: fewer within a limit on the rate, so that the line does not wait
    /// for long and then get much at once.
    fn packed_bytes(&self) -> usize {
        let most = self.outbox.piece_bytes();
        let piece = self.flow.pacer.piece(most).saturating_mul(PLAIN_PER_PACKED);
        piece.max(MIN_PACKED_PIECE_BYTES).min(most)
    }

    /// Sends as much of the queue as the system accepts at once. Bytes that another thread has to compress
    /// stay queued.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_flush(&mut self) -> io::Result<()> {
        self.outbox.check()?;
        let packed = self.outbox.pack_here()?;
        self.flow.pacer.count(packed);
        while !self.outbox.bytes.is_empty() {
            match self.transport.try_write_vectored(&[IoSlice::new(&self.outbox.bytes)]) {
                Ok(written) => self.outbox.sent(written)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends the queue, and then `data`, bytes of a file.
    ///
    /// # Errors
    /// See [`StreamError`]. Unless all of `data` was sent, the connection [is
    /// desynced](super::Frames::is_desynced).
    pub async fn send(&mut self, mut data: &[u8], limits: IoLimits<'_>) -> Result<(), StreamError> {
        self.outbox.check()?;
        if data.is_empty() {
            return self.flush(limits).await;
        }
        // From here on, even if the wait is cancelled.
        self.outbox.desynced = true;
        if self.outbox.collects() {
            self.outbox.queue(data);
            while self.outbox.collected() >= self.packed_bytes() {
                self.send_packed(limits).await?;
            }
            self.outbox.desynced = false;
            return Ok(());
        }
        let (start, len) = (Instant::now(), self.outbox.bytes.len() + data.len());
        self.outbox.pass(data);
        while !self.outbox.bytes.is_empty() || !data.is_empty() {
            self.flow.pacer.ready(limits.stop).await?;
            let queued = self.outbox.bytes.len();
            let piece = data.get(..self.flow.pacer.piece(data.len())).unwrap_or(data);
            let parts = [IoSlice::new(&self.outbox.bytes), IoSlice::new(piece)];
            let written = self.watch(limits, self.transport.write_vectored(&parts)).await?;
            self.flow.gauge.moved(written);
            let sent = written.saturating_sub(queued);
            self.flow.pacer.count(sent);
            data.advance(sent);
            self.outbox.sent(written)?;
        }
        self.outbox.wrote(len, start);
        self.outbox.desynced = false;
        Ok(())
    }

    /// Sends the queue, and then up to `len` bytes of a file from `offset` on, inside the kernel.
    /// Returns their number. It is smaller if the system does not support this, or the file is
    /// unreadable or ends there; [sending](Self::send) the rest reveals the cause.
    ///
    /// Blocks as long as the disk does. The peer may receive bytes that are written to the file in
    /// the meantime.
    ///
    /// # Errors
    /// See [`StreamError`]. Unless everything was sent, the connection [is
    /// desynced](super::Frames::is_desynced).
    pub async fn send_file(
        &mut self,
        file: &File,
        offset: u64,
        len: u64,
        limits: IoLimits<'_>,
    ) -> Result<u64, StreamError> {
        self.flush(limits).await?;
        let (mut sent, start) = (0, Instant::now());
        self.outbox.desynced = true;
        while sent < len {
            self.flow.pacer.ready(limits.stop).await?;
            let left = usize::try_from(len - sent).unwrap_or(usize::MAX);
            let piece = self.flow.pacer.piece(left);
            let passing = self.transport.send_file(file, offset + sent, piece);
            match self.watch(limits, passing).await? {
                None | Some(0) => break,
                Some(passed) => {
                    self.flow.gauge.moved(passed);
                    self.flow.pacer.count(passed);
                    sent += passed as u64;
                }
            }
        }
        if let Some(packer) = &mut self.outbox.packer {
            packer.pass_unseen(sent);
        }
        self.outbox.wrote(usize::try_from(sent).unwrap_or(usize::MAX), start);
        self.outbox.desynced = false;
        Ok(sent)
    }

    /// Waits until the peer makes room.
    async fn watch<T>(
        &self,
        limits: IoLimits<'_>,
        writing: impl Future<Output = io::Result<T>>,
    ) -> Result<T, StreamError> {
        self.flow.gauge.watch(self.idle_timer.watch(limits, writing)).await
    }
}

/// The bytes waiting to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Bytes as they go out.
    pub(super) bytes: BytesMut,
    /// The bytes of a file were sent incompletely: the peer would misunderstand all later bytes.
    pub(super) desynced: bool,
    /// Bytes that go out compressed, behind the others; `None` if the peer does not read compressed frames.
    pub(super) packer: Option<Box<Packer>>,
}

impl Outbox {
    /// Appends bytes.
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        let collects = self.collects();
        match &mut self.packer {
            Some(packer) if collects => packer.collect(bytes),
            _ => {
                self.pass(bytes);
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    /// Records that the next bytes of the stream of frames go out raw.
    fn pass(&mut self, bytes: &[u8]) {
        if let Some(packer) = &mut self.packer {
            packer.pass(bytes);
        }
    }

    /// Whether the next bytes are to be compressed.
    pub(super) fn collects(&mut self) -> bool {
        let Some(packer) = &mut self.packer else { return false };
        match packer.collects(&mut self.bytes) {
            Ok(collects) => collects,
            Err(error) => {
                // The bytes that could not be compressed are lost.
                tracing::debug!(%error, "compression failed");
                self.desynced = true;
                false
            }
        }
    }

    /// Bytes that wait to be compressed.
    fn collected(&self) -> usize {
        self.packer.as_ref().map_or(0, |packer| packer.collected())
    }

    /// The bytes to compress together.
    pub(super) fn piece_bytes(&self) -> usize {
        self.packer.as_ref().map_or(MAX_DECODED_BYTES, |packer| packer.piece_bytes())
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.collected()
    }

    /// Compresses what this thread may compress. Returns the number of the bytes.
    fn pack_here(&mut self) -> io::Result<usize> {
        let Some(packer) = &mut self.packer else { return Ok(0) };
        if !packer.is_inline() {
            packer.pass_all(&mut self.bytes);
            return Ok(0);
        }
        let mut packed = 0;
        while packer.collected() > 0 {
            packed += packer.pack_here(MAX_DECODED_BYTES, &mut self.bytes)?;
        }
        Ok(packed)
    }

    /// The system has accepted bytes, from `start` until now.
    fn wrote(&mut self, bytes: usize, start: Instant) {
        if let Some(packer) = &mut self.packer {
            packer.policy().wrote(bytes, start.elapsed());
        }
    }

    /// Frees the memory that is needed only while bytes go out.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        if let Some(packer) = &mut self.packer {
            packer.shrink();
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.desynced { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Removes the first `written` bytes of the queue, which the system has accepted.
    fn sent(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.advance(written.min(self.bytes.len()));
        if self.bytes.is_empty() && self.bytes.capacity() > MAX_BUFFER_BYTES {
            self.bytes = BytesMut::new();
        }
        Ok(())
    }
}
