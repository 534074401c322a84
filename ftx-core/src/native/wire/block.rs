//! Block frames.
//!
//! ```text
//! header │ u64 index │ 1 to 1,048,576 bytes of the file │ 32 bytes chaining value
//! ```
//!
//! The chaining value stands behind the bytes, so the sender reads them once: it hashes each piece and
//! sends it. Neither side buffers the frame.

use super::{FrameError, FrameHeader, FrameKind, HASH_BYTES, HEADER_BYTES};
use crate::native::blocks::BLOCK_BYTES;

/// Bytes between the header and the bytes of the file.
pub const BLOCK_HEAD_BYTES: usize = 8;

const OVERHEAD_BYTES: u64 = (BLOCK_HEAD_BYTES + HASH_BYTES) as u64;

/// Index and length of the block in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Index of the block.
    pub index: u64,
    /// Bytes of the file in the frame, 1 to [`BLOCK_BYTES`]. The receiver compares it with the block's
    /// length.
    pub len: u64,
}

impl BlockHead {
    /// Encodes header and head of a frame. The bytes of the file and their chaining value follow.
    ///
    /// # Errors
    /// No block has this length, or `request` is 0.
    pub fn encode(
        &self,
        request: u32,
    ) -> Result<[u8; HEADER_BYTES + BLOCK_HEAD_BYTES], FrameError> {
        self.check()?;
        let header = FrameHeader::new(FrameKind::Block, request, OVERHEAD_BYTES + self.len)?;
        let mut bytes = [0; HEADER_BYTES + BLOCK_HEAD_BYTES];
        let (head, index) = bytes.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header.encode());
        index.copy_from_slice(&self.index.to_le_bytes());
        Ok(bytes)
    }

    /// Decodes the head of a frame with this header from the first bytes of its payload.
    ///
    /// # Errors
    /// The frame has another kind, or no block has this length.
    pub fn decode(header: &FrameHeader, head: [u8; BLOCK_HEAD_BYTES]) -> Result<Self, FrameError> {
        header.expect(FrameKind::Block)?;
        let len = u64::from(header.len).saturating_sub(OVERHEAD_BYTES);
        let head = Self { index: u64::from_le_bytes(head), len };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), FrameError> {
        let len = self.len;
        if (1..=BLOCK_BYTES).contains(&len) { Ok(()) } else { Err(FrameError::BlockLength { len }) }
    }
}
