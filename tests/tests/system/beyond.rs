//! Servers on other machines, in a network namespace with an address that is not loopback.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ftx_tests::Process;
use ftx_tests::bins;

/// Much longer than the whole script takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts a server that has no TLS, and one with a configuration and a user.
const SERVERS: &str = r#"
set -eu
ip link set lo up
ip address add 10.9.9.1/32 dev lo
ftx-server --root plain --listen 10.9.9.1:0 --insecure > plain.out 2> plain.log &
ftx-server token add alice --config server.toml | tail -n 1 > token
chmod 600 token
ftx-server --config server.toml > tls.out 2> tls.log &
trap 'kill $(jobs -p); wait' EXIT
until grep -q '^listening' plain.out && grep -q '^fingerprint' tls.out; do sleep 0.01; done
plain=$(sed -n 's/^listening on //p' plain.out)
tls=$(sed -n 's/^listening on //p' tls.out)
# Uploads a file to a server. Prints the case, the exit code, and what the client says.
try() {
    case=$1; shift
    code=0
    ftx-client upload -q "$@" file --as a/file > said 2>&1 || code=$?
    echo "$case: $code: $(tr '\n' ' ' < said)"
}
"#;

const CONFIG: &str = r#"
root = "tls"
listen = "10.9.9.1:0"
[[grant]]
who = "alice"
path = "a/"
can = ["create", "replace", "read"]
"#;

/// Runs these attempts, and returns the printed lines.
fn attempts(attempts: &str) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), "content").unwrap();
    fs::write(home.path().join("server.toml"), CONFIG).unwrap();
    let outcome = Process::spawn(&mut in_namespace(home.path(), attempts)).wait(DEADLINE);
    let hint = "it needs root, unshare and ip (scripts/setup installs them)";
    assert_eq!(outcome.code, Some(0), "{hint}: {outcome:#?}");
    outcome.stdout.lines().map(str::to_owned).collect()
}

fn in_namespace(home: &Path, attempts: &str) -> Command {
    let (server, _) = (bins::server(), bins::client());
    let path = format!("{}:{}", server.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("unshare");
    command.args(["--net", "bash", "-c", &format!("{SERVERS}{attempts}")]);
    command.current_dir(home).env("PATH", path).env("HOME", home);
    for variable in ["FTX_TOKEN", "STATE_DIRECTORY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"] {
        command.env_remove(variable);
    }
    command
}

/// Each line has one of these beginnings, and its text somewhere behind.
fn assert_lines(lines: &[String], expected: &[(&str, &str)]) {
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, (start, text)) in lines.iter().zip(expected) {
        assert!(line.starts_with(start) && line.contains(text), "{start} … {text}: {line}");
    }
}

#[test]
fn a_server_without_tls_needs_permission() {
    let lines = attempts(
        "try default $plain
         try insecure --insecure $plain
         try off --tls off $plain
         try token --insecure --token-file token $plain
         try token-off --insecure --tls off --token-file token $plain",
    );
    assert_lines(
        &lines,
        &[
            ("default: 3:", "encrypted"),
            ("insecure: 0:", ""),
            ("off: 3:", "--insecure"),
            ("token: 3:", "token"),
            ("token-off: 3:", "token"),
        ],
    );
}

#[test]
fn a_server_with_tls_is_trusted_first_and_then_its_user() {
    let lines = attempts(
        "try unknown --token-file token $tls
         try nobody --accept-new $tls
         try new --accept-new --token-file token $tls
         try known --token-file token $tls
         try plain --insecure --tls off $tls",
    );
    assert_lines(
        &lines,
        &[
            ("unknown: 3:", "sha256:"),
            ("nobody: 3:", "credentials"),
            ("new: 0:", ""),
            ("known: 0:", ""),
            ("plain: 3:", "TLS"),
        ],
    );
}
