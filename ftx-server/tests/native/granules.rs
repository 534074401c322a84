//! The memory of granules of eight blocks: of a server that has memory for one of them.

use std::thread;
use std::time::Duration;

use ftx_core::native::wire::{Reply, Request};
use ftx_core::native::{Granule, Reason};
use ftx_server::store::memory::MemStore;
use ftx_server::{Config, Limit};

use crate::client::Client;
use crate::frame::{Frame, block_frame};
use crate::running::Running;
use crate::{MIB, content, wait_until};

const GRANULE: u32 = 8;

/// Two granules, the last of which has a short block.
const LEN: usize = 15 * MIB + 5;

fn serve(set: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    config.limits.granule_memory_bytes = 8 * MIB as u64;
    config.timeouts.grace = Duration::from_millis(200);
    set(&mut config);
    let store = || MemStore::new().with_granule(Granule::new(GRANULE).unwrap());
    Running::of_store(tempfile::tempdir().unwrap(), config, store)
}

/// Bytes of memory in use.
fn used(server: &Running) -> u64 {
    server.monitor.snapshot().granule_bytes
}

fn waits(server: &Running) -> u64 {
    let limits = server.monitor.snapshot().limits;
    limits.iter().find(|(limit, _)| *limit == Limit::GranuleMemory).map_or(0, |&(_, met)| met)
}

/// Sends blocks to a server that may not read.
fn send(client: &Client, id: u32, file: &[u8], blocks: std::ops::Range<u64>) -> impl Sized + use<> {
    let (mut writer, file) = (client.reader(), file.to_vec());
    thread::spawn(move || {
        for index in blocks {
            writer.try_send_bytes(&block_frame(id, &file, index));
        }
    })
}

fn hear_stored(client: &mut Client, id: u32, blocks: std::ops::Range<u64>) {
    for index in blocks {
        assert_eq!(client.reply_to(id), Reply::Stored { index });
    }
}

/// Sends the first half of a granule over a further connection of the client.
fn begin_granule(server: &Running, client: &Client, id: u32, file: &[u8]) -> Client {
    let before = server.monitor.snapshot().bytes_in;
    let mut extra = server.client().greet(Some(client.session()));
    (0..4).for_each(|index| extra.send_bytes(&block_frame(id, file, index)));
    let arrived = before + 4 * MIB as u64;
    wait_until("the blocks have arrived", || server.monitor.snapshot().bytes_in == arrived);
    assert_eq!(used(server), 8 * MIB as u64);
    extra
}

#[test]
fn a_lost_connection_gives_the_memory_of_its_granule_back() {
    let server = serve(|_| {});
    let (mut one, mut other) = (server.client().greet(None), server.client().greet(None));
    let (file, also) = (content(1, LEN), content(2, 8 * MIB));
    let id = one.begin("a", &file, 1).id;
    let extra = begin_granule(&server, &one, id, &file);
    let its = other.begin("b", &also, 2).id;
    let _sending = send(&other, its, &also, 0..8);
    wait_until("the other one waits", || waits(&server) == 1);
    assert!(
        matches!(other.any_frame(), Some(Frame::Reply(id, Reply::Working { .. })) if id == its)
    );
    drop(extra);
    hear_stored(&mut other, its, 0..8);
    assert!(!other.commit(its, &also));
    assert_eq!(used(&server), 0);
    // The granule is sent again, as a whole.
    for granule in [0..8, 8..16] {
        let _sending = send(&one, id, &file, granule.clone());
        hear_stored(&mut one, id, granule);
    }
    assert!(!one.commit(id, &file));
    assert!(one.download("a") == file && one.download("b") == also);
    assert_eq!(used(&server), 0);
}

#[test]
fn a_granule_that_is_left_makes_room_for_the_next_one() {
    let server = serve(|_| {});
    let mut client = server.client().greet(None);
    let file = content(1, LEN);
    let id = client.begin("a", &file, 1).id;
    (0..4).for_each(|index| client.send_bytes(&block_frame(id, &file, index)));
    for granule in [8..16, 0..8] {
        let _sending = send(&client, id, &file, granule.clone());
        hear_stored(&mut client, id, granule);
    }
    assert!(!client.commit(id, &file));
    assert_eq!((used(&server), waits(&server)), (0, 0));
    assert!(client.download("a") == file);
}

#[test]
fn an_upload_that_ends_within_a_granule_gives_its_memory_back() {
    let server = serve(|_| {});
    let mut client = server.client().greet(None);
    let file = content(1, LEN);
    // A damaged block, a cancelled upload, and a lost client.
    let id = client.begin("a", &file, 1).id;
    let mut damaged = block_frame(id, &file, 0);
    *damaged.last_mut().unwrap() ^= 1;
    client.send_bytes(&damaged);
    assert_eq!(client.failure(id), Reason::BlockMismatch);
    assert_eq!(used(&server), 0);
    let id = client.begin("a", &file, 1).id;
    let _extra = begin_granule(&server, &client, id, &file);
    client.send(id, &Request::Abandon { discard: true });
    assert_eq!(client.failure(id), Reason::Cancelled);
    assert_eq!(used(&server), 0);
    let id = client.begin("a", &file, 1).id;
    let _extra = begin_granule(&server, &client, id, &file);
    drop(client);
    wait_until("the memory is back", || used(&server) == 0);
}

#[test]
fn a_client_does_not_sit_on_a_granule() {
    let server = serve(|config| config.timeouts.stall = Duration::from_millis(300));
    let mut client = server.client().greet(None);
    let file = content(1, LEN);
    let id = client.begin("a", &file, 1).id;
    client.send_bytes(&block_frame(id, &file, 0));
    assert_eq!(client.goodbye(), Reason::TimedOut);
    wait_until("the memory is back", || used(&server) == 0);
}
