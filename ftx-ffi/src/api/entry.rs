//! Entries of listings in their C layout.

use std::ffi::{c_char, c_void};

use ftx_client::{Entry, EntryKind, Listed, Obstacle, Reason, Untransferable};
use ftx_core::native::wire::Meta;

use super::codes::{
    FTX_ENTRY_DIRECTORY, FTX_ENTRY_FILE, FTX_ENTRY_UNTRANSFERABLE, FTX_OBSTACLE_LINK,
    FTX_OBSTACLE_NAME_REFUSED, FTX_OBSTACLE_NONE, FTX_OBSTACLE_NOT_UTF8, FTX_OBSTACLE_SPECIAL,
    FTX_OBSTACLE_TOO_LONG,
};
use crate::failure::Failure;
use crate::pointer::{Text, Versioned};

/// Size of `ftx_entry.name` in bytes: the longest name and its NUL.
pub const FTX_NAME_BYTES: usize = 4100;

/// A file or directory of the server, or something in a directory that cannot be transferred. Set
/// `struct_size` to `sizeof(ftx_entry)` before the call that fills it in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxEntry {
    /// Size of this struct in bytes, in the caller's header.
    pub struct_size: u32,
    /// `FTX_ENTRY_FILE`, `FTX_ENTRY_DIRECTORY` or `FTX_ENTRY_UNTRANSFERABLE`; only listings have
    /// the last kind.
    pub kind: u32,
    /// Size of the file in bytes; 0 for other entries.
    pub size: u64,
    /// Time of the last change: seconds since 1970-01-01T00:00:00Z.
    pub mtime_seconds: i64,
    /// Nanoseconds to add to these seconds.
    pub mtime_nanoseconds: u32,
    /// 1 if the time of the last change is known, otherwise 0.
    pub has_mtime: u32,
    /// 1 if its owner may execute it, otherwise 0.
    pub executable: u32,
    /// Length of the name in bytes, without the NUL, as `strlen` returns it.
    pub name_length: u32,
    /// Its whole remote name; UTF-8, ends with a NUL. With `FTX_ENTRY_UNTRANSFERABLE` it is for
    /// display only, and no request accepts it: bytes that are not UTF-8 are escaped as `\xff`,
    /// backslashes as
    /// `\\`, and a long name loses its middle.
    pub name: [c_char; FTX_NAME_BYTES],
    /// The reason why it cannot be transferred: `FTX_OBSTACLE_LINK` or its like;
    /// `FTX_OBSTACLE_NONE` for a file or directory.
    pub obstacle: u32,
}

// SAFETY: the size comes first, and all fields are numbers or arrays of them.
unsafe impl Versioned for FtxEntry {
    const NAME: &'static str = "ftx_entry";
}

impl FtxEntry {
    /// Refuses an entry whose name C would read as a different one.
    pub(crate) fn check(listed: &Listed) -> Result<(), Failure> {
        match listed {
            Listed::Entry(Entry { name, .. }) if !Text::<FTX_NAME_BYTES>::fits(name.as_str()) => {
                Err(refused(name.as_str()))
            }
            Listed::Entry(_) | Listed::Untransferable(_) => Ok(()),
        }
    }

    /// An entry for C, unless [`FtxEntry::check`] refuses it.
    pub(crate) fn new(listed: &Listed) -> Result<Self, Failure> {
        match listed {
            Listed::Entry(Entry { name, kind, size, meta }) => {
                let text = Text::whole(name.as_str()).ok_or_else(|| refused(name.as_str()))?;
                let kind = match kind {
                    EntryKind::File => FTX_ENTRY_FILE,
                    EntryKind::Directory => FTX_ENTRY_DIRECTORY,
                };
                Ok(Self::filled(kind, FTX_OBSTACLE_NONE, text, *size, meta))
            }
            Listed::Untransferable(Untransferable { name, obstacle, size, meta }) => {
                let name = name.to_string();
                let text = Text::whole(&name).unwrap_or_else(|| Text::message(&name));
                let obstacle = match obstacle {
                    Obstacle::Link => FTX_OBSTACLE_LINK,
                    Obstacle::Special => FTX_OBSTACLE_SPECIAL,
                    Obstacle::NotUtf8 => FTX_OBSTACLE_NOT_UTF8,
                    Obstacle::NameRefused => FTX_OBSTACLE_NAME_REFUSED,
                    Obstacle::TooLong => FTX_OBSTACLE_TOO_LONG,
                };
                Ok(Self::filled(FTX_ENTRY_UNTRANSFERABLE, obstacle, text, *size, meta))
            }
        }
    }

    fn filled(
        kind: u32,
        obstacle: u32,
        name: Text<FTX_NAME_BYTES>,
        size: u64,
        meta: &Meta,
    ) -> Self {
        Self {
            struct_size: u32::try_from(size_of::<Self>()).unwrap_or(0),
            kind,
            size,
            mtime_seconds: meta.mtime.map_or(0, |mtime| mtime.secs()),
            mtime_nanoseconds: meta.mtime.map_or(0, |mtime| mtime.nanos()),
            has_mtime: meta.mtime.is_some().into(),
            executable: meta.executable.into(),
            name_length: name.length,
            name: name.bytes,
            obstacle,
        }
    }
}

/// Failure for a name from the server that no file can have.
fn refused(name: &str) -> Failure {
    let (len, most) = (name.len(), FTX_NAME_BYTES - 1);
    let message = format!(
        "the server lists a name of {len} bytes that no file can have: a name has at most {most}, and \
         no NUL"
    );
    Failure::reason(Reason::Malformed, message)
}

/// Receives an entry of a listing, on the calling thread. `entry` is valid during the call. A
/// result other than 0 ends the listing, which then returns `FTX_CANCELLED`. Otherwise as
/// `ftx_progress_fn`.
pub type FtxEntryFn =
    Option<unsafe extern "C" fn(entry: *const FtxEntry, user_data: *mut c_void) -> i32>;
