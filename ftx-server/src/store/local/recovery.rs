//! Stagings as they lie in a directory of ours, whatever is in them: what earlier runs left, and what
//! is too old to be gone on with.

use std::fmt;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_io::ErrorChain;
use ftx_store::{StagingFiles, StoreError};
use tracing::{info, warn};

/// Names a staging in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StagingId(u64);

/// What earlier runs left in a directory.
#[derive(Debug)]
pub(super) struct OrphanedStagings {
    /// What can be gone on with, by the name that it is for.
    pub(super) stagings: Vec<(RemoteName, StagingId)>,
    /// One that is used by nobody, nor are those that follow.
    pub(super) next: StagingId,
}

impl StagingId {
    /// No server gets that far by counting: a file with a greater number is none of ours, and going on
    /// from it could leave no numbers at all.
    const LAST: Self = Self(1 << 48);

    /// The staging's files in the staging directory.
    pub(super) fn files(self) -> StagingFiles {
        let file = |kind| PathBuf::from(format!("{self}.{kind}"));
        StagingFiles { data: file("data"), journal: file("journal") }
    }

    /// The one after it.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads what `Display` writes.
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
    /// Looks for them in `dir`, which is called `what`, and removes what is of no use: what `is_old`, and
    /// what has no journal. `name_of` reads the name from a journal.
    pub(super) fn find(
        dir: &Dir,
        what: &str,
        is_old: impl Fn(StagingId) -> bool,
        name_of: impl Fn(&Dir, &StagingFiles) -> Result<Option<String>, StoreError>,
    ) -> Result<Self, StoreError> {
        let failed = |error| StoreError::io("read", what, error);
        let mut found = Self { stagings: Vec::new(), next: StagingId(1) };
        for entry in dir.entries().map_err(failed)? {
            let file = PathBuf::from(entry.map_err(failed)?.file_name());
            if StagingId::of_copy(&file).is_some_and(|id| id.files().copy() == file) {
                // The process died while it was being made.
                remove_file(dir, &file);
                continue;
            }
            let Some(id) = StagingId::of_file(&file) else { continue };
            if id <= StagingId::LAST {
                found.next = found.next.max(id.next());
            }
            if file.extension().is_none_or(|kind| kind != "data") {
                // A journal is of no use without its data.
                if !dir.exists(id.files().data) {
                    remove(dir, id);
                }
                continue;
            }
            let name = match name_of(dir, &id.files()) {
                Ok(name) => name,
                Err(error) => {
                    // It may be readable the next time.
                    warn!(error = %ErrorChain(&error), "an interrupted upload cannot be read");
                    continue;
                }
            };
            let name = name.and_then(|name| RemoteName::parse(&name).ok()).filter(|_| !is_old(id));
            match name {
                Some(name) => found.stagings.push((name, id)),
                None => remove(dir, id),
            }
        }
        let count = found.stagings.len();
        if count > 0 {
            info!(count, what, "found interrupted uploads");
        }
        Ok(found)
    }
}

/// Removes a staging's files.
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

    /// A staging was being copied to a file of its own when the server was killed.
    #[test]
    fn half_a_copy_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.write("0000000000000001.data.own", "half").unwrap();
        dir.write("notes.own", "somebody's").unwrap();
        OrphanedStagings::find(&dir, "test", |_| false, |_, _| Ok(None)).unwrap();
        assert!(!dir.exists("0000000000000001.data.own") && dir.exists("notes.own"));
    }

    #[test]
    fn a_stray_file_does_not_use_up_the_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for stray in ["ffffffffffffffff.x", "fffffffffffffffe.data", "0000000000000007.journal"] {
            dir.write(stray, "").unwrap();
        }
        let found = OrphanedStagings::find(&dir, "test", |_| false, |_, _| Ok(None)).unwrap();
        assert_eq!(found.next, StagingId(8));
    }
}
