//! Entries of listings.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::Meta;
use crate::raw_name::NameKey;
use crate::{NameError, RawName, RawNameError, RemoteName};

/// The type of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// 0: a regular file.
    File,
    /// 1: a directory.
    Directory,
}

/// A file or directory of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The full name, from the root.
    pub name: RemoteName,
    /// File or directory.
    pub kind: EntryKind,
    /// The size in bytes; 0 for a directory.
    pub size: u64,
    /// Modification time and access.
    pub meta: Meta,
}

/// Why a directory entry cannot be transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Obstacle {
    /// 0: a symbolic link.
    Link,
    /// 1: a device, FIFO, socket or other special file.
    Special,
    /// 2: the name is not UTF-8.
    NotUtf8,
    /// 3: the name breaks a rule of [`RemoteName`].
    NameRefused,
    /// 4: the name or a part of it is too long.
    TooLong,
}

/// A directory entry that cannot be transferred. No request takes its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untransferable {
    /// The full name, from the root.
    pub name: RawName,
    /// The reason.
    pub obstacle: Obstacle,
    /// The size in bytes; 0 unless it is a regular file.
    pub size: u64,
    /// Modification time and access.
    pub meta: Meta,
}

/// One item of a listing.
///
/// Its record is that of an [`Entry`], with a third kind that carries the [`Obstacle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ListedRecord", into = "ListedRecord")]
pub enum Listed {
    /// A file or directory.
    Entry(Entry),
    /// An entry listed for completeness.
    Untransferable(Untransferable),
}

impl Obstacle {
    /// The identifier in output for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Special => "special",
            Self::NotUtf8 => "not_utf8",
            Self::NameRefused => "name_refused",
            Self::TooLong => "too_long",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "it is a symbolic link",
            Self::Special => "it is neither a file nor a directory",
            Self::NotUtf8 => "its name is not UTF-8",
            Self::NameRefused => "its name is not allowed",
            Self::TooLong => "its name is too long",
        })
    }
}

impl From<&NameError> for Obstacle {
    fn from(error: &NameError) -> Self {
        match error {
            NameError::NotUnicode => Self::NotUtf8,
            NameError::PartTooLong { .. } | NameError::TooLong { .. } => Self::TooLong,
            _ => Self::NameRefused,
        }
    }
}

impl Listed {
    /// The full name, from the root.
    #[must_use]
    pub fn raw_name(&self) -> RawName {
        match self {
            Self::Entry(entry) => RawName::from(&entry.name),
            Self::Untransferable(other) => other.name.clone(),
        }
    }

    /// The file or directory, if it can be transferred.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Untransferable(_) => None,
        }
    }

    /// Length in bytes within an `Entries`. The items of a message, and 32 more bytes, must fit a record
    /// ([`MAX_RECORD_BYTES`](crate::codec::MAX_RECORD_BYTES)).
    #[must_use]
    pub fn record_len(&self) -> usize {
        let (name, kind, meta) = match self {
            Self::Entry(Entry { name, meta, .. }) => (name.as_str().len(), 4, meta),
            Self::Untransferable(Untransferable { name, meta, .. }) => (name.text_len(), 8, meta),
        };
        let mtime = if meta.mtime.is_some() { 12 } else { 0 };
        8 + name + kind + 8 + 1 + mtime + 1
    }

    pub(crate) fn place(&self) -> NameKey<'_> {
        match self {
            Self::Entry(entry) => NameKey::from(&entry.name),
            Self::Untransferable(other) => other.name.place(),
        }
    }
}

/// The record of a [`Listed`].
#[derive(Serialize, Deserialize)]
struct ListedRecord {
    name: String,
    kind: ListedKind,
    size: u64,
    meta: Meta,
}

#[derive(Serialize, Deserialize)]
enum ListedKind {
    File,
    Directory,
    Untransferable(Obstacle),
}

/// An invalid name in a listing.
#[derive(Debug, thiserror::Error)]
enum ListedError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    RawName(#[from] RawNameError),
}

impl TryFrom<ListedRecord> for Listed {
    type Error = ListedError;

    fn try_from(record: ListedRecord) -> Result<Self, ListedError> {
        let ListedRecord { name, kind, size, meta } = record;
        let kind = match kind {
            ListedKind::File => EntryKind::File,
            ListedKind::Directory => EntryKind::Directory,
            ListedKind::Untransferable(obstacle) => {
                let name = RawName::try_from(name)?;
                return Ok(Self::Untransferable(Untransferable { name, obstacle, size, meta }));
            }
        };
        Ok(Self::Entry(Entry { name: RemoteName::try_from(name)?, kind, size, meta }))
    }
}

impl From<Listed> for ListedRecord {
    fn from(listed: Listed) -> Self {
        match listed {
            Listed::Entry(Entry { name, kind, size, meta }) => {
                let kind = match kind {
                    EntryKind::File => ListedKind::File,
                    EntryKind::Directory => ListedKind::Directory,
                };
                Self { name: name.into(), kind, size, meta }
            }
            Listed::Untransferable(Untransferable { name, obstacle, size, meta }) => {
                let kind = ListedKind::Untransferable(obstacle);
                Self { name: name.into(), kind, size, meta }
            }
        }
    }
}
