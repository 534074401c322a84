//! `libftx` as C and C++ see it: the headers in every standard, and programs against real servers.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::ffi::{self, Link};
use ftx_tests::{DEADLINE, Outcome, Plan, Process, Proxy, Server, bins};
use tempfile::{TempDir, tempdir};

const SCENARIOS: [&str; 10] = [
    "check.c",
    "main.c",
    "misuse.c",
    "hostile.c",
    "calls.c",
    "lists.c",
    "slow.c",
    "jobs.c",
    "limits.c",
    "secure.c",
];

/// Slow enough that a transfer of some MiB can be met under way.
const SLOW: u64 = 4 << 20;

/// A program of all scenarios, and its runner.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    runner: &'static [&'static str],
}

/// The log stays out of the program's output: valgrind also reports system calls that it does not know,
/// which are no errors. Threads are scheduled fairly, since a starved one would time out waiting for its
/// answer.
const VALGRIND: [&str; 6] = [
    "valgrind",
    "--log-file=%q{FTX_VALGRIND_LOG}",
    "--error-exitcode=9",
    "--fair-sched=yes",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect,possible",
];

/// Builds each program once, in a directory that lives as long as the tests.
fn program(cell: &OnceLock<PathBuf>, name: &str, build: impl FnOnce(&Path)) -> PathBuf {
    cell.get_or_init(|| {
        let path = ffi::library().shared.with_file_name(name);
        build(&path);
        path
    })
    .clone()
}

pub(crate) fn shared() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = program(&BUILT, "ffi-shared", |path| {
        ffi::build(ffi::compiler("gcc", "c99"), &["-g"], &SCENARIOS, Link::Shared, path);
    });
    Program { path, runner: &[] }
}

fn archived() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = program(&BUILT, "ffi-static", |path| {
        ffi::build(ffi::compiler("clang", "c17"), &["-O2"], &SCENARIOS, Link::Static, path);
    });
    Program { path, runner: &[] }
}

fn sanitized() -> Program {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = program(&BUILT, "ffi-asan", |path| {
        let options = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        ffi::build(ffi::compiler("gcc", "c11"), &options, &SCENARIOS, Link::Shared, path);
    });
    Program { path, runner: &[] }
}

fn under_valgrind() -> Program {
    Program { runner: &VALGRIND, ..shared() }
}

/// A server, a slow line to it, and a directory for the client.
struct Setting {
    server: Server,
    line: Proxy,
    root: TempDir,
    local: TempDir,
}

impl Setting {
    fn new() -> Self {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = Server::start(root.path());
        let line = Proxy::start(server.addr(), |_| Plan::default().rate(SLOW));
        Self { server, line, root, local }
    }

    /// Valgrind's report.
    fn log(&self) -> PathBuf {
        self.root.path().join("valgrind.log")
    }

    /// All is well, and the library has printed nothing.
    fn assert_done(&self, scenario: &str, outcome: &Outcome) {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        assert!(
            outcome.code == Some(0)
                && outcome.stderr.is_empty()
                && outcome.stdout.ends_with("done"),
            "{scenario}: {outcome:#?}\n{log}"
        );
    }

    fn command(&self, program: &Program, scenario: &str) -> Command {
        let mut words = program.runner.iter();
        let mut command = match words.next() {
            Some(runner) => Command::new(runner),
            None => Command::new(&program.path),
        };
        if !program.runner.is_empty() {
            command.args(words).arg(&program.path);
        }
        let slow = scenario.starts_with("slow") || scenario == "killed";
        let address = if slow { self.line.addr() } else { self.server.addr() };
        command.env("FTX_VALGRIND_LOG", self.log());
        command.arg(scenario).arg(address.to_string()).arg(self.local.path());
        command
    }
}

