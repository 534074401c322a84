//! Going on with what a staging of blocks begins with.

use cap_std::fs::Dir;
use ftx_core::native::blocks::block_offset;

use super::Staging;
use super::data::DataFile;
use crate::legacy::hash::hash_up_to;
use crate::staging::files::remove;
use crate::{BlockStaging, PrefixHasher, StagingFiles, StoreError};

impl Staging {
    /// Makes a staging of bytes of one of blocks, in its place: what lies before the first gap is
    /// hashed and stays, the rest is given up. `None` if nothing lies there; then both files are gone.
    /// `go_on` is called now and then with the bytes hashed so far.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`] when `go_on` says `false`, and then everything stays; those of a sync
    /// under way, of reading and cutting the data and of writing the journal anew.
    pub fn from_blocks(
        blocks: BlockStaging,
        go_on: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        let gap = blocks.table().missing().ranges().next().map(|range| range.first);
        let len = gap.map_or(blocks.size(), block_offset);
        if len == 0 {
            blocks.discard()?;
            return Ok(None);
        }
        let (dir, files, name, held) = blocks.into_parts()?;
        let hasher = hash(&dir, &files, len, go_on)?;
        // Before the data is: what the old journal tells of would not be there.
        remove(&dir, &files.journal)?;
        let mut data = DataFile::of(held);
        data.cut(len).map_err(|error| StoreError::io("truncate", &files.data, error))?;
        let mut staging = Self::assemble(dir, files, name, data, hasher);
        staging.checkpoint()?;
        Ok(Some(staging))
    }
}

fn hash(
    dir: &Dir,
    files: &StagingFiles,
    len: u64,
    go_on: &mut dyn FnMut(u64) -> bool,
) -> Result<PrefixHasher, StoreError> {
    let failed = |error| StoreError::io("read", &files.data, error);
    let mut file = dir.open(&files.data).map_err(failed)?.into_std();
    let mut hasher = PrefixHasher::new();
    if hash_up_to(&mut hasher, &mut file, len, go_on).map_err(failed)? {
        return Ok(hasher);
    }
    Err(StoreError::Cancelled { path: files.data.clone() })
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;
    use ftx_core::native::blocks::{BLOCK, BlockHasher};

    use super::{BlockStaging, Dir, PrefixHasher, Staging, StagingFiles, StoreError};

    const SIZE: u64 = 4 * BLOCK + 7;

    fn files() -> StagingFiles {
        StagingFiles { data: "data".into(), journal: "journal".into() }
    }

    /// A staging that holds these blocks, each full of its index.
    fn holding(dir: &Dir, indices: &[u64]) -> BlockStaging {
        let staging = BlockStaging::create(dir, files(), "name", SIZE).unwrap();
        for &index in indices {
            let bytes = vec![u8::try_from(index).unwrap(); usize::try_from(BLOCK).unwrap()];
            let mut hasher = BlockHasher::new(SIZE, index);
            hasher.update(&bytes);
            staging.write_at(index * BLOCK, &bytes).unwrap();
            staging.stored(index, hasher.finish().unwrap()).unwrap();
        }
        staging
    }

    #[test]
    fn what_lies_before_the_first_gap_stays() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let blocks = holding(&dir, &[0, 1, 3]);
        let staging = Staging::from_blocks(blocks, &mut |_| true).unwrap().unwrap();
        assert_eq!((staging.len(), staging.name()), (2 * BLOCK, "name"));
        drop(staging);
        let mut staging = Staging::recover(&dir, files()).unwrap().unwrap();
        assert_eq!(staging.len(), 2 * BLOCK);
        staging.write(b"and more").unwrap();
        let mut hasher = PrefixHasher::new();
        hasher.update(&vec![0; usize::try_from(BLOCK).unwrap()]);
        hasher.update(&vec![1; usize::try_from(BLOCK).unwrap()]);
        hasher.update(b"and more");
        assert_eq!(staging.digest(), hasher.digest());
    }

    #[test]
    fn nothing_is_made_of_nothing_and_nothing_is_lost_when_it_is_stopped() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let stopped = Staging::from_blocks(holding(&dir, &[0, 1, 3]), &mut |_| false);
        assert!(matches!(stopped, Err(StoreError::Cancelled { .. })), "{stopped:?}");
        let blocks = BlockStaging::recover(&dir, files()).unwrap().staging().unwrap();
        assert_eq!(blocks.table().known(), 3);
        drop(blocks);
        assert!(Staging::from_blocks(holding(&dir, &[1]), &mut |_| true).unwrap().is_none());
        assert!(!dir.exists("data") && !dir.exists("journal"));
    }
}
