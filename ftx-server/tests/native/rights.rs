//! What clients see of a server that gives each user some rights.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, GetScope, Listed, Meta, Reply, Request};
use ftx_server::store::{Refusal, ScopedStore};
use ftx_server::{
    Access, AccessPolicy, Authenticator, Credentials, Grant, GrantPath, Grants, Identity,
    Principal, Rights, Scope, UserPolicy,
};

use crate::client::{Client, get, hello, new_id};
use crate::frame::{Frame, put_frame};
use crate::running::Running;
use crate::{MIB, content, digest};

/// Takes the proof for the user's name.
#[derive(Debug)]
struct NamedUsers;

impl Authenticator for NamedUsers {
    fn authenticate(&self, credentials: Credentials<'_>) -> Result<Identity, Refusal> {
        let name = credentials.auth.map(Principal::user);
        Ok(Identity::permanent(name.unwrap_or(Principal::Anonymous)))
    }

    fn legacy(&self, _: SocketAddr) -> Result<Identity, Refusal> {
        Err(Refusal::new(Reason::Unauthorised, "users only"))
    }
}

fn scope(grants: &[(&str, Rights)]) -> Scope {
    let grant = |&(path, rights)| Grant { path: GrantPath::parse(path).unwrap(), rights };
    let mut scope = Scope::default();
    scope.grants = Grants::new(grants.iter().map(grant));
    scope
}

fn policy(users: &[(&str, Scope)]) -> AccessPolicy {
    let mut policy = AccessPolicy::default();
    for (name, scope) in users {
        let mut user = UserPolicy::default();
        user.scope = scope.clone();
        policy.users.insert((*name).into(), user);
    }
    policy
}

/// A server for these users, and the handle of their rights.
fn server(users: &[(&str, Scope)]) -> (Running, Access) {
    let access = Access::new(policy(users));
    let given = access.clone();
    let set = move |config: &mut ftx_server::Config| {
        config.access = given;
        config.authenticator = Arc::new(NamedUsers);
    };
    let root = tempfile::tempdir().unwrap();
    (Running::serving(root, set, |_| {}, ScopedStore::new), access)
}

fn client(server: &Running, user: &str) -> Client {
    let Request::Hello { versions, features, agent, session, replaces, .. } = hello(None) else {
        panic!()
    };
    let auth = Some(user.to_owned());
    let hello = Request::Hello { versions, features, agent, session, auth, replaces };
    let mut client = server.client();
    client.send_bytes(&[&CLIENT_PREFACE[..], &hello.encode(0).unwrap()].concat());
    client.hear_welcome();
    client
}

fn put(client: &mut Client, name: &str, bytes: &[u8]) -> Result<bool, (Reason, String)> {
    let id = new_id();
    client.send_bytes(&put_frame(id, name, bytes));
    match client.reply_to(id) {
        Reply::Done { digest: told, unchanged } if told == digest(bytes) => Ok(unchanged),
        Reply::Failed { reason, message } => Err((Reason::from_code(reason), message)),
        other => panic!("{other:?}"),
    }
}

/// Why a request that moves no file fails.
fn refused(client: &mut Client, request: &Request) -> Option<Reason> {
    match client.ask(request) {
        Reply::Failed { reason, .. } => Some(Reason::from_code(reason)),
        _ => None,
    }
}

fn list(name: &str) -> Request {
    Request::List { name: name.to_owned(), recursive: true, after: None, limit: 100 }
}

