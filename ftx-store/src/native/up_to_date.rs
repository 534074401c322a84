//! Finding small files that are up to date, so that they need not be stored again.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Meta;

use crate::native::batch::{MAX_SINGLY_SYNCED_FILES, MAX_UNSYNCED_FILES, MIN_UNSYNCED_FILES};
use crate::{Durability, FileIdentity, Root, StoreError, apply_meta, sys};

/// The expected state of a file of at most one block.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedFile<'a> {
    /// Its path below the directory.
    pub path: &'a Path,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// Its metadata.
    pub meta: Meta,
}

/// Finds small files that are up to date. Each such file gets its expected time and mode, and
/// becomes as durable as if it were stored now: the process that stored it may have died before its
/// syncs.
#[derive(Debug)]
pub struct UpToDateFiles<'a> {
    root: &'a Root,
    buffer: Vec<u8>,
    open_files: usize,
    unsynced: Vec<(usize, &'a Path, File)>,
    failed: Vec<(usize, StoreError)>,
}

impl<'a> UpToDateFiles<'a> {
    /// Looks for files beneath `root`.
    #[must_use]
    pub fn new(root: &'a Root) -> Self {
        let (unsynced, failed) = (Vec::new(), Vec::new());
        Self { root, buffer: Vec::new(), open_files: MAX_UNSYNCED_FILES, unsynced, failed }
    }

    /// Limits the number of open files, where descriptors are scarce.
    #[must_use]
    pub fn with_open_files(mut self, open_files: usize) -> Self {
        self.open_files = open_files.clamp(MIN_UNSYNCED_FILES, MAX_UNSYNCED_FILES);
        self
    }

    /// Whether this file is up to date. An unreadable file is not: it can still be replaced.
    /// `index` identifies it if it turns out later that it [cannot be synced](Self::finish).
    ///
    /// # Errors
    /// The name does not belong to a file, and a file could not replace it either.
    pub fn is_up_to_date(
        &mut self,
        index: usize,
        expected: &ExpectedFile<'a>,
    ) -> Result<bool, StoreError> {
        let Some(file) = self.open(expected)? else { return Ok(false) };
        self.take(index, expected.path, file, &expected.meta);
        Ok(true)
    }

    /// As [`is_up_to_date`](Self::is_up_to_date), for a file that was up to date when it had the
    /// identity `seen`: whether it still has it.
    pub fn is_unchanged(
        &mut self,
        index: usize,
        path: &'a Path,
        seen: &FileIdentity,
        meta: &Meta,
    ) -> bool {
        let Ok((file, metadata)) = self.root.open_regular(path) else { return false };
        if !FileIdentity::of(&metadata).same_content(seen) {
            return false;
        }
        self.take(index, path, file.into_std(), meta);
        true
    }

    /// Syncs the remaining files, and returns those that could not be synced.
    #[must_use]
    pub fn finish(mut self) -> Vec<(usize, StoreError)> {
        self.sync();
        self.failed
    }

    fn take(&mut self, index: usize, path: &'a Path, file: File, meta: &Meta) {
        apply_meta(meta, &file, path);
        if self.root.durability() == Durability::Full {
            self.unsynced.push((index, path, file));
            if self.unsynced.len() >= self.open_files {
                self.sync();
            }
        }
    }

    fn open(&mut self, expected: &ExpectedFile<'_>) -> Result<Option<File>, StoreError> {
        let ExpectedFile { path, size, digest, .. } = *expected;
        let (file, metadata) = match self.root.open_regular(path) {
            Ok(opened) => opened,
            Err(error @ (StoreError::NotRegular { .. } | StoreError::IsDirectory { .. })) => {
                return Err(error);
            }
            Err(_) => return Ok(None),
        };
        if metadata.len() != size {
            return Ok(None);
        }
        let file = file.into_std();
        // One more byte reveals a file that has grown.
        let most = size.saturating_add(1);
        self.buffer.clear();
        self.buffer.reserve(usize::try_from(most).unwrap_or(0));
        if (&file).take(most).read_to_end(&mut self.buffer).is_err() {
            return Ok(None);
        }
        Ok((Digest::of(&self.buffer) == digest).then_some(file))
    }

