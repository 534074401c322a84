//! A connection that is counted, and that breaks on command.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::operation::Operation;

/// The counts of a server since its start.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) open_connections: AtomicU64,
    pub(crate) accepted_connections: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    arrived: AtomicU64,
    requests: [AtomicU64; Operation::ALL.len()],
}

impl Traffic {
    /// Counts a request, and returns its number.
    pub(crate) fn count(&self, operation: Operation) -> u64 {
        if let Some(requests) = self.requests.get(operation as usize) {
            requests.fetch_add(1, Ordering::SeqCst);
        }
        self.arrived.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn requests(&self, operation: Operation) -> u64 {
        self.requests.get(operation as usize).map_or(0, |requests| requests.load(Ordering::SeqCst))
    }
}

/// A connection of a client.
pub(crate) struct CountedConnection {
    traffic: Arc<Traffic>,
    is_cut: AtomicBool,
}

impl CountedConnection {
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        traffic.accepted_connections.fetch_add(1, Ordering::SeqCst);
        traffic.open_connections.fetch_add(1, Ordering::SeqCst);
        Self { traffic, is_cut: AtomicBool::new(false) }
    }

    /// Breaks the connection once all that has been written so far has been sent.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::SeqCst)
    }
}

/// The stream of a [`CountedConnection`]. The connection counts as open for as long as its stream lives.
pub(crate) struct CountedStream {
    stream: TcpStream,
    connection: Arc<CountedConnection>,
}

impl CountedStream {
    pub(crate) fn new(stream: TcpStream, connection: Arc<CountedConnection>) -> Self {
        Self { stream, connection }
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.connection.traffic.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        written
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.connection.traffic.open_connections.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len().saturating_sub(before);
        self.connection.traffic.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        poll
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.sent(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Hyper flushes the stream when its own buffers are empty, so nothing is lost here.
        if self.connection.is_cut() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
