//! The settings of TLS, of tokens and of certificates, as programs in C, C++ and Qt give them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftx_core::native::Reason;
use ftx_core::{AccessToken, TokenId};
use ftx_tests::ffi::{self, Link};
use ftx_tests::peer::{Qt, clients};
use ftx_tests::{Authority, DEADLINE, Issued, Process, Proxy, Server, with_each_qt};
use tempfile::{TempDir, tempdir};

use crate::c;

with_each_qt!(file_client, qt_client);

/// A program that uploads a file with the settings of its variables, and prints the status.
struct Program {
    path: PathBuf,
    /// Its arguments for a server and a directory.
    arguments: fn(SocketAddr, &Path) -> Vec<String>,
    /// Whether it can show a certificate.
    shows_certificates: bool,
}

/// A server with TLS and its directories.
struct Secure {
    server: Server,
    fingerprint: String,
    dir: TempDir,
}

/// The credentials of users.
struct Users {
    /// That of alice.
    certificate: Issued,
    /// Her token.
    alice: String,
    /// The token of bob.
    bob: String,
}

impl Secure {
    fn start() -> Self {
        let dir = tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let server = Server::builder(&dir.path().join("root"));
        let server = server.arg("--state").arg(dir.path().join("state")).start();
        Self { fingerprint: server.fingerprint(), server, dir }
    }

    /// A server that lets alice upload by her certificate, by a token or by both, and gives bob no rights.
    fn with_users() -> (Self, Users) {
        let dir = tempdir().unwrap();
        let authority = Authority::new();
        authority.write(dir.path());
        let certificate = authority.issue(&dir.path().join("alice"), "alice", 2100);
        let text = format!(
            "root = \"root\"\n[tls]\nclient_ca = \"ca.pem\"\n\
             [[user]]\nname = \"alice\"\ncertificates = [{:?}]\n\
             [[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"list\", \"read\", \"create\"]\n\
             [[user]]\nname = \"bob\"\n",
            certificate.fingerprint
        );
        let config = dir.path().join("server.toml");
        fs::write(&config, text).unwrap();
        let [alice, bob] = ["alice", "bob"].map(|user| Server::add_token(&config, user));
        let server = Server::configured(&config, &dir.path().join("root")).start();
        let secure = Self { fingerprint: server.fingerprint(), server, dir };
        (secure, Users { certificate, alice, bob })
    }

    fn has_file(&self) -> bool {
        self.dir.path().join("root/secure").exists()
    }
}

impl Program {
    /// Runs it, and returns the status and the message that it prints. The variables are `FTX_TEST_…`.
    fn run(&self, addr: SocketAddr, local: &Path, variables: &[(&str, &str)]) -> (i32, String) {
        let mut command = Command::new(&self.path);
        command.args((self.arguments)(addr, local)).current_dir(local);
        // Where FileClient looks, the others are told to look.
        command.env("XDG_CONFIG_HOME", local);
        command.env("FTX_TEST_KNOWN_HOSTS", local.join("ftx/known_hosts")).env("FTX_TEST_TLS", "0");
        for (name, value) in variables {
            command.env(format!("FTX_TEST_{name}"), value);
        }
        fs::write(local.join("secure"), b"bytes").unwrap();
        let outcome = Process::spawn(&mut command).wait(DEADLINE);
        let line = outcome.stdout.lines().next().unwrap_or_else(|| panic!("{outcome:#?}"));
        let (status, message) = line.split_once(' ').unwrap_or((line, ""));
        (status.parse().unwrap_or_else(|_| panic!("{outcome:#?}")), message.to_owned())
    }

    fn keeps_its_promises(&self) {
        self.trusts_a_fingerprint();
        self.remembers_a_server();
        self.requires_encryption();
        self.needs_a_good_token();
        self.is_served_by_its_credentials();
    }

    fn trusts_a_fingerprint(&self) {
        let (secure, local) = (Secure::start(), tempdir().unwrap());
        let run = |pin: &str| {
            self.run(secure.server.addr(), local.path(), &[("TLS", "1"), ("FINGERPRINT", pin)])
        };
        let other = format!("sha256:{}", "0".repeat(64));
        let (status, message) = run(&other);
        assert_eq!(status, Reason::TlsFailed.code(), "{message}");
        assert!(message.contains(&other) && message.contains(&secure.fingerprint), "{message}");
        assert!(!secure.has_file());
        assert_eq!(run(&secure.fingerprint).0, 0);
        assert!(secure.has_file());
    }