    fn sync(&mut self) {
        let unsynced = std::mem::take(&mut self.unsynced);
        // Including the names, which existed before. A failure may concern another program's file;
        // single syncs tell.
        if unsynced.len() > MAX_SINGLY_SYNCED_FILES
            && let Ok(dir) = self.root.dir().open(".")
            && sys::sync_file_system(&dir.into_std()).unwrap_or(false)
        {
            return;
        }
        let mut parent = None;
        for (index, path, file) in unsynced {
            let synced = file.sync_all().and_then(|()| {
                // Usually many files in a row share it.
                if parent == Some(path.parent()) && !self.root.is_link(path) {
                    return Ok(());
                }
                self.root.make_durable(path)?;
                parent = Some(path.parent());
                Ok(())
            });
            if let Err(error) = synced {
                self.failed.push((index, StoreError::io("sync", path, error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_core::native::blocks::Digest;
    use ftx_core::native::wire::{Meta, Mtime};

    use super::{ExpectedFile, MAX_UNSYNCED_FILES, UpToDateFiles};
    use crate::{Durability, FileIdentity, Root, StoreError, meta_of};

    fn expected<'a>(path: &'a str, bytes: &[u8]) -> ExpectedFile<'a> {
        let mtime = Mtime::new(1_700_000_000, 5000);
        let meta = Meta { mtime, executable: true, ..Meta::default() };
        let (size, digest) = (bytes.len() as u64, Digest::of(bytes));
        ExpectedFile { path: Path::new(path), size, digest, meta }
    }

    fn root(dir: &Dir, durability: Durability) -> Root {
        Root::new(dir.try_clone().unwrap(), durability, Arc::default())
    }

    #[test]
    fn only_the_very_file_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("sub").unwrap();
        for (name, bytes) in [("same", "hello"), ("sub/same", "hello"), ("other", "hallo")] {
            dir.write(name, bytes).unwrap();
        }
        dir.write("longer", "hello!").unwrap();
        dir.write("empty", "").unwrap();
        let before = meta_of(&dir.metadata("other").unwrap());
        for durability in [Durability::None, Durability::Full] {
            let root = root(&dir, durability);
            let mut files = UpToDateFiles::new(&root);
            let looks = ["same", "sub/same", "other", "longer", "empty", "none", "../same"];
            let found =
                looks.map(|name| files.is_up_to_date(0, &expected(name, b"hello")).unwrap());
            assert_eq!(found, [true, true, false, false, false, false, false]);
            assert!(files.is_up_to_date(0, &expected("empty", b"")).unwrap());
            let refused = files.is_up_to_date(0, &expected("sub", b"hello")).unwrap_err();
            assert!(matches!(refused, StoreError::IsDirectory { .. }), "{refused:?}");
            assert!(files.finish().is_empty());
        }
        let meta = expected("", b"").meta;
        for name in ["same", "sub/same", "empty"] {
            let found = meta_of(&dir.metadata(name).unwrap());
            assert_eq!(found.mtime, meta.mtime, "{name}");
            assert_eq!(found.executable, cfg!(unix), "{name}");
        }
        assert_eq!(meta_of(&dir.metadata("other").unwrap()), before);
    }

    #[test]
    fn one_that_was_seen_is_there_until_it_changes() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("file", "hello").unwrap();
        let seen = FileIdentity::of(&dir.metadata("file").unwrap());
        let root = root(&dir, Durability::Full);
        let mut files = UpToDateFiles::new(&root);
        let meta = Meta { executable: true, ..Meta::default() };
        assert!(files.is_unchanged(0, Path::new("file"), &seen, &meta));
        assert_eq!(meta_of(&dir.metadata("file").unwrap()).executable, cfg!(unix));
        dir.write("file", "hello!").unwrap();
        assert!(!files.is_unchanged(1, Path::new("file"), &seen, &meta));
        dir.remove_file("file").unwrap();
        assert!(!files.is_unchanged(2, Path::new("file"), &seen, &meta));
        assert!(files.finish().is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn many_files_take_few_descriptors() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("file", "hello").unwrap();
        let root = root(&dir, Durability::Full);
        let mut files = UpToDateFiles::new(&root);
        for index in 0..3 * MAX_UNSYNCED_FILES {
            assert!(files.is_up_to_date(index, &expected("file", b"hello")).unwrap());
            assert!(files.unsynced.len() < MAX_UNSYNCED_FILES);
        }
        assert!(files.finish().is_empty());
    }
}
