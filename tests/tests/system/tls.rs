//! TLS between `ftx-client` and `ftx-server`: whom each trusts, and that nothing passes otherwise.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::{
    Authority, Client, DEADLINE, Direction, Issued, Outcome, Proxy, Server, ServerBuilder,
    wait_until,
};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

/// A server with TLS, and what it needs.
struct Secure {
    server: Server,
    fingerprint: String,
    dirs: Dirs,
}

/// The directories of a test.
struct Dirs {
    dir: TempDir,
}

impl Dirs {
    fn new() -> Self {
        let dirs = Self { dir: tempdir().unwrap() };
        write_file(&dirs.path("source"), content(1, 300_000));
        fs::create_dir(dirs.path("root")).unwrap();
        dirs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self) -> ServerBuilder {
        Server::builder(&self.path("root"))
    }

    /// A client with a home of its own, which knows no server.
    fn client(&self, client: Client) -> Client {
        client.env("XDG_CONFIG_HOME", self.path("config"))
    }

    fn upload(&self, addr: SocketAddr, flags: &[&str]) -> Outcome {
        let client = self.client(Client::upload(addr)).args(flags);
        client.arg(self.path("source")).args(["--as", "a"]).run()
    }

    fn issue(&self, authority: &Authority, name: &str, until_year: i32) -> Issued {
        authority.issue(self.dir.path(), name, until_year)
    }

    fn known_hosts(&self) -> String {
        fs::read_to_string(self.path("config/ftx/known_hosts")).unwrap_or_default()
    }
}

impl Secure {
    /// One with a certificate of its own.
    fn start() -> Self {
        let dirs = Dirs::new();
        let server = dirs.server().arg("--state").arg(dirs.path("state")).start();
        Self { fingerprint: server.fingerprint(), server, dirs }
    }
}

/// The client refuses the server: at once, with a code of its own, and without a byte of the file.
fn assert_refused(dirs: &Dirs, addr: SocketAddr, flags: &[&str], said: &[&str]) {
    let proxy = Proxy::plain(addr);
    let outcome = dirs.upload(proxy.addr(), flags);
    outcome.assert_code(3);
    for said in said {
        assert!(outcome.stderr.contains(said), "{said}: {outcome:#?}");
    }
    assert_eq!(proxy.connections(), 1, "{outcome:#?}");
    assert!(proxy.count(Direction::ToServer) < 10_000);
    assert!(!dirs.path("root/a").exists());
}

#[test]
fn files_go_up_and_come_down() {
    let Secure { server, fingerprint, dirs } = Secure::start();
    let proxy = Proxy::plain(server.addr());
    write_file(&dirs.path("source"), content(2, 9_000_000));
    for streams in ["1", "4"] {
        let flags = ["--fingerprint", &fingerprint, "--streams", streams];
        dirs.upload(proxy.addr(), &flags).assert_done();
        let download = dirs.client(Client::download(proxy.addr())).args(flags);
        download.arg("a").arg("-o").arg(dirs.path("copy")).run().assert_done();
        assert_content(&dirs.path("copy"), content(2, 9_000_000));
        fs::remove_file(dirs.path("copy")).unwrap();
        fs::remove_file(dirs.path("root/a")).unwrap();
    }
}

#[test]
fn a_server_with_another_key_is_refused() {
    let Secure { server, fingerprint, dirs } = Secure::start();
    let other = format!("sha256:{}", "0".repeat(64));
    assert_refused(&dirs, server.addr(), &["--fingerprint", &other], &[&fingerprint, &other]);
    // No trusted issuer has signed its certificate.
    assert_refused(&dirs, server.addr(), &["--tls", "require"], &[&fingerprint]);
}

#[test]
fn a_new_server_is_remembered_if_that_is_asked_for() {
    let Secure { server, fingerprint, dirs } = Secure::start();
    let proxy = Proxy::plain(server.addr());
    let accept = ["--tls", "require", "--accept-new"];
    dirs.upload(proxy.addr(), &accept).assert_done();
    assert_eq!(dirs.known_hosts(), format!("{} {fingerprint}\n", proxy.addr()));
    // Without a flag it is known now, and trusted.
    dirs.upload(proxy.addr(), &[]).assert_done();
    // Another server under the same address.
    let other = Secure::start();
    proxy.set_upstream(other.server.addr());
    let outcome = dirs.upload(proxy.addr(), &accept);
    outcome.assert_code(3);
    for said in [&fingerprint, &other.fingerprint, "known_hosts"] {
        assert!(outcome.stderr.contains(said), "{outcome:#?}");
    }
    assert_eq!(dirs.known_hosts().lines().count(), 1);
    assert!(!other.dirs.path("root/a").exists());
}

