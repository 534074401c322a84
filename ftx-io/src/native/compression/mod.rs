//! Compression of the outgoing frames, and decoding of the incoming ones.
//!
//! | file | content |
//! | --- | --- |
//! | `policy` | whether, and how hard, to compress |
//! | `packer` | outgoing frames, collected and compressed |
//! | `zstd` | the library |

mod packer;
mod policy;
mod zstd;

use ftx_core::native::wire::FrameError;

pub(crate) use self::packer::Packer;
pub use self::policy::LineHint;

/// When the bytes of frames are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Never.
    Never,
    /// While the line is slower than the compressor, at a level that fits the line.
    #[default]
    Auto,
    /// Whatever the line, at a level that fits it.
    Always,
    /// Whatever the line, at this level.
    Level(CompressionLevel),
}

/// A level of zstd: 1, the fastest, to 19, the smallest result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CompressionLevel(u8);

impl CompressionLevel {
    /// The level of the smallest result.
    pub const MAX: u8 = 19;

    /// The level of this number; `None` unless it is 1 to [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level >= 1 && level <= Self::MAX { Some(Self(level)) } else { None }
    }

    /// The number of the level.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// A zstd frame of any bytes.
#[cfg(test)]
pub(crate) fn compress_for_tests(plain: &[u8]) -> Vec<u8> {
    let mut zstd = Vec::new();
    let len = zstd::compress(plain, 1, &mut zstd).unwrap();
    assert_eq!(len, zstd.len());
    zstd
}

/// Decodes a zstd frame of a peer into the whole of `plain`.
///
/// # Errors
/// [`FrameError::Undecodable`] unless `encoded` is exactly one zstd frame of exactly so many bytes.
pub(crate) fn decompress(encoded: &[u8], plain: &mut [u8]) -> Result<(), FrameError> {
    zstd::decompress(encoded, plain)
}
