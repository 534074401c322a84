//! The sandbox of a running server: its enforcement, reloads in it, and kernels without it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{
    Client, DEADLINE, Outcome, Server, ServerBuilder, Strace, bins, lacks, wait_until,
};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

const GRANT: &str = "[[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"list\", \"read\", \"create\", \"replace\"]\n";

/// A server with a certificate from files, and a user. Everything is below `inside`, but for `outside`.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempdir().unwrap() };
        for dir in ["inside/tls", "outside"] {
            fs::create_dir_all(place.path(dir)).unwrap();
        }
        place.write_certificate("inside/tls");
        place.write_certificate("outside");
        place.write_config("tls");
        let mut command = Command::new(bins::server());
        command.env_remove("STATE_DIRECTORY").args(["token", "add", "alice", "--config"]);
        let token = command.arg(place.config()).output().unwrap();
        assert!(token.status.success(), "{token:?}");
        write_private(&place.path("token"), &token.stdout);
        write_file(&place.path("source"), content(1, 3 << 20));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("inside/server.toml")
    }

    /// The certificate is in a directory relative to the configuration.
    fn write_config(&self, tls: &str) {
        let text = format!("[tls]\ncert = \"{tls}/cert.pem\"\nkey = \"{tls}/key.pem\"\n{GRANT}");
        fs::write(self.config(), text).unwrap();
    }

    /// Replaces the files of a certificate by renaming.
    fn write_certificate(&self, dir: &str) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        for (name, text) in
            [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())]
        {
            let new = self.path(dir).join("new");
            fs::write(&new, text).unwrap();
            fs::rename(new, self.path(dir).join(name)).unwrap();
        }
    }

    fn builder(&self) -> ServerBuilder {
        Server::configured(&self.config(), &self.path("inside/files"))
            .arg("--root")
            .arg(self.path("inside/files"))
    }

    /// A server in a sandbox; `None` where there is none.
    fn sandboxed(&self) -> Option<Server> {
        let server = self.builder().start();
        let has = start_log(&server).contains("sandbox: Landlock ABI ");
        (has || !lacks("Landlock")).then_some(server)
    }

    fn transfer(&self, verb: &str, server: &Server) -> Outcome {
        let client = match verb {
            "upload" => {
                Client::upload(server.addr()).arg(self.path("source")).args(["--as", "a/b"])
            }
            _ => Client::download(server.addr()).args(["a/b", "-o"]).arg(self.path("got")),
        };
        let client = client.arg("--token-file").arg(self.path("token"));
        client.args(["--retries", "0"]).run()
    }
}

/// The log of the start.
fn start_log(server: &Server) -> String {
    wait_until("it says that it serves", DEADLINE, || server.log().contains(" serving "));
    server.log()
}

