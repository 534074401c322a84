//! A server that binds its address as root and then runs as another user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{
    Client, DEADLINE, Outcome, Process, Server, ServerBuilder, ThreadStatus, bins, lacks_root,
    wait_until,
};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

/// A user and a group that no system has.
const USER: u32 = 424_242;
const GROUP: u32 = 424_243;

const CONFIG: &str = "root = \"files\"\nlisten = \"127.0.0.1:0\"\n\
    [process]\nuser = \"424242:424243\"\n\
    [[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"list\", \"read\", \"create\", \"replace\"]\n";

/// A directory that every user can enter, with a configuration file.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new(config: &str) -> Self {
        let place = Self { dir: tempdir().unwrap() };
        fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(place.config(), config).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("server.toml")
    }

    fn server(&self) -> ServerBuilder {
        Server::configured(&self.config(), &self.path("files"))
    }

    /// Runs `ftx-server check`, or a command of tokens.
    fn run(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new(bins::server());
        command.env_remove("STATE_DIRECTORY").args(words).arg("--config").arg(self.config());
        Process::spawn(&mut command).wait(DEADLINE)
    }

    /// Uploads a file as alice.
    fn upload(&self, server: &Server) -> Outcome {
        let client = Client::upload(server.addr()).arg("--token-file").arg(self.path("token"));
        client.arg(self.path("source")).args(["--as", "a/b"]).run()
    }
}

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), None).unwrap();
}

fn assert_dropped(threads: &[ThreadStatus], user: u32, group: u32, groups: &str) {
    for thread in threads {
        assert_eq!(thread.field("Uid"), format!("{user} {user} {user} {user}"), "{thread:?}");
        assert_eq!(thread.field("Gid"), format!("{group} {group} {group} {group}"), "{thread:?}");
        assert_eq!(thread.field("Groups"), groups, "{thread:?}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread.field(set), "0000000000000000", "{set} {thread:?}");
        }
        assert_eq!(thread.field("NoNewPrivs"), "1", "{thread:?}");
    }
}

#[test]
fn every_thread_has_dropped_its_privileges() {
    if lacks_root() {
        return;
    }
    let place = Place::new(CONFIG);
    // Makes the state directory, as a server would.
    let token = place.run(&["token", "add", "alice"]);
    token.assert_done();
    fs::write(place.path("token"), token.stdout).unwrap();
    fs::set_permissions(place.path("token"), Permissions::from_mode(0o600)).unwrap();
    write_file(&place.path("source"), content(1, 20 << 20));
    let mut server = place.server().arg("--threads").arg("2").start();
    place.upload(&server).assert_done();
    assert_content(&place.path("files/a/b"), content(1, 20 << 20));
    let threads = ThreadStatus::all_of(server.id());
    for name in
        ["ftx-server", "ftx-stdout", "ftx-stderr", "ftx-tokens", "ftx-worker-1", "ftx-disk-0"]
    {
        assert!(threads.iter().any(|thread| thread.name == name), "{name}: {threads:?}");
    }
    assert_dropped(&threads, USER, GROUP, "424243");
    for made in
        ["files", "files/a/b", "files/.ftx", "ftx-state", "ftx-state/key.pem", "ftx-state/tokens"]
    {
        assert_eq!(owner(&place.path(made)), (USER, GROUP), "{made}");
    }
    assert_eq!(fs::metadata(place.path("ftx-state")).unwrap().mode() & 0o777, 0o700);
    // A reload reads the file as that user, and a revocation by root is followed.
    server.signal(Signal::HUP);
    wait_until("it reads the file again", DEADLINE, || server.log().contains("was read again"));
    place.run(&["token", "revoke", "alice"]).assert_done();
    assert_eq!(owner(&place.path("ftx-state/tokens")).0, USER);
    wait_until("it refuses the token", DEADLINE, || place.upload(&server).code == Some(3));
}

#[test]
fn a_named_user_has_its_groups() {
    if lacks_root() {
        return;
    }
    let place = Place::new("");
    let group = nobody_group();
    let server = Server::builder(&place.path("files")).args(["--user", "nobody"]).start();
    let threads = ThreadStatus::all_of(server.id());
    let user = owner(&place.path("files")).0;
    assert_ne!(user, 0);
    assert_dropped(&threads, user, group, &group.to_string());
}

