//! A whole small file on its way.
//!
//! ```text
//! header │ u32 length of the head │ head │ 0 to 1,048,576 bytes of the file │ 32 bytes digest
//! ```
//!
//! The head is a record of type [`FileHead`].

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{FrameError, FrameHeader, FrameKind, HASH_LEN, Meta, Overwrite, Version};
use crate::codec;
use crate::native::blocks::{BLOCK_BYTES, Digest};

/// Bytes between the header and the head.
pub const FILE_PREFIX_LEN: usize = 4;

/// The longest head, in bytes.
pub(super) const MAX_FILE_HEAD_BYTES: usize = 16 << 10;

/// What a file frame says of its file. The order of variants and fields is the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileHead {
    /// 0, from a client: store this.
    Put {
        /// Its name, not yet checked.
        name: String,
        /// What else is to be kept of it.
        meta: Meta,
        /// What may become of a file that is there.
        overwrite: Overwrite,
    },
    /// 1, from a server: this is what you asked for.
    Got {
        /// What else is known of it.
        meta: Meta,
        /// Which version it is.
        version: Version,
    },
}

impl FileHead {
    /// Everything of a frame before `data_len` bytes of the file; these and their digest follow.
    ///
    /// # Errors
    /// The head or the file is too long, or `request` is 0.
    pub fn encode(&self, request: u32, data_len: u64) -> Result<Vec<u8>, FrameError> {
        let kind = FrameKind::File;
        let head = codec::encode(self).map_err(|source| FrameError::Record { kind, source })?;
        let layout = FileLayout { head_len: head.len(), data_len };
        layout.check()?;
        let header = FrameHeader::new(kind, request, layout.payload_len())?;
        // No more than MAX_FILE_HEAD_BYTES, which was checked.
        let head_len = u32::try_from(head.len()).unwrap_or(u32::MAX);
        Ok([&header.encode()[..], &head_len.to_le_bytes(), &head].concat())
    }

    /// The head that these bytes are.
    ///
    /// # Errors
    /// They are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let kind = FrameKind::File;
        codec::decode(bytes).map_err(|source| FrameError::Record { kind, source })
    }
}

/// How the payload of a file frame is divided, for those that do not want to hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// Bytes of the head, which stands behind the prefix.
    pub head_len: usize,
    /// Bytes of the file, which stand behind the head and before the digest.
    pub data_len: u64,
}

impl FileLayout {
    /// The layout of a frame with this header, from the first bytes of its payload.
    ///
    /// # Errors
    /// It is another kind of frame, or its parts are longer than allowed.
    pub fn decode(header: &FrameHeader, prefix: [u8; FILE_PREFIX_LEN]) -> Result<Self, FrameError> {
        header.expect(FrameKind::File)?;
        let len = u64::from(u32::from_le_bytes(prefix));
        let around = (FILE_PREFIX_LEN + HASH_LEN) as u64;
        let data_len = u64::from(header.len).checked_sub(around + len);
        let (Some(data_len), Ok(head_len)) = (data_len, usize::try_from(len)) else {
            return Err(FrameError::FileHead { len });
        };
        let layout = Self { head_len, data_len };
        layout.check()?;
        Ok(layout)
    }

    fn payload_len(&self) -> u64 {
        (FILE_PREFIX_LEN + HASH_LEN + self.head_len) as u64 + self.data_len
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

/// A file frame whose payload is at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFrame<'a> {
    /// What it says of its file.
    pub head: FileHead,
    /// The file, at most [`BLOCK_BYTES`] bytes.
    pub data: &'a [u8],
    /// The digest as the sender gives it; whether `data` has it is for the receiver to see.
    pub digest: Digest,
}

impl<'a> FileFrame<'a> {
    /// The parts of a payload.
    ///
    /// # Errors
    /// It is none, or not all of it.
    pub fn decode(header: &FrameHeader, payload: &'a [u8]) -> Result<Self, FrameError> {
        let kind = FrameKind::File;
        let wrong = FrameError::PayloadLength { kind, len: payload.len() as u64 };
        let Some((prefix, rest)) = payload.split_first_chunk() else { return Err(wrong) };
        let layout = FileLayout::decode(header, *prefix)?;
        let Some((head, rest)) = rest.split_at_checked(layout.head_len) else { return Err(wrong) };
        let Some((data, digest)) = rest.split_last_chunk() else { return Err(wrong) };
        if data.len() as u64 != layout.data_len {
            return Err(wrong);
        }
        Ok(Self { head: FileHead::decode(head)?, data, digest: Digest(*digest) })
    }
}
