//! Names and messages with control characters: people see them written out, programs get them as they
//! are.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use ftx_core::escaped;
use ftx_core::native::Reason;
use ftx_core::native::wire::Reply;
use ftx_tests::content::{content, write_file};
use ftx_tests::stub::Stub;
use ftx_tests::{Client, DEADLINE, NOBODY, Outcome, Plan, Proxy, Server, wait_until};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

const MIB: u64 = 1 << 20;

/// They clear a screen, set a title, forge lines, overwrite them and turn text around.
const NAMES: [&str; 9] = [
    "esc\u{1b}]0;title\u{7}\u{1b}[2J",
    "new\nline",
    "carriage\rreturn",
    "tab\tdel\u{7f}",
    "c1\u{9b}31m\u{85}",
    "bidi\u{202e}gpj\u{2066}\u{200f}",
    "separated\u{2028}\u{2029}",
    " plain \\ 报告 ",
    "dir\u{1b}\n/in\u{9d}",
];

/// As a program prints it for people.
fn shown(name: &str) -> String {
    escaped(name).to_string()
}

/// The characters that the names above were escaped for, but for the end of a line.
fn acts(char: char) -> bool {
    char != '\n' && escaped(char.encode_utf8(&mut [0; 4])).to_string().len() > char.len_utf8()
}

fn assert_plain(text: &str) {
    assert!(!text.contains(acts), "{text:?}");
}

/// Runs a client whose output is for people.
fn run(client: Client) -> Outcome {
    let outcome = client.run();
    assert_plain(&outcome.stdout);
    assert_plain(&outcome.stderr);
    outcome
}

/// Files of all names in a directory.
fn make(directory: &Path) {
    for name in NAMES {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_file(&path, content(1, 1000));
    }
}

fn setting() -> (Server, TempDir, TempDir) {
    let root = tempdir().unwrap();
    make(root.path());
    (Server::builder(root.path()).args(["--log", "debug"]).start(), root, tempdir().unwrap())
}

fn ask(command: &str, addr: SocketAddr) -> Client {
    Client::new().args([command, &addr.to_string()])
}

/// A log has a line for each record, and each says when.
fn assert_log(log: &str) {
    assert_plain(log);
    let times = |line: &str| line.starts_with("20") && line.contains("Z ");
    assert!(log.lines().all(times), "{log}");
}

#[test]
fn entries_are_a_line_each() {
    let (server, _root, _) = setting();
    let all = run(ask("ls", server.addr()).arg("-R"));
    all.assert_done();
    // And the directory.
    assert_eq!(all.stdout.lines().count(), NAMES.len() + 1, "{all:#?}");
    let top = run(ask("ls", server.addr()));
    assert_eq!(top.stdout.lines().count(), NAMES.len(), "{top:#?}");
    let stat = run(ask("stat", server.addr()).args(NAMES));
    stat.assert_done();
    assert_eq!(stat.stdout.lines().count(), NAMES.len(), "{stat:#?}");
    for name in NAMES {
        for lines in [&all.stdout, &stat.stdout] {
            assert!(lines.lines().any(|line| line.ends_with(&shown(name))), "{name:?}: {lines}");
        }
    }
}

#[test]
fn programs_get_names_as_they_are() {
    let (server, _root, _) = setting();
    let listed = ask("ls", server.addr()).args(["-R", "--json"]).run();
    let found: Vec<Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for name in NAMES {
        assert!(found.iter().any(|entry| entry["name"] == name), "{name:?}: {listed:#?}");
    }
    let digests = ask("digest", server.addr()).args(NAMES).arg("--json").run();
    for (line, name) in digests.stdout.lines().zip(NAMES) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["name"], name);
    }
}