fn nobody_group() -> u32 {
    let output = Command::new("id").args(["-g", "nobody"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn a_user_that_cannot_be_is_refused() {
    if lacks_root() {
        return;
    }
    let place = Place::new("");
    for (user, said) in [
        ("no-such-user", "has no user"),
        ("nobody:no-such-group", "has no group"),
        ("424242", "write 424242:424242"),
        ("root", "keeps all privileges"),
    ] {
        let server = Server::builder(&place.path("files")).args(["--user", user]);
        let outcome = server.spawn().wait(DEADLINE);
        outcome.assert_code(1);
        assert!(outcome.stderr.contains(said), "{user}: {outcome:#?}");
        assert!(!place.path("files").exists() && outcome.stdout.is_empty());
    }
    // A process that is not root's: as the user itself it serves, as another it says who could.
    let program = place.path("ftx-server");
    fs::copy(bins::server(), &program).unwrap();
    fs::create_dir(place.path("files")).unwrap();
    give(&place.path("files"), USER);
    let as_user = |user: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=424242", "--regid=424243", "--clear-groups"]).arg(&program);
        command.arg("--root").arg(place.path("files"));
        Process::spawn(command.args(["--listen", "127.0.0.1:0", "--user", user]))
    };
    let outcome = as_user("nobody").wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("only root can run a server as the user"), "{outcome:#?}");
    let server = as_user("424242:424243");
    assert!(server.stdout_line(0, DEADLINE).starts_with("listening on "));
    assert_dropped(&ThreadStatus::all_of(server.id()), USER, GROUP, "");
}

#[test]
fn files_of_another_user_are_named_with_the_remedy() {
    if lacks_root() {
        return;
    }
    let place = Place::new(CONFIG);
    let state = place.path("ftx-state");
    fs::create_dir(&state).unwrap();
    fs::create_dir(place.path("files")).unwrap();
    fs::set_permissions(place.config(), Permissions::from_mode(0o600)).unwrap();
    let remedies = [
        format!("`chown 424242 {}`", place.config().display()),
        format!("`chown -R 424242 {}`", state.display()),
        format!("`chown 424242 {}`", place.path("files").display()),
    ];
    let started = place.server().spawn().wait(DEADLINE);
    started.assert_code(1);
    let checked = place.run(&["check"]);
    checked.assert_code(2);
    for remedy in &remedies {
        assert!(started.stderr.contains(remedy), "{remedy}: {started:#?}");
        assert!(checked.stderr.contains(remedy), "{remedy}: {checked:#?}");
    }
    let place_of_root = format!("{}:1:8: ", place.config().display());
    assert!(checked.stderr.contains(&place_of_root), "{checked:#?}");
    assert_eq!(checked.stderr.lines().count(), remedies.len(), "{checked:#?}");
    // The remedies are enough.
    for path in [place.config(), state, place.path("files")] {
        give(&path, USER);
    }
    let checked = place.run(&["check"]);
    checked.assert_done();
    assert!(checked.stdout.contains("runs as the user 424242 (424242:424243)"), "{checked:#?}");
    drop(place.server().start());
}

#[test]
fn a_check_reads_the_files_as_the_user() {
    if lacks_root() {
        return;
    }
    let tls = "[tls]\ncert = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n";
    let place = Place::new(&format!("{CONFIG}{tls}"));
    fs::create_dir(place.path("tls")).unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(place.path("tls/cert.pem"), key.cert.pem()).unwrap();
    fs::write(place.path("tls/key.pem"), key.signing_key.serialize_pem()).unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    place.run(&["check"]).assert_done();
    mode("tls/key.pem", 0o600);
    let checked = place.run(&["check"]);
    checked.assert_code(2);
    let expected = format!(
        "{}:11:7: {} cannot be read by the user 424242",
        place.config().display(),
        place.path("tls/key.pem").display()
    );
    assert!(checked.stderr.starts_with(&expected), "{expected} {checked:#?}");
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:#?}");
    mode("tls", 0o700);
    let checked = place.run(&["check"]);
    checked.assert_code(2);
    let closed = format!("may not enter {}", place.path("tls").display());
    assert_eq!(checked.stderr.matches(&closed).count(), 2, "{checked:#?}");
    // Without the user, root may read it.
    fs::write(place.config(), tls).unwrap();
    place.run(&["check"]).assert_done();
    fs::write(place.config(), "[process]\nuser = \"no-such-user\"\n").unwrap();
    let checked = place.run(&["check"]);
    checked.assert_code(2);
    let place_of_user = format!("{}:2:8: user: this system has no user", place.config().display());
    assert!(checked.stderr.starts_with(&place_of_user), "{checked:#?}");
    // A user of the system is none with rights.
    fs::write(place.config(), "user = \"nobody\"\n").unwrap();
    let checked = place.run(&["check"]);
    checked.assert_code(2);
    assert!(checked.stderr.contains(":1:8: write [[user]]"), "{checked:#?}");
    assert_eq!(checked.stderr.lines().count(), 1, "{checked:#?}");
}

#[test]
fn a_state_directory_that_cannot_be_made_is_not_needed_beside_a_certificate() {
    if lacks_root() {
        return;
    }
    let place = Place::new("root = \"files\"\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n");
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(place.path("cert.pem"), key.cert.pem()).unwrap();
    fs::write(place.path("key.pem"), key.signing_key.serialize_pem()).unwrap();
    let program = place.path("ftx-server");
    fs::copy(bins::server(), &program).unwrap();
    fs::create_dir(place.path("files")).unwrap();
    give(&place.path("files"), USER);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=424242", "--regid=424243", "--clear-groups"]).arg(&program);
    command.env_remove("STATE_DIRECTORY").arg("--config").arg(place.config());
    let server = Process::spawn(command.args(["--listen", "127.0.0.1:0"]));
    assert!(server.stdout_line(0, DEADLINE).starts_with("listening on "));
    wait_until("it says so", DEADLINE, || server.stderr().contains("there is no state directory"));
}

/// In a network of its own, where no other test has the port.
#[test]
fn a_port_of_root_is_bound_before() {
    if lacks_root() {
        return;
    }
    let place = Place::new("");
    let mut command = Command::new("unshare");
    command.args(["--net", "bash", "-c", "ip link set lo up && exec \"$@\"", "bash"]);
    command.arg(bins::server()).arg("--root").arg(place.path("files"));
    let server = Process::spawn(command.args(["--listen", "127.0.0.1:80", "--user", "nobody"]));
    assert_eq!(server.stdout_line(0, DEADLINE), "listening on 127.0.0.1:80");
}
