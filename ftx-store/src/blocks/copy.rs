//! Taking bytes over from another file of the same layout.

use std::fs::File;
use std::io::{self, ErrorKind};

use ftx_core::native::blocks::{Cv, block_len, block_offset};

use super::BlockStaging;
use super::hash::hash_listed;
use crate::positioned::Positioned;
use crate::{FileIdentity, StoreError};

const PIECE_BYTES: u64 = 128 * 1024;

/// A file to take blocks over from, whose chaining values are known.
#[derive(Clone, Copy, Debug)]
pub struct CopySource<'a> {
    /// The open file.
    pub file: &'a File,
    /// What it was before and after it was hashed.
    pub identity: &'a FileIdentity,
    /// Whether any write since shows in its identity: see [`FileIdentity::is_settled`].
    pub settled: bool,
}

impl BlockStaging {
    /// Takes over blocks from the same places in `source`, where they have these chaining values.
    /// What was copied is hashed only if `source` may have been written to without that being seen.
    /// Any of them counts as [stored](Self::stored) only when all are found to be right.
    ///
    /// # Errors
    /// [`StoreError::Changed`] when `source` has changed or is shorter than that; those of
    /// [`write_at`](Self::write_at) and [`stored`](Self::stored).
    pub fn take_over(
        &self,
        source: CopySource<'_>,
        blocks: &[(u64, Cv)],
    ) -> Result<(), StoreError> {
        let changed = || StoreError::Changed { path: self.name.clone().into() };
        for &(index, _) in blocks {
            let (offset, len) = (block_offset(index), block_len(self.size, index));
            self.give_up(offset, len)?;
            let copied = copy_range(source.file, self.held.file(), &self.positioned, offset, len)
                .map_err(|error| StoreError::io("write", self.data(), error))?;
            if !copied {
                return Err(changed());
            }
        }
        let now = FileIdentity::of_std(source.file)
            .map_err(|error| StoreError::io("look at", &*self.name, error))?;
        if !now.same_content(source.identity) {
            return Err(changed());
        }
        // With a time of change of its own, its time of modification may have been set back.
        let proven = source.settled && now == *source.identity;
        if !proven && !self.has(blocks)? {
            return Err(changed());
        }
        blocks.iter().try_for_each(|&(index, cv)| self.stored(index, cv))
    }

    /// Whether the bytes of these blocks have these chaining values.
    fn has(&self, blocks: &[(u64, Cv)]) -> Result<bool, StoreError> {
        let indices: Vec<u64> = blocks.iter().map(|&(index, _)| index).collect();
        let hashed = hash_listed(self.held.file(), self.size, &indices, None, &mut |_| true)
            .map_err(|error| StoreError::io("read", self.data(), error))?;
        let cvs = hashed.unwrap_or_default();
        Ok(blocks.iter().map(|&(_, cv)| cv).eq(cvs))
    }
}

/// Copies `len` bytes at `offset` of `source` to the same place in `target`, which `positioned` is
/// for; with the system's own means where it has them, which may share the bytes on the disk.
/// `false` when `source` ends before.
pub(super) fn copy_range(
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

/// Where the system stopped, for whatever reason; whoever goes on by hand finds out which.
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
    use crate::positioned::Positioned;

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
