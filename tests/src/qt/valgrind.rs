//! Memory errors and leaks of the Qt programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bins;
use crate::process::Process;
use crate::wait::DEADLINE;

/// Exit code 9 reports errors. Threads are scheduled fairly, since a starved one would time out waiting
/// for its answer.
const OPTIONS: [&str; 5] = [
    "--error-exitcode=9",
    "--fair-sched=yes",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,possible",
    "--num-callers=40",
];

/// Runs a command under valgrind. Returns its output.
///
/// # Panics
/// If it fails, or valgrind finds an error or a leak that is not one of Qt's own.
#[must_use]
pub fn under_valgrind(command: &Command, log: &Path) -> String {
    let mut checked = Command::new("valgrind");
    // Kept out of the program's output: valgrind also reports system calls that it does not know.
    checked.arg(format!("--log-file={}", log.display())).args(OPTIONS);
    let suppressions = bins::workspace().join("tests/qt-client/valgrind.supp");
    checked.arg(format!("--suppressions={}", suppressions.display()));
    checked.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        checked.current_dir(directory);
    }
    // It takes many times as long.
    let outcome = Process::spawn(&mut checked).wait(5 * DEADLINE);
    let log = fs::read_to_string(log).unwrap_or_default();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}\n{log}");
    outcome.stdout
}
