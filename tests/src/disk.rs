//! File systems that can be full.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system of a few MiB in memory.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    // Dropped after the unmounting in `drop`.
    _dir: tempfile::TempDir,
}

/// Says to the test that is run again that it is the one inside.
const INSIDE: &str = "FTX_TEST_MAY_MOUNT";

/// Runs a case that mounts something. Where the user must not, the test runs itself again in a
/// user and mount namespace of its own.
///
/// `test` is the test's name as the test program lists it, with its module.
///
/// # Panics
/// If nothing can be mounted either way, or the case fails.
pub fn with_mounts(test: &str, case: impl FnOnce()) {
    if rustix::process::geteuid().is_root() || env::var_os(INSIDE).is_some() {
        return case();
    }
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", test])
        .env(INSIDE, "1")
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("{test} needs root or the program unshare to mount: {error}");
    });
    let said = String::from_utf8_lossy(&output.stdout);
    // A name that is none of the program's would run no test, and succeed.
    let has_passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(has_passed, "{test}, with mounts of its own: {}\n{said}", output.status);
}

impl SmallDisk {
    /// Mounts one with room for `mib` MiB.
    ///
    /// # Panics
    /// If it cannot be mounted.
    #[must_use]
    pub fn mount(mib: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0777"), "ftx-test"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(status.success(), "a tmpfs cannot be mounted");
        Self { path: dir.path().to_owned(), _dir: dir }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl SmallDisk {
    /// Bytes that are taken.
    ///
    /// # Panics
    /// If it is not mounted any more.
    #[must_use]
    pub fn used(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    }

    /// Takes all the room that is left, until [`free`](Self::free).
    ///
    /// # Panics
    /// If writing fails for another reason than that there is no room.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        // Down to single bytes, or a last piece that did not fit would leave room.
        for piece in [1 << 16, 1 << 12, 1] {
            let full = iter::repeat_with(|| ballast.write_all(&vec![0; piece]))
                .find_map(Result::err)
                .unwrap();
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    /// Frees the space that [`fill`](Self::fill) took.
    ///
    /// # Panics
    /// If it was not called.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that failed a test may still hold a file open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}
