//! Several runs of clients that upload the same source.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ftx_core::native::Reason;
use ftx_core::native::wire::{CLIENT_PREFACE, Reply, Request, WAITING};

use crate::client::{Client, OpenedUpload, hello, new_id, offer_of};
use crate::frame::{Frame, block_frame};
use crate::resume::staged;
use crate::running::Running;
use crate::{DEADLINE, MIB, content, wait_until};

const LEN: usize = 4 * MIB + 5;
const SIZE: u64 = LEN as u64;

fn ping(client: &mut Client) {
    assert_eq!(client.ask(&Request::Ping { payload: 5 }), Reply::Pong { payload: 5 });
}

/// Offers a file and checks that the offer waits: the next request is answered first.
fn wait_in_line(client: &mut Client, name: &str, run: u8) -> u32 {
    let id = new_id();
    client.send(id, &offer_of(name, LEN, run, 7));
    ping(client);
    id
}

fn begin(client: &mut Client, name: &str, run: u8) -> OpenedUpload {
    client.offer(&offer_of(name, LEN, run, 7)).unwrap()
}

/// It has the whole file, and there is nothing to send.
fn find_it_there(client: &mut Client, id: u32, file: &[u8]) {
    let offered = client.hear_offered(id).unwrap();
    assert_eq!((offered.have.len(), offered.resumed), (5, 0));
    assert!(client.commit(id, file), "it was another file");
}

#[test]
fn the_second_run_waits_and_finds_the_file_there() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut first, mut second, mut third] = [(); 3].map(|()| server.client().greet(None));
    let id = begin(&mut first, "a.bin", 1).id;
    first.send_blocks(id, &file, 0..3);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    let waiting_too = wait_in_line(&mut third, "a.bin", 3);
    first.send_blocks(id, &file, 3..5);
    assert_eq!(staged(server.path()), 2);
    assert!(!first.commit(id, &file));
    find_it_there(&mut second, waiting, &file);
    find_it_there(&mut third, waiting_too, &file);
    assert_eq!(server.monitor.snapshot().bytes_in, SIZE);
    assert_eq!(staged(server.path()), 0);
}

#[test]
fn a_waiting_client_gets_the_progress_of_the_other_and_the_reason_if_it_understands_it() {
    let server = Running::start();
    let file = content(1, LEN);
    let mut first = server.client().greet(None);
    let id = begin(&mut first, "a.bin", 1).id;
    first.send_blocks(id, &file, 0..2);
    for understands in [true, false] {
        let mut waiting = server.client();
        let Request::Hello { versions, agent, session, auth, replaces, .. } = hello(None) else {
            panic!()
        };
        let features =
            if understands { vec!["x".to_owned(), WAITING.to_owned()] } else { Vec::new() };
        let hello = Request::Hello { versions, features, agent, session, auth, replaces };
        waiting.send_bytes(&[&CLIENT_PREFACE[..], &hello.encode(0).unwrap()].concat());
        waiting.preface();
        let Some(Frame::Reply(0, Reply::Welcome { features, .. })) = waiting.any_frame() else {
            panic!()
        };
        assert_eq!(features, if understands { vec![WAITING.to_owned()] } else { Vec::new() });
        let id = new_id();
        waiting.send(id, &offer_of("a.bin", LEN, 2 + u8::from(understands), 7));
        let is = |frame: Option<Frame>, expected: Reply| match frame {
            Some(Frame::Reply(request, reply)) => assert_eq!((request, reply), (id, expected)),
            other => panic!("{other:?}"),
        };
        if understands {
            is(waiting.any_frame(), Reply::Waiting);
        }
        for _ in 0..2 {
            is(waiting.any_frame(), Reply::Working { done: 2 * MIB as u64, total: SIZE });
        }
    }
}

/// Each run holds the name that the other one waits for. Its own name does not wait, whichever thread
/// serves it.
#[test]
fn runs_that_upload_the_same_in_another_order_do_not_wait_for_each_other_for_ever() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut one, mut other] = [(); 2].map(|()| server.client().greet(None));
    let a = begin(&mut one, "a.bin", 1).id;
    let b = begin(&mut other, "b.bin", 2).id;
    one.send_blocks(a, &file, 0..1);
    other.send_blocks(b, &file, 0..1);
    let b_of_one = wait_in_line(&mut one, "b.bin", 1);
    let a_of_other = wait_in_line(&mut other, "a.bin", 2);
    one.put("c.bin", b"small");
    one.send_blocks(a, &file, 1..5);
    other.send_blocks(b, &file, 1..5);
    assert!(!one.commit(a, &file));
    find_it_there(&mut other, a_of_other, &file);
    assert!(!other.commit(b, &file));
    find_it_there(&mut one, b_of_one, &file);
    assert!(server.read("a.bin") == file && server.read("b.bin") == file);
    assert_eq!(server.monitor.snapshot().bytes_in, 2 * SIZE + 5);
}

#[test]
fn another_source_has_a_staging_of_its_own() {
    let server = Running::start();
    let files = [content(1, LEN), content(2, LEN)];
    let mut clients = [(); 2].map(|()| server.client().greet(None));
    let mut ids = Vec::new();
    for (client, source) in clients.iter_mut().zip(1..) {
        let offered = client.offer(&offer_of("a.bin", LEN, source, source)).unwrap();
        assert!(offered.have.is_empty());
        ids.push(offered.id);
    }
    assert_eq!(staged(server.path()), 4);
    for ((client, id), file) in clients.iter_mut().zip(ids).zip(&files) {
        client.send_blocks(id, file, 0..5);
        client.commit(id, file);
        assert!(server.read("a.bin") == *file);
    }
}