#[test]
fn a_certificate_of_a_given_issuer_is_trusted_for_its_name_and_time() {
    let authority = Authority::new();
    for (name, until, is_good) in
        [("127.0.0.1", 2100, true), ("127.0.0.2", 2100, false), ("127.0.0.1", 2021, false)]
    {
        let dirs = Dirs::new();
        let server = dirs.server().args(dirs.issue(&authority, name, until).server_flags()).start();
        let ca = authority.write(dirs.dir.path());
        let flags = ["--ca", ca.to_str().unwrap()];
        if is_good {
            dirs.upload(server.addr(), &flags).assert_done();
        } else {
            assert_refused(&dirs, server.addr(), &flags, &[&server.fingerprint()]);
        }
    }
}

#[test]
fn a_server_without_tls_is_refused_where_it_is_required() {
    let dirs = Dirs::new();
    let server = dirs.server().start();
    let pin = format!("sha256:{}", "0".repeat(64));
    for flags in [&["--tls", "require"][..], &["--fingerprint", &pin]] {
        assert_refused(&dirs, server.addr(), flags, &["does not offer encrypted connections"]);
    }
}

#[test]
fn only_tls_1_3_is_spoken() {
    let Secure { server, .. } = Secure::start();
    for (version, is_spoken) in [("-tls1_3", true), ("-tls1_2", false)] {
        let addr = server.addr().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &addr, version, "-brief"]);
        let output = openssl.stdin(std::process::Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.contains("CONNECTION ESTABLISHED"), is_spoken, "{text}");
    }
}

#[test]
fn a_certificate_is_read_again_without_touching_connections() {
    let (authority, dirs) = (Authority::new(), Dirs::new());
    let issued = dirs.issue(&authority, "127.0.0.1", 2100);
    let mut server = dirs.server().args(issued.server_flags()).start();
    let first = server.fingerprint();
    // An upload that is held halfway while the certificate changes.
    let size: u64 = 8 << 20;
    write_file(&dirs.path("source"), content(1, size));
    let proxy = Proxy::plain(server.addr());
    proxy.let_pass(Direction::ToServer, size / 2);
    let upload = dirs.client(Client::upload(proxy.addr())).args(["--fingerprint", &first]);
    let upload = upload.streams(1).arg(dirs.path("source")).args(["--as", "a"]).spawn();
    wait_until("half of it has passed", DEADLINE, || proxy.count(Direction::ToServer) == size / 2);
    dirs.issue(&authority, "127.0.0.1", 2100);
    server.signal(Signal::HUP);
    let second = server.stdout_line(2, DEADLINE);
    let second = second.strip_prefix("fingerprint ").unwrap();
    assert_ne!(second, first);
    proxy.let_pass(Direction::ToServer, u64::MAX);
    upload.wait(DEADLINE).assert_done();
    assert_eq!(proxy.connections(), 1);
    dirs.upload(server.addr(), &["--fingerprint", second]).assert_done();
    // A file that cannot be used changes nothing.
    fs::write(dirs.path("key.pem"), "nothing").unwrap();
    server.signal(Signal::HUP);
    wait_until("it says so", DEADLINE, || server.log().contains("nothing changes"));
    dirs.upload(server.addr(), &["--fingerprint", second]).assert_done();
}

#[test]
fn a_client_certificate_needs_its_issuer() {
    let authority = Authority::new();
    let dirs = Dirs::new();
    let issued = dirs.issue(&authority, "127.0.0.1", 2100);
    let ca = authority.write(dirs.dir.path());
    let server = dirs.server().args(issued.server_flags()).arg("--client-ca").arg(&ca).start();
    let pin = server.fingerprint();
    let shown = |issued: &Issued| {
        let client = dirs.client(Client::upload(server.addr())).args(["--fingerprint", &pin]);
        client.args(issued.client_flags()).arg(dirs.path("source")).args(["--as", "a"]).run()
    };
    shown(&issued).assert_done();
    let other = Dirs::new();
    shown(&other.issue(&Authority::new(), "127.0.0.1", 2100)).assert_code(3);
    let outcome = shown(&Issued { cert: issued.key.clone(), ..issued });
    assert!(
        outcome.stderr.contains("key.pem") && outcome.stderr.contains("certificate"),
        "{outcome:#?}"
    );
}

#[test]
fn nothing_listens_on_an_address_of_another_machine_by_itself() {
    let dirs = Dirs::new();
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).to_string();
    let server = dirs.server().arg("--state").arg(dirs.path("state")).args(["--listen", &address]);
    let outcome = server.spawn().wait(DEADLINE);
    outcome.assert_code(1);
    assert!(outcome.stderr.contains("--insecure"), "{outcome:#?}");
}
