//! Hashing on blocking threads.

use std::io::{self, Read, Seek, SeekFrom};

use cap_std::fs::File;
use ftx_store::PrefixHasher;

use crate::{CHUNK_BYTES, Executor};

/// The bytes hashed by one blocking thread before the caller is asked again.
const SLICE_BYTES: u64 = 16 * 1024 * 1024;

/// Hashes the first `len` bytes of `file`, and returns the file with the hasher. Calls `keep_going`
/// with the bytes hashed so far, every 16 MiB and at the end; returns `None` when it returns
/// `false`.
///
/// # Errors
/// The file cannot be read, or is shorter ([`io::ErrorKind::UnexpectedEof`]).
pub async fn hash_prefix(
    executor: &Executor,
    mut file: File,
    len: u64,
    mut keep_going: impl FnMut(u64) -> bool,
) -> io::Result<Option<(File, PrefixHasher)>> {
    let mut hasher = PrefixHasher::new();
    file.seek(SeekFrom::Start(0))?;
    while hasher.len() < len {
        let slice = SLICE_BYTES.min(len - hasher.len());
        let fed = executor.run_long(move || {
            feed(&mut file, &mut hasher, slice)?;
            io::Result::Ok((file, hasher))
        });
        (file, hasher) = fed.await??;
        if !keep_going(hasher.len()) {
            return Ok(None);
        }
    }
    Ok(Some((file, hasher)))
}

fn feed(file: &mut File, hasher: &mut PrefixHasher, len: u64) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    let end = hasher.len() + len;
    while hasher.len() < end {
        chunk.clear();
        let limit = (CHUNK_BYTES as u64).min(end - hasher.len());
        if file.take(limit).read_to_end(&mut chunk)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hasher.update(&chunk);
    }
    Ok(())
}
