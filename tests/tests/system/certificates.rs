//! Client certificates, and the users that they stand for.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{
    Authority, Client, DEADLINE, Issued, Outcome, Process, Proxy, Server, bins, wait_until,
};
use tempfile::{TempDir, tempdir};

/// The rights of two users, each on a directory.
const GRANTS: &str = "[[grant]]\nwho = \"alice\"\npath = \"alices/\"\ncan = [\"list\", \"read\", \"create\"]\n\
                      [[grant]]\nwho = \"bob\"\npath = \"bobs/\"\ncan = [\"list\", \"read\", \"create\"]\n";

const ISSUERS: &str = "[tls]\nclient_ca = \"ca.pem\"\n";

/// The files of a server that knows the certificate of alice, and not that of mallory, which the same issuer has
/// signed.
struct Configured {
    alice: Issued,
    mallory: Issued,
    dir: TempDir,
}

/// A configured server that runs.
struct Serving {
    configured: Configured,
    server: Server,
    proxy: Proxy,
}

impl Configured {
    /// The configuration begins with these lines.
    fn with(lines: &str) -> Self {
        let (authority, dir) = (Authority::new(), tempdir().unwrap());
        authority.write(dir.path());
        let issue = |name: &str| authority.issue(&dir.path().join(name), name, 2100);
        let configured = Self { alice: issue("alice"), mallory: issue("mallory"), dir };
        let key = &configured.alice.fingerprint;
        let user = format!("[[user]]\nname = \"alice\"\ncertificates = [{key:?}]\n");
        fs::write(configured.file(), format!("root = \"root\"\n{lines}{user}{GRANTS}")).unwrap();
        for name in ["alices/old", "bobs/old", "other"] {
            let path = configured.path("root").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_file(&path, content(2, 10));
        }
        write_file(&configured.path("source"), content(1, 300_000));
        configured
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("server.toml")
    }

    /// A token, which is made before the server starts.
    fn token(&self, user: &str) -> String {
        Server::add_token(&self.file(), user)
    }

    fn serve(self, flags: &[&str]) -> Serving {
        let builder = Server::configured(&self.file(), &self.path("root"));
        let server = builder.args(flags).start();
        Serving { proxy: Proxy::plain(server.addr()), configured: self, server }
    }

    /// Runs the server's program for the file, as far as it goes.
    fn run(&self, words: &[&str]) -> Outcome {
        let mut command = Command::new(bins::server());
        command.env_remove("RUST_LOG").env_remove("STATE_DIRECTORY").args(words);
        Process::spawn(command.arg("--config").arg(self.file())).wait(DEADLINE)
    }
}

impl Serving {
    /// A client that shows a certificate.
    fn client(&self, command: &str, shown: &Issued) -> Client {
        let client = Client::new().arg(command).arg(self.proxy.addr().to_string());
        client.args(["--fingerprint", &self.server.fingerprint()]).args(shown.client_flags())
    }

    fn upload(&self, shown: &Issued, name: &str, token: Option<&str>) -> Outcome {
        let client = self.client("upload", shown).env("FTX_TOKEN", token.unwrap_or_default());
        client.arg(self.configured.path("source")).args(["--as", name]).run()
    }

    fn assert_has(&self, name: &str) {
        assert_content(&self.server.file(name), content(1, 300_000));
    }

    fn assert_has_not(&self, name: &str) {
        assert!(!self.server.file(name).exists(), "{name}");
    }
}

#[test]
fn a_certificate_gives_the_rights_of_its_user_and_no_others() {
    let serving = Configured::with(ISSUERS).serve(&[]);
    let alice = &serving.configured.alice;
    serving.upload(alice, "alices/new", None).assert_done();
    serving.assert_has("alices/new");
    for name in ["bobs/new", "new"] {
        let outcome = serving.upload(alice, name, None);
        outcome.assert_code(1);
        assert!(outcome.stderr.contains("you may not store"), "{outcome:#?}");
        serving.assert_has_not(name);
    }
    // She may create files there, and replace none.
    let outcome = serving.upload(alice, "alices/old", None);
    outcome.assert_code(1);
    assert_content(&serving.server.file("alices/old"), content(2, 10));
    let listed = serving.client("ls", alice).arg("-R").run();
    listed.assert_done();
    let names = |word: &str| listed.stdout.lines().filter(|line| line.contains(word)).count();
    assert_eq!(names("alices/new"), 1, "{listed:#?}");
    assert_eq!(names("bobs") + names("other"), 0, "{listed:#?}");
    let out = serving.configured.path("copy");
    for (name, code) in [("alices/old", 0), ("bobs/old", 1), ("other", 1)] {
        let outcome = serving.client("download", alice).arg(name).arg("-o").arg(&out).run();
        assert_eq!(outcome.code, Some(code), "{outcome:#?}");
        assert_eq!(fs::remove_file(&out).is_ok(), code == 0, "{name}");
    }
}

#[test]
fn a_certificate_of_no_user_is_refused_for_good() {
    let serving = Configured::with(ISSUERS).serve(&[]);
    let mallory = &serving.configured.mallory;
    let outcome = serving.upload(mallory, "alices/new", None);
    outcome.assert_code(3);
    assert!(outcome.stderr.contains("serves nobody with this certificate"), "{outcome:#?}");
    assert_eq!(serving.proxy.connections(), 1);
    serving.assert_has_not("alices/new");
    let reason = format!("no user has the certificate {}", mallory.fingerprint);
    wait_until("the log names it", DEADLINE, || serving.server.log().contains(&reason));
}

#[test]
fn a_token_decides_alone_beside_a_certificate() {
    let configured = Configured::with(ISSUERS);
    let token = configured.token("bob");
    let other = Configured::with("").token("bob");
    let serving = configured.serve(&[]);
    let Configured { alice, mallory, .. } = &serving.configured;
    for (shown, name) in [(alice, "bobs/a"), (mallory, "bobs/m")] {
        serving.upload(shown, name, Some(&token)).assert_done();
        serving.assert_has(name);
    }
    serving.upload(alice, "alices/new", Some(&token)).assert_code(1);
    let outcome = serving.upload(alice, "alices/new", Some(&other));
    outcome.assert_code(3);
    assert!(outcome.stderr.contains("does not accept the token"), "{outcome:#?}");
    serving.assert_has_not("alices/new");
}

#[test]
fn certificates_of_users_need_an_issuer() {
    let configured = Configured::with("");
    let expected = format!("{}:4:16: certificates: ", configured.file().display());
    for words in [&["check"][..], &[]] {
        let outcome = configured.run(words);
        outcome.assert_code(2);
        assert!(outcome.stderr.starts_with(&expected), "{outcome:#?}");
        assert!(outcome.stderr.contains("\"client_ca\" in [tls]"), "{outcome:#?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:#?}");
    }
    // It may be named by a flag, which the command for tokens does not see.
    configured.run(&["token", "list"]).assert_done();
    let ca = configured.path("ca.pem");
    let serving = configured.serve(&["--client-ca", ca.to_str().unwrap()]);
    serving.upload(&serving.configured.alice, "alices/new", None).assert_done();
    serving.assert_has("alices/new");
}
