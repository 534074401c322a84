//! The configuration file: its errors, its meaning, and its reload.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftx_tests::content::{content, write_file};
use ftx_tests::{Client, DEADLINE, Outcome, Process, Server, bins, wait_until};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

/// A directory with a configuration file.
struct Configured {
    dir: TempDir,
}

impl Configured {
    fn new(text: &str) -> Self {
        let configured = Self { dir: tempdir().unwrap() };
        configured.write(text);
        configured
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("server.toml")
    }

    /// A server whose settings come from the file, but for its address.
    fn serve(&self) -> Server {
        Server::configured(&self.file(), &self.path("files")).start()
    }
}

fn server(args: &[&str], config: &Path) -> Outcome {
    let mut command = Command::new(bins::server());
    command.env_remove("RUST_LOG").env_remove("STATE_DIRECTORY");
    Process::spawn(command.args(args).arg("--config").arg(config)).wait(DEADLINE)
}

fn check(config: &Path) -> Outcome {
    server(&["check"], config)
}

#[test]
fn every_error_is_reported_with_its_place() {
    let configured = Configured::new(
        "lisen = \"0.0.0.0:7411\"\nstaging_ttl = \"7x\"\ndurability = \"ful\"\n\
         [tls]\ncert = \"c.pem\"\n[[grant]]\nwho = \"alice\"\npath = \"reports\"\ncan = [\"lst\"]\n",
    );
    let expected = [
        "1:1: unknown key \"lisen\"; did you mean \"listen\"?",
        "2:15: staging_ttl: \"7x\": unknown time unit \"x\"",
        "3:14: durability: \"ful\": there is no such value; did you mean \"full\"?",
        "5:8: \"cert\" needs the key \"key\" beside it",
        "8:8: path: \"reports\": rights are given on directories: write \"reports/\"",
        "9:8: unknown right \"lst\"; did you mean \"list\"?",
    ];
    // A server does not start with such a file, either.
    for args in [&["check"][..], &[]] {
        let outcome = server(args, &configured.file());
        outcome.assert_code(2);
        assert_eq!(outcome.stdout, "");
        let lines: Vec<_> = outcome.stderr.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{outcome:#?}");
        for (line, expected) in lines.iter().zip(expected) {
            let expected = format!("{}:{expected}", configured.file().display());
            assert!(line.starts_with(&expected), "{line}\n{expected}");
        }
    }
    assert_eq!(fs::read_dir(configured.dir.path()).unwrap().count(), 1);
}

#[test]
fn files_that_the_file_names_are_read() {
    let configured =
        Configured::new("[tls]\ncert = \"c.pem\"\nkey = \"k.pem\"\nclient_ca = \"server.toml\"\n");
    let outcome = check(&configured.file());
    outcome.assert_code(2);
    let lines: Vec<_> = outcome.stderr.lines().collect();
    let place = |place: &str| format!("{}:{place}: ", configured.file().display());
    for (line, (at, name)) in
        lines.iter().zip([("2:8", "c.pem"), ("3:7", "k.pem"), ("4:13", "server.toml")])
    {
        assert!(line.starts_with(&place(at)) && line.contains(name), "{outcome:#?}");
    }
    assert_eq!(lines.len(), 3, "{outcome:#?}");
    let missing = check(&configured.path("other.toml"));
    missing.assert_code(2);
    assert!(missing.stderr.contains("other.toml: cannot be read"), "{missing:#?}");
}

#[test]
fn a_good_file_is_told_in_words_and_nothing_is_made() {
    let configured = Configured::new(
        "root = \"./files\"\nlisten = \"0.0.0.0:1\"\n\
         [[grant]]\nwho = \"alice\"\npath = \"reports/\"\ncan = [\"list\", \"read\"]\n",
    );
    let outcome = check(&configured.file());
    outcome.assert_done();
    for said in [
        "listens on 0.0.0.0:1".to_owned(),
        format!("serves {}", configured.path("files").display()),
        format!("keeps its state in {}", configured.path("ftx-state").display()),
        "user \"alice\" may list and read below \"reports/\"".to_owned(),
        "legacy clients are refused".to_owned(),
    ] {
        assert!(outcome.stdout.lines().any(|line| line == said), "{said}: {outcome:#?}");
    }
    assert_eq!(fs::read_dir(configured.dir.path()).unwrap().count(), 1);
}

/// Each flag has a key in the example, and the example is good.
#[test]
fn the_example_has_every_key() {
    let example = bins::workspace().join("examples/server.toml");
    check(&example).assert_done();
    let text = fs::read_to_string(&example).unwrap();
    let help = Command::new(bins::server()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = help.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let flags = flags.filter_map(|flag| flag.split_whitespace().next());
    let keys: Vec<_> = flags.map(|flag| flag.replace('-', "_")).collect();
    assert!(keys.len() > 12, "{keys:?}");
    for key in keys.iter().filter(|key| *key != "config") {
        let is_key = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
        assert!(text.lines().any(is_key), "{key}");
    }
    // Every key that is a comment is good, too.
    // But for the user, whom this system need not have.
    let text = text.replace("#user = \"ftx\"\n", "");
    let configured = Configured::new(&uncommented(&text));
    let outcome = check(&configured.file());
    let only_files = outcome.stderr.lines().all(|line| line.contains(".pem: "));
    assert!(outcome.code == Some(2) && only_files, "{outcome:#?}");
}

/// The text with all keys and tables in force.
fn uncommented(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn flags_take_precedence_over_the_file() {
    let configured = Configured::new("root = \"files\"\nthreads = 3\nlisten = \"0.0.0.0:1\"\n");
    let args = ["--threads", "2", "--listen", "127.0.0.1:0"];
    let mut server =
        Server::configured(&configured.file(), &configured.path("files")).args(args).start();
    assert!(configured.path("files").is_dir() && configured.path("ftx-state").is_dir());
    server.signal(Signal::USR1);
    // After the address and the fingerprint.
    assert_eq!(server.stdout_line(2, DEADLINE), "thread=0 active=0");
    assert_eq!(server.stdout_line(3, DEADLINE), "thread=1 active=0");
    assert!(server.stdout_line(4, DEADLINE).starts_with("dialect="));
}

#[test]
fn a_reload_puts_a_good_file_in_force_and_keeps_the_old_one_of_a_bad_file() {
    let anonymous = "[anonymous]\npath = \"\"\ncan = [\"list\", \"read\", \"create\"]\n";
    let configured = Configured::new("");
    let mut server = configured.serve();
    write_file(&configured.path("source"), content(1, 5));
    let upload = |name: &str, server: &Server| {
        let upload = Client::upload(server.addr()).args(["--retries", "0"]);
        upload.arg(configured.path("source")).args(["--as", name]).run()
    };
    assert_ne!(upload("a", &server).code, Some(0));
    configured.write(&format!("stall_timeout = \"7s\"\n{anonymous}"));
    server.signal(Signal::HUP);
    wait_until("it says so", DEADLINE, || server.log().contains("was read again"));
    wait_until("it names the key", DEADLINE, || {
        let log = server.log();
        log.lines().any(|line| line.contains("restart") && line.contains("stall_timeout"))
    });
    upload("a", &server).assert_done();
    // Not without the right to replace.
    write_file(&configured.path("source"), content(2, 5));
    assert_ne!(upload("a", &server).code, Some(0));
    configured.write("lisen = 1\n[[grant]]\nwho = 1\n");
    server.signal(Signal::HUP);
    wait_until("it keeps the old one", DEADLINE, || server.log().contains("nothing changes"));
    let log = server.log();
    for error in ["1:1: unknown key", "2:1: [[grant]] needs", "3:7: who: expected a string"] {
        assert!(log.contains(&format!("server.toml:{error}")), "{error}: {log}");
    }
    upload("b", &server).assert_done();
    assert!(
        server.monitor().details.contains(&"configuration reloads=1 failed=1 stale=1".to_owned())
    );
    configured.write("");
    server.signal(Signal::HUP);
    let good = "configuration reloads=2 failed=1 stale=0".to_owned();
    wait_until("it takes the good one", DEADLINE, || server.monitor().details.contains(&good));
    assert_ne!(upload("c", &server).code, Some(0));
}
