//! Overwriting a published file.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Overwrite, Reply, Request};

use crate::client::{Client, new_id, offer};
use crate::frame::put_frame_if;
use crate::running::Running;
use crate::{MIB, content, digest};

/// Uploads as blocks, or says why not.
fn upload(
    client: &mut Client,
    name: &str,
    file: &[u8],
    overwrite: Overwrite,
) -> Result<bool, Reason> {
    let offered = client.offer(&offer(name, file.len(), overwrite, 1))?;
    let missing = (0..file.len().div_ceil(MIB) as u64)
        .filter(|&index| offered.have.get(&index) != Some(&crate::cv(file, index)));
    client.send_blocks(offered.id, file, missing);
    client.send(offered.id, &Request::Commit { digest: digest(file) });
    ended(client, offered.id)
}

fn put(client: &mut Client, name: &str, file: &[u8], overwrite: Overwrite) -> Result<bool, Reason> {
    let id = new_id();
    client.send_bytes(&put_frame_if(id, name, file, overwrite));
    ended(client, id)
}

fn ended(client: &mut Client, id: u32) -> Result<bool, Reason> {
    match client.reply_to(id) {
        Reply::Done { unchanged, .. } => Ok(unchanged),
        Reply::Failed { reason, .. } => Err(Reason::from_code(reason)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_choice_in_every_form() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    type Way = fn(&mut Client, &str, &[u8], Overwrite) -> Result<bool, Reason>;
    let ways: [(&str, Way, usize); 6] = [
        ("blocks", upload, 2 * MIB + 1),
        ("block", upload, 1000),
        ("none", upload, 0),
        ("tiny", put, 5),
        ("empty", put, 0),
        ("frame", put, 700_000),
    ];
    for (name, way, len) in ways {
        let (old, new) = (content(1, 300_000), content(2, len));
        let if_old = Overwrite::IfUnchanged(digest(&old));
        let client = &mut client;
        // Nothing is there.
        let failed = way(client, name, &new, if_old);
        assert_eq!(failed, Err(Reason::PreconditionFailed), "{name}");
        assert!(!server.exists(name));
        assert_eq!(way(client, name, &new, Overwrite::Fail), Ok(false), "{name}");
        assert!(server.read(name) == new, "{name}");
        // Something is there.
        let failed = way(client, name, &new, Overwrite::Fail);
        assert_eq!(failed, Err(Reason::AlreadyExists), "{name}");
        let failed = way(client, name, &new, if_old);
        assert_eq!(failed, Err(Reason::PreconditionFailed), "{name}");
        assert_eq!(way(client, name, &old, Overwrite::Replace), Ok(false), "{name}");
        assert!(server.read(name) == old, "{name}");
        assert_eq!(way(client, name, &new, if_old), Ok(false), "{name}");
        assert!(server.read(name) == new, "{name}");
        let if_new = Overwrite::IfUnchanged(digest(&new));
        assert!(way(client, name, &new, if_new).is_ok(), "{name}");
        assert!(server.read(name) == new, "{name}");
    }
}

/// Looked at when the offer comes, and again at the commit.
#[test]
fn a_change_between_offer_and_commit_counts() {
    let server = Running::start();
    let (old, new) = (content(1, MIB + 5), content(2, MIB + 5));
    let mut client = server.client().greet(None);
    let mut other = server.client().greet(None);
    let mut case = |name: &str, overwrite, before: Option<&[u8]>, meanwhile: &[u8]| {
        if let Some(before) = before {
            other.put(name, before);
        }
        let id = client.offer(&offer(name, new.len(), overwrite, 1)).unwrap().id;
        client.send_blocks(id, &new, 0..2);
        other.put(name, meanwhile);
        client.send(id, &Request::Commit { digest: digest(&new) });
        let failed = client.failure(id);
        assert!(server.read(name) == meanwhile, "{name}");
        // The bytes need not be sent again.
        assert_eq!(client.upload(name, &new, 1).0, [0_u64; 0], "{name}");
        failed
    };
    assert_eq!(case("new", Overwrite::Fail, None, b"x"), Reason::AlreadyExists);
    let old = &old[..MIB];
    let if_old = Overwrite::IfUnchanged(digest(old));
    assert_eq!(case("old", if_old, Some(old), b"x"), Reason::PreconditionFailed);
    let if_empty = Overwrite::IfUnchanged(digest(b""));
    assert_eq!(case("empty", if_empty, Some(b""), b"x"), Reason::PreconditionFailed);
}

#[test]
fn a_batch_sees_its_earlier_puts() {
    let server = Running::start();
    let mut client = server.client().greet(None);
    client.put("a", b"old");
    let if_old = Overwrite::IfUnchanged(digest(b"old"));
    let if_new = Overwrite::IfUnchanged(digest(b"new"));
    let ids: Vec<_> = (0..5).map(|_| new_id()).collect();
    let frames = [
        put_frame_if(ids[0], "a", b"new", Overwrite::Replace),
        put_frame_if(ids[1], "a", b"never", if_old),
        put_frame_if(ids[2], "a", b"last", if_new),
        put_frame_if(ids[3], "b", b"first", Overwrite::Fail),
        put_frame_if(ids[4], "b", b"second", Overwrite::Fail),
    ];
    client.send_bytes(&frames.concat());
    let ends: Vec<_> = ids.iter().map(|&id| ended(&mut client, id)).collect();
    let (failed, exists) = (Err(Reason::PreconditionFailed), Err(Reason::AlreadyExists));
    assert_eq!(ends, [Ok(false), failed, Ok(false), Ok(false), exists]);
    assert_eq!(server.read("a"), b"last");
    assert_eq!(server.read("b"), b"first");
}

/// Of many clients that each replace the version they saw, none undoes another's update.
#[test]
fn no_update_is_lost_between_clients_that_look_first() {
    let server = Running::threads(2);
    let count = |server: &Running| String::from_utf8(server.read("n")).unwrap();
    server.client().greet(None).put("n", b"0");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client().greet(None);
                let mut done = 0;
                while done < 25 {
                    let seen = client.download("n");
                    let number: u32 = std::str::from_utf8(&seen).unwrap().parse().unwrap();
                    let next = (number + 1).to_string();
                    let if_seen = Overwrite::IfUnchanged(digest(&seen));
                    match put(&mut client, "n", next.as_bytes(), if_seen) {
                        Ok(_) => done += 1,
                        Err(reason) => assert_eq!(reason, Reason::PreconditionFailed),
                    }
                }
            });
        }
    });
    assert_eq!(count(&server), "100");
}
