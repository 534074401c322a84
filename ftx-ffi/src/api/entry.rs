//! Entries of listings, as C has them.

use std::ffi::{c_char, c_void};

use ftx_client::{Entry, EntryKind, Reason};

use super::codes::{FTX_ENTRY_DIRECTORY, FTX_ENTRY_FILE};
use crate::failure::Failure;
use crate::pointer::{Text, Versioned};

/// Bytes of the longest name, with the NUL at its end.
pub const FTX_NAME_BYTES: usize = 4100;

/// A file or directory of the server. Set `struct_size` to `sizeof(ftx_entry)` before it is filled
/// in.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FtxEntry {
    /// Bytes of this struct, as the caller knows it.
    pub struct_size: u32,
    /// `FTX_ENTRY_FILE` or `FTX_ENTRY_DIRECTORY`.
    pub kind: u32,
    /// Bytes of the file; 0 for a directory.
    pub size: u64,
    /// When it was last changed: seconds since 1970-01-01T00:00:00Z.
    pub mtime_seconds: i64,
    /// Nanoseconds after these.
    pub mtime_nanoseconds: u32,
    /// 1 if it is known when it was changed, otherwise 0.
    pub has_mtime: u32,
    /// 1 if its owner may run it, otherwise 0.
    pub executable: u32,
    /// Bytes of the name, without the NUL: what `strlen` says of it.
    pub name_length: u32,
    /// Its whole remote name; UTF-8, ends with a NUL.
    pub name: [c_char; FTX_NAME_BYTES],
    /// 0.
    pub reserved: u32,
}

// SAFETY: the size comes first, and all fields are numbers or arrays of them.
unsafe impl Versioned for FtxEntry {
    const NAME: &'static str = "ftx_entry";
}

impl FtxEntry {
    /// Refuses an entry whose name C would see as another one.
    pub(crate) fn check(entry: &Entry) -> Result<(), Failure> {
        let name: &str = entry.name.as_ref();
        if Text::<FTX_NAME_BYTES>::fits(name) { Ok(()) } else { Err(refused(name)) }
    }

    /// An entry for C, unless [`FtxEntry::check`] refuses it.
    pub(crate) fn new(entry: &Entry) -> Result<Self, Failure> {
        let name: &str = entry.name.as_ref();
        let name = Text::whole(name).ok_or_else(|| refused(name))?;
        Ok(Self {
            struct_size: u32::try_from(size_of::<Self>()).unwrap_or(0),
            kind: match entry.kind {
                EntryKind::File => FTX_ENTRY_FILE,
                EntryKind::Directory => FTX_ENTRY_DIRECTORY,
            },
            size: entry.size,
            mtime_seconds: entry.meta.mtime.map_or(0, |mtime| mtime.secs()),
            mtime_nanoseconds: entry.meta.mtime.map_or(0, |mtime| mtime.nanos()),
            has_mtime: entry.meta.mtime.is_some().into(),
            executable: entry.meta.executable.into(),
            name_length: name.length,
            name: name.bytes,
            reserved: 0,
        })
    }
}

/// The server has made the name up: no file has it.
fn refused(name: &str) -> Failure {
    let (len, most) = (name.len(), FTX_NAME_BYTES - 1);
    let message = format!(
        "the server lists a name of {len} bytes that no file can have: a name has at most {most}, and \
         no NUL"
    );
    Failure::reason(Reason::Malformed, message)
}

/// Is shown an entry of a listing, on the thread that has called. `entry` is valid during the call.
/// Anything but 0 ends the listing, which then returns `FTX_CANCELLED`. Otherwise as
/// `ftx_progress_fn`.
pub type FtxEntryFn =
    Option<unsafe extern "C" fn(entry: *const FtxEntry, user_data: *mut c_void) -> i32>;
