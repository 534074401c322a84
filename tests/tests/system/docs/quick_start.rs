//! The quick start of the README, run as pasted.

use std::fs;
use std::process::Command;
use std::time::Duration;

use ftx_tests::Process;
use ftx_tests::bins;

/// Much longer than the commands take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The shell commands of the quick start, in their order.
fn commands() -> String {
    let readme = fs::read_to_string(bins::workspace().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Quick start\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<&str> =
        section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(blocks.len(), 2, "a block for the server and one for the client");
    blocks.join("until grep -q '^fingerprint ' server.out; do sleep 0.01; done\n")
}

/// A person has a fixed port; a test has not.
fn with_any_port(commands: &str) -> String {
    let mut changed = commands.to_owned();
    for (fixed, any) in [
        ("\"0.0.0.0:7411\"", "\"127.0.0.1:0\""),
        ("HOST=127.0.0.1\n", "HOST=$(sed -n 's/^listening on //p' server.out)\n"),
    ] {
        assert_eq!(changed.matches(fixed).count(), 1, "{fixed}");
        changed = changed.replace(fixed, any);
    }
    changed
}

#[test]
fn the_quick_start_works_as_pasted() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("report.pdf"), "a report").unwrap();
    let end_the_server = "trap 'kill $(jobs -p); wait' EXIT\n";
    let script = format!("set -eu\n{end_the_server}{}", with_any_port(&commands()));
    let (server, _) = (bins::server(), bins::client());
    let path = format!("{}:{}", server.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(home.path()).env("PATH", path).env("HOME", home.path());
    for variable in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "STATE_DIRECTORY"] {
        bash.env_remove(variable);
    }
    let outcome = Process::spawn(&mut bash).wait(DEADLINE);
    outcome.assert_done();
    for copy in ["files/reports/2026.pdf", "reports/2026.pdf"] {
        assert_eq!(fs::read(home.path().join(copy)).unwrap(), b"a report", "{copy}");
    }
    assert!(outcome.stdout.lines().any(|line| line.contains("2026.pdf")), "{}", outcome.stdout);
}
