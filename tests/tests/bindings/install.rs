//! `scripts/install`, and the examples built from its installation: by CMake, pkg-config and qmake, with
//! Qt 5 and Qt 6.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{DEADLINE, Outcome, Process, Server, bins};
use tempfile::{TempDir, tempdir};

/// Where it is installed, once for all tests.
pub(crate) fn prefix() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let prefix = bins::target_dir().join("installed");
        install(&prefix, None, &[]);
        prefix
    })
}

/// The script, which uses this build's output.
fn script(prefix: &Path, stage: Option<&Path>, options: &[&str]) -> Command {
    let mut command = Command::new(bins::workspace().join("scripts/install"));
    command.env("CARGO_TARGET_DIR", bins::target_dir()).env_remove("DESTDIR");
    command.envs(stage.map(|stage| ("DESTDIR", stage)));
    command.arg("--debug").args(options).arg("--prefix").arg(prefix);
    command
}

/// Installs, into a stage if there is one.
fn install(prefix: &Path, stage: Option<&Path>, options: &[&str]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // The script copies its own build output, which another build at that time might replace. The
    // programs under test are built first for that reason.
    let _ = bins::server();
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run(&mut script(prefix, stage, options));
}

/// Runs the script where it must fail, and returns its code and its error.
fn refused(mut script: Command) -> (Option<i32>, String) {
    let outcome = Process::spawn(&mut script).wait(DEADLINE);
    assert!(!outcome.stdout.contains("Building"), "{outcome:#?}");
    (outcome.code, outcome.stderr)
}

/// A stage, where tests do not mind the size of what is installed.
fn stage() -> TempDir {
    tempfile::tempdir_in(bins::target_dir()).unwrap()
}

/// Whether a program, library or archive has a section.
fn has_section(binary: &Path, section: &str) -> bool {
    run(Command::new("readelf").arg("-SW").arg(binary)).stdout.contains(section)
}

/// The flags that `pkg-config` prints for the package in a directory of libraries.
fn flags(library: &Path, options: &[&str]) -> Vec<String> {
    let mut ask = Command::new("pkg-config");
    ask.env("PKG_CONFIG_PATH", library.join("pkgconfig"));
    let said = run(ask.args(["--cflags", "--libs"]).args(options).arg("ftx")).stdout;
    said.split_whitespace().map(str::to_owned).collect()
}

/// Builds an example by a compiler alone.
fn compile(compiler: &str, source: &str, flags: &[String], program: &Path) {
    let mut command = Command::new(compiler);
    command.arg(examples().join(source)).args(flags);
    run(command.arg("-o").arg(program));
}

/// The libraries that a program or library asks for.
fn needed(binary: &Path) -> Vec<String> {
    let outcome = run(Command::new("readelf").arg("-d").arg(binary));
    let needed = outcome.stdout.lines().filter(|line| line.contains("(NEEDED)"));
    needed.filter_map(|line| Some(line.split(['[', ']']).nth(1)?.to_owned())).collect()
}

fn examples() -> PathBuf {
    bins::workspace().join("examples")
}

pub(crate) fn run(command: &mut Command) -> Outcome {
    // Some of them build the whole project.
    let outcome = Process::spawn(command).wait(5 * DEADLINE);
    assert_eq!(outcome.code, Some(0), "{command:?}: {outcome:#?}");
    outcome
}

/// Uploads a file by an example, whose arguments are made of the address.
pub(crate) fn assert_uploads(program: &Path, address: impl Fn(&Server) -> Vec<String>) {
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

pub(crate) fn as_two(server: &Server) -> Vec<String> {
    vec![server.addr().ip().to_string(), server.addr().port().to_string()]
}

/// Downloads a file by the example in C++, which prints its name first.
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
        "include/ftx/qt/fileclient_p.h",
        "include/ftx/qt/fileclientcall.cpp",
        "include/ftx/qt/ftx.pri",
        "include/ftx/qt/ftxclient.cpp",
        "include/ftx/qt/ftxclient.h",
        "include/ftx/qt/ftxsupport.cpp",
        "include/ftx/qt/ftxsupport.h",
        "lib/cmake/ftx/ftx-config.cmake",
        "lib/cmake/ftx/ftx-config-version.cmake",
        "lib/libftx.a",
        "lib/libftx.so",
        "lib/libftx.so.1",
        "lib/pkgconfig/ftx.pc",
        "lib/systemd/system/ftx-server.service",
        "lib/systemd/system/ftx-server.socket",
        "share/doc/ftx/server.toml",
        "share/licenses/ftx/LICENSE",
        "share/licenses/ftx/LICENSE-APACHE",
        "share/licenses/ftx/LICENSE-MIT",
    ] {
        assert!(fs::metadata(prefix().join(name)).is_ok_and(|file| file.is_file()), "{name}");
    }
    let foreign = fs::read_to_string(prefix().join("share/licenses/ftx/THIRD-PARTY")).unwrap();
    for text in ["\n  tokio-1.", "\n  blake3-1.", "Copyright (c) Tokio Contributors"] {
        assert!(foreign.contains(text), "{text}");
    }
    assert!(!foreign.contains("proptest"), "it is in no program");
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
        let with_the_library = build.path().join("upload_static");
        assert!(!needed(&with_the_library).contains(&"libftx.so.1".to_owned()));
        assert_uploads(&with_the_library, as_one);
        assert_uploads(&build.path().join("main_loop"), as_one);
        assert_uploads(&build.path().join("console"), as_two);
        assert_tree(&build.path().join("tree"));
        assert!(build.path().join("transfers").is_file());
    }
}

