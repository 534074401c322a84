//! Clients that do anything at any time, while others look.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ftx_core::native::wire::{Overwrite, Reply, Request};

use crate::client::{Client, new_id, offer};
use crate::frame::{Frame, block_frame, put_frame};
use crate::running::Running;
use crate::{MIB, content, digest, wait_until};

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// The contents that the name may have.
fn versions() -> Vec<Vec<u8>> {
    let mut versions: Vec<_> =
        [3 * MIB + 1, 3 * MIB + 1, 2 * MIB, 700_000, 50].map(|len| content(len as u64, len)).into();
    // The second is the first but for one block.
    versions[1] = versions[0].clone();
    versions[1][MIB] ^= 1;
    versions
}

/// One life of a client: it begins an upload and gets somewhere with it.
fn live(server: &Running, versions: &[Vec<u8>], dice: &mut Dice) {
    let file = &versions[dice.roll(versions.len() as u64) as usize];
    let mut client = server.client().greet(None);
    if file.len() <= MIB && dice.roll(2) == 0 {
        let id = new_id();
        let frame = put_frame(id, "a", file);
        let cut = dice.roll(frame.len() as u64 * 2) as usize;
        client.send_bytes(&frame[..cut.min(frame.len())]);
        if cut >= frame.len() {
            client.reply_to(id);
        }
        return;
    }
    let writer = dice.roll(3) as u8;
    let Ok(offered) = client.offer(&offer("a", file.len(), Overwrite::Replace, writer)) else {
        return;
    };
    let mut second = (dice.roll(2) == 0).then(|| server.client().greet(Some(client.session())));
    for index in 0..file.len().div_ceil(MIB) as u64 {
        if offered.have.get(&index) == Some(&crate::cv(file, index)) {
            continue;
        }
        let frame = block_frame(offered.id, file, index);
        let sender = match &mut second {
            Some(second) if dice.roll(2) == 0 => second,
            _ => &mut client,
        };
        match dice.roll(12) {
            // It leaves.
            0 => return,
            // It leaves in the middle.
            1 => {
                sender.try_send_bytes(&frame[..dice.roll(frame.len() as u64) as usize]);
                return;
            }
            _ => {
                sender.send_bytes(&frame);
                // It may be taken over at any time.
                if !matches!(sender.frame(), Frame::Reply(_, Reply::Stored { .. })) {
                    return;
                }
            }
        }
    }
    let end = match dice.roll(8) {
        0 => Request::Abandon { discard: true },
        1 => Request::Abandon { discard: false },
        _ => Request::Commit { digest: digest(file) },
    };
    client.send(offered.id, &end);
    if dice.roll(4) > 0 {
        client.frame();
    }
}

fn look(client: &mut Client, digests: &[ftx_core::native::blocks::Digest]) {
    let id = new_id();
    client.send(id, &Request::Digest { name: "a".to_owned() });
    match client.reply_to(id) {
        Reply::Found { .. } => {}
        Reply::Failed { .. } => return,
        other => panic!("{other:?}"),
    }
    match client.reply_to(id) {
        Reply::End { digest: Some(digest) } => assert!(digests.contains(&digest), "{digest}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_name_always_stands_for_one_of_the_clients_files() {
    let server = Running::threads(2);
    let versions = versions();
    let digests: Vec<_> = versions.iter().map(|file| digest(file)).collect();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (server, versions, digests, over) = (&server, &versions, &digests, &over);
        let looking = scope.spawn(move || {
            let mut client = server.client().greet(None);
            while !over.load(Relaxed) {
                look(&mut client, digests);
            }
        });
        let clients: Vec<_> = (1..=4_u64)
            .map(|seed| {
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 + seed);
                    (0..200).for_each(|_| live(server, versions, &mut dice));
                })
            })
            .collect();
        let ended: Vec<_> = clients.into_iter().map(|client| client.join().is_ok()).collect();
        over.store(true, Relaxed);
        assert!(looking.join().is_ok() && ended.iter().all(|ended| *ended));
    });
    wait_until("all are gone", || server.active() == 0);
    assert!(server.monitor.snapshot().uploads > 40);
    let mut client = server.client().greet(None);
    client.upload("a", &versions[0], 9);
    assert!(server.read("a") == versions[0]);
    assert_eq!(crate::resume::staged(server.path()), 0);
}
