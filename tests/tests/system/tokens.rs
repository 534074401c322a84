//! The commands that manage tokens, and a running server that follows them.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};

use ftx_core::AccessToken;
use ftx_core::native::Reason;
use ftx_core::native::wire::{
    CLIENT_PREFACE, HEADER_BYTES, PREFACE_BYTES, Reply, Request, VERSIONS, next_frame,
};
use ftx_tests::{DEADLINE, Server, bins, wait_until};
use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

const CONFIG: &str = "[[grant]]\nwho = \"alice\"\npath = \"\"\ncan = [\"list\", \"read\"]\n";

/// A configuration file, and the state beside it.
struct Configured {
    dir: TempDir,
}

impl Configured {
    fn new() -> Self {
        let configured = Self { dir: tempdir().unwrap() };
        fs::write(configured.path("server.toml"), CONFIG).unwrap();
        configured
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self) -> Server {
        let builder = Server::builder(&self.path("files"));
        builder.arg("--config").arg(self.path("server.toml")).start()
    }

    /// Runs `ftx-server token …` for the configuration file.
    fn token(&self, words: &[&str]) -> Output {
        let mut command = Command::new(bins::server());
        command.env_remove("STATE_DIRECTORY").arg("token").args(words);
        command.arg("--config").arg(self.path("server.toml")).output().unwrap()
    }