fn listed(client: &mut Client, name: &str) -> Vec<String> {
    match client.ask(&list(name)) {
        Reply::Entries { entries, more: false } => {
            entries.iter().map(Listed::raw_name).map(String::from).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn stat(name: &str) -> Request {
    Request::Stat { name: name.to_owned() }
}

fn remove(name: &str) -> Request {
    Request::Remove { name: name.to_owned() }
}

#[test]
fn the_user_of_a_drop_box_meets_an_empty_server() {
    let (server, _) = server(&[("alice", scope(&[("drop/", Rights::CREATE)]))]);
    fs::create_dir(server.path().join("drop")).unwrap();
    fs::write(server.path().join("drop/there"), "x").unwrap();
    let mut alice = client(&server, "alice");
    assert_eq!(put(&mut alice, "drop/a", b"hello"), Ok(false));
    assert_eq!(server.read("drop/a"), b"hello");
    assert_eq!(listed(&mut alice, ""), [""; 0]);
    for name in ["drop", "drop/a", "drop/there", "drop/missing"] {
        for request in [stat(name), list(name), remove(name), get(name, None, GetScope::Whole)] {
            assert_eq!(refused(&mut alice, &request), Some(Reason::NotFound), "{request:?}");
        }
    }
    let check = |name: &str| {
        let (name, size, meta) = (name.to_owned(), 5, Meta::default());
        Request::Check { name, size, meta, digest: digest(b"hello") }
    };
    assert_eq!(alice.ask(&check("drop/a")), Reply::Wanted);
    let texts = ["x", "drop", "drop2/x"].map(|name| {
        let (reason, message) = put(&mut alice, name, b"x").unwrap_err();
        assert_eq!(reason, Reason::Forbidden);
        message.replace(&format!("{name:?}"), "NAME")
    });
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
}

#[test]
fn a_taken_name_of_a_drop_box_gets_a_number() {
    let (server, _) = server(&[
        ("alice", scope(&[("drop/", Rights::CREATE)])),
        ("carol", scope(&[("drop/", Rights::all())])),
    ]);
    let large = content(1, MIB + 5);
    let mut alice = client(&server, "alice");
    assert_eq!(put(&mut alice, "drop/a", b"hello"), Ok(false));
    assert_eq!(put(&mut alice, "drop/a", b"hello"), Ok(false));
    let (sent, unchanged) = alice.upload("drop/a", &large, 1);
    assert_eq!((sent.len(), unchanged), (2, false));
    // Nothing of the other files is offered to be reused.
    let (sent, unchanged) = alice.upload("drop/a", &large, 2);
    assert_eq!((sent.len(), unchanged), (2, false));
    assert_eq!(
        (server.read("drop/a"), server.read("drop/a~2")),
        (b"hello".into(), b"hello".into())
    );
    assert!(server.read("drop/a~3") == large && server.read("drop/a~4") == large);
    let mut carol = client(&server, "carol");
    assert_eq!(listed(&mut carol, "drop"), ["drop/a", "drop/a~2", "drop/a~3", "drop/a~4"]);
}

#[test]
fn the_user_of_a_drop_box_resumes_an_upload() {
    let (server, _) = server(&[("alice", scope(&[("drop/", Rights::CREATE)]))]);
    fs::create_dir(server.path().join("drop")).unwrap();
    fs::write(server.path().join("drop/a"), "x").unwrap();
    let file = content(1, 3 * MIB);
    let mut lost = client(&server, "alice");
    let id = lost.begin("drop/a", &file, 1).id;
    lost.send_blocks(id, &file, [0, 2]);
    drop(lost);
    let (sent, unchanged) = client(&server, "alice").upload("drop/a", &file, 1);
    assert_eq!((sent, unchanged), (vec![1], false));
    assert!(server.read("drop/a~2") == file);
}

#[test]
fn a_reader_changes_nothing() {
    let (server, _) = server(&[("alice", scope(&[("docs/", Rights::LIST | Rights::READ)]))]);
    fs::create_dir(server.path().join("docs")).unwrap();
    fs::write(server.path().join("docs/a"), "hello").unwrap();
    fs::write(server.path().join("secret"), "x").unwrap();
    let mut alice = client(&server, "alice");
    assert_eq!(listed(&mut alice, ""), ["docs", "docs/a"]);
    assert_eq!(alice.download("docs/a"), b"hello");
    let (reason, message) = put(&mut alice, "docs/a", b"other").unwrap_err();
    assert_eq!(reason, Reason::Forbidden);
    assert!(message.contains("\"docs/a\"") && message.contains("ask"), "{message}");
    for name in ["docs/a", "docs/missing"] {
        assert_eq!(refused(&mut alice, &remove(name)), Some(Reason::Forbidden));
    }
    for request in [stat("secret"), get("secret", None, GetScope::Whole), remove("secret")] {
        assert_eq!(refused(&mut alice, &request), Some(Reason::NotFound));
    }
    assert_eq!((server.read("docs/a"), server.read("secret")), (b"hello".into(), b"x".into()));
}

#[test]
fn a_user_without_replace_keeps_the_older_file() {
    let rights = Rights::LIST | Rights::READ | Rights::CREATE;
    let (server, _) = server(&[("alice", scope(&[("d/", rights)]))]);
    let mut alice = client(&server, "alice");
    put(&mut alice, "d/a", b"old").unwrap();
    let (reason, message) = put(&mut alice, "d/a", b"new").unwrap_err();
    assert_eq!(reason, Reason::AlreadyExists);
    assert!(message.contains("you may not replace it"), "{message}");
    let offer = crate::client::offer("d/a", 3, ftx_core::native::wire::Overwrite::Replace, 1);
    assert_eq!(alice.offer(&offer).unwrap_err(), Reason::AlreadyExists);
    assert_eq!(server.read("d/a"), b"old");
}

#[test]
fn a_quota_limits_what_a_user_stores() {
    let mut limited = scope(&[("d/", Rights::all())]);
    limited.quota_bytes = Some(2 * MIB as u64);
    limited.max_file_bytes = Some(3 * MIB as u64 / 2);
    let (server, _) = server(&[("alice", limited)]);
    let file = content(1, 3 * MIB / 2);
    let mut alice = client(&server, "alice");
    let open = alice.begin("d/a", &file, 1);
    // What another connection of the same user may store is less by the upload that runs.
    let mut other = client(&server, "alice");
    let (reason, message) = put(&mut other, "d/b", &content(2, MIB)).unwrap_err();
    assert_eq!(reason, Reason::QuotaExceeded);
    assert!(message.contains("quota of 2.1 MB"), "{message}");
    alice.send_blocks(open.id, &file, 0..2);
    alice.commit(open.id, &file);
    assert_eq!(put(&mut other, "d/b", &content(2, MIB)).unwrap_err().0, Reason::QuotaExceeded);
    assert_eq!(other.ask(&remove("d/a")), Reply::Removed);
    assert_eq!(put(&mut other, "d/b", &content(2, MIB)), Ok(false));
    let offer = crate::client::offer_of("d/c", 3 * MIB / 2 + 1, 1, 1);
    assert_eq!(other.offer(&offer).unwrap_err(), Reason::TooLarge);
}

#[test]
fn new_rights_act_on_open_connections() {
    let (server, access) = server(&[("alice", scope(&[("d/", Rights::all())]))]);
    let mut alice = client(&server, "alice");
    let file = content(1, 2 * MIB);
    alice.upload("d/a", &file, 1);
    let ranges = vec![ftx_core::native::blocks::BlockRange { first: 0, count: 1 }];
    let id = new_id();
    alice.send(id, &get("d/a", None, GetScope::Blocks(ranges.clone())));
    let Reply::Found { version, .. } = alice.reply_to(id) else { panic!() };
    assert!(matches!(alice.frame(), Frame::Block { .. }));
    assert_eq!(alice.reply_to(id), Reply::End { digest: None });
    let open = alice.begin("d/b", &file, 1);
    alice.send_blocks(open.id, &file, 0..2);

    access.replace(policy(&[("alice", scope(&[("d/", Rights::LIST)]))]));
    // The server has the file open.
    let again = get("d/a", Some(version), GetScope::Blocks(ranges));
    assert_eq!(refused(&mut alice, &again), Some(Reason::Forbidden));
    alice.send(open.id, &Request::Commit { digest: digest(&file) });
    assert_eq!(alice.failure(open.id), Reason::Forbidden);
    assert!(!server.exists("d/b"));
    access.replace(policy(&[("alice", scope(&[("d/", Rights::all())]))]));
    // The blocks that were sent are there.
    assert_eq!(alice.upload("d/b", &file, 1), (vec![], false));
    assert_eq!(alice.ask(&remove("d/a")), Reply::Removed);
    assert_eq!(put(&mut alice, "d/a", b"x"), Ok(false));
}
