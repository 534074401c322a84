//! The CMake package that `scripts/install` installs: versions, components, and libraries on top of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftx_tests::{DEADLINE, Process, bins};
use tempfile::tempdir;

use super::install::{as_two, assert_uploads, prefix, run};

/// A directory of `tests/cmake-package`.
fn project(name: &str) -> PathBuf {
    bins::workspace().join("tests/cmake-package").join(name)
}

fn package() -> PathBuf {
    prefix().join("lib/cmake/ftx")
}

/// Configures a project, which finds packages below some prefixes.
fn configure(project: &Path, build: &Path, prefixes: &[&Path]) -> Command {
    let prefixes: Vec<_> = prefixes.iter().map(|prefix| prefix.display().to_string()).collect();
    let mut command = Command::new("cmake");
    command.arg("-S").arg(project).arg("-B").arg(build);
    command.arg(format!("-DCMAKE_PREFIX_PATH={}", prefixes.join(";")));
    command
}

/// Asserts that the installed version file, of a version, answers every request as CMake's own does.
/// Returns the requests that it accepts.
fn accepted(installed: &Path, version: &str) -> Vec<String> {
    let directory = tempdir().unwrap();
    let mut ask = Command::new("cmake");
    ask.arg(format!("-DINSTALLED={}", installed.display())).arg(format!("-DVERSION={version}"));
    ask.arg("-Wno-dev").arg("-P").arg(project("versions.cmake")).current_dir(directory.path());
    let said = run(&mut ask).stderr;
    let mut accepted = Vec::new();
    for line in said.lines().filter(|line| !line.is_empty()) {
        match line.rsplit_once(": ") {
            Some((request, "1 1")) => accepted.push(request.to_owned()),
            Some((_, "0 0")) => {}
            _ => panic!("{version}: {line}"),
        }
    }
    accepted
}

#[test]
fn versions_are_compared_as_by_cmake() {
    let installed = package().join("ftx-config-version.cmake");
    let version = env!("CARGO_PKG_VERSION");
    for request in ["", version, &format!("{version};EXACT")] {
        assert!(accepted(&installed, version).iter().any(|found| found == request), "{request}");
    }
    // A later release.
    let directory = tempdir().unwrap();
    let later = directory.path().join("version.cmake");
    let text = fs::read_to_string(installed).unwrap();
    fs::write(&later, text.replace(&format!("\"{version}\""), "\"1.2.3\"")).unwrap();
    let expected = [
        "",
        "1",
        "1.0",
        "1.2",
        "1.2.3",
        "1.2.3;EXACT",
        "1...<2",
        "1.0...<2",
        "1.0...1.2.3",
        "1.2...<2.0",
    ];
    assert_eq!(accepted(&later, "1.2.3"), expected);
}

#[test]
fn components_are_found_or_refused_by_name() {
    let build = tempdir().unwrap();
    let outcome = run(&mut configure(&project("components"), build.path(), &[prefix()]));
    for line in [
        "none named: 1",
        "qt, neither found nor named: FALSE",
        "nonsense: 0",
        "all but qt, optional nonsense: 1",
        "each: TRUE TRUE TRUE FALSE",
        "qt of a version that is not there: 0",
        "optional: 1 FALSE",
        "qt: 1",
        "qt, found by the package: TRUE",
    ] {
        assert!(outcome.stderr.lines().any(|said| said == line), "{line}: {outcome:#?}");
    }
    let mut requiring = configure(&project("components"), build.path(), &[prefix()]);
    let outcome = Process::spawn(requiring.arg("-DREQUIRED_COMPONENT=nonsense")).wait(DEADLINE);
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    // CMake wraps it.
    let said: Vec<_> = outcome.stderr.split_whitespace().collect();
    let reason =
        "ftx has no component \"nonsense\": the components are ftx, ftx_static, cpp and qt.";
    assert!(said.join(" ").contains(reason), "{outcome:#?}");
}

#[test]
fn a_library_on_top_of_the_qt_classes_is_itself_a_package() {
    for (qt, shared) in [("5", "OFF"), ("6", "ON")] {
        let directory = tempdir().unwrap();
        let [library, installed, program] =
            ["library", "installed", "program"].map(|name| directory.path().join(name));
        let mut first = configure(&project("library"), &library, &[prefix()]);
        first.arg(format!("-DWITH_QT={qt}")).arg(format!("-DBUILD_SHARED_LIBS={shared}"));
        run(first.arg(format!("-DCMAKE_INSTALL_PREFIX={}", installed.display())));
        run(Command::new("cmake").arg("--build").arg(&library).args(["--target", "install"]));
        run(&mut configure(&project("program"), &program, &[prefix(), &installed]));
        run(Command::new("cmake").arg("--build").arg(&program));
        assert_uploads(&program.join("program"), as_two);
    }
}
