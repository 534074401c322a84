//! The digest of a file's whole readable contents, regardless of its reported size.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _};

use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Digest, Manifest, block_count, block_cv};

use crate::{FileIdentity, Positioned, hash_blocks};

/// Bytes that are read first: those of one block.
const FIRST_BLOCK_BYTES: usize = 1 << 20;
const _: () = assert!(FIRST_BLOCK_BYTES as u64 == BLOCK_BYTES);

/// Returns the digest of a file that is open at its start. All cores hash a file of known size;
/// anything else is read until it ends, such as a pipe, or a file of `/proc`, which claims to be
/// empty.
///
/// # Errors
/// Read errors; [`ErrorKind::UnexpectedEof`] when the file changes meanwhile, which
/// [`StoreError::io`](crate::StoreError::io) classifies as changed.
pub fn digest_of_all(file: &File) -> io::Result<Digest> {
    let before = FileIdentity::of_std(file)?;
    if !file.metadata()?.is_file() || before.size == 0 {
        return digest_to_the_end(file);
    }
    let all = BlockRange { first: 0, count: block_count(before.size) };
    let hashed = hash_blocks(file, before.size, all, None, &mut |_| true);
    if FileIdentity::of_std(file)? != before {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    match hashed {
        Ok(Some(cvs)) if !reaches_beyond(file, before.size)? => {
            let manifest = Manifest::new(before.size, cvs);
            manifest.map(|manifest| manifest.digest()).map_err(io::Error::other)
        }
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        // Its length differs from its size, as in `/sys`.
        _ => {
            let mut file = file;
            file.rewind()?;
            digest_to_the_end(file)
        }
    }
}

/// Whether more than `size` bytes can be read of a file.
fn reaches_beyond(file: &File, size: u64) -> io::Result<bool> {
    match Positioned::default().read_exact_at(file, &mut [0], size) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
    }
}

/// Reads to the end, and computes the digest from the blocks.
fn digest_to_the_end(file: &File) -> io::Result<Digest> {
    let mut first = Vec::new();
    file.take(BLOCK_BYTES + 1).read_to_end(&mut first)?;
    let more = match first.get(FIRST_BLOCK_BYTES..) {
        // There is no tree above a single block.
        None | Some([]) => return Ok(Digest::of(&first)),
        Some(more) => more.to_vec(),
    };
    first.truncate(FIRST_BLOCK_BYTES);
    let (mut cvs, mut size, mut block) = (Vec::new(), 0_u64, first);
    while !block.is_empty() {
        let index = size / BLOCK_BYTES;
        size = size.saturating_add(block.len() as u64);
        // The first block is known not to be the only one.
        let cv = block_cv(size.max(BLOCK_BYTES + 1), index, &block).map_err(io::Error::other)?;
        cvs.push(cv);
        block.clear();
        if index == 0 {
            block.extend(&more);
        }
        file.take(BLOCK_BYTES - block.len() as u64).read_to_end(&mut block)?;
    }
    let manifest = Manifest::new(size, cvs).map_err(io::Error::other)?;
    Ok(manifest.digest())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use ftx_core::native::blocks::Digest;

    use super::digest_of_all;
    use crate::{FileIdentity, StoreError, check_size};

    #[test]
    fn a_regular_file_has_the_digest_of_its_bytes() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        for len in [0, 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let bytes = vec![7; len];
            fs::write(&path, &bytes).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(digest_of_all(&file).unwrap(), Digest::of(&bytes));
            let identity = FileIdentity::of_std(&file).unwrap();
            check_size(&path, &file, &identity).unwrap();
            File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
            let refused = check_size(&path, &file, &identity);
            assert!(matches!(refused, Err(StoreError::Changed { .. })), "{refused:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_read_to_its_end() {
        for len in [0, 1, 1 << 20, (1 << 20) + 1, 2 << 20, (3 << 20) + 7] {
            let (reader, mut writer) = io_pipe();
            let bytes: Vec<u8> = (0..len).map(|at: u32| at.to_le_bytes()[2]).collect();
            let sent = bytes.clone();
            let sender = std::thread::spawn(move || writer.write_all(&sent).unwrap());
            assert_eq!(digest_of_all(&reader).unwrap(), Digest::of(&bytes), "{len}");
            sender.join().unwrap();
        }
    }

    #[cfg(unix)]
    fn io_pipe() -> (File, File) {
        let (reader, writer) = std::io::pipe().unwrap();
        (std::os::fd::OwnedFd::from(reader).into(), std::os::fd::OwnedFd::from(writer).into())
    }

    /// Files of `/proc` claim to be empty, those of `/sys` to fill a page.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_size_that_is_wrong_is_not_believed() {
        for path in ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"] {
            let Ok(bytes) = fs::read(path) else { continue };
            let file = File::open(path).unwrap();
            let size = file.metadata().unwrap().len();
            assert_ne!(size, bytes.len() as u64, "{path}");
            assert_eq!(digest_of_all(&file).unwrap(), Digest::of(&bytes), "{path}");
            let identity = FileIdentity::of_std(&file).unwrap();
            let refused = check_size(path.as_ref(), &file, &identity);
            assert!(matches!(refused, Err(StoreError::UnknownSize { .. })), "{refused:?}");
        }
    }
}
