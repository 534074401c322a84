//! Requirements of single tests. A test that lacks one says so and ends; with `CI` in the environment it fails.

use std::env;
use std::path::Path;

/// Whether this process is not root's, which the test needs.
///
/// # Panics
/// If it is so, and `CI` is set.
#[must_use]
pub fn lacks_root() -> bool {
    !rustix::process::geteuid().is_root() && lacks("root")
}

/// Whether a program that the test needs is not installed.
///
/// # Panics
/// If it is so, and `CI` is set.
#[must_use]
pub fn lacks_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |dir: &Path| dir.join(name).is_file();
    !env::split_paths(&path).any(|dir| is_there(&dir))
        && lacks(&format!("{name} (scripts/setup installs it)"))
}

/// Says that a test does not run, as it needs something. Returns `true`.
///
/// # Panics
/// If `CI` is set.
#[must_use]
pub fn lacks(missing: &str) -> bool {
    let is_ci = env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "CI is set, and so every test must run; this one needs {missing}");
    println!("not run: it needs {missing}");
    true
}
