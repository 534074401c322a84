//! Credentials, and the sessions of different principals.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, Reply, Request, Token, server_preface};
use ftx_server::store::Refusal;
use ftx_server::{Authenticator, Credentials, Identity, Principal};

use tokio_util::sync::CancellationToken;

use crate::client::{Client, hello};
use crate::frame::Frame;
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

/// Takes the proof for the user's name, and refuses clients without one.
#[derive(Debug, Default)]
pub(crate) struct ByName {
    /// Cancelled to end the proofs of bob.
    bob_ended: CancellationToken,
}

impl Authenticator for ByName {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        assert!(credentials.peer.ip().is_loopback());
        let name = credentials.auth.filter(|name| *name != "mallory");
        let name = name.ok_or_else(|| Refusal::new(Reason::Unauthorised, "say your name"))?;
        let identity = Identity::permanent(Principal::user(name));
        let ended = if name == "bob" { self.bob_ended.clone() } else { identity.ended };
        Ok(Identity { ended, ..identity })
    }

    fn legacy(&self, _: SocketAddr) -> Result<Identity, Refusal> {
        Err(Refusal::new(Reason::Unauthorised, "users only"))
    }
}

fn server() -> Running {
    Running::with(|config| config.authenticator = Arc::new(ByName::default()))
}

/// A client that has said its hello.
pub(crate) fn client(
    server: &Running,
    user: Option<&str>,
    joins: Option<Token>,
    replaced: Option<Token>,
) -> Client {
    let mut client = server.client();
    say_hello(&mut client, user, joins, replaced);
    client
}

/// Says a hello with this proof.
pub(crate) fn say_hello(
    client: &mut Client,
    auth: Option<&str>,
    joins: Option<Token>,
    replaced: Option<Token>,
) {
    let Request::Hello { versions, features, agent, session, .. } = hello(joins) else { panic!() };
    let (auth, replaces) = (auth.map(str::to_owned), replaced);
    let hello = Request::Hello { versions, features, agent, session, auth, replaces };
    client.send_bytes(&[&CLIENT_PREFACE[..], &hello.encode(0).unwrap()].concat());
}

pub(crate) fn welcomed(mut client: Client) -> Client {
    client.hear_welcome();
    client
}

/// The answer to a client that is refused.
pub(crate) fn refused(mut client: Client) -> (Reason, String) {
    assert_eq!(client.preface(), server_preface(1));
    match client.frame() {
        Frame::Reply(0, Reply::Goodbye { reason, message }) => (Reason::from_code(reason), message),
        other => panic!("{other:?}"),
    }
}

fn refusal(client: Client) -> String {
    let (reason, message) = refused(client);
    assert_eq!(reason, Reason::Unauthorised);
    message
}

#[test]
fn a_refused_client_gets_the_reason() {
    let server = server();
    for user in [None, Some("mallory")] {
        assert_eq!(refusal(client(&server, user, None, None)), "say your name");
    }
    welcomed(client(&server, Some("alice"), None, None)).put("a.bin", b"hello");
    assert_eq!(server.read("a.bin"), b"hello");
    wait_until("the refused ones are counted", || server.monitor.snapshot().errors == 2);
}

#[test]
fn a_session_admits_its_own_principal_only() {
    let server = server();
    let first = welcomed(client(&server, Some("alice"), None, None));
    let token = first.session();
    let second = welcomed(client(&server, Some("alice"), Some(token), None));
    assert!(second.session() == token);
    let message = refusal(client(&server, Some("bob"), Some(token), None));
    assert!(message.contains("other credentials"), "{message}");
}

/// Replacing ends a session, so it would be a way to stop the uploads of others.
#[test]
fn the_session_of_another_is_not_replaced() {
    let server = server();
    let mut first = welcomed(client(&server, Some("alice"), None, None));
    let file = content(1, 2 * MIB + 5);
    let id = first.begin("a.bin", &file, 1).id;
    first.send_blocks(id, &file, 0..1);
    drop(welcomed(client(&server, Some("bob"), None, Some(first.session()))));
    first.send_blocks(id, &file, 1..3);
    assert!(!first.commit(id, &file));
    assert!(server.read("a.bin") == file);
}

#[test]
fn the_authenticator_may_refuse_legacy_clients() {
    let server = server();
    let mut legacy = server.client();
    // The id of the first request of an upload.
    legacy.send_bytes(&[0, 0, 0, 0, 0, 0, 0, 0x64]);
    assert!(legacy.is_closed_within(DEADLINE));
    wait_until("it is counted", || server.monitor.snapshot().refused == 1);
    assert_eq!(server.monitor.snapshot().legacy.connections, 0);
}

#[test]
fn a_connection_ends_with_the_proof_of_its_principal() {
    let bob_ended = CancellationToken::new();
    let by_name = ByName { bob_ended: bob_ended.clone() };
    let server = Running::with(|config| config.authenticator = Arc::new(by_name));
    let mut alice = welcomed(client(&server, Some("alice"), None, None));
    let mut idle = welcomed(client(&server, Some("bob"), None, None));
    let mut busy = welcomed(client(&server, Some("bob"), None, None));
    let file = content(1, 2 * MIB + 5);
    let id = busy.begin("b.bin", &file, 1).id;
    busy.send_blocks(id, &file, 0..1);
    bob_ended.cancel();
    assert!(idle.is_closed_within(DEADLINE));
    assert!(busy.is_closed_within(DEADLINE));
    alice.put("a.bin", b"hello");
    assert_eq!(server.read("a.bin"), b"hello");
    assert!(!server.exists("b.bin"));
}

/// The server has read hundreds of them already, and need not look at the connection for the next one.
#[test]
fn requests_that_wait_end_with_the_proof_of_their_principal() {
    let bob_ended = CancellationToken::new();
    let by_name = ByName { bob_ended: bob_ended.clone() };
    let server = Running::with(|config| config.authenticator = Arc::new(by_name));
    let mut bob = welcomed(client(&server, Some("bob"), None, None));
    let requests: Vec<u32> = (0..3000).collect();
    let made = |index: &u32| server.exists(&format!("d{index}"));
    let make = |&index: &u32| {
        Request::MakeDirectory { name: format!("d{index}") }.encode(index + 1).unwrap()
    };
    let bytes: Vec<u8> = requests.iter().flat_map(make).collect();
    let sending = thread::spawn(move || (bob.try_send_bytes(&bytes), bob));
    wait_until("some are served", || made(&450));
    bob_ended.cancel();
    let before = requests.partition_point(made);
    wait_until("it is gone", || server.active() == 0);
    let later = requests.partition_point(made) - before;
    assert!(later <= 20, "{later} requests were served");
    sending.join().unwrap();
}