#[test]
fn files_cross_with_their_names_and_a_line_for_each() {
    let (mut server, _root, local) = setting();
    for dialect in ["native", "legacy"] {
        let back = tempdir().unwrap();
        let download = Client::download(server.addr()).current_dir(back.path());
        let download = match dialect {
            "native" => download.args(["/", "-v"]),
            legacy => download.args(NAMES).arg("-v").dialect(legacy),
        };
        let outcome = run(download);
        outcome.assert_done();
        assert_eq!(outcome.stderr.lines().count(), NAMES.len() + 1, "{outcome:#?}");
        let sent = local.path().join(dialect);
        make(&sent);
        let upload = Client::upload(server.addr()).args([dialect, "-v"]);
        let upload = upload.current_dir(local.path());
        let outcome = run(upload.dialect(dialect));
        outcome.assert_done();
        assert_eq!(outcome.stderr.lines().count(), NAMES.len() + 1, "{outcome:#?}");
        for name in NAMES {
            assert!(back.path().join(name).is_file(), "{name:?}");
            assert!(server.file(dialect).join(name).is_file(), "{name:?}");
            assert!(outcome.stderr.contains(&shown(name)), "{outcome:#?}");
        }
    }
    let _ = server.monitor();
    wait_until("it logs the name", DEADLINE, || server.log().contains(r"new\nline"));
    assert_log(&server.log());
}

#[test]
fn errors_and_logs_are_a_line_each() {
    let (server, _root, local) = setting();
    let name = "none\u{1b}[2J\n2026-01-01T00:00:00Z forged\u{9b}\u{202e}";
    for dialect in ["native", "legacy"] {
        for client in [
            ask("rm", server.addr()).arg(name),
            ask("stat", server.addr()).args([name, &format!("../{name}")]),
            ask("ls", server.addr()).arg(name),
            ask("digest", server.addr()).arg(name),
            Client::download(server.addr()).args([name, &format!("{name}/")]),
            Client::upload(server.addr()).args([name, "--as", &format!("/{name}")]),
            Client::upload(server.addr()).arg(name),
        ] {
            let client = client.dialect(dialect).arg("--keep-going").args(["--log", "debug"]);
            let outcome = run(client.current_dir(local.path()));
            outcome.assert_code(1);
            assert!(!outcome.stderr.contains("\n2026-01-01"), "{outcome:#?}");
        }
    }
    assert_log(&server.log());
    assert!(!server.log().contains("\n2026-01-01"), "{}", server.log());
    let local_digest = Client::new().args(["digest", "--local", name]).current_dir(local.path());
    let outcome = run(local_digest);
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(1), 1), "{outcome:#?}");
    let nobody = Client::upload(NOBODY).args([name, "--retries", "1"]);
    run(nobody.current_dir(local.path())).assert_code(3);
}

#[test]
fn an_invalid_command_line_is_shown_escaped() {
    let bad = "x\u{1b}[2J\n\u{9b}\u{202e}:y";
    for args in [
        &["ls", bad][..],
        &[bad],
        &["ls", "127.0.0.1:1", "--timeout", bad],
        &["ls", "127.0.0.1:1", bad, "--streams", bad],
        &["upload", "127.0.0.1:1", "a", "--overwrite", bad],
        &["digest", bad, "a"],
        &["ls", "127.0.0.1\n\u{9b}"],
    ] {
        let outcome = run(Client::new().args(args));
        outcome.assert_code(2);
        assert!(!outcome.stderr.contains("[2J\n"), "{outcome:#?}");
    }
    let server = Server::builder(tempdir().unwrap().path()).args(["--threads", bad]).spawn();
    let outcome = server.wait(DEADLINE);
    outcome.assert_code(2);
    assert_plain(&outcome.stderr);
    let root = tempdir().unwrap();
    write_file(&root.path().join("file"), content(1, 1));
    let server = Server::builder(&root.path().join("file").join(bad)).spawn();
    let outcome = server.wait(DEADLINE);
    outcome.assert_code(1);
    assert_log(&outcome.stderr);
}

#[test]
fn a_servers_message_is_a_line() {
    let server = Stub::start(|id, _| {
        let message = "no\u{1b}[2J\u{7}\nforged\rline\u{9b}31m\u{202e}";
        Reply::failed(Reason::NotFound, message).encode(id).unwrap()
    });
    for client in [ask("rm", server.addr()), ask("stat", server.addr()), ask("ls", server.addr())] {
        let outcome = run(client.arg("a").args(["--log", "debug"]));
        outcome.assert_code(1);
        assert!(!outcome.stderr.contains("\nforged"), "{outcome:#?}");
        assert!(outcome.stderr.contains(r"no\u{1b}[2J\u{7}\nforged\rline\u{9b}31m\u{202e}"));
    }
}

