//! The bytes read but not yet consumed.

use std::io;

use bytes::{Buf, BytesMut};
use ftx_core::native::wire::{
    BLOCK_HEAD_BYTES, BlockHead, COMPRESSED_HEAD_BYTES, CompressedHead, FILE_PREFIX_BYTES,
    FileHead, FileLayout, FrameError, FrameKind, HASH_BYTES, HEADER_BYTES, next_frame,
};

use super::MAX_BUFFER_BYTES;
use super::reader::Incoming;
use crate::Transport;
use crate::native::compression::decompress;

/// The size of the first read of an idle connection.
const FIRST_READ_BYTES: usize = 4 * 1024;

/// Takes apart a line of frames that has arrived completely, with compressed ones among them, as a connection does
/// whose messages may have `max_message_bytes` bytes. Returns the number of ordinary frames that are whole.
///
/// # Errors
/// [`FrameError`] for the first invalid frame.
pub fn count_frames(line: &[u8], max_message_bytes: u32) -> Result<usize, FrameError> {
    let mut inbox = Inbox::new(line.into(), max_message_bytes);
    inbox.enable_compression();
    let mut count = 0;
    while let Some(incoming) = inbox.take_frame()? {
        let mut left = match incoming {
            Incoming::Control { .. } => 0,
            Incoming::Block { head, .. } => head.len + HASH_BYTES as u64,
            Incoming::File { len, .. } => len + HASH_BYTES as u64,
        };
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            match inbox.take_data(most) {
                Some(data) => left -= data.len() as u64,
                None if inbox.is_in_compressed_frame() && inbox.decode_next()? => {}
                None => return Ok(count),
            }
        }
        count += 1;
    }
    Ok(count)
}

/// The bytes read but not yet consumed. Those of compressed frames are decoded one frame at a time, when the
/// bytes decoded before do not suffice.
#[derive(Debug)]
pub(super) struct Inbox {
    /// Bytes as they came in.
    bytes: BytesMut,
    /// Decoded bytes, in front of the others.
    decoded: BytesMut,
    /// The rest of the present frame is in compressed frames, and nowhere else.
    in_compressed: bool,
    /// Both sides have agreed on compressed frames.
    reads_compressed: bool,
    /// Bytes of compressed frames that were decoded and not counted.
    compressed_bytes: usize,
    /// The size of the next read.
    step: usize,
    /// The longest accepted message.
    max_message_bytes: u32,
}

impl Inbox {
    pub(super) fn new(bytes: BytesMut, max_message_bytes: u32) -> Self {
        Self {
            bytes,
            decoded: BytesMut::new(),
            in_compressed: false,
            reads_compressed: false,
            compressed_bytes: 0,
            step: FIRST_READ_BYTES,
            max_message_bytes,
        }
    }

    pub(super) fn enable_compression(&mut self) {
        self.reads_compressed = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.decoded.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.decoded.clear();
    }

