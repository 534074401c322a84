//! File systems whose power can be cut.
//!
//! An image file on a loop device is mounted; a shutdown of the file system (`FS_IOC_SHUTDOWN`, without
//! a flush of its log) takes everything with it that was not synced, as a loss of power does, and mounting
//! the image again replays its journal, as booting does.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tempfile::TempDir;

use crate::wait::{DEADLINE, within};

/// Bytes of an image: the fewest that XFS takes. The image is sparse.
const IMAGE_BYTES: u64 = 320 << 20;

/// The programs that are needed.
const PROGRAMS: [&str; 5] = ["mkfs.ext4", "mkfs.xfs", "xfs_io", "mount", "umount"];

/// A kind of file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// ext4, which syncs all metadata with that of one file.
    Ext4,
    /// XFS, which writes its log up to the last change of the file that is synced.
    Xfs,
}

impl FsKind {
    /// Its name, as `mount` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// The mount options: periodic write-back is delayed beyond the length of any test.
    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,commit=600",
            Self::Xfs => "loop",
        }
    }
}

/// A mounted file system on an image of its own. Its processes must have ended before it is
/// [restored](Self::restore) or dropped.
#[derive(Debug)]
pub struct LoopFs {
    kind: FsKind,
    image: PathBuf,
    path: PathBuf,
    is_cut: bool,
    // Dropped after the unmounting in `drop`.
    _dir: TempDir,
}

impl LoopFs {
    /// Why there can be none on this machine, if there can be none.
    #[must_use]
    pub fn missing() -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("not root".into());
        }
        if !Path::new("/dev/loop-control").exists() {
            return Some("no /dev/loop-control".into());
        }
        let missing = PROGRAMS.iter().find(|program| !is_program(program));
        missing.map(|program| format!("no program {program}"))
    }

    /// A new, empty one.
    ///
    /// # Errors
    /// The output of the program that failed to make or mount it.
    ///
    /// # Panics
    /// If there is no room for temporary files.
    pub fn new(kind: FsKind) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        // The system names the files in it by their real path.
        let top = dir.path().canonicalize().unwrap();
        let (image, path) = (top.join("image"), top.join("mounted"));
        File::create(&image).unwrap().set_len(IMAGE_BYTES).unwrap();
        fs::create_dir(&path).unwrap();
        run(Command::new(format!("mkfs.{}", kind.name())).arg("-q").arg(&image))?;
        let fs = Self { kind, image, path, is_cut: false, _dir: dir };
        fs.mount()?;
        Ok(fs)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> FsKind {
        self.kind
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Takes all the room that is left, until [`free`](Self::free).
    ///
    /// # Panics
    /// If the room cannot be taken for another reason than that there is none.
    pub fn fill(&self) {
        let ballast = File::create(self.ballast()).unwrap();
        let (mut taken, mut piece) = (0, IMAGE_BYTES);
        while piece >= 4096 {
            match rustix::fs::fallocate(&ballast, FallocateFlags::empty(), taken, piece) {
                Ok(()) => taken += piece,
                Err(Errno::NOSPC) => piece /= 2,
                Err(error) => panic!("{}: {error}", self.ballast().display()),
            }
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

    /// Makes everything durable that is in it.
    ///
    /// # Panics
    /// If it cannot be.
    pub fn sync(&self) {
        rustix::fs::syncfs(File::open(&self.path).unwrap()).unwrap();
    }

    /// Cuts the power: from now on nothing reaches the image, and everything in it fails.
    ///
    /// # Panics
    /// If it cannot be cut.
    pub fn cut(&mut self) {
        self.shut_down("shutdown");
    }

    /// Cuts the power right after the log was written, as by the periodic write-back: all changes of
    /// names and attributes outlive it, and bytes that were not synced do not.
    ///
    /// # Panics
    /// If it cannot be cut.
    pub fn cut_after_log(&mut self) {
        self.shut_down("shutdown -f");
    }

    fn shut_down(&mut self, how: &str) {
        run(Command::new("xfs_io").args(["-x", "-c", how]).arg(&self.path)).unwrap();
        self.is_cut = true;
    }

    /// Mounts the image again after a cut.
    ///
    /// # Panics
    /// If it is in use, or cannot be mounted.
    pub fn restore(&mut self) {
        let mut said = String::new();
        let unmounted = within(DEADLINE, || {
            // Files of a process that was killed are closed a little later.
            run(Command::new("umount").arg(&self.path)).map_err(|error| said = error).ok()
        });
        assert!(unmounted.is_some(), "{said}");
        self.mount().unwrap();
        self.is_cut = false;
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        mount.args(["-t", self.kind.name(), "-o", self.kind.options()]);
        run(mount.arg(&self.image).arg(&self.path))
    }
}

impl Drop for LoopFs {
    fn drop(&mut self) {
        // Lazily: a process that failed a test may still hold a file open. The loop device goes with it.
        let _ = run(Command::new("umount").arg("--lazy").arg(&self.path));
    }
}

/// Says to a program that is run again that its mounts are its own.
const INSIDE: &str = "FTX_TEST_MOUNTS_ARE_OWN";

/// Gives this program mounts that it and its children alone see, and that end with it: runs it again,
/// with the same arguments, where they are not its own yet.
///
/// # Errors
/// Why it cannot have any.
///
/// # Panics
/// If the program has no path.
pub fn own_mounts() -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(());
    }
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "true"]).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Err("no mounts of its own".into());
    }
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--"]).arg(std::env::current_exe().unwrap());
    inside.args(std::env::args_os().skip(1));
    Err(inside.env(INSIDE, "1").exec().to_string())
}

/// Runs a program to its end; the error is its output.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Whether there is a program of this name where the system looks for them.
pub(crate) fn is_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}
