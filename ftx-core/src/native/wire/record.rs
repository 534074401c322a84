//! Parts of requests and replies. The order of variants and fields is the format.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::native::blocks::{BlockRange, Digest};
use crate::native::hex::{debug_in_hex, in_hex};

/// The most blocks in a `Have` or `Cvs`.
pub const MAX_CV_PAGE_BLOCKS: usize = 16_384;

/// The most ranges in a `Get`.
pub const MAX_GET_RANGES: usize = 2_048;

/// The 16-byte identity of a session, a run or a source. Knowledge of it is authority to act for it, so
/// `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token(pub [u8; 16]);

in_hex!(Token);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The version of a file. The bytes are opaque to the client; equal versions have equal contents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(pub [u8; 16]);

in_hex!(Version);
debug_in_hex!(Version);

/// A modification time, since the beginning of 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(i64, u32)")]
pub struct Mtime {
    secs: i64,
    nanos: u32,
}

impl Mtime {
    /// `secs` seconds, negative before 1970, plus `nanos` nanoseconds. `None` unless `nanos` is less than
    /// a second.
    #[must_use]
    pub const fn new(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 { Some(Self { secs, nanos }) } else { None }
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds after the seconds, less than 10^9.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }
}

impl TryFrom<(i64, u32)> for Mtime {
    type Error = &'static str;

    fn try_from((secs, nanos): (i64, u32)) -> Result<Self, Self::Error> {
        Self::new(secs, nanos).ok_or("a time has a second or more of nanoseconds")
    }
}

/// Modification time and access of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(Option<Mtime>, u8)", into = "(Option<Mtime>, u8)")]
pub struct Meta {
    /// The modification time, if known.
    pub mtime: Option<Mtime>,
    /// Whether the owner may execute it.
    pub executable: bool,
    /// The readers of a new file with these contents.
    pub readers: Readers,
}

/// The readers of a new file, further restricted by the creator's umask and the directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Readers {
    /// All users.
    #[default]
    All,
    /// The owner and the group.
    Group,
    /// The owner.
    Owner,
}

impl From<Meta> for (Option<Mtime>, u8) {
    fn from(Meta { mtime, executable, readers }: Meta) -> Self {
        let readers = match readers {
            Readers::All => 0,
            Readers::Group => 2,
            Readers::Owner => 4,
        };
        (mtime, readers | u8::from(executable))
    }
}

impl TryFrom<(Option<Mtime>, u8)> for Meta {
    type Error = &'static str;

    fn try_from((mtime, access): (Option<Mtime>, u8)) -> Result<Self, Self::Error> {
        let readers = match access & !1 {
            0 => Readers::All,
            2 => Readers::Group,
            4 => Readers::Owner,
            _ => return Err("the access of a file is invalid"),
        };
        Ok(Self { mtime, executable: access & 1 == 1, readers })
    }
}

/// The condition for replacing an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Overwrite {
    /// 0: replace it.
    Replace,
    /// 1: keep it; the upload fails with `AlreadyExists`.
    Fail,
    /// 2: replace it if it has this digest; otherwise, and without a file, the upload fails with
    /// `PreconditionFailed`.
    IfUnchanged(Digest),
}

/// The part of a file that a `Get` requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GetScope {
    /// 0: all bytes.
    Whole,
    /// 1: the chaining values.
    Manifest,
    /// 2: these blocks, at most [`MAX_GET_RANGES`] ranges.
    Blocks(Vec<BlockRange>),
    /// 3: all bytes, unless the file has at most one block and this digest.
    WholeUnless(Digest),
    /// 4: the chaining values, computed from the file: the server drops its cached ones.
    FreshManifest,
}
