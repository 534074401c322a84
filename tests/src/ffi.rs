//! `libftx`, and programs in C and C++ that are built with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::bins;
use crate::process::{Outcome, Process};
use crate::wait::DEADLINE;

/// Warnings that are errors in every program.
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// System libraries that a program needs to link the static library.
const SYSTEM: [&str; 4] = ["-lgcc_s", "-lpthread", "-lm", "-ldl"];

/// Where the two libraries are.
#[derive(Debug)]
pub struct Library {
    /// `libftx.so`.
    pub shared: PathBuf,
    /// `libftx.a`.
    pub archive: PathBuf,
    /// A directory in which a program finds `libftx.so.1` when it starts.
    pub run: PathBuf,
}

/// How a program gets hold of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is part of the program.
    Static,
    /// It is loaded with the program.
    Shared,
    /// The program loads it by itself.
    Loaded,
}

/// The library, built from the sources as they are now, once for each test binary.
///
/// # Panics
/// If it does not build.
#[must_use]
pub fn library() -> &'static Library {
    static BUILT: OnceLock<Library> = OnceLock::new();
    BUILT.get_or_init(|| {
        // With the programs, as `scripts/install` builds it: the library alone would have other features
        // of the dependencies, and all would be built again.
        let packages = ["-p", "ftx-server", "-p", "ftx-client", "-p", "ftx-ffi"];
        let built = bins::build(&packages).expect("libftx does not build");
        let shared = built.join("libftx.so");
        let run = bins::target_dir().join("ffi-run");
        fs::create_dir_all(&run).unwrap();
        // A target directory that was copied has a link to the library in the other one. Replaced in one
        // step, since other test binaries use it.
        let link = run.join("libftx.so.1");
        if fs::read_link(&link).ok().as_ref() != Some(&shared) {
            let new = run.join(std::process::id().to_string());
            symlink(&shared, &new).unwrap();
            fs::rename(&new, &link).unwrap();
        }
        Library { shared, archive: built.join("libftx.a"), run }
    })
}

/// The directory of the headers.
#[must_use]
pub fn include() -> PathBuf {
    bins::workspace().join("include")
}

/// The sources of the programs in C and C++.
#[must_use]
pub fn sources() -> PathBuf {
    bins::workspace().join("tests/c")
}

/// A command line of a compiler, with the warnings and the headers.
#[must_use]
pub fn compiler(name: &str, standard: &str) -> Command {
    let mut command = Command::new(name);
    command.arg(format!("-std={standard}")).args(WARNINGS).arg("-I").arg(include());
    command
}

/// Builds a program from files in [`sources`], with further options.
///
/// # Panics
/// If it does not build, with the compiler's output.
pub fn build(mut compiler: Command, options: &[&str], files: &[&str], link: Link, program: &Path) {
    let library = library();
    compiler.args(options).arg("-pthread").arg("-o").arg(program);
    compiler.args(files.iter().map(|file| sources().join(file)));
    match link {
        Link::Static => compiler.arg(&library.archive).args(SYSTEM),
        Link::Shared => {
            compiler.arg(&library.shared).arg(format!("-Wl,-rpath,{}", library.run.display()))
        }
        Link::Loaded => compiler.arg("-ldl"),
    };
    succeed(compiler);
}

/// Runs a command that must succeed without any diagnostics.
///
/// # Panics
/// If it fails or prints a diagnostic, with its output.
pub fn succeed(mut command: Command) -> Outcome {
    let outcome = Process::spawn(&mut command).wait(DEADLINE);
    assert!(
        outcome.code == Some(0) && outcome.stderr.is_empty(),
        "{command:?} ended with {:?}, signal {:?}:\n{}{}",
        outcome.code,
        outcome.signal,
        outcome.stdout,
        outcome.stderr
    );
    outcome
}
