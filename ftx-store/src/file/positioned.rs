//! Reading and writing at an offset, by several threads at once.

use std::fs::File;
use std::io;

/// Access to a file by offset. On systems without such calls, all users of a file must share one of
/// these.
#[derive(Debug, Default)]
pub struct Positioned {
    /// Held from seeking until reading or writing.
    #[cfg(not(unix))]
    position: std::sync::Mutex<()>,
}

#[cfg(unix)]
impl Positioned {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Read errors; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    #[allow(clippy::unused_self, reason = "only other systems need it")]
    pub fn read_exact_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
    }

    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    /// Write errors.
    #[allow(clippy::unused_self, reason = "only other systems need it")]
    pub fn write_all_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }
}

#[cfg(not(unix))]
impl Positioned {
    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Read errors; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    pub fn read_exact_at(&self, mut file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read as _, Seek as _};

        let _kept = self.position.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(io::SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }

    /// Writes all of `bytes` from `offset` on.
    ///
    /// # Errors
    /// Write errors.
    pub fn write_all_at(&self, mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek as _, Write as _};

        let _kept = self.position.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(io::SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }
}
