//! File frames: whole small files.
//!
//! ```text
//! header │ u32 length of the head │ head │ 0 to 1,048,576 bytes of the file │ 32 bytes digest
//! ```
//!
//! The head is a [`FileHead`] record.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{FrameError, FrameHeader, FrameKind, HASH_BYTES, Meta, Overwrite, Version};
use crate::codec;
use crate::native::blocks::BLOCK_BYTES;

/// Bytes between the header and the head.
pub const FILE_PREFIX_BYTES: usize = 4;

/// The longest head, in bytes.
pub(super) const MAX_FILE_HEAD_BYTES: usize = 16 << 10;

/// The head of a file frame. The order of variants and fields is the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileHead {
    /// 0, from a client: stores the file.
    Put {
        /// The name, not yet validated.
        name: String,
        /// Modification time and access.
        meta: Meta,
        /// The condition for replacing an existing file.
        overwrite: Overwrite,
    },
    /// 1, from a server: answers a `Get` with the file.
    Got {
        /// Modification time and access.
        meta: Meta,
        /// The version of the file.
        version: Version,
    },
}

impl FileHead {
    /// Encodes the part of a frame before the `data_len` bytes of the file; these and their digest follow.
    ///
    /// # Errors
    /// The head or the file is too long, or `request` is 0.
    pub fn encode(&self, request: u32, data_len: u64) -> Result<Vec<u8>, FrameError> {
        let kind = FrameKind::File;
        let head = codec::encode(self).map_err(|source| FrameError::Record { kind, source })?;
        let layout = FileLayout { head_len: head.len(), data_len };
        layout.check()?;
        let header = FrameHeader::new(kind, request, layout.payload_len())?;
        // `check` has bounded it by MAX_FILE_HEAD_BYTES.
        let head_len = u32::try_from(head.len()).unwrap_or(u32::MAX);
        Ok([&header.encode()[..], &head_len.to_le_bytes(), &head].concat())
    }

    /// Decodes a head.
    ///
    /// # Errors
    /// [`FrameError::Record`] if the bytes are not exactly one head.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let kind = FrameKind::File;
        codec::decode(bytes).map_err(|source| FrameError::Record { kind, source })
    }
}

/// The layout of a file frame's payload, for receivers that do not buffer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// Length in bytes of the head, which stands behind the prefix.
    pub head_len: usize,
    /// Length in bytes of the file, which stands between head and digest.
    pub data_len: u64,
}

impl FileLayout {
    /// Decodes the layout of a frame with this header from the first bytes of its payload.
    ///
    /// # Errors
    /// The frame has another kind, or a part of it is too long.
    pub fn decode(
        header: &FrameHeader,
        prefix: [u8; FILE_PREFIX_BYTES],
    ) -> Result<Self, FrameError> {
        header.expect(FrameKind::File)?;
        let len = u64::from(u32::from_le_bytes(prefix));
        let around = (FILE_PREFIX_BYTES + HASH_BYTES) as u64;
        let data_len = u64::from(header.len).checked_sub(around + len);
        let (Some(data_len), Ok(head_len)) = (data_len, usize::try_from(len)) else {
            return Err(FrameError::FileHead { len });
        };
        let layout = Self { head_len, data_len };
        layout.check()?;
        Ok(layout)
    }

    fn payload_len(&self) -> u64 {
        (FILE_PREFIX_BYTES + HASH_BYTES + self.head_len) as u64 + self.data_len
    }

    fn check(&self) -> Result<(), FrameError> {
        if self.head_len > MAX_FILE_HEAD_BYTES {
            return Err(FrameError::FileHead { len: self.head_len as u64 });
        }
        if self.data_len > BLOCK_BYTES {
            return Err(FrameError::FileLength { len: self.data_len });
        }
        Ok(())
    }
}
