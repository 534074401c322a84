//! Uploads of different principals to one name: nobody learns, takes or stops the upload of another.

use std::sync::Arc;

use ftx_core::native::wire::{Reply, Request};

use crate::client::{Client, new_id, offer_of};
use crate::identities::{ByName, client, welcomed};
use crate::resume::staged;
use crate::running::Running;
use crate::{MIB, content, digest};

const LEN: usize = 4 * MIB + 5;

/// The tokens of alice's client, which bob has found out.
const RUN: u8 = 1;
const SOURCE: u8 = 7;

fn server_in(root: tempfile::TempDir) -> Running {
    Running::in_root(root, |config| config.authenticator = Arc::new(ByName::default()))
}

fn user(server: &Running, name: &str) -> Client {
    welcomed(client(server, Some(name), None, None))
}

/// Bob offers the file of alice. He neither waits, nor learns a chaining value, nor publishes her bytes.
fn attack(server: &Running, file: &[u8]) {
    let mut bob = user(server, "bob");
    for run in [RUN + 1, RUN] {
        let (id, ping) = (new_id(), new_id());
        bob.send(id, &offer_of("a.bin", LEN, run, SOURCE));
        bob.send(ping, &Request::Ping { payload: 5 });
        // Before the ping: an offer that waits is overtaken.
        let offered = bob.hear_offered(id).unwrap();
        assert_eq!(bob.reply_to(ping), Reply::Pong { payload: 5 });
        assert_eq!((offered.have.len(), offered.resumed), (0, 0));
        bob.send(offered.id, &Request::Commit { digest: digest(file) });
        assert!(matches!(bob.reply_to(offered.id), Reply::Failed { .. }));
    }
    assert!(!server.exists("a.bin"));
}

#[test]
fn nobody_learns_or_publishes_the_upload_of_another() {
    let server = server_in(tempfile::tempdir().unwrap());
    let file = content(1, LEN);
    let mut alice = user(&server, "alice");
    let id = alice.offer(&offer_of("a.bin", LEN, RUN, SOURCE)).unwrap().id;
    alice.send_blocks(id, &file, 0..5);
    // While she uploads …
    attack(&server, &file);
    // … when she has been interrupted …
    drop(alice);
    let mut alice = user(&server, "alice");
    let offered = alice.offer(&offer_of("a.bin", LEN, RUN, SOURCE)).unwrap();
    assert_eq!(offered.have.len(), 5);
    alice.send(offered.id, &Request::Abandon { discard: false });
    alice.reply_to(offered.id);
    attack(&server, &file);
    // … and after a restart of the server.
    drop(alice);
    let (_, root) = server.stop();
    let server = server_in(root);
    attack(&server, &file);
    let mut alice = user(&server, "alice");
    let offered = alice.offer(&offer_of("a.bin", LEN, RUN + 1, SOURCE)).unwrap();
    assert_eq!(offered.have.len(), 5);
    assert!(!alice.commit(offered.id, &file));
    assert!(server.read("a.bin") == file);
    assert_eq!(staged(server.path()), 0);
}

/// Somebody may replace the file; the upload of another goes on, before and after a restart.
#[test]
fn publishing_a_name_does_not_end_the_uploads_of_others() {
    let server = server_in(tempfile::tempdir().unwrap());
    let (file, other) = (content(1, LEN), content(2, LEN));
    let mut alice = user(&server, "alice");
    let id = alice.offer(&offer_of("a.bin", LEN, RUN, SOURCE)).unwrap().id;
    alice.send_blocks(id, &file, 0..5);
    alice.send(id, &Request::Abandon { discard: false });
    alice.reply_to(id);
    user(&server, "bob").upload("a.bin", &other, RUN);
    drop(alice);
    let (_, root) = server.stop();
    let server = server_in(root);
    let mut bob = user(&server, "bob");
    let id = new_id();
    bob.send_bytes(&crate::frame::put_frame(id, "a.bin", b"small"));
    assert!(matches!(bob.reply_to(id), Reply::Done { .. }));
    let mut alice = user(&server, "alice");
    let offered = alice.offer(&offer_of("a.bin", LEN, RUN, SOURCE)).unwrap();
    assert_eq!(offered.have.len(), 5);
    assert!(!alice.commit(offered.id, &file));
    assert!(server.read("a.bin") == file);
}