#[test]
fn examples_build_by_pkg_config() {
    let build = tempdir().unwrap();
    let mut flags = flags(&prefix().join("lib"), &[]);
    flags.push(format!("-Wl,-rpath,{}", prefix().join("lib").display()));
    let (upload, tree) = (build.path().join("upload"), build.path().join("tree"));
    compile("cc", "upload.c", &flags, &upload);
    compile("c++", "tree.cpp", &flags, &tree);
    assert!(needed(&upload).contains(&"libftx.so.1".to_owned()));
    assert_uploads(&upload, as_one);
    assert_tree(&tree);
}

#[test]
fn programs_with_the_library_in_them_build_by_pkg_config() {
    let build = tempdir().unwrap();
    let flags = flags(&prefix().join("lib"), &["--static"]);
    for compiler in ["gcc", "clang"] {
        // All of the program, and only this library.
        let all = build.path().join("all");
        compile(compiler, "upload.c", &[&flags[..], &["-static".to_owned()]].concat(), &all);
        assert!(needed(&all).is_empty());
        assert_uploads(&all, as_one);
        let one = build.path().join("one");
        let by_name: Vec<String> =
            flags.iter().map(|flag| flag.replace("-lftx", "-l:libftx.a")).collect();
        compile(compiler, "upload.c", &by_name, &one);
        assert!(!needed(&one).contains(&"libftx.so.1".to_owned()));
        assert_uploads(&one, as_one);
    }
}

