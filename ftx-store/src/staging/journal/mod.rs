//! The journal: the record file beside a staging's data, from which the staging can be resumed.
//!
//! It is never synced, since a sync for each checkpoint would cost more than the data. So no record
//! is believed on its own: a checksum reveals a record torn by a crash, and recovery, of a
//! [`PrefixStaging`](crate::PrefixStaging::recover) or [`BlockStaging`](crate::BlockStaging::recover), checks
//! whether the data matches.
//!
//! # The bytes
//! ```text
//! 46 54 58 4a 52 4e 4c 31      magic, "FTXJRNL1"
//! then records, each:
//!   u32  length of the payload, at most 65,536
//!   u32  CRC-32 (IEEE) over the four bytes of the length and the payload
//!        payload
//! ```
//! All integers are little-endian. Payloads are [`JournalRecord`]s as [`ftx_core::codec`] writes them:
//! ```text
//! 00000000  Begin       u64 length and UTF-8 bytes of name; boot; u64 created_unix
//! 01000000  Checkpoint  boot; u64 length of the data; u64 88; 88 bytes of hasher
//! 02000000  Distrust
//! 03000000  Blocks      u64 length and UTF-8 bytes of name; u64 size; boot; u64 created_unix
//! 04000000  Block       u64 index; 32 bytes of chaining value
//! 05000000  Epoch       boot
//! 06000000  Forget      u64 index
//! 07000000  OwnedBlocks the fields of Blocks; u64 length and UTF-8 bytes of principal
//!
//! boot      00, or 01 and 16 bytes that name the cache epoch: no other kernel run, mount or file
//!           has the same
//! hasher    four u32 of MD5 state; u64 blocks of 64 bytes hashed; u8 bytes of the next block;
//!           63 bytes: these bytes, padded with zeros
//! ```
//! The first record is `Begin`, followed only by `Checkpoint` and `Distrust`, or `Blocks` or
//! `OwnedBlocks`, followed only by `Block`, `Epoch`, `Forget` and `Distrust`. Reading stops at the first record that is truncated, fails
//! its checksum or is of an unknown kind, and the file is cut there before anything is appended.

mod record;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::fs::Dir;
use ftx_core::codec;

pub use self::record::{HasherState, JournalRecord};

use crate::StoreError;
use crate::staging::private_file::{self, PartialFile, remove};
use crate::sys::Writers;

const MAGIC: &[u8; 8] = b"FTXJRNL1";
/// Length and checksum.
const RECORD_HEAD_BYTES: usize = 8;
/// No record comes near it; a greater length is damage, and must not cause an allocation.
const MAX_RECORD_PAYLOAD_BYTES: usize = 64 * 1024;

/// An open journal, ready for appending.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// The end of the last good record, where the next one goes.
    end: u64,
}

impl Journal {
    /// Starts a journal at `path` in `dir` with its first records, replacing any that exists. If that
    /// fails, as on a full disk, no file is left: nobody would know whose it is.
    pub(crate) fn begin(
        dir: &Dir,
        path: &Path,
        records: &[JournalRecord],
    ) -> Result<Self, StoreError> {
        let begun = Self::create(dir, path).and_then(|mut journal| {
            records.iter().try_for_each(|record| journal.append(record))?;
            Ok(journal)
        });
        begun.inspect_err(|_| {
            let _ = remove(dir, path);
        })
    }

