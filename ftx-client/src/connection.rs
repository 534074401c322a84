//! A connection to a server: whole messages and bytes of files, each within the timeout.

use std::io;
use std::time::Duration;

use ftx_core::legacy::wire::{Limits, Reply, Request, decode_reply};
use ftx_io::{Guard, Wire, WireError};
use tokio::net::{TcpStream, lookup_host};
use tracing::debug;

use crate::{Cancel, ServerAddr, TransferError};

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Wire,
    timeout: Duration,
    cancel: Cancel,
}

impl Connection {
    /// Connects to the first of the host's addresses that answers.
    pub(crate) async fn open(
        address: &ServerAddr,
        timeout: Duration,
        cancel: &Cancel,
    ) -> Result<Self, TransferError> {
        let guard = Guard { limit: timeout, stop: cancel.token(true) };
        let wire = guard.watch(connect(address)).await.map_err(|error| match error {
            WireError::Stopped => TransferError::Cancelled,
            WireError::Io(source) => TransferError::Connect { address: address.clone(), source },
            _ => {
                let source = io::ErrorKind::TimedOut.into();
                TransferError::Connect { address: address.clone(), source }
            }
        })?;
        Ok(Self { wire, timeout, cancel: cancel.clone() })
    }

    /// Sends a message in one write, small enough for one segment: an original server takes
    /// whatever one read gives for one message.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<(), TransferError> {
        debug!(?request, "sent");
        let mut bytes = Vec::new();
        request.encode(&mut bytes);
        self.write_all(&bytes).await
    }

    /// The server's next message.
    pub(crate) async fn receive(&mut self) -> Result<Reply, TransferError> {
        let guard = Guard { limit: self.timeout, stop: self.cancel.token(true) };
        loop {
            if let Some((reply, len)) = decode_reply(self.wire.buffered(), &Limits::default())? {
                self.wire.consume(len);
                debug!(?reply, "received");
                return Ok(reply);
            }
            if !self.wire.fill(guard).await? {
                return Err(TransferError::Closed);
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
        let guard = Guard { limit: self.timeout, stop: self.cancel.token(soft) };
        Ok(self.wire.read_body(chunk, limit, guard).await?)
    }

    /// Writes all of `bytes`.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        let guard = Guard { limit: self.timeout, stop: self.cancel.token(true) };
        Ok(self.wire.write_all(bytes, guard).await?)
    }
}

async fn connect(address: &ServerAddr) -> io::Result<Wire> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in lookup_host((address.host(), address.port())).await? {
        match TcpStream::connect(candidate).await {
            Ok(stream) => return Wire::new(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