#[test]
fn it_is_staged_for_a_package_and_can_be_moved() {
    let staged = stage();
    let stage = staged.path().join("stage");
    let elsewhere = Path::new("/opt/ftx of nobody");
    install(elsewhere, Some(&stage), &["--no-strip"]);
    assert!(!elsewhere.exists());
    let moved = staged.path().join("moved");
    fs::rename(stage.join("opt/ftx of nobody"), &moved).unwrap();
    for file in ["lib/pkgconfig/ftx.pc", "lib/cmake/ftx/ftx-config.cmake"] {
        let text = fs::read_to_string(moved.join(file)).unwrap();
        assert!(!text.contains("/opt/") && !text.contains("/stage"), "{file}: {text}");
    }
    let program = staged.path().join("upload");
    let mut flags = flags(&moved.join("lib"), &[]);
    flags.push(format!("-Wl,-rpath,{}", moved.join("lib").display()));
    compile("cc", "upload.c", &flags, &program);
    assert_uploads(&program, as_one);
    for (file, section) in [("libftx.so.1", ".symtab"), ("libftx.a", ".debug_info")] {
        assert!(has_section(&moved.join("lib").join(file), section), "{file}");
        assert!(!has_section(&prefix().join("lib").join(file), section), "{file}");
    }
    // Intermediate code of the compiler, which is most of the archive.
    assert!(!has_section(&prefix().join("lib/libftx.a"), ".llvmbc"));
    // Without the directories above it, which were not moved.
    run(&mut script(&moved, None, &["--uninstall"]));
    assert_eq!(names(staged.path()), ["moved", "stage", "upload"]);
    assert_eq!(names(&moved), [""; 0]);
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_is_left_after_an_uninstall() {
    let stage = stage();
    let prefix = Path::new("/opt/ftx");
    let installed = stage.path().join("opt/ftx");
    install(prefix, Some(stage.path()), &[]);
    // Again, with another directory of libraries, as of an upgrade: the first one is cleared.
    install(prefix, Some(stage.path()), &["--libdir=lib/x86_64-linux-gnu"]);
    assert!(!installed.join("lib/libftx.a").exists());
    let library = installed.join("lib/x86_64-linux-gnu");
    let program = stage.path().join("upload");
    let mut flags = flags(&library, &[]);
    flags.push(format!("-Wl,-rpath,{}", library.display()));
    compile("cc", "upload.c", &flags, &program);
    assert_uploads(&program, as_one);
    fs::remove_file(program).unwrap();
    let pri = fs::read_to_string(installed.join("include/ftx/qt/ftx.pri")).unwrap();
    assert!(pri.contains("$$PWD/../../../lib/x86_64-linux-gnu"), "{pri}");
    run(&mut script(prefix, Some(stage.path()), &["--uninstall"]));
    assert_eq!(names(stage.path()), [""; 0]);
}

#[test]
fn an_uninstall_keeps_what_it_did_not_install() {
    let stage = stage();
    let root = stage.path().join("usr");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/other"), "other").unwrap();
    install(&root, None, &["--libdir", "lib64"]);
    fs::write(root.join("include/mine.h"), "mine").unwrap();
    fs::write(root.join("include/ftx.h"), "changed").unwrap();
    let (code, error) = refused(script(&root, None, &["--uninstall"]));
    assert!(code == Some(1) && error.contains("some files were kept"), "{error}");
    assert_eq!(names(&root), ["bin", "include"]);
    assert_eq!(names(&root.join("bin")), ["other"]);
    assert_eq!(names(&root.join("include")), ["ftx.h", "mine.h"]);
    let (code, error) = refused(script(&root, None, &["--uninstall"]));
    assert!(code == Some(1) && error.contains("nothing to uninstall"), "{error}");
}

#[test]
fn mistakes_are_reported_before_the_build() {
    let stage = stage();
    let file = stage.path().join("file");
    fs::write(&file, "a file").unwrap();
    // Not even root may create files in the second one.
    for (prefix, expected) in
        [(&*file, "file is not a directory"), (Path::new("/proc/ftx"), "cannot write to /proc")]
    {
        let (code, error) = refused(script(prefix, None, &[]));
        assert!(code == Some(1) && error.contains(expected), "{error}");
    }
    for (option, expected) in [
        ("--frefix", "unknown option '--frefix'"),
        ("--libdir=../lib", "--libdir has the part '.' or '..'"),
        ("--libdir=", "the name of a directory is empty"),
        ("--libdir=a;b", "a directory has one of the characters"),
    ] {
        let (code, error) = refused(script(stage.path(), None, &[option]));
        assert!(code == Some(2) && error.contains(expected), "{option}: {error}");
    }
}

/// A distribution's requirements for a library: found by its name, and with no foreign symbols in it.
#[test]
fn the_library_that_is_installed_is_one_for_a_system() {
    let library = prefix().join("lib/libftx.so.1");
    let dynamic = run(Command::new("readelf").arg("-d").arg(&library)).stdout;
    assert!(dynamic.contains("(SONAME)") && dynamic.contains("[libftx.so.1]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(!dynamic.contains("(RPATH)") && !dynamic.contains("(RUNPATH)"), "{dynamic}");
    let system = ["libgcc_s.so.1", "libc.so.6", "libm.so.6"];
    for name in needed(&library) {
        assert!(system.contains(&name.as_str()) || name.starts_with("ld-linux"), "{name}");
    }
    let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(&library)).stdout;
    let names = symbols.lines().filter_map(|line| line.split_whitespace().nth(2));
    assert!(names.clone().count() > 40);
    names.for_each(|name| assert!(name.starts_with("ftx_"), "{name}"));
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

#[test]
fn an_older_header_beside_the_application_is_named() {
    let app = tempdir().unwrap();
    write_file(&app.path().join("fileclient.h"), content(1, 10));
    let pri = prefix().join("include/ftx/qt/ftx.pri");
    fs::write(app.path().join("app.pro"), format!("include({})\n", pri.display())).unwrap();
    let cmake = "cmake_minimum_required(VERSION 3.16)\nproject(app CXX)\n\
                 find_package(Qt5 REQUIRED COMPONENTS Core)\nfind_package(ftx REQUIRED)\n";
    fs::write(app.path().join("CMakeLists.txt"), cmake).unwrap();
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(app.path()).arg("-B").arg(app.path().join("build"));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix().display()));
    let qmake = |path: &str| {
        let mut command = Command::new(path);
        command.arg("app.pro").current_dir(app.path());
        command
    };
    for mut command in [qmake("/usr/lib/qt5/bin/qmake"), qmake("/usr/lib/qt6/bin/qmake"), configure]
    {
        let outcome = Process::spawn(&mut command).wait(DEADLINE);
        assert_ne!(outcome.code, Some(0), "{command:?}");
        let said = outcome.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Delete /") && said.contains("/fileclient.h"), "{outcome:#?}");
    }
}
