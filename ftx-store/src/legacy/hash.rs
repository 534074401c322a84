//! Hashing a file's prefix, in pieces between which the caller can stop.

use std::io::{self, Read};

use crate::PrefixHasher;

/// The size of one piece: small enough that a deadline is noticed within a millisecond or so.
const PIECE_BYTES: usize = 128 * 1024;

/// Hashes the first `len` bytes of `file`.
///
/// Calls `keep_going` after each piece of 128 KiB with the bytes hashed so far; if it returns
/// `false`, the result is `None`. It is not called once everything is hashed.
///
/// # Errors
/// Read errors; [`io::ErrorKind::UnexpectedEof`] when `file` has fewer than `len` bytes, which
/// [`StoreError::io`](crate::StoreError::io) classifies as changed.
pub fn hash_prefix(
    file: &mut impl Read,
    len: u64,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<PrefixHasher>> {
    let mut hasher = PrefixHasher::new();
    Ok(hash_up_to(&mut hasher, file, len, keep_going)?.then_some(hasher))
}

/// Feeds `hasher` from `file` until it has hashed `len` bytes in all; `false` when told to stop.
/// Otherwise as [`hash_prefix`].
pub(crate) fn hash_up_to(
    hasher: &mut PrefixHasher,
    file: &mut impl Read,
    len: u64,
    keep_going: &mut dyn FnMut(u64) -> bool,
) -> io::Result<bool> {
    let mut buffer = vec![0; PIECE_BYTES];
    while hasher.len() < len {
        let wanted = usize::try_from(len - hasher.len()).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact(piece)?;
        hasher.update(piece);
        if hasher.len() < len && !keep_going(hasher.len()) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::{PIECE_BYTES, hash_prefix};
    use crate::PrefixHasher;

    #[test]
    fn hashes_exactly_the_prefix() {
        let data: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES + 5).collect();
        for len in [0, 1, PIECE_BYTES, 2 * PIECE_BYTES + 1, data.len()] {
            let mut expected = PrefixHasher::new();
            expected.update(&data[..len]);
            let hasher = hash_prefix(&mut &data[..], len as u64, &mut |_| true).unwrap().unwrap();
            assert_eq!((hasher.len(), hasher.digest()), (len as u64, expected.digest()));
        }
    }

    #[test]
    fn hashing_stops_on_request() {
        let data = vec![7; 4 * PIECE_BYTES];
        let mut seen = Vec::new();
        let stopped = hash_prefix(&mut &data[..], data.len() as u64, &mut |done| {
            seen.push(done);
            seen.len() < 2
        });
        assert!(stopped.unwrap().is_none());
        assert_eq!(seen, [PIECE_BYTES as u64, 2 * PIECE_BYTES as u64]);
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let error = hash_prefix(&mut &b"abc"[..], 4, &mut |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
