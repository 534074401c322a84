//! Users with tokens, over real connections.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ftx_core::AccessToken;
use ftx_core::native::Reason;
use ftx_core::native::wire::Token;
use ftx_server::{
    Access, AccessPolicy, Scope, TokenAuthenticator, TokenFile, TokenReload, UserPolicy, WallClock,
};
use ftx_tests::{Carrier, ScriptedStream};
use socket2::{Domain, Socket, Type};
use tempfile::{TempDir, tempdir};

use crate::client::Client;
use crate::identities::{client, refused, say_hello, welcomed};
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

/// A clock that a test sets.
#[derive(Debug)]
struct SetClock(Mutex<SystemTime>);

impl WallClock for SetClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A server that knows alice and bob by their tokens.
struct Known {
    server: Running,
    file: TokenFile,
    reload: TokenReload,
    clock: Arc<SetClock>,
    _state: TempDir,
}

impl Known {
    fn start() -> Self {
        let state = tempdir().unwrap();
        let clock = Arc::new(SetClock(Mutex::new(SystemTime::now())));
        let (authenticator, reload) =
            TokenAuthenticator::with_clock(access(), state.path(), clock.clone()).unwrap();
        let server = Running::with(|config| config.authenticator = Arc::new(authenticator));
        let file = TokenFile::in_state_dir(state.path());
        Self { server, file, reload, clock, _state: state }
    }

    /// A new token that the server knows.
    fn add(&self, user: &str, lifetime: Option<Duration>) -> AccessToken {
        let (token, _) = self.file.add(user, self.clock.now(), lifetime).unwrap();
        self.reload.reload().unwrap();
        token
    }

    fn login(&self, token: &AccessToken, joins: Option<Token>) -> Client {
        client(&self.server, Some(&token.to_string()), joins, None)
    }

    /// Logs in from an address of its own, and is refused.
    fn refusal_from(&self, host: u8, token: &str) -> Reason {
        let socket = connect_from(host, self.server.addr);
        let mut client = Client::over(ScriptedStream::client(socket, Carrier::Plain));
        say_hello(&mut client, Some(token), None, None);
        refused(client).0
    }
}

fn access() -> Access {
    let mut policy = AccessPolicy::default();
    for name in ["alice", "bob"] {
        let mut user = UserPolicy::default();
        user.scope = Scope::everything();
        policy.users.insert(name.into(), user);
    }
    Access::new(policy)
}

/// Connects from an address of this machine, so that failed logins are not limited together.
fn connect_from(host: u8, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, host), 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    socket.into()
}

fn changed(token: &AccessToken, byte: usize) -> String {
    let mut secret = *token.secret();
    secret[byte] ^= 0x40;
    AccessToken::new(token.id(), secret).to_string()
}

fn names(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name != ".ftx").collect()
}

#[test]
fn a_token_that_differs_in_one_byte_or_character_is_refused() {
    let known = Known::start();
    let token = known.add("alice", None);
    let mut host = 0..=u8::MAX;
    for byte in 0..AccessToken::SECRET_BYTES {
        let reason = known.refusal_from(host.next().unwrap(), &changed(&token, byte));
        assert_eq!(reason, Reason::Unauthorised, "{byte}");
    }
    let text = token.to_string();
    for at in 0..text.len() {
        let other = if text[at..].starts_with('0') { "1" } else { "0" };
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        let reason = known.refusal_from(host.next().unwrap(), &changed);
        assert_eq!(reason, Reason::Unauthorised, "{at}");
    }
    welcomed(known.login(&token, None)).put("a.bin", b"hello");
    assert_eq!(known.server.read("a.bin"), b"hello");
}

#[test]
fn after_many_failures_an_address_has_to_wait() {
    let known = Known::start();
    let token = known.add("alice", None);
    for byte in 0..10 {
        assert_eq!(known.refusal_from(1, &changed(&token, byte)), Reason::Unauthorised);
    }
    assert_eq!(known.refusal_from(1, &token.to_string()), Reason::TooManyRequests);
    welcomed(known.login(&token, None));
}

#[test]
fn a_client_without_a_token_is_refused() {
    let known = Known::start();
    let (reason, message) = refused(client(&known.server, None, None, None));
    assert_eq!(reason, Reason::Unauthorised);
    assert!(message.contains("give a token"), "{message}");
    assert_eq!(names(known.server.path()), [""; 0]);
}

#[test]
fn a_token_ends_its_connections_when_it_expires() {
    let known = Known::start();
    let token = known.add("alice", Some(Duration::from_secs(3600)));
    let mut alice = welcomed(known.login(&token, None));
    let mut bob = welcomed(known.login(&known.add("bob", None), None));
    alice.put("a.bin", b"hello");
    *known.clock.0.lock().unwrap() += Duration::from_secs(3600);
    assert_eq!(refused(known.login(&token, None)).0, Reason::Unauthorised);
    // The server looks at the clock by itself.
    assert!(alice.is_closed_within(DEADLINE));
    bob.put("b.bin", b"hello");
}

#[test]
fn a_transfer_ends_with_its_token_and_is_resumed_with_another() {
    let known = Known::start();
    let [first, other, next] = ["alice", "bob", "alice"].map(|user| known.add(user, None));
    let mut busy = welcomed(known.login(&first, None));
    let mut bob = welcomed(known.login(&other, None));
    let file = content(1, 4 * MIB + 5);
    let id = busy.begin("a.bin", &file, 1).id;
    busy.send_blocks(id, &file, [0, 2]);
    // The server follows the file by itself.
    known.file.revoke(&first.id().to_string()).unwrap();
    assert!(busy.is_closed_within(DEADLINE));
    assert!(!known.server.exists("a.bin"));
    assert_eq!(refused(known.login(&first, None)).0, Reason::Unauthorised);
    bob.put("b.bin", b"hello");
    wait_until("it is gone", || known.server.active() == 1);
    let mut alice = welcomed(known.login(&next, None));
    assert_eq!(alice.upload("a.bin", &file, 1), (vec![1, 3, 4], false));
    assert!(known.server.read("a.bin") == file);
}

#[test]
fn the_session_of_another_user_is_refused() {
    let known = Known::start();
    let [alice, second, bob] = ["alice", "alice", "bob"].map(|user| known.add(user, None));
    let first = welcomed(known.login(&alice, None));
    welcomed(known.login(&second, Some(first.session())));
    let (reason, message) = refused(known.login(&bob, Some(first.session())));
    assert_eq!(reason, Reason::Unauthorised);
    assert!(message.contains("other credentials"), "{message}");
}
