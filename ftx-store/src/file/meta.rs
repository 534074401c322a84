//! A file's metadata in transit: reading it from the disk and applying it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;
use ftx_core::native::wire::{Meta, Mtime};

use crate::sys;

/// Returns the transferred part of this metadata.
#[must_use]
pub fn meta_of(metadata: &Metadata) -> Meta {
    let mtime = metadata.modified().ok().and_then(|time| to_wire(time.into_std()));
    Meta { mtime, executable: sys::is_executable(metadata), readers: sys::readers(metadata) }
}

/// Applies modification time and execute bits to an open file, as its last change. Values that are
/// set already are left alone, so a file watcher sees no change where there is none. A file without
/// them is still correct, so failures are only logged, with `path`.
pub fn apply(meta: &Meta, file: &File, path: &Path) {
    let found = match Metadata::from_file(file) {
        Ok(metadata) => meta_of(&metadata),
        Err(error) => {
            tracing::warn!(%error, ?path, "its time and mode cannot be read");
            return;
        }
    };
    if meta.executable != found.executable
        && let Err(error) = sys::set_executable(file, meta.executable)
    {
        if meta.executable {
            tracing::warn!(%error, ?path, "the file cannot be made executable");
        } else {
            // Some file systems show every file as executable.
            tracing::debug!(%error, ?path, "the file stays executable");
        }
    }
    apply_time(meta.mtime, found.mtime, file, path);
}

/// Applies the time to a file that was just written and whose attributes are set elsewhere.
pub(crate) fn apply_time_to_new(meta: &Meta, file: &File, path: &Path) {
    apply_time(meta.mtime, None, file, path);
}

fn apply_time(wanted: Option<Mtime>, found: Option<Mtime>, file: &File, path: &Path) {
    if let Some(mtime) = wanted
        && found != Some(mtime)
        && let Err(error) = set_mtime(file, mtime)
    {
        tracing::warn!(%error, ?path, "the modification time cannot be set");
    }
}

fn set_mtime(file: &File, mtime: Mtime) -> io::Result<()> {
    let no_such_time =
        || io::Error::new(io::ErrorKind::InvalidInput, "the system has no such time");
    file.set_modified(from_wire(mtime).ok_or_else(no_such_time)?)
}

fn to_wire(time: SystemTime) -> Option<Mtime> {
    // Before 1970 the seconds are rounded down, because the nanoseconds are only ever added.
    let (secs, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).ok()?, since.subsec_nanos()),
        Err(error) => {
            let before = error.duration();
            let secs = i64::try_from(before.as_secs()).ok()?.checked_neg()?;
            match before.subsec_nanos() {
                0 => (secs, 0),
                nanos => (secs.checked_sub(1)?, 1_000_000_000 - nanos),
            }
        }
    };
    Mtime::new(secs, nanos)
}

fn from_wire(mtime: Mtime) -> Option<SystemTime> {
    let whole = Duration::from_secs(mtime.secs().unsigned_abs());
    let secs = if mtime.secs() < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    secs?.checked_add(Duration::from_nanos(mtime.nanos().into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use ftx_core::native::wire::{Meta, Mtime};

    use super::{apply, from_wire, meta_of, to_wire};
    use crate::FileIdentity;

    #[test]
    fn applied_attributes_are_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for (executable, secs, nanos) in
            [(false, 1_700_000_000, 123_456_700), (true, -1, 999_999_900), (false, -2, 0)]
        {
            let meta = Meta { mtime: Mtime::new(secs, nanos), executable, ..Meta::default() };
            let file = dir.create("file").unwrap().into_std();
            apply(&meta, &file, Path::new("file"));
            let found = meta_of(&dir.metadata("file").unwrap());
            assert_eq!(found.mtime, meta.mtime);
            assert_eq!(found.executable, executable && cfg!(unix));
            dir.remove_file("file").unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_mode_is_taken_away_as_well_as_given() {
        use cap_std::fs::PermissionsExt as _;

        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let file = dir.create("file").unwrap().into_std();
        for (before, executable, after) in [
            (0o644, true, 0o755),
            (0o755, false, 0o644),
            (0o751, true, 0o751),
            (0o600, true, 0o700),
            // A transfer never passes on another user's rights.
            (0o4644, true, 0o755),
            (0o6755, false, 0o644),
        ] {
            dir.set_permissions("file", cap_std::fs::Permissions::from_mode(before)).unwrap();
            apply(&Meta { executable, ..Meta::default() }, &file, Path::new("file"));
            assert_eq!(dir.metadata("file").unwrap().permissions().mode() & 0o7777, after);
        }
    }

    /// A file watcher must not see a change where there is none.
    #[test]
    fn an_attribute_that_is_right_already_is_not_set() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let file = dir.create("file").unwrap().into_std();
        let mtime = Mtime::new(1_700_000_000, 5000);
        let meta = Meta { mtime, executable: true, ..Meta::default() };
        apply(&meta, &file, Path::new("file"));
        let before = FileIdentity::of(&dir.metadata("file").unwrap());
        // The clock of the file system may stand still for some milliseconds.
        let later = |_: &u32| {
            let probe = dir.create("probe").unwrap();
            FileIdentity::of_file(&probe).unwrap().ctime_ns > before.ctime_ns
        };
        assert!((0..u32::MAX).any(|turn| later(&turn)));
        apply(&meta, &file, Path::new("file"));
        assert_eq!(FileIdentity::of(&dir.metadata("file").unwrap()), before);
    }

    #[test]
    fn times_that_do_not_exist_change_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let file = dir.create("file").unwrap().into_std();
        for secs in [i64::MIN, i64::MAX] {
            let mtime = Mtime::new(secs, 999_999_999);
            apply(&Meta { mtime, ..Meta::default() }, &file, Path::new("file"));
        }
    }

    #[test]
    fn times_come_back() {
        for mtime in [(0, 0), (-1, 1), (-1, 0), (5, 7), (-7, 999_999_999)]
            .map(|(secs, nanos)| Mtime::new(secs, nanos).unwrap())
        {
            assert_eq!(to_wire(from_wire(mtime).unwrap()), Some(mtime));
        }
    }
}
