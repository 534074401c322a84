//! The state of a TLS connection: rustls, and the bytes on both sides of it.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, IoSlice, Write as _};

use bytes::{Buf as _, BufMut, BytesMut};
use rustls::Connection;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

/// The most plaintext of a record.
const RECORD_BYTES: usize = 16 * 1024;

/// The most plaintext that is encrypted before the system has accepted it.
const MAX_UNSENT_BYTES: usize = 128 * 1024;

/// The ciphertext that is read at a time: it stays in the cache of the processor until it is decrypted.
const READ_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Session {
    tls: Connection,
    /// Ciphertext that was received and not yet decrypted.
    incoming: BytesMut,
    /// Ciphertext that the system has not accepted yet.
    outgoing: BytesMut,
    /// The records in `outgoing` that carry bytes of the caller, in their order.
    records: VecDeque<Record>,
    /// Plaintext of records that the system has accepted, and of which the caller does not know yet.
    unreported: usize,
    /// The peer sends nothing more.
    ended: bool,
    /// This side sends nothing more.
    closed: bool,
    /// The peer has violated the protocol. It was told so, and gets nothing more.
    failed: bool,
    /// That violation, or the failure of the socket, which is reported behind the bytes before it.
    unreported_failure: Option<SessionError>,
    /// A read has decrypted much for little plaintext: other tasks come before the next one.
    must_yield: bool,
}

/// An encrypted record with bytes of the caller.
#[derive(Debug)]
struct Record {
    /// Bytes of `outgoing` up to its end, beginning with the end of the record before.
    outgoing: usize,
    plaintext: usize,
}

