//! A connection in the legacy dialect: messages and file bytes, each within the timeout.

use std::time::Duration;

use ftx_core::legacy::upload::UploadError;
use ftx_core::legacy::wire::{DecodeLimits, LegacyReply, LegacyRequest, decode_reply};
use ftx_io::{BufferedStream, DetachedStream, IoLimits, StreamError};
use tracing::debug;

use crate::activity::Activity;
use crate::{Cancel, TransferError};

/// An open connection.
#[derive(Debug)]
pub(crate) struct LegacyConnection {
    stream: BufferedStream,
    timeout: Duration,
    cancel: Cancel,
    /// The signs of life of the call that uses it.
    activity: Activity,
}

/// An idle connection, which belongs to no runtime.
#[derive(Debug)]
pub(crate) struct IdleLegacyConnection {
    stream: DetachedStream,
    timeout: Duration,
}

impl IdleLegacyConnection {
    /// An idle connection. `None` if the system refuses.
    pub(crate) fn new(stream: BufferedStream, timeout: Duration) -> Option<Self> {
        Some(Self { stream: stream.detach().ok()?, timeout })
    }

    /// Uses the connection in a call, in the current runtime. `None` if the system refuses.
    pub(super) fn attach(self, cancel: &Cancel, activity: &Activity) -> Option<LegacyConnection> {
        let Self { stream, timeout } = self;
        Some(LegacyConnection::new(stream.attach().ok()?, timeout, cancel, activity))
    }
}

impl LegacyConnection {
    /// A connection on which nothing was sent yet that an original server remembers.
    pub(crate) fn new(
        stream: BufferedStream,
        timeout: Duration,
        cancel: &Cancel,
        activity: &Activity,
    ) -> Self {
        Self { stream, timeout, cancel: cancel.clone(), activity: activity.clone() }
    }

    /// Keeps the connection for a later call. `None` if the system refuses.
    pub(crate) fn detach(self) -> Option<IdleLegacyConnection> {
        IdleLegacyConnection::new(self.stream, self.timeout)
    }

    /// Sends a message in one write, small enough for one segment: an original server takes the bytes of
    /// one read for one message.
    pub(crate) async fn send(&mut self, request: &LegacyRequest) -> Result<(), TransferError> {
        debug!(?request, "sent");
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        let limit = self.activity.limit(self.timeout);
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        Ok(self.stream.write_all(&bytes, limits).await?)
    }

    /// The server's next message.
    pub(crate) async fn receive(&mut self) -> Result<LegacyReply, TransferError> {
        let limit = self.activity.limit(self.timeout);
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        loop {
            if let Some((reply, len)) =
                decode_reply(self.stream.buffered(), &DecodeLimits::default())?
            {
                self.stream.consume(len);
                self.activity.touch();
                debug!(?reply, "received");
                return Ok(reply);
            }
            if !self.stream.fill(limits).await? {
                return Err(TransferError::closed());
            }
        }
    }

    /// Reads file bytes into `chunk`: at least one, at most `limit`, as many as have arrived. With
    /// `soft`, [`Cancel::cancel`] ends the wait, otherwise only [`Cancel::abort`].
    pub(crate) async fn read_body(
        &mut self,
        chunk: &mut Vec<u8>,
        limit: usize,
        soft: bool,
    ) -> Result<(), TransferError> {
        self.activity.defer(self.stream.incoming_pacer().wait());
        let limits =
            IoLimits { limit: self.activity.limit(self.timeout), stop: self.cancel.token(soft) };
        self.stream.read_body(chunk, limit, limits).await?;
        self.activity.received();
        Ok(())
    }

    /// Writes file bytes. Messages that arrive meanwhile are left to [`receive`](Self::receive), since
    /// the server's reply counts once it has all bytes. If the write fails, a refusal that has arrived
    /// is the error.
    pub(crate) async fn write_body(&mut self, mut bytes: &[u8]) -> Result<(), TransferError> {
        loop {
            let piece = self.stream.outgoing_pacer().piece(bytes.len());
            let (piece, rest) = bytes.split_at_checked(piece).unwrap_or((bytes, &[]));
            self.write_piece(piece).await?;
            bytes = rest;
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes bytes that the limits on the rate let pass together. A wait for these limits is no silence of
    /// the server.
    async fn write_piece(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.activity.defer(self.stream.outgoing_pacer().wait());
        let limit = self.activity.limit(self.timeout);
        let limits = IoLimits { limit, stop: self.cancel.token(true) };
        match self.stream.write_body(bytes, limits).await {
            Ok(()) => {
                self.activity.sent();
                Ok(())
            }
            Err(StreamError::Stopped) => Err(TransferError::cancelled()),
            Err(error) => Err(self.refusal().map_or_else(|| error.into(), Into::into)),
        }
    }

    /// The server's refusal of an upload, if one has arrived.
    fn refusal(&self) -> Option<UploadError> {
        match decode_reply(self.stream.buffered(), &DecodeLimits::default()) {
            Ok(Some((LegacyReply::UploadTail { status, .. }, _))) if !status.is_ok() => {
                Some(UploadError::Refused(status))
            }
            _ => None,
        }
    }
}

/// A clock that stands still while bytes move: only waits take time.
#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use ftx_io::{RateLimits, Transport};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;
    use crate::options::MIN_LIMIT_RATE;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn bytes_go_out_at_the_rate_and_its_waits_are_no_silence() {
        const BYTES: usize = 80 * 1024;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let reading = tokio::spawn(async move {
            let mut body = Vec::new();
            peer.read_to_end(&mut body).await.unwrap();
            body.len()
        });
        let mut stream = BufferedStream::new(Transport::tcp(stream).unwrap());
        stream.set_rate_limits(RateLimits::new(NonZeroU64::new(MIN_LIMIT_RATE).unwrap()));
        let (cancel, activity) = (Cancel::new(), Activity::new());
        let mut connection = LegacyConnection::new(stream, TIMEOUT, &cancel, &activity);
        // The socket is known to be writable.
        connection.write_body(&[1]).await.unwrap();
        tokio::time::pause();
        activity.touch();
        activity.expect_within(TIMEOUT);
        let start = Instant::now();
        connection.write_body(&[1; BYTES - 1]).await.unwrap();
        let took = start.elapsed().as_millis();
        assert!((9000..=11_000).contains(&took), "{took} ms");
        assert!(activity.limit(TIMEOUT) >= TIMEOUT / 2, "{:?}", activity.limit(TIMEOUT));
        assert!(activity.idle() < TIMEOUT / 2, "{:?}", activity.idle());
        drop(connection);
        assert_eq!(reading.await.unwrap(), BYTES);
    }
}