    fn add(&self, words: &[&str]) -> AccessToken {
        let output = self.token(&[&["add"], words].concat());
        assert!(output.status.success(), "{output:?}");
        let out = text(output.stdout);
        out.strip_suffix('\n').unwrap().parse().unwrap()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// Logs in with a token, and returns the connection or the reason of the refusal.
fn login(addr: SocketAddr, token: &AccessToken) -> Result<TcpStream, Reason> {
    let hello = Request::Hello {
        versions: VERSIONS.to_vec(),
        features: vec![],
        agent: "test".to_owned(),
        session: None,
        auth: Some(token.to_string()),
        replaces: None,
    };
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&[&CLIENT_PREFACE[..], &hello.encode(0).unwrap()].concat()).unwrap();
    let mut start = [0; PREFACE_BYTES + HEADER_BYTES];
    stream.read_exact(&mut start).unwrap();
    let header = next_frame(&start[PREFACE_BYTES..]).unwrap().unwrap();
    let mut payload = vec![0; header.len as usize];
    stream.read_exact(&mut payload).unwrap();
    match Reply::decode(&header, &payload).unwrap() {
        Reply::Welcome { .. } => Ok(stream),
        Reply::Goodbye { reason, .. } => Err(Reason::from_code(reason)),
        other => panic!("{other:?}"),
    }
}

/// Whether the server ends a connection, whatever it says before.
fn has_ended(stream: &mut TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

/// Waits until the server has read its tokens this many times. It says so in its log.
fn wait_for_reading(server: &Server, times: usize) {
    let count = || server.log().matches("the tokens were read again").count();
    wait_until("the tokens were read again", DEADLINE, || count() == times);
}

#[test]
fn a_running_server_follows_its_tokens() {
    let configured = Configured::new();
    let first = configured.add(&["alice"]);
    let server = configured.server();
    let mut idle = login(server.addr(), &first).unwrap();
    let second = configured.add(&["alice", "--expires", "90d"]);
    wait_for_reading(&server, 1);
    let mut other = login(server.addr(), &second).unwrap();

    let output = configured.token(&["revoke", &first.id().to_string()]);
    assert_eq!(text(output.stdout), format!("revoked {} of alice\n", first.id()));
    assert!(has_ended(&mut idle));
    assert_eq!(login(server.addr(), &first).unwrap_err(), Reason::Unauthorised);
    login(server.addr(), &second).unwrap();

    configured.token(&["revoke", "alice"]);
    assert!(has_ended(&mut other));
    assert_eq!(login(server.addr(), &second).unwrap_err(), Reason::Unauthorised);
    for token in [first, second] {
        let reason = format!("the token {} of \"alice\" was revoked", token.id());
        wait_until("the log has the reason", DEADLINE, || server.log().contains(&reason));
        assert!(!server.log().contains(&token.to_string()[20..40]), "{}", server.log());
    }
}

#[test]
fn a_signal_makes_it_read_them_at_once() {
    let configured = Configured::new();
    let mut server = configured.server();
    let token = configured.add(&["alice"]);
    server.signal(Signal::HUP);
    // The configuration is before the tokens.
    wait_until("it is read", DEADLINE, || server.log().contains("configuration was read again"));
    wait_until("the token is known", DEADLINE, || login(server.addr(), &token).is_ok());
}

#[test]
fn a_damaged_file_is_named_and_the_former_tokens_stay() {
    let configured = Configured::new();
    let token = configured.add(&["alice"]);
    let server = configured.server();
    let file = configured.path("ftx-state/tokens");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("alice", "")).unwrap();
    let said = "line 2 of ";
    wait_until("it is said", DEADLINE, || server.log().contains(said));
    login(server.addr(), &token).unwrap();
    let output = configured.token(&["list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stderr).contains(said));
    fs::write(&file, good).unwrap();
    wait_for_reading(&server, 1);
    login(server.addr(), &token).unwrap();
    assert_eq!(server.log().matches(said).count(), 1);
}

#[test]
fn tokens_are_listed_without_their_secrets() {
    let configured = Configured::new();
    let [first, second] =
        [&["alice"][..], &["Ann Lee", "--expires", "90d"]].map(|words| configured.add(words));
    let revoked = configured.add(&["alice"]);
    configured.token(&["revoke", &revoked.id().to_string()]);
    let listed = text(configured.token(&["list"]).stdout);
    let columns = |line| str::split(line, "  ").map(str::trim).filter(|text| !text.is_empty());
    let lines: Vec<Vec<_>> = listed.lines().map(|line| columns(line).collect()).collect();
    let [_, alice, ann] = &*lines else { panic!("{listed}") };
    assert!(alice.contains(&"never") && alice.contains(&"alice"), "{listed}");
    assert!(ann.contains(&"Ann Lee"), "{listed}");
    assert_eq!([alice[0], ann[0]], [&first, &second].map(|token| token.id().to_string()));
    let file = fs::read_to_string(configured.path("ftx-state/tokens")).unwrap();
    for token in [&first, &second] {
        let secret = &token.to_string()[13..77];
        assert!(!listed.contains(&secret[..16]) && !file.contains(&secret[..16]));
    }
}

#[test]
fn a_command_that_cannot_be_done_says_why() {
    let configured = Configured::new();
    for (words, code, said) in [
        (&["add", ""][..], 1, "the name of a user is empty"),
        (&["add", "a\u{7}b"], 1, "control character"),
        (&["add", "deadbeef"], 1, "the form of a token's id"),
        (&["add", "alice", "--expires", "0s"], 1, "cannot expire after 0s"),
        (&["add", "alice", "--expires", "soon"], 2, "--expires"),
        (&["revoke", "nobody"], 1, "\"nobody\""),
    ] {
        let output = configured.token(words);
        let stderr = text(output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {stderr}");
        assert!(stderr.contains(said), "{words:?}: {stderr}");
        assert!(output.stdout.is_empty());
    }
    fs::write(configured.path("server.toml"), "[[grant]]\nwho = 1\n").unwrap();
    let output = configured.token(&["list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("--state DIR"));
}

#[test]
fn commands_at_once_lose_no_token() {
    let configured = Configured::new();
    let users: Vec<_> = (0..8).map(|n| format!("user-{n}")).collect();
    std::thread::scope(|scope| {
        for user in &users {
            scope.spawn(|| configured.add(&[user]));
        }
    });
    let listed = text(configured.token(&["list"]).stdout);
    assert!(users.iter().all(|user| listed.contains(&**user)), "{listed}");
}