    fn remembers_a_server(&self) {
        let (one, two, local) = (Secure::start(), Secure::start(), tempdir().unwrap());
        let proxy = Proxy::plain(one.server.addr());
        let first = [("TLS", "1"), ("ACCEPT_NEW", "1")];
        assert_eq!(self.run(proxy.addr(), local.path(), &first).0, 0);
        let known = fs::read_to_string(local.path().join("ftx/known_hosts")).unwrap();
        assert_eq!(known, format!("{} {}\n", proxy.addr(), one.fingerprint));
        // The key is required now, without a setting.
        proxy.set_upstream(two.server.addr());
        for variables in [&[][..], &first] {
            let (status, message) = self.run(proxy.addr(), local.path(), variables);
            assert_eq!(status, Reason::TlsFailed.code(), "{message}");
            assert!(message.contains("known_hosts"), "{message}");
        }
        assert!(!two.has_file());
        proxy.set_upstream(one.server.addr());
        assert_eq!(self.run(proxy.addr(), local.path(), &[]).0, 0);
    }

    fn requires_encryption(&self) {
        let (root, local) = (tempdir().unwrap(), tempdir().unwrap());
        let server = Server::start(root.path());
        let run = |tls| self.run(server.addr(), local.path(), &[("TLS", tls)]);
        let (status, message) = run("1");
        assert_eq!(status, Reason::TlsFailed.code(), "{message}");
        assert!(message.contains("does not offer encrypted connections"), "{message}");
        assert!(!root.path().join("secure").exists());
        assert_eq!(run("0").0, 0);
    }

    fn needs_a_good_token(&self) {
        let (dir, local) = (tempdir().unwrap(), tempdir().unwrap());
        let config = dir.path().join("server.toml");
        // Nobody has rights.
        fs::write(&config, "root = \"root\"\n").unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        let server = Server::configured(&config, &dir.path().join("root")).start();
        let proxy = Proxy::plain(server.addr());
        let token = AccessToken::new(TokenId([1; 4]), [0x2b; AccessToken::SECRET_BYTES]);
        let text = token.to_string();
        let run = |token: &str| self.run(proxy.addr(), local.path(), &[("TOKEN", token)]);
        let (status, message) = run(&text.replacen("2b", "2c", 1));
        assert_eq!(status, Reason::InvalidArgument.code(), "{message}");
        assert_eq!(proxy.connections(), 0);
        let (status, message) = run(&text);
        assert_eq!(status, Reason::Unauthorised.code(), "{message}");
        assert!(message.contains("does not accept the token"), "{message}");
        let (status, message) = run("");
        assert_eq!(status, Reason::Unauthorised.code(), "{message}");
        assert!(message.contains("give a token"), "{message}");
        assert_eq!(proxy.connections(), 2);
    }

    fn is_served_by_its_credentials(&self) {
        let ((secure, users), local) = (Secure::with_users(), tempdir().unwrap());
        let run = |variables: &[(&str, &str)]| {
            let secured = [("TLS", "1"), ("FINGERPRINT", &*secure.fingerprint)];
            self.run(secure.server.addr(), local.path(), &[&secured, variables].concat())
        };
        let (status, message) = run(&[]);
        assert_eq!(status, Reason::Unauthorised.code(), "{message}");
        let (status, message) = run(&[("TOKEN", &users.bob)]);
        assert_eq!(status, Reason::Forbidden.code(), "{message}");
        assert!(!secure.has_file());
        assert_eq!(run(&[("TOKEN", &users.alice)]), (0, String::new()));
        assert!(secure.has_file());
        if self.shows_certificates {
            fs::remove_file(secure.dir.path().join("root/secure")).unwrap();
            let Issued { cert, key, .. } = &users.certificate;
            let [cert, key] = [cert, key].map(|path| path.to_str().unwrap());
            assert_eq!(run(&[("CLIENT_CERT", cert), ("CLIENT_KEY", key)]), (0, String::new()));
            assert!(secure.has_file());
        }
    }
}

#[test]
fn from_c() {
    let arguments = |addr: SocketAddr, local: &Path| {
        vec!["secure".to_owned(), addr.to_string(), local.display().to_string()]
    };
    Program { path: c::shared().path, arguments, shows_certificates: true }.keeps_its_promises();
}

#[test]
fn from_cpp() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("hpp");
    ffi::build(ffi::compiler("g++", "c++17"), &["-g"], &["hpp.cpp"], Link::Shared, &path);
    let arguments =
        |addr: SocketAddr, local: &Path| vec![addr.to_string(), local.display().to_string()];
    Program { path, arguments, shows_certificates: true }.keeps_its_promises();
}

fn file_client(qt: Qt) {
    let arguments = |addr: SocketAddr, _: &Path| {
        [&addr.ip().to_string(), &addr.port().to_string(), "secure", "secure"]
            .map(str::to_owned)
            .into()
    };
    let path = clients(qt).join("features");
    Program { path, arguments, shows_certificates: false }.keeps_its_promises();
}

fn qt_client(qt: Qt) {
    let arguments = |addr: SocketAddr, _: &Path| {
        [&addr.ip().to_string(), &addr.port().to_string(), "secure"].map(str::to_owned).into()
    };
    let path = clients(qt).join("jobs");
    Program { path, arguments, shows_certificates: true }.keeps_its_promises();
}