fn run(program: &Program, scenario: &str) {
    let setting = Setting::new();
    if scenario == "lists" {
        let many = setting.root.path().join("many");
        fs::create_dir(&many).unwrap();
        for index in 0..6000 {
            fs::write(many.join(format!("f{index:04}")), b"").unwrap();
        }
    }
    // Valgrind takes many times as long.
    let outcome = Process::spawn(&mut setting.command(program, scenario)).wait(5 * DEADLINE);
    setting.assert_done(scenario, &outcome);
    assert_eq!(outcome.stdout, "done", "{scenario}");
}

/// The server is killed while bytes move, which the program says.
fn kill_server(program: &Program) {
    let mut setting = Setting::new();
    let process = Process::spawn(&mut setting.command(program, "killed"));
    assert_eq!(process.stdout_line(0, DEADLINE), "moving");
    setting.server.kill();
    setting.line.cut();
    setting.assert_done("killed", &process.wait(5 * DEADLINE));
}

macro_rules! scenarios {
    ($($module:ident: $program:ident => $($scenario:ident),+;)+) => {
        $(mod $module {
            $(#[test]
            fn $scenario() {
                super::run(&super::$program(), stringify!($scenario));
            })+

            #[test]
            fn killed() {
                super::kill_server(&super::$program());
            }
        })+
    };
}

scenarios! {
    with_the_shared_library: shared =>
        misuse, hostile, native_calls, legacy_calls, lists, slow_callbacks, slow_jobs, slow_ends, many_jobs,
        kept, threads, forked, logs, limits;
    with_the_static_library: archived =>
        misuse, hostile, native_calls, legacy_calls, slow_jobs, slow_ends, forked, logs;
    with_the_address_sanitizer: sanitized =>
        misuse, hostile, native_calls, legacy_calls, lists, slow_callbacks, slow_jobs, slow_ends, many_jobs,
        threads, forked, logs;
    with_valgrind: under_valgrind =>
        misuse, hostile, native_calls, legacy_calls, slow_callbacks, slow_jobs, slow_ends, threads, logs;
}

#[test]
fn the_programs_compile_in_every_standard_of_c() {
    for compiler in ["gcc", "clang"] {
        for standard in ["c99", "c11", "c17"] {
            let mut command = ffi::compiler(compiler, standard);
            command.arg("-fsyntax-only").arg("-Wstrict-prototypes");
            command.args(SCENARIOS.iter().map(|file| ffi::sources().join(file)));
            ffi::succeed(command);
        }
    }
}

#[test]
fn the_headers_compile_in_every_standard_of_cpp() {
    for compiler in ["g++", "clang++"] {
        for standard in ["c++11", "c++14", "c++17", "c++20"] {
            let mut command = ffi::compiler(compiler, standard);
            command.args(["-fsyntax-only", "-Wshadow"]).arg(ffi::sources().join("hpp.cpp"));
            ffi::succeed(command);
        }
        let mut without = ffi::compiler(compiler, "c++11");
        without.args(["-fsyntax-only", "-fno-exceptions", "-x", "c++", "-include"]);
        ffi::succeed({
            without.arg(ffi::include().join("ftx.hpp")).arg("/dev/null");
            without
        });
    }
}

#[test]
fn the_cpp_header_works_as_documented() {
    let directory = tempdir().unwrap();
    for (compiler, standard, options, link) in [
        ("g++", "c++11", &["-g", "-fsanitize=address"][..], Link::Shared),
        ("clang++", "c++20", &["-O1"][..], Link::Static),
    ] {
        let program = directory.path().join(standard);
        ffi::build(ffi::compiler(compiler, standard), options, &["hpp.cpp"], link, &program);
        let setting = Setting::new();
        let mut command = Command::new(&program);
        command.arg(setting.server.addr().to_string()).arg(setting.local.path());
        assert_eq!(ffi::succeed(command).stdout, "done");
    }
}