    /// Starts an empty journal at `path` in `dir`, replacing any that exists.
    ///
    /// # Errors
    /// Failures to create and write the file.
    pub fn create(dir: &Dir, path: &Path) -> Result<Self, StoreError> {
        let file = match private_file::create(dir, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                remove(dir, path)?;
                private_file::create(dir, path)
            }
            created => created,
        };
        let mut file = file.map_err(|error| StoreError::io("create", path, error))?;
        file.write_all(MAGIC).map_err(|error| StoreError::io("write", path, error))?;
        Ok(Self { file, path: path.to_path_buf(), end: MAGIC.len() as u64 })
    }

    /// Opens the journal at `path` in `dir` and cuts it behind its last good record. `None` when
    /// the file does not exist, is not a journal of this version, or could have been written by
    /// other users.
    ///
    /// # Errors
    /// Failures to open, read and cut the file.
    pub fn open(dir: &Dir, path: &Path) -> Result<Option<Self>, StoreError> {
        let opened = Self::open_unread(dir, path, true)?;
        let Some(mut journal) = opened else { return Ok(None) };
        let mut end = MAGIC.len() as u64;
        journal.for_each(|_, record_end| {
            end = record_end;
            Ok(true)
        })?;
        journal.cut(end)?;
        Ok(Some(journal))
    }

    /// Returns the first record of the journal at `path` in `dir`, which reveals the kind of
    /// staging. `None` when there is no such file or record. Changes nothing.
    ///
    /// # Errors
    /// Failures to open and read the file.
    pub fn peek(dir: &Dir, path: &Path) -> Result<Option<JournalRecord>, StoreError> {
        match Self::open_unread(dir, path, false)? {
            Some(mut journal) => journal.first(),
            None => Ok(None),
        }
    }

    /// Whether the file at `path` in `dir` is a journal that only this user or the user's group
    /// could have written.
    pub(crate) fn is_ours(dir: &Dir, path: &Path) -> bool {
        matches!(Self::open_unread(dir, path, false), Ok(Some(_)))
    }

    fn open_unread(dir: &Dir, path: &Path, write: bool) -> Result<Option<Self>, StoreError> {
        let found = private_file::open(dir, path, write);
        let file = match found.map_err(|error| StoreError::io("open", path, error))? {
            PartialFile::Missing | PartialFile::Foreign => return Ok(None),
            PartialFile::Ours(file) => file,
        };
        let mut magic = [0; MAGIC.len()];
        match (&file).read_exact(&mut magic) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read.map_err(|error| StoreError::io("read", path, error))?,
        }
        Ok((&magic == MAGIC).then(|| Self { file, path: path.to_path_buf(), end: u64::MAX }))
    }

    /// Adds a record. On failure the journal stays as before.
    ///
    /// # Errors
    /// Failures to write; [`StoreError::Corrupt`] for a record longer than the format allows.
    pub fn append(&mut self, record: &JournalRecord) -> Result<(), StoreError> {
        let corrupt = |detail| StoreError::Corrupt { path: self.path.clone(), detail };
        let payload = codec::encode(record).map_err(|error| corrupt(error.to_string()))?;
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        if payload.len() > MAX_RECORD_PAYLOAD_BYTES {
            return Err(corrupt(format!("a record of {len} bytes is too long")));
        }
        let mut bytes = Vec::with_capacity(RECORD_HEAD_BYTES + payload.len());
        bytes.extend(len.to_le_bytes());
        bytes.extend(checksum(len, &payload).to_le_bytes());
        bytes.extend(payload);

        let written = self.file.seek(SeekFrom::Start(self.end));
        let written = written.and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written {
            // If this fails as well, reading ends at the torn record, and the next record
            // overwrites it.
            let _ = self.file.set_len(self.end);
            return Err(StoreError::io("write", &self.path, error));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Passes the records in order to `visit`, each with the offset of its end, until `visit`
    /// returns `false`.
    ///
    /// # Errors
    /// Failures to read, and the errors of `visit`.
    pub fn for_each(
        &mut self,
        mut visit: impl FnMut(JournalRecord, u64) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let read_error = |error| StoreError::io("read", &self.path, error);
        let mut end = MAGIC.len() as u64;
        (&self.file).seek(SeekFrom::Start(end)).map_err(read_error)?;
        let mut reader = BufReader::new(&self.file);
        while end < self.end {
            let Some((record, bytes)) = read_record(&mut reader).map_err(read_error)? else {
                return Ok(());
            };
            end += bytes;
            if !visit(record, end)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The first record.
    pub(crate) fn first(&mut self) -> Result<Option<JournalRecord>, StoreError> {
        let mut first = None;
        self.for_each(|record, _| {
            first = Some(record);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Removes the records beyond `end`, an offset that [`for_each`](Self::for_each) passed. If
    /// there are none, the file keeps its modification time.
    ///
    /// # Errors
    /// Failures to cut the file.
    pub fn cut(&mut self, end: u64) -> Result<(), StoreError> {
        let cut = self.file.metadata().and_then(|metadata| {
            if metadata.len() == end { Ok(()) } else { self.file.set_len(end) }
        });
        cut.map_err(|error| StoreError::io("truncate", &self.path, error))?;
        self.end = end;
        Ok(())
    }

    /// Whether only this user could have written it.
    pub(crate) fn is_written_by_us_alone(&self) -> Result<bool, StoreError> {
        let writers = Writers::of_file(&self.file);
        Ok(writers.map_err(|error| StoreError::io("stat", &self.path, error))? == Writers::Us)
    }

    /// The time of the last record, and so of the last write to the staging; `None` where the
    /// system does not report it.
    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.file.metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// Resets the modification time to `time`, so that the latest records do not make the staging
    /// younger.
    pub(crate) fn keep_modified(&self, time: SystemTime) {
        if let Err(error) = self.file.set_modified(time) {
            tracing::debug!(%error, path = ?self.path, "the time of a journal cannot be reset");
        }
    }

    /// The bytes of a journal in which every epoch is replaced by `run`.
    #[cfg(test)]
    pub(crate) fn retold(bytes: &[u8], run: Option<crate::BootId>) -> Vec<u8> {
        let mut rest = bytes.strip_prefix(MAGIC).unwrap_or_default();
        let mut told = bytes[..bytes.len() - rest.len()].to_vec();
        while let Ok(Some((mut record, len))) = read_record(&mut &*rest) {
            match &mut record {
                JournalRecord::Begin { boot, .. }
                | JournalRecord::Checkpoint { boot, .. }
                | JournalRecord::Blocks { boot, .. }
                | JournalRecord::OwnedBlocks { boot, .. }
                | JournalRecord::Epoch { boot } => *boot = boot.and(run),
                _ => {}
            }
            let payload = codec::encode(&record).unwrap();
            let payload_len = u32::try_from(payload.len()).unwrap();
            told.extend(payload_len.to_le_bytes());
            told.extend(checksum(payload_len, &payload).to_le_bytes());
            told.extend(payload);
            rest = &rest[usize::try_from(len).unwrap()..];
        }
        told.extend(rest);
        told
    }

    #[cfg(test)]
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

/// Returns the next record and its length in the file; `None` at the end of the good ones.
fn read_record(reader: &mut impl Read) -> io::Result<Option<(JournalRecord, u64)>> {
    let mut len = [0; 4];
    let mut crc = [0; 4];
    if !read_whole(reader, &mut len)? || !read_whole(reader, &mut crc)? {
        return Ok(None);
    }
    let len = u32::from_le_bytes(len);
    let Some(payload_len) =
        usize::try_from(len).ok().filter(|&len| len <= MAX_RECORD_PAYLOAD_BYTES)
    else {
        return Ok(None);
    };
    let mut payload = vec![0; payload_len];
    if !read_whole(reader, &mut payload)? || checksum(len, &payload) != u32::from_le_bytes(crc) {
        return Ok(None);
    }
    let bytes = (RECORD_HEAD_BYTES + payload_len) as u64;
    Ok(codec::decode(&payload).ok().map(|record| (record, bytes)))
}

/// Fills `buffer`; `false` if the file ends too early.
fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

fn checksum(len: u32, payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&len.to_le_bytes());
    crc.update(payload);
    crc.finalize()
}
