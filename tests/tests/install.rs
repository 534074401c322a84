//! `scripts/install`, and the examples built with what it installs: by CMake, pkg-config and qmake,
//! with Qt 5 and Qt 6.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Outcome, Process, Server, bins};
use tempfile::tempdir;

/// Where it is installed, once for all tests.
fn prefix() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let prefix = bins::target_dir().join("installed");
        let mut command = Command::new(bins::workspace().join("scripts/install"));
        command.env("CARGO_TARGET_DIR", bins::target_dir());
        run(command.arg("--debug").arg("--prefix").arg(&prefix));
        prefix
    })
}

fn examples() -> PathBuf {
    bins::workspace().join("examples")
}

fn run(command: &mut Command) -> Outcome {
    let outcome = Process::spawn(command).wait(DEADLINE);
    assert_eq!(outcome.code, Some(0), "{command:?}: {outcome:#?}");
    outcome
}

/// Uploads a file by an example, whose arguments are made of the address.
fn assert_uploads(program: &Path, address: impl Fn(&Server) -> Vec<String>) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&local.path().join("a.bin"), content(1, 100_000));
    let mut command = Command::new(program);
    run(command.args(address(&server)).arg("a.bin").current_dir(local.path()));
    assert_content(&root.path().join("a.bin"), content(1, 100_000));
}

fn as_one(server: &Server) -> Vec<String> {
    vec![server.addr().to_string()]
}

fn as_two(server: &Server) -> Vec<String> {
    vec![server.addr().ip().to_string(), server.addr().port().to_string()]
}

/// Downloads a file by the example in C++, which tells its name first.
fn assert_tree(program: &Path) {
    let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(root.path());
    write_file(&root.path().join("b.bin"), content(2, 100_000));
    let mut command = Command::new(program);
    let address = server.addr().to_string();
    let outcome = run(command.arg(address).arg("b.bin").current_dir(local.path()));
    assert_eq!(outcome.stdout, "b.bin");
    assert_content(&local.path().join("b.bin"), content(2, 100_000));
}

#[test]
fn all_is_in_place() {
    for name in [
        "bin/ftx-client",
        "bin/ftx-server",
        "include/ftx.h",
        "include/ftx.hpp",
        "include/ftx/qt/fileclient.cpp",
        "include/ftx/qt/fileclient.h",
        "include/ftx/qt/ftx.pri",
        "include/ftx/qt/ftxclient.cpp",
        "include/ftx/qt/ftxclient.h",
        "lib/cmake/ftx/ftx-config.cmake",
        "lib/cmake/ftx/ftx-config-version.cmake",
        "lib/libftx.a",
        "lib/libftx.so",
        "lib/libftx.so.1",
        "lib/pkgconfig/ftx.pc",
    ] {
        assert!(fs::metadata(prefix().join(name)).is_ok_and(|file| file.is_file()), "{name}");
    }
}

#[test]
fn examples_build_by_cmake() {
    for qt6 in ["OFF", "ON"] {
        let build = tempdir().unwrap();
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(examples()).arg("-B").arg(build.path());
        configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()));
        run(configure.arg(format!("-DWITH_QT6={qt6}")));
        run(Command::new("cmake").arg("--build").arg(build.path()));
        assert_uploads(&build.path().join("upload"), as_one);
        assert_uploads(&build.path().join("console"), as_two);
        assert_tree(&build.path().join("tree"));
        assert!(build.path().join("transfers").is_file());
    }
}

#[test]
fn examples_build_by_pkg_config() {
    let build = tempdir().unwrap();
    let mut ask = Command::new("pkg-config");
    ask.env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    let flags = run(ask.args(["--cflags", "--libs", "ftx"])).stdout;
    let rpath = format!("-Wl,-rpath,{}", prefix().join("lib").display());
    for (compiler, source) in [("cc", "upload.c"), ("c++", "tree.cpp")] {
        let program = build.path().join(source).with_extension("");
        let mut command = Command::new(compiler);
        command.arg(examples().join(source)).args(flags.split_whitespace());
        run(command.arg(&rpath).arg("-o").arg(program));
    }
    assert_uploads(&build.path().join("upload"), as_one);
    assert_tree(&build.path().join("tree"));
}

#[test]
fn the_qt_example_builds_by_qmake() {
    // Both may be called qmake; these names are those of Debian.
    for qmake in ["/usr/lib/qt5/bin/qmake", "/usr/lib/qt6/bin/qmake"] {
        let build = tempdir().unwrap();
        let mut configure = Command::new(qmake);
        configure.arg(examples().join("console.pro")).current_dir(build.path());
        run(configure.arg(format!("FTX={}", prefix().display())));
        run(Command::new("make").current_dir(build.path()));
        assert_uploads(&build.path().join("console"), as_two);
    }
}
