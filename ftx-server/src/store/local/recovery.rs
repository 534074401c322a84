//! Recovery of the stagings of earlier runs, of either dialect.

use std::fmt;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use ftx_io::ErrorChain;
use ftx_store::{StagingFiles, StoreError};
use tracing::{info, warn};

use super::staging_index::StagingKey;

/// The number that names a staging's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StagingId(u64);

/// The stagings of earlier runs in one directory.
#[derive(Debug)]
pub(super) struct OrphanedStagings {
    /// The stagings that can be resumed, with their keys.
    pub(super) stagings: Vec<(StagingKey, StagingId)>,
    /// An unused id; so are all that follow.
    pub(super) next: StagingId,
}

impl StagingId {
    /// No server counts this far: a file with a greater number is a stray one, and counting on from it could
    /// use up all numbers.
    const LAST: Self = Self(1 << 48);

    /// The staging's files in the staging directory.
    pub(super) fn files(self) -> StagingFiles {
        let file = |kind| PathBuf::from(format!("{self}.{kind}"));
        StagingFiles { data: file("data"), journal: file("journal") }
    }

    /// The next id.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Parses the output of `Display`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    fn of_copy(path: &Path) -> Option<Self> {
        Self::of_file(Path::new(path.file_stem()?))
    }

    fn of_file(path: &Path) -> Option<Self> {
        Self::parse(path.file_stem()?.to_str()?)
    }
}

impl fmt::Display for StagingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl OrphanedStagings {
    /// Searches `dir`, which is named `dir_name`. Removes stagings that are expired (`is_old`) or without a
    /// journal. `key_of` reads the key from a journal, `None` if it has none that is of use.
    pub(super) fn scan(
        dir: &Dir,
        dir_name: &str,
        is_old: impl Fn(StagingId) -> bool,
        key_of: impl Fn(&Dir, &StagingFiles) -> Result<Option<StagingKey>, StoreError>,
    ) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io("read", dir_name, error);
        let mut found = Self { stagings: Vec::new(), next: StagingId(1) };
        for entry in dir.entries().map_err(failed)? {
            let file = PathBuf::from(entry.map_err(failed)?.file_name());
            if StagingId::of_copy(&file).is_some_and(|id| id.files().copy() == file) {
                // A copy that was unfinished when the process died.
                remove_file(dir, &file);
                continue;
            }
            let Some(id) = StagingId::of_file(&file) else { continue };
            if id <= StagingId::LAST {
                found.next = found.next.max(id.next());
            }
            if file.extension().is_none_or(|kind| kind != "data") {
                // A journal without its data is useless.
                if !dir.exists(id.files().data) {
                    remove(dir, id);
                }
                continue;
            }
            let key = match key_of(dir, &id.files()) {
                Ok(key) => key,
                Err(error) => {
                    // It may be readable the next time.
                    warn!(error = %ErrorChain(&error), "an interrupted upload cannot be read");
                    continue;
                }
            };
            match key.filter(|_| !is_old(id)) {
                Some(key) => found.stagings.push((key, id)),
                None => remove(dir, id),
            }
        }
        let count = found.stagings.len();
        if count > 0 {
            info!(count, dir = dir_name, "found interrupted uploads");
        }
        Ok(found)
    }
}

/// Removes the files of a staging.
pub(super) fn remove(dir: &Dir, id: StagingId) {
    let StagingFiles { data, journal } = id.files();
    for file in [journal, data] {
        remove_file(dir, &file);
    }
}

fn remove_file(dir: &Dir, file: &Path) {
    match dir.remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            warn!(%error, file = %file.display(), "cannot remove an old staging");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::{Dir, OrphanedStagings, StagingId};

    /// The server was killed while it copied a staging to break a hard link.
    #[test]
    fn half_a_copy_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("0000000000000001.data.own", "half").unwrap();
        dir.write("notes.own", "somebody's").unwrap();
        OrphanedStagings::scan(&dir, "test", |_| false, |_, _| Ok(None)).unwrap();
        assert!(!dir.exists("0000000000000001.data.own") && dir.exists("notes.own"));
    }

    #[test]
    fn a_stray_file_does_not_use_up_the_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for stray in ["ffffffffffffffff.x", "fffffffffffffffe.data", "0000000000000007.journal"] {
            dir.write(stray, "").unwrap();
        }
        let found = OrphanedStagings::scan(&dir, "test", |_| false, |_, _| Ok(None)).unwrap();
        assert_eq!(found.next, StagingId(8));
    }
}