fn write_private(path: &Path, content: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;

    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn fingerprint(server: &Server, line: usize) -> String {
    server.stdout_line(line, DEADLINE).strip_prefix("fingerprint ").unwrap().to_owned()
}

#[test]
fn transfers_and_reloads_work_in_the_sandbox() {
    let place = Place::new();
    let Some(mut server) = place.sandboxed() else { return };
    let first = fingerprint(&server, 1);
    place.transfer("upload", &server).assert_done();
    place.transfer("download", &server).assert_done();
    assert_content(&place.path("got"), content(1, 3 << 20));
    // Another certificate takes the place of the first one, as the tools that renew it do.
    place.write_certificate("inside/tls");
    server.signal(Signal::HUP);
    assert_ne!(fingerprint(&server, 2), first);
    wait_until("it says so", DEADLINE, || {
        server.log().contains("SIGHUP: the configuration was read again")
    });
    write_file(&place.path("source"), content(2, 3 << 20));
    place.transfer("upload", &server).assert_done();
    assert_content(&place.path("inside/files/a/b"), content(2, 3 << 20));
}

#[test]
fn a_reload_that_names_a_file_outside_says_that_a_restart_is_needed() {
    let place = Place::new();
    let Some(mut server) = place.sandboxed() else { return };
    place.write_config("../outside");
    server.signal(Signal::HUP);
    wait_until("it keeps the old one", DEADLINE, || server.log().contains("nothing changes"));
    let log = server.log();
    for (at, name) in [("2:8", "cert.pem"), ("3:7", "key.pem")] {
        let said =
            format!("server.toml:{at}: {}", place.path("inside/../outside").join(name).display());
        let line = log.lines().find(|line| line.contains(&said)).expect(&log);
        assert!(line.contains("restart the server to use this file"), "{line}");
    }
    assert!(
        server.monitor().details.contains(&"configuration reloads=0 failed=1 stale=1".to_owned())
    );
    // The same through a link, which the system would refuse without a reason.
    place.write_config("tls");
    let key = place.path("inside/tls/key.pem");
    fs::rename(&key, place.path("inside/tls/kept")).unwrap();
    symlink(place.path("outside/key.pem"), &key).unwrap();
    server.signal(Signal::HUP);
    let failed = "configuration reloads=0 failed=2 stale=1".to_owned();
    wait_until("it refuses the link", DEADLINE, || server.monitor().details.contains(&failed));
    let told = || server.log().matches("restart the server to use this file").count();
    wait_until("the log says so", DEADLINE, || told() == 3);
    fs::rename(place.path("inside/tls/kept"), &key).unwrap();
    server.signal(Signal::HUP);
    let good = "configuration reloads=1 failed=2 stale=0".to_owned();
    wait_until("it takes the good one", DEADLINE, || server.monitor().details.contains(&good));
    // A restart reads the files outside.
    place.write_config("../outside");
    drop(server.restart());
}

/// The thread that reads the tokens follows links, and so would show whether it is restricted.
#[test]
fn a_planted_link_leads_no_thread_out() {
    let place = Place::new();
    let tokens = place.path("inside/ftx-state/tokens");
    let plant = || {
        let copy = place.path("outside/tokens");
        fs::copy(&tokens, &copy).unwrap();
        fs::remove_file(&tokens).unwrap();
        symlink(copy, &tokens).unwrap();
    };
    let unrestricted = place.builder().args(["--sandbox", "off"]).start();
    assert!(start_log(&unrestricted).contains("sandbox: off"));
    plant();
    wait_until("it follows the link", DEADLINE, || {
        unrestricted.log().contains("the tokens were read again")
    });
    drop(unrestricted);
    let real = fs::read(&tokens).unwrap();
    fs::remove_file(&tokens).unwrap();
    write_private(&tokens, &real);
    let Some(server) = place.sandboxed() else { return };
    plant();
    wait_until("it does not follow", DEADLINE, || {
        server.log().contains("the former tokens stay in force")
    });
    wait_until("it says why", DEADLINE, || server.log().contains("Permission denied"));
    place.transfer("upload", &server).assert_done();
}

#[test]
fn a_kernel_without_a_sandbox_serves_all_the_same() {
    if let Some(missing) = Strace::missing() {
        assert!(lacks(&missing));
        return;
    }
    let place = Place::new();
    for (error, reason) in
        [("ENOSYS", "has no Landlock"), ("EOPNOTSUPP", "turned off"), ("EPERM", "has no Landlock")]
    {
        let expression = format!("landlock_create_ruleset:error={error}");
        let [first, second] = [(); 2].map(|()| Strace::default().inject(&expression));
        let server = place.builder().under(&first).start();
        let log = start_log(&server);
        assert!(log.contains("sandbox: not available: ") && log.contains(reason), "{error}: {log}");
        place.transfer("upload", &server).assert_done();
        drop(server);
        let required = place.builder().under(&second).args(["--sandbox", "require"]).spawn();
        let outcome = required.wait(DEADLINE);
        outcome.assert_code(1);
        let said = &outcome.stderr;
        assert!(said.contains("--sandbox require: ") && said.contains(reason), "{outcome:#?}");
    }
}

#[test]
fn a_required_sandbox_is_entered() {
    let place = Place::new();
    let Some(server) = place.sandboxed() else { return };
    drop(server);
    let required = place.builder().args(["--sandbox", "require"]).start();
    assert!(start_log(&required).contains("sandbox: Landlock ABI "));
}

/// The directories above the root can no longer be opened, and are durable already: the whole file system need not
/// be synced.
#[test]
fn the_names_above_the_root_are_durable_before() {
    if let Some(missing) = Strace::missing() {
        assert!(lacks(&missing));
        return;
    }
    let place = Place::new();
    fs::create_dir(place.path("inside/files")).unwrap();
    let old =
        || place.path("inside/files").metadata().unwrap().created().unwrap().elapsed().unwrap();
    wait_until("the root has an age", DEADLINE, || old().as_millis() > 100);
    let strace = Strace::default();
    let server = place.builder().under(&strace).start();
    place.transfer("upload", &server).assert_done();
    server.terminate(DEADLINE).assert_done();
    let calls = strace.calls();
    assert!(calls.iter().any(|call| call.name == "fsync"));
    assert!(!calls.iter().any(|call| call.name == "syncfs"));
}
