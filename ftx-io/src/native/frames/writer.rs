//! The outgoing direction of a connection.

use std::fs::File;
use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};

use super::MAX_BUFFER_BYTES;
use super::idle_timer::IdleTimer;
use crate::flow::Flow;
use crate::{IoLimits, StreamError, Transport};

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
        self.outbox.bytes.extend_from_slice(bytes);
    }

    /// Returns the number of bytes waiting for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.bytes.len()
    }

    /// Sends the queue. The limit applies to each piece that the system accepts, and restarts when
    /// bytes come in. If the wait is cancelled, unsent bytes stay queued.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn flush(&mut self, limits: IoLimits<'_>) -> Result<(), StreamError> {
        self.outbox.check()?;
        self.flow.pacer.ready(limits.stop).await?;
        while !self.outbox.bytes.is_empty() {
            let parts = [IoSlice::new(&self.outbox.bytes)];
            let written = self.watch(limits, self.transport.write_vectored(&parts)).await?;
            self.flow.gauge.moved(written);
            self.outbox.sent(written)?;
        }
        Ok(())
    }

    /// Sends as much of the queue as the system accepts at once.
    ///
    /// # Errors
    /// The connection failed.
    pub fn try_flush(&mut self) -> io::Result<()> {
        self.outbox.check()?;
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
        // From here on, even if the wait is cancelled.
        self.outbox.desynced = !data.is_empty();
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
        let mut sent = 0;
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
    pub(super) bytes: BytesMut,
    /// The bytes of a file were sent incompletely: the peer would misunderstand all later bytes.
    pub(super) desynced: bool,
}

impl Outbox {
    /// Frees the memory that is needed only while bytes go out.
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
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
