//! The outgoing direction of a connection.

use std::io::{self, IoSlice};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;

use super::LARGEST;
use super::activity::Activity;
use crate::{Guard, WireError};

/// The outgoing direction of a connection.
#[derive(Debug)]
pub struct FrameWriter<'a> {
    pub(super) half: WriteHalf<'a>,
    pub(super) outbox: &'a mut Outbox,
    pub(super) activity: &'a Activity,
}

impl FrameWriter<'_> {
    /// Puts bytes behind those that the next flush sends.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.outbox.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait for a flush.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.bytes.len()
    }

    /// Sends what is queued. The guard's limit holds for each piece that the system takes, and begins
    /// anew when something comes in. When the wait is given up, what is not sent yet stays queued.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn flush(&mut self, guard: Guard<'_>) -> Result<(), WireError> {
        self.outbox.check()?;
        while !self.outbox.bytes.is_empty() {
            let written = self.half.write(&self.outbox.bytes);
            let written = self.activity.watch(guard, written).await?;
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
    /// See [`WireError`]. If not all of `data` was sent, the connection [is torn](super::Frames::is_torn).
    pub async fn send(&mut self, mut data: &[u8], guard: Guard<'_>) -> Result<(), WireError> {
        self.outbox.check()?;
        // From here on, also if the wait is given up.
        self.outbox.torn = !data.is_empty();
        while !self.outbox.bytes.is_empty() || !data.is_empty() {
            let queued = self.outbox.bytes.len();
            let written = if queued == 0 {
                self.activity.watch(guard, self.half.write(data)).await?
            } else {
                let parts = [IoSlice::new(&self.outbox.bytes), IoSlice::new(data)];
                self.activity.watch(guard, self.half.write_vectored(&parts)).await?
            };
            data.advance(written.saturating_sub(queued));
            self.outbox.sent(written)?;
        }
        self.outbox.torn = false;
        Ok(())
    }
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) bytes: BytesMut,
    /// Bytes of a file are missing in what was sent: nothing that follows would be understood.
    pub(super) torn: bool,
}

impl Outbox {
    /// Gives up what is only needed while something goes out.
    pub(super) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.torn { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Takes note that the system has taken `written` bytes, of what is queued first.
    fn sent(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.advance(written.min(self.bytes.len()));
        if self.bytes.is_empty() && self.bytes.capacity() > LARGEST {
            self.bytes = BytesMut::new();
        }
        Ok(())
    }
}
