//! Compressed frames: bytes of other frames.
//!
//! ```text
//! header │ u32 decoded length │ one zstd frame
//! ```
//!
//! The decoded bytes of consecutive compressed frames are a stream of ordinary frames. A frame that begins
//! in this stream also ends in it. Each compressed frame is decoded on its own, and its decoded size is
//! bounded.

use super::{FrameError, FrameHeader, FrameKind, HEADER_BYTES};

/// Bytes between the header and the zstd frame.
pub const COMPRESSED_HEAD_BYTES: usize = 4;

/// The most decoded bytes of a compressed frame.
pub const MAX_DECODED_BYTES: usize = 1 << 20;

/// The longest zstd frame: bytes that do not shrink grow by less than this.
pub const MAX_ZSTD_BYTES: usize = MAX_DECODED_BYTES + MAX_DECODED_BYTES / 256;

/// The shortest zstd frame: a header, and a block of one byte.
pub(super) const MIN_ZSTD_BYTES: usize = 9;

/// The length of the bytes in a compressed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressedHead {
    /// The number of decoded bytes, 1 to [`MAX_DECODED_BYTES`]. The zstd frame must decode to exactly so many.
    pub decoded_len: usize,
}

impl CompressedHead {
    /// Encodes header and head of a frame. The `zstd_len` bytes of a zstd frame follow.
    ///
    /// # Errors
    /// No frame has these lengths.
    pub fn encode(
        &self,
        zstd_len: usize,
    ) -> Result<[u8; HEADER_BYTES + COMPRESSED_HEAD_BYTES], FrameError> {
        self.check()?;
        let len = (COMPRESSED_HEAD_BYTES as u64).saturating_add(zstd_len as u64);
        let header = FrameHeader::new(FrameKind::Compressed, 0, len)?;
        // `check` has bounded it.
        let decoded_len = u32::try_from(self.decoded_len).unwrap_or(u32::MAX);
        let mut bytes = [0; HEADER_BYTES + COMPRESSED_HEAD_BYTES];
        let (head, rest) = bytes.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header.encode());
        rest.copy_from_slice(&decoded_len.to_le_bytes());
        Ok(bytes)
    }

    /// Decodes the head of a frame with this header from the first bytes of its payload.
    ///
    /// # Errors
    /// The frame has another kind, or announces too many bytes, or none.
    pub fn decode(
        header: &FrameHeader,
        head: [u8; COMPRESSED_HEAD_BYTES],
    ) -> Result<Self, FrameError> {
        header.expect(FrameKind::Compressed)?;
        let decoded_len = usize::try_from(u32::from_le_bytes(head)).unwrap_or(usize::MAX);
        let head = Self { decoded_len };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), FrameError> {
        let len = self.decoded_len;
        if (1..=MAX_DECODED_BYTES).contains(&len) {
            Ok(())
        } else {
            Err(FrameError::DecodedLength { len: len as u64 })
        }
    }
}