#[test]
fn the_same_run_takes_over_at_once_before_those_that_wait() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut lost, mut waiting, mut back] = [(); 3].map(|()| server.client().greet(None));
    let old = begin(&mut lost, "a.bin", 1).id;
    lost.send_blocks(old, &file, [0, 2]);
    let id_of_waiting = wait_in_line(&mut waiting, "a.bin", 2);
    let offered = begin(&mut back, "a.bin", 1);
    assert_eq!((offered.have.len(), offered.resumed), (2, 2 * MIB as u64));
    lost.send_bytes(&block_frame(old, &file, 1));
    assert_eq!(lost.failure(old), Reason::TakenOver);
    // Nor is it another's turn when the server hears of the loss first.
    let session = back.session();
    let mut again = server.client().greet_again(session);
    let offered = begin(&mut again, "a.bin", 1);
    assert_eq!(offered.resumed, 2 * MIB as u64);
    ping(&mut waiting);
    again.send_blocks(offered.id, &file, [1, 3, 4]);
    again.commit(offered.id, &file);
    find_it_there(&mut waiting, id_of_waiting, &file);
}

#[test]
fn an_upload_that_is_given_up_is_the_next_ones_at_once() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    let id = begin(&mut first, "a.bin", 1).id;
    first.send_blocks(id, &file, 0..3);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    first.send(id, &Request::Abandon { discard: false });
    assert_eq!(first.failure(id), Reason::Cancelled);
    let offered = second.hear_offered(waiting).unwrap();
    assert_eq!(offered.resumed, 3 * MIB as u64);
    second.send_blocks(waiting, &file, 3..5);
    assert!(!second.commit(waiting, &file));
    assert!(server.read("a.bin") == file);
}

/// Its client is gone and does not come back.
#[test]
fn an_upload_that_is_lost_is_the_next_ones_soon() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    let id = begin(&mut first, "a.bin", 1).id;
    first.send_blocks(id, &file, 0..3);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    drop(first);
    assert_eq!(second.hear_offered(waiting).unwrap().resumed, 3 * MIB as u64);
}

#[test]
fn an_upload_that_stands_still_is_taken_over_and_waits_in_its_turn() {
    let server = Running::with(|config| config.timeouts.stall = Duration::from_secs(1));
    let file = content(1, LEN);
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    let id = begin(&mut first, "a.bin", 1).id;
    first.send_blocks(id, &file, 0..3);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    let offered = second.hear_offered(waiting).unwrap();
    assert_eq!((offered.have.len(), offered.resumed), (3, 3 * MIB as u64));
    first.send_bytes(&block_frame(id, &file, 3));
    assert_eq!(first.failure(id), Reason::TakenOver);
    let back = wait_in_line(&mut first, "a.bin", 1);
    second.send_blocks(waiting, &file, 3..5);
    second.commit(waiting, &file);
    find_it_there(&mut first, back, &file);
}

#[test]
fn a_waiting_client_may_leave_or_abandon_its_offer() {
    let server = Running::start();
    let file = content(1, LEN);
    let [mut first, mut gone, mut second] = [(); 3].map(|()| server.client().greet(None));
    let id = begin(&mut first, "a.bin", 1).id;
    wait_in_line(&mut gone, "a.bin", 2);
    let waiting = wait_in_line(&mut second, "a.bin", 3);
    let given_up = wait_in_line(&mut first, "a.bin", 4);
    drop(gone);
    wait_until("it is gone", || server.active() == 2);
    first.send(given_up, &Request::Abandon { discard: false });
    assert_eq!(first.failure(given_up), Reason::Cancelled);
    let early = wait_in_line(&mut first, "a.bin", 5);
    first.send(early, &Request::Commit { digest: crate::digest(&file) });
    assert_eq!(first.failure(early), Reason::OutOfStep);
    // Blocks for a waiting offer are dropped.
    second.send_bytes(&block_frame(waiting, &file, 0));
    ping(&mut second);
    first.send_blocks(id, &file, 0..5);
    first.commit(id, &file);
    find_it_there(&mut second, waiting, &file);
}

#[test]
fn an_id_that_waits_is_in_use() {
    let server = Running::start();
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    begin(&mut first, "a.bin", 1);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    second.send(waiting, &offer_of("b.bin", LEN, 2, 7));
    assert_eq!(second.goodbye(), Reason::OutOfStep);
}

#[test]
fn of_uploads_that_wait_a_connection_has_only_so_many() {
    let server = Running::start();
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    begin(&mut first, "a.bin", 1);
    for run in 2..66 {
        second.send(new_id(), &offer_of("a.bin", LEN, run, 7));
    }
    ping(&mut second);
    let id = new_id();
    second.send(id, &offer_of("a.bin", LEN, 100, 7));
    assert_eq!(second.failure(id), Reason::TooManyRequests);
    let mut third = server.client().greet(None);
    wait_in_line(&mut third, "a.bin", 101);
}

/// Nor does a shutdown wait for those that wait.
#[test]
fn a_connection_that_waits_does_not_idle() {
    let mut server = Running::with(|config| config.timeouts.idle = Duration::from_millis(500));
    let [mut first, mut second] = [(); 2].map(|()| server.client().greet(None));
    begin(&mut first, "a.bin", 1);
    let waiting = wait_in_line(&mut second, "a.bin", 2);
    let hears_enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !hears_enough.load(Relaxed) {
                ping(&mut first);
            }
        });
        for _ in 0..3 {
            match second.any_frame() {
                Some(Frame::Reply(request, Reply::Working { .. })) if request == waiting => {}
                other => panic!("{other:?}"),
            }
        }
        hears_enough.store(true, Relaxed);
    });
    server.ask_to_stop();
    assert_eq!(second.goodbye(), Reason::ShuttingDown);
    assert!(first.is_closed_within(DEADLINE));
}