/// Runs the example of a main loop with 50 files, to a fast or a slow server, and presses these keys.
fn main_loop(is_slow: bool, keys: &str) -> (Setting, Output) {
    let setting = Setting::new();
    let program = setting.root.path().join(".main_loop");
    let source = bins::workspace().join("examples/main_loop.c");
    let sources = [source.to_str().unwrap()];
    ffi::build(ffi::compiler("gcc", "c99"), &["-g"], &sources, Link::Shared, &program);
    let address = if is_slow { setting.line.addr() } else { setting.server.addr() };
    let mut command = Command::new(&program);
    command.arg(address.to_string()).current_dir(setting.local.path());
    for index in 0..50 {
        let name = format!("{index}.bin");
        write_file(&setting.local.path().join(&name), content(index, 1 << 20));
        command.arg(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
    (setting, child.wait_with_output().unwrap())
}

#[test]
fn a_main_loop_uploads_fifty_files() {
    for keys in ["", "p\nr\n"] {
        let (setting, output) = main_loop(false, keys);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{keys}: {said}");
        assert!(said.ends_with("50 uploaded, 0 failed\n"), "{keys}: {said}");
        for index in 0..50 {
            assert_content(
                &setting.root.path().join(format!("{index}.bin")),
                content(index, 1 << 20),
            );
        }
    }
}

#[test]
fn a_key_of_a_main_loop_cancels_its_jobs() {
    let (_setting, output) = main_loop(true, "q\n");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("49.bin: cancelled"), "{said}");
}

#[test]
fn the_library_can_be_loaded_and_closed_again_and_again() {
    let setting = Setting::new();
    let program = setting.local.path().join("loader");
    ffi::build(ffi::compiler("gcc", "c99"), &[], &["loader.c"], Link::Loaded, &program);
    let mut command = Command::new(&program);
    command.arg(&ffi::library().shared).arg(setting.server.addr().to_string());
    assert_eq!(ffi::succeed(command).stdout, "done");
}

#[test]
fn the_library_exports_the_functions_of_the_header_and_nothing_else() {
    let mut command = Command::new("nm");
    command.args(["-D", "--defined-only"]).arg(&ffi::library().shared);
    let symbols = ffi::succeed(command).stdout;
    let exported: BTreeSet<&str> =
        symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let header = fs::read_to_string(ffi::include().join("ftx.h")).unwrap();
    let declared: BTreeSet<&str> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '#', '/', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|word| word.starts_with("ftx_"))
        .collect();
    assert_eq!(exported, declared);
    let mut command = Command::new("readelf");
    command.arg("-d").arg(&ffi::library().shared);
    let dynamic = ffi::succeed(command).stdout;
    assert!(dynamic.contains("[libftx.so.1]") && dynamic.contains("NODELETE"), "{dynamic}");
}

/// Declarations that the header's examples assume.
const PRELUDE: &str = r#"
#define _POSIX_C_SOURCE 200809L
#include "ftx.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
int32_t on_progress(const ftx_event *event, void *user_data);
int32_t on_entry(const ftx_entry *entry, void *user_data);
void on_log(uint32_t level, const char *message, void *user_data);
"#;

#[test]
fn the_examples_in_the_header_compile() {
    let header = fs::read_to_string(ffi::include().join("ftx.h")).unwrap();
    let mut source = PRELUDE.to_owned();
    let mut count = 0;
    for example in header.split("```c\n").skip(1) {
        let example = example.split("```").next().unwrap();
        let lines = example.lines().map(|line| line.trim_start().trim_start_matches('*'));
        let body: Vec<&str> = lines.collect();
        source += &format!(
            "void example_{count}(ftx_config *config, ftx_client *client, ftx_job *job);\n\
             void example_{count}(ftx_config *config, ftx_client *client, ftx_job *job)\n\
             {{\n(void)config; (void)client; (void)job;\n{}\n}}\n",
            body.join("\n")
        );
        count += 1;
    }
    assert!(count > 40, "{count} examples");
    let directory = tempdir().unwrap();
    let file = directory.path().join("examples.c");
    fs::write(&file, source).unwrap();
    for compiler in ["gcc", "clang"] {
        let mut command = ffi::compiler(compiler, "c99");
        command.args(["-fsyntax-only", "-Wno-unused-variable", "-Wno-unused-but-set-variable"]);
        ffi::succeed({
            command.arg(&file);
            command
        });
    }
}
