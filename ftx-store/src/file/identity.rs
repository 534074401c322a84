//! Detecting changes of a file without reading it.

use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{File, Metadata};

/// The coarsest timestamp resolution of a file system in use.
const COARSE_TICK_NS: i128 = 2_000_000_000;

/// The greatest lag of fine timestamps behind the clock: they come from the kernel's tick, which is
/// at most 10 ms.
const FINE_TICK_NS: i128 = 100_000_000;

/// The attributes that change when a file is replaced or written to: equal identities mean
/// "unchanged".
///
/// On systems without inode numbers `dev` and `ino` are 0 and `ctime_ns` is the time of creation,
/// so only size and times distinguish files there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// The device that holds the file.
    pub dev: u64,
    /// Its inode number on that device.
    pub ino: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When its contents last changed, nanoseconds since 1970.
    pub mtime_ns: i128,
    /// When its contents or attributes last changed, nanoseconds since 1970.
    pub ctime_ns: i128,
    /// Its number of names; 1 where the system does not report it.
    pub nlink: u64,
}

impl FileIdentity {
    /// The identity that this metadata shows.
    #[cfg(unix)]
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt as _;

        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.len(),
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            nlink: metadata.nlink(),
        }
    }

    /// The identity that this metadata shows.
    #[cfg(not(unix))]
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let ns = |time: std::io::Result<cap_std::time::SystemTime>| {
            let since = time.ok().and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
            since.and_then(|since| i128::try_from(since.as_nanos()).ok()).unwrap_or(0)
        };
        Self {
            dev: 0,
            ino: 0,
            size: metadata.len(),
            mtime_ns: ns(metadata.modified()),
            ctime_ns: ns(metadata.created()),
            nlink: 1,
        }
    }

    /// The identity of an open file.
    ///
    /// # Errors
    /// Failures to query its metadata.
    pub fn of_file(file: &File) -> std::io::Result<Self> {
        Ok(Self::of(&file.metadata()?))
    }

    /// The identity of an open file of the standard library.
    ///
    /// # Errors
    /// Failures to query its metadata.
    pub fn of_std(file: &std::fs::File) -> std::io::Result<Self> {
        Ok(Self::of(&Metadata::from_file(file)?))
    }

    /// Whether no write happened between the two identities. A change of attributes counts as a
    /// write, since the modification time can be set back. A change together with another number of
    /// names does not: the file was replaced or linked.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        (self.dev, self.ino, self.size, self.mtime_ns)
            == (other.dev, other.ino, other.size, other.mtime_ns)
            && (self.ctime_ns == other.ctime_ns || self.nlink != other.nlink)
    }

    /// Whether a write at or after `since` could leave the identity unchanged. File systems keep time in
    /// ticks, so a second write within one tick is invisible.
    #[must_use]
    pub(crate) fn is_racy(&self, since: SystemTime) -> bool {
        let Ok(since) = since.duration_since(UNIX_EPOCH) else { return true };
        let since = i128::try_from(since.as_nanos()).unwrap_or(i128::MAX);
        // A write sets both times to the present tick, so it stays invisible only if both had that value
        // already. One old time is enough to reveal it.
        let is_old = is_past(self.mtime_ns, since) || (cfg!(unix) && is_past(self.ctime_ns, since));
        !is_old
    }

    /// Whether both are the same file, regardless of its contents. Always true on systems without
    /// inode numbers.
    #[must_use]
    pub fn same_file(&self, other: &Self) -> bool {
        (self.dev, self.ino) == (other.dev, other.ino)
    }
}

/// Whether `time_ns`, a time of a file, lies so far before `now_ns` that any change from now on
/// gets another time.
pub(crate) fn is_past(time_ns: i128, now_ns: i128) -> bool {
    // A whole number of milliseconds suggests a coarse resolution.
    let tick = if time_ns % 1_000_000 == 0 { COARSE_TICK_NS } else { FINE_TICK_NS };
    time_ns.saturating_add(tick) <= now_ns
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write as _;
    use std::time::{Duration, UNIX_EPOCH};

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    use super::FileIdentity;

    #[test]
    fn writing_and_replacing_are_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let identity = |name| FileIdentity::of(&dir.metadata(name).unwrap());
        let mut file = dir.create("a").unwrap();
        let empty = identity("a");
        assert_eq!(FileIdentity::of_file(&file).unwrap(), empty);

        file.write_all(b"x").unwrap();
        let written = identity("a");
        assert_ne!(written, empty);
        assert!(written.same_file(&empty));

        dir.write("b", "x").unwrap();
        dir.rename("b", &dir, "a").unwrap();
        assert!(!identity("a").same_file(&written));
    }

    #[test]
    fn a_write_with_its_time_set_back_is_noticed_and_a_new_name_is_not() {
        let file = FileIdentity { dev: 1, ino: 2, size: 3, mtime_ns: 4, ctime_ns: 5, nlink: 1 };
        assert!(file.same_content(&file));
        assert!(!file.same_content(&FileIdentity { ctime_ns: 6, ..file }));
        assert!(file.same_content(&FileIdentity { ctime_ns: 6, nlink: 0, ..file }));
        assert!(!file.same_content(&FileIdentity { mtime_ns: 6, nlink: 0, ..file }));
    }

    #[test]
    fn times_are_young_for_as_long_as_their_resolution_says() {
        let at = |ns: i128| UNIX_EPOCH + Duration::from_nanos(u64::try_from(ns).unwrap());
        let second = 1_000_000_000;
        let (fine, coarse) = (second * second + 123_456_789, second * second);
        for (time, racy_for) in [(fine, second / 10), (coarse, 2 * second)] {
            let file =
                FileIdentity { dev: 1, ino: 2, size: 3, mtime_ns: time, ctime_ns: time, nlink: 1 };
            assert!(file.is_racy(at(time + racy_for - 1)));
            assert!(!file.is_racy(at(time + racy_for)));
            let set_back = FileIdentity { mtime_ns: time - 3600 * second, ..file };
            assert!(!set_back.is_racy(at(time)));
        }
    }
}