/// Why a session cannot continue.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer violates the protocol, or reports that it refuses the connection.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl From<SessionError> for io::Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Io(error) => error,
            SessionError::Tls(error) => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl Session {
    /// A session at its beginning, which has received the bytes `incoming`.
    pub(super) fn new(tls: Connection, incoming: BytesMut) -> Self {
        let mut session = Self {
            tls,
            incoming,
            outgoing: BytesMut::new(),
            records: VecDeque::new(),
            unreported: 0,
            ended: false,
            closed: false,
            failed: false,
            unreported_failure: None,
            must_yield: false,
        };
        // A client speaks first.
        session.collect();
        session
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// The certificates of the peer, its own first.
    pub(super) fn peer_certificates(&self) -> Vec<CertificateDer<'static>> {
        self.tls.peer_certificates().unwrap_or_default().to_vec()
    }

    /// Whether the peer sends nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The ciphertext that was received and not yet decrypted.
    pub(super) fn incoming(&self) -> &[u8] {
        &self.incoming
    }

    /// The ciphertext that waits for the socket.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Whether a read may make progress without the socket.
    pub(super) fn has_input(&mut self) -> bool {
        if self.closed {
            return self.ended;
        }
        self.ended
            || self.failed
            || self.unreported_failure.is_some()
            || !self.incoming.is_empty()
            || self.has_plaintext()
    }

    /// Appends plaintext to the spare room of `buffer`, and returns its length, 0 at the end of the peer's
    /// bytes. As a read from a socket it fills the room if there are bytes for it: callers take what comes
    /// at once for one batch. A peer that sends records with little or no plaintext cannot hold the thread:
    /// after some ciphertext more than `buffer` has room, the reads would block until a
    /// [yield](Self::take_yield).
    pub(super) fn read(
        &mut self,
        stream: &TcpStream,
        buffer: &mut impl BufMut,
    ) -> io::Result<usize> {
        if self.closed {
            return self.discard(stream);
        }
        if self.must_yield {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let room = buffer.chunk_mut().len();
        let mut read = 0;
        let mut decrypted = 0;
        loop {
            read += self.take_plaintext(buffer, room - read)?;
            if self.ended || read == room {
                return Ok(read);
            }
            if self.has_plaintext() {
                continue;
            }
            if let Some(failure) = self.unreported_failure.take_if(|_| read == 0) {
                return Err(failure.into());
            }
            self.must_yield = decrypted >= room + READ_BYTES;
            if self.must_yield || self.unreported_failure.is_some() {
                return nothing_more(read);
            }
            match self.advance(stream) {
                Ok(ciphertext) => decrypted += ciphertext,
                Err(SessionError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return nothing_more(read);
                }
                // Reported behind the plaintext of the records before it.
                Err(failure) => self.unreported_failure = Some(failure),
            }
        }
    }

    /// Drops what has arrived, and returns 0 at the end of the peer's bytes. rustls expects no errors of the
    /// peer after its own `close_notify`.
    fn discard(&mut self, stream: &TcpStream) -> io::Result<usize> {
        if let Some(failure) = self.unreported_failure.take() {
            return Err(failure.into());
        }
        self.incoming.clear();
        if !self.ended {
            self.receive(stream)?;
        }
        if self.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Whether other tasks come before the next read. The caller lets them.
    pub(super) fn take_yield(&mut self) -> bool {
        std::mem::take(&mut self.must_yield)
    }

    /// Decrypts what has arrived, up to the next plaintext, and returns the length of its ciphertext.
    fn advance(&mut self, stream: &TcpStream) -> Result<usize, SessionError> {
        if self.incoming.is_empty() && !self.failed {
            self.receive(stream)?;
        }
        let before = self.incoming.len();
        self.decrypt(stream)?;
        Ok(before - self.incoming.len())
    }

    /// Encrypts and sends the first of these bytes, and returns the number of those whose records the
    /// system has accepted as a whole.
    pub(super) fn write(&mut self, stream: &TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.failed || self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.flush(stream)?;
        if self.outgoing.is_empty() {
            // The parts begin with the bytes that were accepted unnoticed.
            self.encrypt(parts, self.unreported)?;
            self.flush(stream)?;
        }
        match std::mem::take(&mut self.unreported) {
            0 if parts.iter().any(|part| !part.is_empty()) => Err(io::ErrorKind::WouldBlock.into()),
            accepted => Ok(accepted),
        }
    }

    /// Ends the outgoing direction with the next flush. Reads then discard what arrives.
    pub(super) fn close(&mut self) {
        if !self.failed && !self.closed {
            self.closed = true;
            self.tls.send_close_notify();
            self.collect();
        }
    }

    /// Sends as much ciphertext as the system accepts at once.
    pub(super) fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            match stream.try_write(&self.outgoing) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // An idle connection keeps no buffer.
        self.outgoing = BytesMut::new();
        Ok(())
    }

    /// Reads ciphertext that the socket has.
    pub(super) fn receive(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.incoming.reserve(READ_BYTES);
        let received = stream.try_read_buf(&mut self.incoming);
        if received.is_err() && self.incoming.is_empty() {
            // An idle connection keeps no buffer.
            self.incoming = BytesMut::new();
        }
        if received? == 0 {
            self.ended = true;
        }
        Ok(())
    }

    /// Decrypts the ciphertext up to the next plaintext, and sends the answers of rustls if the system
    /// accepts them.
    ///
    /// # Errors
    /// The peer violates the protocol. It is told so, if the system accepts the alert.
    pub(super) fn decrypt(&mut self, stream: &TcpStream) -> Result<(), SessionError> {
        if self.failed {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        let processed = self.process();
        self.collect();
        match (processed, self.flush(stream)) {
            // The peer's violation says more about the connection than a failure to report it.
            (Err(error), _) => {
                self.failed = true;
                Err(error)
            }
            (Ok(()), flushed) => Ok(flushed?),
        }
    }

    fn process(&mut self) -> Result<(), SessionError> {
        while !self.incoming.is_empty() && !self.has_plaintext() {
            let mut ciphertext = &self.incoming[..];
            let taken = self.tls.read_tls(&mut ciphertext)?;
            self.incoming.advance(taken);
            self.ended |= self.tls.process_new_packets()?.peer_has_closed();
            if self.ended {
                // Nothing counts that follows the end.
                self.incoming = BytesMut::new();
            }
        }
        Ok(())
    }

    /// Encrypts bytes of `parts` behind the first `skipped` ones.
    pub(super) fn encrypt(&mut self, parts: &[IoSlice<'_>], skipped: usize) -> io::Result<()> {
        let mut skipped = skipped;
        let mut unsent = 0;
        for part in parts {
            let skip = skipped.min(part.len());
            skipped -= skip;
            let rest = part.get(skip..).unwrap_or_default();
            for plaintext in rest.chunks(RECORD_BYTES) {
                if unsent + plaintext.len() > MAX_UNSENT_BYTES {
                    return Ok(());
                }
                let before = self.outgoing.len();
                self.tls.writer().write_all(plaintext)?;
                self.collect();
                let outgoing = self.outgoing.len() - before;
                self.records.push_back(Record { outgoing, plaintext: plaintext.len() });
                unsent += plaintext.len();
            }
        }
        Ok(())
    }

    /// Moves what rustls has to send to the end of the outgoing bytes.
    fn collect(&mut self) {
        while self.tls.wants_write() {
            // Writing to memory cannot fail.
            let _ = self.tls.write_tls(&mut (&mut self.outgoing).writer());
        }
    }

    /// The system has accepted the first `sent` outgoing bytes.
    fn sent(&mut self, mut sent: usize) {
        self.outgoing.advance(sent);
        while let Some(record) = self.records.front_mut() {
            let left = sent.min(record.outgoing);
            record.outgoing -= left;
            sent -= left;
            if record.outgoing > 0 {
                return;
            }
            self.unreported += record.plaintext;
            self.records.pop_front();
        }
    }

    fn has_plaintext(&mut self) -> bool {
        self.tls.reader().fill_buf().is_ok_and(|plaintext| !plaintext.is_empty())
    }

    /// Moves at most `room` bytes of plaintext to `buffer`.
    fn take_plaintext(&mut self, buffer: &mut impl BufMut, room: usize) -> io::Result<usize> {
        let mut reader = self.tls.reader();
        let plaintext = match reader.fill_buf() {
            Ok(plaintext) => plaintext,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            // The end without a `close_notify` is an end all the same: every dialect inside delimits its
            // messages, as it must over plain TCP.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        };
        let len = plaintext.len().min(room);
        buffer.put_slice(plaintext.get(..len).unwrap_or_default());
        reader.consume(len);
        Ok(len)
    }
}

/// The result of a read that has taken so many bytes, and gets no more of them now.
fn nothing_more(read: usize) -> io::Result<usize> {
    if read > 0 { Ok(read) } else { Err(io::ErrorKind::WouldBlock.into()) }
}
