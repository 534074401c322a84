//! Plain TCP.

use std::fs::File;
use std::io::{self, IoSlice, Read as _};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use super::congestion::prefer_bbr;

/// The duration of a busy poll before the thread sleeps.
const BUSY_POLL_FOR: Duration = Duration::from_micros(60);

/// The most bytes that a busy poll reads: a message or two.
const BUSY_POLL_BYTES: usize = 4 * 1024;

/// The greatest number of unsent bytes in the system's buffer: it accepts more once half of them
/// are sent.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOTSENT_LOWAT_BYTES: u32 = 256 * 1024;

/// A TCP connection.
#[derive(Debug)]
pub struct TcpTransport {
    stream: TcpStream,
    /// The calling thread serves only this connection, and may poll it without the runtime.
    busy_poll: bool,
}

/// A TCP connection without a runtime.
#[derive(Debug)]
pub struct DetachedTcp {
    stream: std::net::TcpStream,
}

impl TcpTransport {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        limit_unsent(&stream);
        if let Ok(peer) = stream.peer_addr() {
            prefer_bbr(&stream, peer.ip());
        }
        Ok(Self { stream, busy_poll: false })
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(super) fn enable_busy_poll(&mut self) {
        self.busy_poll = true;
    }

    pub(super) fn detach(self) -> io::Result<DetachedTcp> {
        Ok(DetachedTcp { stream: self.stream.into_std()? })
    }

    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.stream.ready(interest).await
    }

    pub(super) fn try_read(&self, buffer: &mut impl BufMut) -> io::Result<usize> {
        self.stream.try_read_buf(buffer)
    }

    pub(super) fn busy_read(&self, buffer: &mut BytesMut) -> bool {
        if !self.busy_poll {
            return false;
        }
        // Past the runtime, which learns of new bytes only while the thread sleeps.
        let socket = SockRef::from(&self.stream);
        let mut bytes = [0; BUSY_POLL_BYTES];
        let until = Instant::now() + BUSY_POLL_FOR;
        while Instant::now() < until {
            match (&*socket).read(&mut bytes) {
                Ok(len) if len > 0 => {
                    buffer.extend(bytes.iter().take(len));
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::yield_now();
                }
                _ => return false,
            }
        }
        false
    }

    pub(super) fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.try_write_vectored(parts)
    }

    pub(super) async fn send_file(
        &self,
        file: &File,
        offset: u64,
        len: usize,
    ) -> io::Result<Option<usize>> {
        let pass = || pass(file, offset, &self.stream, len);
        self.stream.async_io(Interest::WRITABLE, pass).await
    }

    pub(super) fn shut_down(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(Shutdown::Write)
    }
}

impl DetachedTcp {
    pub(super) fn attach(self) -> io::Result<TcpTransport> {
        Ok(TcpTransport { stream: TcpStream::from_std(self.stream)?, busy_poll: false })
    }
}

/// Limits the unsent bytes in the system's buffer. By default the system accepts megabytes, and
/// then nothing until a third of them has gone, so a slow peer looks like one that reads nothing.
/// Bytes in flight do not count, so a long line is still filled.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_unsent(stream: &TcpStream) {
    // Without it, only a very slow peer fares worse.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_unsent(_: &TcpStream) {}

/// Makes the kernel send up to `len` bytes of a file, and returns their number, 0 at its end;
/// `None` if they cannot be read, and without support.
#[cfg(target_os = "linux")]
fn pass(file: &File, mut offset: u64, stream: &TcpStream, len: usize) -> io::Result<Option<usize>> {
    use rustix::io::Errno;
    match rustix::fs::sendfile(stream, file, Some(&mut offset), len) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::IO | Errno::OVERFLOW) => Ok(None),
        passed => Ok(Some(passed?)),
    }
}

#[cfg(not(target_os = "linux"))]
fn pass(_: &File, _: u64, _: &TcpStream, _: usize) -> io::Result<Option<usize>> {
    Ok(None)
}
