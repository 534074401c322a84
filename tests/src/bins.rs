//! The programs under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of `ftx-server`, built from the sources as they are now.
#[must_use]
pub fn server() -> PathBuf {
    built().join("ftx-server")
}

/// The path of `ftx-client`, likewise.
#[must_use]
pub fn client() -> PathBuf {
    built().join("ftx-client")
}

/// The directory of the examples in Rust, built from the current sources.
///
/// # Panics
/// If they do not build.
#[must_use]
pub fn examples() -> PathBuf {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    // Those of the whole workspace, as `cargo test --workspace` has already built them: with fewer
    // packages, features of dependencies would differ, and all would be built again.
    let built = BUILT.get_or_init(|| build(&["--workspace", "--examples"]));
    built.as_deref().expect("the examples do not build").join("examples")
}

/// The directory that holds everything cargo builds, such as `target`.
#[must_use]
pub fn target_dir() -> PathBuf {
    profile_dir().parent().unwrap().to_owned()
}

/// The top of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where the running test's profile puts its binaries, such as `target/debug`.
fn profile_dir() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}

/// Builds both programs once for each test binary. Cargo cannot express that a test depends on
/// another package's binary, so the test asks for it; `FTX_BIN_DIR` names ready-made ones instead.
fn built() -> &'static Path {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| match env::var_os("FTX_BIN_DIR") {
        Some(ready) => Some(PathBuf::from(ready)),
        None => build(&["--bins", "-p", "ftx-server", "-p", "ftx-client"]),
    });
    built.as_deref().expect("the programs under test do not build")
}

/// Has cargo build the given targets in the running test's profile. Returns the output directory.
pub(crate) fn build(what: &[&str]) -> Option<PathBuf> {
    let directory = profile_dir();
    let profile = match directory.file_name()?.to_str()? {
        "debug" => "dev",
        other => other,
    };
    let status = Command::new(env!("CARGO"))
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target_dir())
        .args(["build", "--quiet", "--profile", profile])
        .args(what)
        .status();
    status.is_ok_and(|status| status.success()).then_some(directory)
}
