//! The 12 bytes before every payload.
//!
//! ```text
//! u32 length of the payload │ u32 request id │ u8 kind │ 00 00 00
//! ```

use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::compressed::MIN_ZSTD_BYTES;
use super::file::MAX_FILE_HEAD_BYTES;
use super::{
    BLOCK_HEAD_BYTES, COMPRESSED_HEAD_BYTES, FILE_PREFIX_BYTES, FrameError, HASH_BYTES,
    MAX_ZSTD_BYTES,
};
use crate::codec::{self, MAX_RECORD_BYTES};
use crate::native::blocks::BLOCK_BYTES;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 12;

/// The longest payload: a block and the bytes around it.
pub(super) const MAX_PAYLOAD_BYTES: u32 = (1 << 20) + (1 << 16);

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// 1: one [`Request`](super::Request) or [`Reply`](super::Reply).
    Control,
    /// 2: a block; its payload begins with [`BlockHead`](super::BlockHead).
    Block,
    /// 3: a whole small file; its payload has a [`FileLayout`](super::FileLayout).
    File,
    /// 4: bytes of other frames; its payload begins with [`CompressedHead`](super::CompressedHead). Only
    /// between peers that have both named the feature [`ZSTD`](super::ZSTD).
    Compressed,
}

impl FrameKind {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::Block => 2,
            Self::File => 3,
            Self::Compressed => 4,
        }
    }

    /// The kind with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Control),
            2 => Some(Self::Block),
            3 => Some(Self::File),
            4 => Some(Self::Compressed),
            _ => None,
        }
    }

    /// The shortest and the longest payload, in bytes.
    fn bounds(self) -> (u64, u64) {
        let sum = |lens: [usize; 3]| lens.iter().map(|&len| len as u64).sum::<u64>();
        match self {
            // The shortest record is the number of a variant.
            Self::Control => (4, MAX_RECORD_BYTES as u64),
            Self::Block => {
                let around = sum([BLOCK_HEAD_BYTES, HASH_BYTES, 0]);
                (around + 1, around + BLOCK_BYTES)
            }
            Self::File => {
                let around = sum([FILE_PREFIX_BYTES, HASH_BYTES, 0]);
                (around + 4, around + sum([MAX_FILE_HEAD_BYTES, 0, 0]) + BLOCK_BYTES)
            }
            Self::Compressed => {
                let head = sum([COMPRESSED_HEAD_BYTES, 0, 0]);
                (head + sum([MIN_ZSTD_BYTES, 0, 0]), head + sum([MAX_ZSTD_BYTES, 0, 0]))
            }
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "control",
            Self::Block => "block",
            Self::File => "file",
            Self::Compressed => "compressed",
        })
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The kind of the payload.
    pub kind: FrameKind,
    /// The request of the frame; 0 is the connection itself.
    pub request: u32,
    /// Length in bytes of the payload.
    pub len: u32,
}

impl FrameHeader {
    /// A header for a payload of `len` bytes.
    ///
    /// # Errors
    /// No frame of this kind has a payload of this length, or the frame has no request id and needs one, or
    /// the other way round.
    pub fn new(kind: FrameKind, request: u32, len: u64) -> Result<Self, FrameError> {
        let (least, most) = kind.bounds();
        let wrong = FrameError::PayloadLength { kind, len };
        if !(least..=most).contains(&len) {
            return Err(wrong);
        }
        let misfit = match kind {
            FrameKind::Block if request == 0 => Some("a block frame"),
            FrameKind::File if request == 0 => Some("a file frame"),
            FrameKind::Compressed if request != 0 => Some("a compressed frame"),
            _ => None,
        };
        if let Some(what) = misfit {
            return Err(FrameError::RequestId { what, request });
        }
        let len = u32::try_from(len).map_err(|_| wrong)?;
        Ok(Self { kind, request, len })
    }

    /// Encodes the header.
    #[must_use]
    pub const fn encode(&self) -> [u8; HEADER_BYTES] {
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let [r0, r1, r2, r3] = self.request.to_le_bytes();
        [l0, l1, l2, l3, r0, r1, r2, r3, self.kind.code(), 0, 0, 0]
    }

    /// Decodes a header.
    ///
    /// # Errors
    /// An unknown kind, non-zero reserved bytes, an invalid length, or a block or file without a
    /// request.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, r0, r1, r2, r3, kind, z0, z1, z2] = *bytes;
        let kind = FrameKind::from_code(kind).ok_or(FrameError::UnknownKind { kind })?;
        if [z0, z1, z2] != [0; 3] {
            return Err(FrameError::Reserved);
        }
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        Self::new(kind, u32::from_le_bytes([r0, r1, r2, r3]), len.into())
    }

    /// Checks the kind of the frame.
    ///
    /// # Errors
    /// [`FrameError::WrongKind`] for another kind.
    pub fn expect(&self, expected: FrameKind) -> Result<(), FrameError> {
        let got = self.kind;
        if got == expected { Ok(()) } else { Err(FrameError::WrongKind { expected, got }) }
    }
}

/// Decodes the header of the next frame, or returns `None` until `buffered` contains it. The payload
/// begins at [`HEADER_BYTES`] and may still be incomplete.
///
/// # Errors
/// The header is invalid, and the connection must be closed.
pub fn next_frame(buffered: &[u8]) -> Result<Option<FrameHeader>, FrameError> {
    buffered.first_chunk().map(FrameHeader::decode).transpose()
}

/// Encodes a whole control frame.
pub(super) fn control_frame<T: Serialize>(request: u32, record: &T) -> Result<Vec<u8>, FrameError> {
    let kind = FrameKind::Control;
    let record = codec::encode(record).map_err(|source| FrameError::Record { kind, source })?;
    let header = FrameHeader::new(kind, request, record.len() as u64)?;
    Ok([&header.encode()[..], &record].concat())
}
