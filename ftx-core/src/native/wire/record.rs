//! What requests and replies are made of. The order of variants and fields is the format.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::native::blocks::{BlockRange, Digest};
use crate::native::hex::{debug_in_hex, in_hex};

/// Most blocks that a `Have` or `Cvs` speaks of.
pub const MAX_CV_PAGE_BLOCKS: usize = 16_384;

/// Most ranges that a `Get` names.
pub const MAX_RANGES: usize = 2_048;

/// 16 bytes by which a session, a run or a source is known again. Who knows it can act as it, so it is
/// not shown when a message is printed for debugging.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Token(pub [u8; 16]);

in_hex!(Token);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Which version of a file it is. The bytes mean something to the server alone; if they are equal,
/// so are the contents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version(pub [u8; 16]);

in_hex!(Version);
debug_in_hex!(Version);

/// When a file was last changed, since the beginning of 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(i64, u32)")]
pub struct Mtime {
    secs: i64,
    nanos: u32,
}

impl Mtime {
    /// `secs` seconds, negative before 1970, and `nanos` nanoseconds after them. `None` if these
    /// are a second or more.
    #[must_use]
    pub const fn new(secs: i64, nanos: u32) -> Option<Self> {
        if nanos < 1_000_000_000 { Some(Self { secs, nanos }) } else { None }
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn secs(self) -> i64 {
        self.secs
    }

    /// Nanoseconds after these, less than a second.
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

/// What is kept of a file besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(Option<Mtime>, u8)", into = "(Option<Mtime>, u8)")]
pub struct Meta {
    /// When it was last changed, if that is known.
    pub mtime: Option<Mtime>,
    /// Whether its owner may run it.
    pub executable: bool,
    /// Whom a new file of its contents is for.
    pub readers: Readers,
}

/// Who may read a file, if the mask and the directory of whoever makes it let them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Readers {
    /// Everybody.
    #[default]
    All,
    /// Its owner and its group.
    Group,
    /// Its owner.
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
            _ => return Err("nobody knows whom a file is for"),
        };
        Ok(Self { mtime, executable: access & 1 == 1, readers })
    }
}

/// What may become of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Overwrite {
    /// 0: it is replaced.
    Replace,
    /// 1: it stays, and the upload fails with `AlreadyExists`.
    Fail,
    /// 2: it is replaced if it has this digest; otherwise, or without a file, the upload fails with
    /// `PreconditionFailed`.
    IfUnchanged(Digest),
}

/// What is wanted of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GetScope {
    /// 0: all its bytes.
    Whole,
    /// 1: its chaining values.
    Manifest,
    /// 2: these blocks, at most [`MAX_RANGES`] ranges.
    Blocks(Vec<BlockRange>),
    /// 3: all its bytes, unless it is of at most one block and has this digest.
    WholeUnless(Digest),
    /// 4: its chaining values, read from the file: the server drops what it has cached of it.
    FreshManifest,
}
