//! Builds the Qt peers below the target directory, once for each test binary.
//!
//! Several test binaries may want them at the same time, so a lock file is held meanwhile.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::Qt;
use crate::{bins, ffi};

/// The directory with `qt-peer` in it.
pub(super) fn own(qt: Qt) -> PathBuf {
    static BUILT: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    BUILT[index(qt)]
        .get_or_init(|| {
            locked("qt-peer", qt, |dir| {
                let sources = bins::workspace().join("tests/qt-peer");
                let flag = format!("-DQT_PEER_QT6={}", if qt == Qt::Six { "ON" } else { "OFF" });
                let configure =
                    ["-S".as_ref(), sources.as_os_str(), "-B".as_ref(), dir.as_os_str()];
                run(Command::new("cmake").args(configure).arg(flag));
                run(Command::new("cmake").arg("--build").arg(dir));
            })
        })
        .clone()
}

/// The directory with `seed-client` and `seed-server` in it.
pub(super) fn original(qt: Qt) -> Option<PathBuf> {
    static BUILT: [OnceLock<Option<PathBuf>>; 2] = [OnceLock::new(), OnceLock::new()];
    BUILT[index(qt)]
        .get_or_init(|| {
            let script = original_sources()?.join("build.sh");
            Some(locked("seed-peer", qt, |dir| {
                let flavour = (qt == Qt::Six).then_some("qt6");
                run(Command::new(script).arg(dir).args(flavour));
            }))
        })
        .clone()
}

/// Where the sources of the original are, if they are at hand.
pub(super) fn original_sources() -> Option<PathBuf> {
    let sources = match env::var_os("FTX_SEED_PEER") {
        Some(named) => PathBuf::from(named),
        None => bins::workspace().parent()?.join("shared/seed-peer"),
    };
    sources.join("build.sh").is_file().then_some(sources)
}

/// The directory with the programs of `tests/qt-client` in it.
pub(super) fn clients(qt: Qt) -> PathBuf {
    static BUILT: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    BUILT[index(qt)]
        .get_or_init(|| {
            let library = ffi::library().run.join("libftx.so.1");
            locked("qt-client", qt, |dir| {
                let original = original_sources().unwrap_or_default();
                let flag = if qt == Qt::Six { "ON" } else { "OFF" };
                let mut configure = Command::new("cmake");
                configure.arg("-S").arg(bins::workspace().join("tests/qt-client"));
                configure.arg("-B").arg(dir).arg(format!("-DQT_CLIENT_QT6={flag}"));
                configure.arg(format!("-DQT_CLIENT_FTX={}", library.display()));
                configure.arg(format!("-DQT_CLIENT_ORIGINAL={}", original.display()));
                run(&mut configure);
                run(Command::new("cmake").arg("--build").arg(dir));
            })
        })
        .clone()
}

fn index(qt: Qt) -> usize {
    match qt {
        Qt::Five => 0,
        Qt::Six => 1,
    }
}

fn locked(what: &str, qt: Qt, build: impl FnOnce(&Path)) -> PathBuf {
    let parent = bins::target_dir().join(what);
    let name = match qt {
        Qt::Five => "qt5",
        Qt::Six => "qt6",
    };
    fs::create_dir_all(&parent).unwrap();
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let dir = parent.join(name);
    build(&dir);
    dir
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; run scripts/setup, which installs the packages for the tests")
    });
    assert!(
        output.status.success(),
        "{command:?} failed; if Qt is missing, scripts/setup installs it\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