/// Whether the `b3sum` of this machine escapes a carriage return, as it does from 1.6 on.
fn escapes_returns(directory: &Path) -> bool {
    let name = "carriage\rreturn";
    let output = Command::new("b3sum").arg(name).current_dir(directory).output();
    let output = output.expect("scripts/setup installs b3sum");
    output.stdout.first() == Some(&b'\\')
}

#[test]
fn digests_are_what_b3sum_prints_and_checks() {
    let (server, root, _) = setting();
    for name in [" spaces ", "both\\\n\r", "end\r", "\\n"] {
        write_file(&root.path().join(name), content(2, 2 * MIB + 1));
    }
    let mut names = [&NAMES[..], &[" spaces ", "both\\\n\r", "end\r", "\\n"]].concat();
    let theirs = |name: &str| {
        let output = Command::new("b3sum").arg("--").arg(name).current_dir(root.path()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let ours = |client: Client| client.current_dir(root.path()).run().stdout + "\n";
    let returns = escapes_returns(root.path());
    for name in &names {
        let remote = ours(ask("digest", server.addr()).arg(name));
        assert_eq!(ours(Client::new().args(["digest", "--local", name])), remote);
        if returns || !name.contains('\r') {
            assert_eq!(remote, theirs(name));
        } else {
            assert!(remote.starts_with('\\') && remote.contains("\\r"), "{remote:?}");
        }
    }
    names.retain(|name| returns || !name.contains('\r'));
    let sums = tempdir().unwrap();
    let sums = sums.path().join("sums");
    fs::write(&sums, ours(ask("digest", server.addr()).args(&names))).unwrap();
    let check = Command::new("b3sum").arg("-c").arg(&sums).current_dir(root.path()).output();
    let check = check.unwrap();
    assert!(check.status.success(), "{check:?}");
    let said = String::from_utf8(check.stdout).unwrap();
    assert_eq!(said.matches(": OK\n").count(), names.len(), "{said}");
}

/// A command's output on a terminal.
fn on_a_terminal(args: &[&str], directory: &Path) -> String {
    let client = Client::new().args(args).current_dir(directory);
    client.on_terminal(24, 250).wait(DEADLINE).output
}

/// A bar and colours have sequences of their own, but none of these.
fn assert_shows(said: &str, name: &str) {
    let own = |char| matches!(char, '\u{1b}' | '\r');
    assert!(!said.contains(|char| acts(char) && !own(char)), "{name:?}: {said:?}");
    assert!(!said.contains("\u{1b}]") && !said.contains(name), "{name:?}: {said:?}");
    assert!(!said.contains("\u{1b}[2J"), "{name:?}: {said:?}");
    assert!(said.contains(&shown(name)), "{name:?}: {said:?}");
}

#[test]
fn a_terminal_shows_names_and_bars_escaped() {
    let (server, root, local) = setting();
    let (addr, name) = (server.addr().to_string(), "big\u{1b}]0;x\u{7}\n\u{9b}\u{202e}");
    write_file(&root.path().join(name), content(1, 3 * MIB));
    // Slow enough for a bar to be drawn.
    let line = Proxy::start(server.addr(), |_| Plan::default().rate(2 * MIB));
    let slow = line.addr().to_string();
    let bars = on_a_terminal(&["download", &slow, name, "--streams", "1"], local.path());
    assert_shows(&bars, name);
    assert!(bars.contains("MiB/s"), "no bar: {bars:?}");
    let sent =
        on_a_terminal(&["upload", &addr, name, "-v", "--as", "copy\u{1b}]0;\n"], local.path());
    assert_shows(&sent, "copy\u{1b}]0;\n");
    for name in NAMES.iter().filter(|name| name.contains(acts)) {
        for command in ["stat", "digest"] {
            let said = on_a_terminal(&[command, &addr, name], local.path());
            assert_shows(&said, name);
            assert_eq!(said.lines().count(), 1, "{said:?}");
        }
        let missing = format!("{name}.none");
        for command in ["rm", "download"] {
            let said = on_a_terminal(&[command, &addr, &missing], local.path());
            assert_shows(&said, &missing);
        }
        let said = on_a_terminal(&["ls", &addr, "--timeout", name], local.path());
        assert_shows(&said, name);
    }
}
