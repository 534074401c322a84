//! What is kept of a file besides its bytes: from the disk, and back to it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::Metadata;
use ftx_core::native::wire::{Meta, Mtime};

use crate::sys;

/// What this metadata shows.
#[must_use]
pub fn meta_of(metadata: &Metadata) -> Meta {
    let mtime = metadata.modified().ok().and_then(|time| to_wire(time.into_std()));
    Meta { mtime, executable: sys::is_executable(metadata) }
}

/// Applies `meta` to an open file, as its last change. A file without it is still the right one, so
/// what cannot be set is only logged; `path` is for that.
pub fn apply(meta: &Meta, file: &File, path: &Path) {
    if meta.executable
        && let Err(error) = sys::make_executable(file)
    {
        tracing::warn!(%error, ?path, "cannot be made executable");
    }
    if let Some(mtime) = meta.mtime
        && let Err(error) = set_mtime(file, mtime)
    {
        tracing::warn!(%error, ?path, "its time cannot be set");
    }
}

fn set_mtime(file: &File, mtime: Mtime) -> io::Result<()> {
    let no_such_time = || io::Error::new(io::ErrorKind::InvalidInput, "no such time here");
    file.set_modified(from_wire(mtime).ok_or_else(no_such_time)?)
}

fn to_wire(time: SystemTime) -> Option<Mtime> {
    // Before 1970 the seconds are rounded down, as the parts of a second only ever add.
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

    #[test]
    fn what_was_applied_is_found() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        for (executable, secs, nanos) in
            [(false, 1_700_000_000, 123_456_700), (true, -1, 999_999_900), (false, -2, 0)]
        {
            let meta = Meta { mtime: Mtime::new(secs, nanos), executable };
            let file = dir.create("file").unwrap().into_std();
            apply(&meta, &file, Path::new("file"));
            let found = meta_of(&dir.metadata("file").unwrap());
            assert_eq!(found.mtime, meta.mtime);
            assert_eq!(found.executable, executable && cfg!(unix));
            dir.remove_file("file").unwrap();
        }
    }

    #[test]
    fn times_that_do_not_exist_change_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let file = dir.create("file").unwrap().into_std();
        for secs in [i64::MIN, i64::MAX] {
            let mtime = Mtime::new(secs, 999_999_999);
            apply(&Meta { mtime, executable: false }, &file, Path::new("file"));
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