    /// Frees the memory that is needed only while bytes come in.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.bytes, &mut self.decoded] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
        self.step = FIRST_READ_BYTES;
    }

    /// Waits for bytes, and returns their number; 0 at the end of the peer's bytes. Cancelling the wait loses
    /// nothing.
    pub(super) async fn read(&mut self, transport: &Transport) -> io::Result<usize> {
        loop {
            if self.bytes.is_empty() {
                // An idle connection keeps no memory.
                self.bytes = BytesMut::new();
            }
            transport.readable().await?;
            match self.try_read(transport) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
        }
    }

    pub(super) fn try_read(&mut self, transport: &Transport) -> io::Result<usize> {
        self.bytes.reserve(self.step);
        let len = transport.try_read(&mut self.bytes)?;
        if len >= self.step {
            self.step = (2 * self.step).min(MAX_BUFFER_BYTES);
        }
        Ok(len)
    }

    /// Whether the rest of the present frame is in compressed frames.
    pub(super) fn is_in_compressed_frame(&self) -> bool {
        self.in_compressed
    }

    /// The buffered bytes of the present frame.
    fn frame_bytes(&mut self) -> &mut BytesMut {
        if self.in_compressed { &mut self.decoded } else { &mut self.bytes }
    }

    /// Takes up to `most` bytes of the present frame; `None` if none are buffered.
    pub(super) fn take_data(&mut self, most: usize) -> Option<BytesMut> {
        let bytes = self.frame_bytes();
        let len = bytes.len().min(most);
        (len > 0).then(|| bytes.split_to(len))
    }

    /// Takes the hash at the end of the present frame, once it is buffered.
    pub(super) fn take_hash(&mut self) -> Option<[u8; HASH_BYTES]> {
        let bytes = self.frame_bytes();
        let hash = bytes.first_chunk().copied()?;
        bytes.advance(HASH_BYTES);
        Some(hash)
    }

    /// The bytes of the compressed frames that were decoded since the last call.
    pub(super) fn take_compressed_bytes(&mut self) -> usize {
        std::mem::take(&mut self.compressed_bytes)
    }

    /// Whether the next frame is buffered completely, or at least all of a compressed frame with bytes of it.
    pub(super) fn has_complete_frame(&self) -> bool {
        let complete = |bytes: &[u8]| match next_frame(bytes) {
            Ok(Some(header)) => {
                bytes.len() - HEADER_BYTES >= usize::try_from(header.len).unwrap_or(usize::MAX)
            }
            Ok(None) => false,
            // The next read reports it.
            Err(_) => true,
        };
        (!self.decoded.is_empty() && complete(&self.decoded)) || complete(&self.bytes)
    }

    /// Takes the next frame once the part held by [`Incoming`] is buffered.
    pub(super) fn take_frame(&mut self) -> Result<Option<Incoming>, FrameError> {
        loop {
            self.in_compressed = !self.decoded.is_empty();
            if !self.in_compressed {
                match next_frame(&self.bytes)? {
                    Some(header) if header.kind == FrameKind::Compressed => {}
                    _ => return self.take_plain_frame(),
                }
            } else if let Some(incoming) = self.take_plain_frame()? {
                return Ok(Some(incoming));
            }
            if !self.decode_next()? {
                return Ok(None);
            }
        }
    }

    /// Decodes the next frame, which must be a compressed one; `false` if it is not buffered completely.
    pub(super) fn decode_next(&mut self) -> Result<bool, FrameError> {
        let Some(header) = next_frame(&self.bytes)? else { return Ok(false) };
        if header.kind != FrameKind::Compressed {
            return Err(FrameError::CutFrame { got: header.kind });
        }
        if !self.reads_compressed {
            return Err(FrameError::UnknownKind { kind: header.kind.code() });
        }
        let payload = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let Some((head, rest)) = payload.split_first_chunk() else { return Ok(false) };
        let CompressedHead { decoded_len } = CompressedHead::decode(&header, *head)?;
        let len = usize::try_from(header.len).unwrap_or(usize::MAX);
        let Some(zstd) = rest.get(..len.saturating_sub(COMPRESSED_HEAD_BYTES)) else {
            self.step = self.step.max(len.min(MAX_BUFFER_BYTES));
            return Ok(false);
        };
        let start = self.decoded.len();
        self.decoded.resize(start + decoded_len, 0);
        decompress(zstd, self.decoded.get_mut(start..).unwrap_or_default())?;
        self.compressed_bytes += HEADER_BYTES + len;
        self.bytes.advance(HEADER_BYTES + len);
        Ok(true)
    }

    /// Takes the next frame, which is not a compressed one.
    fn take_plain_frame(&mut self) -> Result<Option<Incoming>, FrameError> {
        let max_message_bytes = self.max_message_bytes;
        let bytes = self.frame_bytes();
        let Some(header) = next_frame(bytes)? else { return Ok(None) };
        let request = header.request;
        let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
        match header.kind {
            FrameKind::Control => {
                if header.len > max_message_bytes {
                    return Err(FrameError::RequestTooLong { len: header.len.into() });
                }
                let len = usize::try_from(header.len).unwrap_or(usize::MAX);
                if payload.len() < len {
                    self.step = self.step.max(len.min(MAX_BUFFER_BYTES));
                    return Ok(None);
                }
                bytes.advance(HEADER_BYTES);
                let payload = bytes.split_to(len).freeze();
                Ok(Some(Incoming::Control { header, payload }))
            }
            FrameKind::Block => {
                let Some(head) = payload.first_chunk() else { return Ok(None) };
                let head = BlockHead::decode(&header, *head)?;
                bytes.advance(HEADER_BYTES + BLOCK_HEAD_BYTES);
                Ok(Some(Incoming::Block { request, head }))
            }
            FrameKind::File => {
                let Some((prefix, rest)) = payload.split_first_chunk() else { return Ok(None) };
                let layout = FileLayout::decode(&header, *prefix)?;
                let Some(head) = rest.get(..layout.head_len) else { return Ok(None) };
                let head = FileHead::decode(head)?;
                bytes.advance(HEADER_BYTES + FILE_PREFIX_BYTES + layout.head_len);
                Ok(Some(Incoming::File { request, head, len: layout.data_len }))
            }
            FrameKind::Compressed => Err(FrameError::NestedCompression),
        }
    }
}
