//! A connection to a server: whole messages and bytes of files, each within the timeout.

use std::time::Duration;

use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::{DecodeLimits, LegacyReply, LegacyRequest, decode_reply};
use ftx_io::{BufferedStream, IoLimits, StreamError};
use tracing::debug;

use crate::{Cancel, TransferError};

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: BufferedStream,
    timeout: Duration,
    cancel: Cancel,
}

impl Connection {
    /// A connection on which nothing was said yet, or nothing that an original server remembers.
    pub(crate) fn new(wire: BufferedStream, timeout: Duration, cancel: &Cancel) -> Self {
        Self { wire, timeout, cancel: cancel.clone() }
    }

    /// Another handle stops it from now on.
    pub(crate) fn set_cancel(&mut self, cancel: &Cancel) {
        self.cancel = cancel.clone();
    }

    /// Sends a message in one write, small enough for one segment: an original server takes
    /// whatever one read gives for one message.
    pub(crate) async fn send(&mut self, request: &LegacyRequest) -> Result<(), TransferError> {
        debug!(?request, "sent");
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        Ok(self.wire.write_all(&bytes, guard).await?)
    }

    /// The server's next message.
    pub(crate) async fn receive(&mut self) -> Result<LegacyReply, TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        loop {
            if let Some((reply, len)) =
                decode_reply(self.wire.buffered(), &DecodeLimits::default())?
            {
                self.wire.consume(len);
                debug!(?reply, "received");
                return Ok(reply);
            }
            if !self.wire.fill(guard).await? {
                return Err(TransferError::closed());
            }
        }
    }

    /// Reads bytes of a file into `chunk`: at least one, at most `limit`, as many as are there.
    /// With `soft`, a mere cancel ends the wait.
    pub(crate) async fn read_body(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        soft: bool,
    ) -> Result<(), TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(soft) };
        Ok(self.wire.read_body(chunk, limit, guard).await?)
    }

    /// Writes all of `bytes` of a file. What the server says meanwhile is for
    /// [`receive`](Self::receive): its word on an upload stands when all bytes are there. Only if
    /// they do not get there, a refusal that was heard is the reason.
    pub(crate) async fn write_body(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        let guard = IoLimits { limit: self.timeout, stop: self.cancel.token(true) };
        match self.wire.write_body(bytes, guard).await {
            Ok(()) => Ok(()),
            Err(StreamError::Stopped) => Err(TransferError::cancelled()),
            Err(error) => Err(self.refusal().map_or_else(|| error.into(), Into::into)),
        }
    }

    /// The server's refusal of an upload, if that is what it said last.
    fn refusal(&self) -> Option<UploadError> {
        match decode_reply(self.wire.buffered(), &DecodeLimits::default()) {
            Ok(Some((LegacyReply::UploadTail { status, .. }, _))) if !status.is_ok() => {
                Some(UploadError::Refused(status))
            }
            _ => None,
        }
    }
}
