//! Copying a range of one file to the same place in another.

use std::fs::File;
use std::io::{self, ErrorKind};

use crate::file::positioned::Positioned;

const PIECE_BYTES: u64 = 128 * 1024;

/// Copies `len` bytes at `offset` of `source` to the same place in `target`, whose `Positioned` is
/// `positioned`. Uses the system's copy call where there is one, which may share the bytes on the
/// disk. Returns `false` if `source` ends too early.
pub(crate) fn copy_range(
    source: &File,
    target: &File,
    positioned: &Positioned,
    offset: u64,
    len: u64,
) -> io::Result<bool> {
    let end = offset.saturating_add(len);
    let offset = copy_by_system(source, target, offset, end);
    copy_by_hand(source, target, positioned, offset, end)
}

/// Copies in the kernel and returns the offset where it stopped, for any reason: copying by hand
/// from there finds the reason.
#[cfg(target_os = "linux")]
fn copy_by_system(source: &File, target: &File, offset: u64, end: u64) -> u64 {
    let (mut read_at, mut write_at) = (offset, offset);
    while write_at < end {
        let wanted = usize::try_from(end - write_at).unwrap_or(usize::MAX);
        let copied = rustix::fs::copy_file_range(
            source,
            Some(&mut read_at),
            target,
            Some(&mut write_at),
            wanted,
        );
        if !copied.is_ok_and(|copied| copied > 0) {
            break;
        }
    }
    write_at
}

#[cfg(not(target_os = "linux"))]
fn copy_by_system(_: &File, _: &File, offset: u64, _: u64) -> u64 {
    offset
}

fn copy_by_hand(
    source: &File,
    target: &File,
    positioned: &Positioned,
    mut offset: u64,
    end: u64,
) -> io::Result<bool> {
    let from = Positioned::default();
    let mut buffer = Vec::new();
    while offset < end {
        let wanted = PIECE_BYTES.min(end - offset);
        buffer.resize(usize::try_from(wanted).unwrap_or_default(), 0);
        match from.read_exact_at(source, &mut buffer, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        positioned.write_all_at(target, &buffer, offset)?;
        offset = offset.saturating_add(wanted);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::{copy_by_hand, copy_range};
    use crate::file::positioned::Positioned;

    #[test]
    fn both_ways_copy_the_same() {
        let mut source = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..=250).cycle().take(700_000).collect();
        source.write_all(&bytes).unwrap();
        for by_hand in [true, false] {
            let mut target = tempfile::tempfile().unwrap();
            let copy = |offset, len| {
                let positioned = Positioned::default();
                if by_hand {
                    copy_by_hand(&source, &target, &positioned, offset, offset + len)
                } else {
                    copy_range(&source, &target, &positioned, offset, len)
                }
            };
            assert!(copy(1000, 300_000).unwrap());
            assert!(!copy(699_000, 1001).unwrap());
            let mut copied = Vec::new();
            target.read_to_end(&mut copied).unwrap();
            assert!(copied[..1000].iter().all(|&byte| byte == 0));
            assert!(copied[1000..301_000] == bytes[1000..301_000]);
        }
    }
}
