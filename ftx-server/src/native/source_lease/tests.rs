//! Turns, by a clock that the tests set.

use std::task::Poll;
use std::time::Duration;

use ftx_core::RemoteName;
use ftx_core::native::wire::Token;
use tokio::task::yield_now;
use tokio::time::advance;

use super::meter::MIN_MOVING_BYTES;
use crate::auth::Principal;

use super::{
    LeaseKey, LeaseRequest, LeaseTicket, MAX_QUEUED_OFFERS, PRECEDENCE_PER_PLACE, RETURN_TIMEOUT,
    SourceLease, SourceLeases,
};

const LIMIT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const SOURCE: Token = Token([7; 16]);

fn leases() -> SourceLeases {
    SourceLeases::new(LIMIT)
}

fn want(leases: &SourceLeases, run: u8) -> LeaseRequest {
    leases.request(key("alice", "a.bin", SOURCE), Token([run; 16]))
}

fn key(user: &str, name: &str, source: Token) -> LeaseKey {
    let (principal, name) = (Principal::user(user), RemoteName::parse(name).unwrap());
    LeaseKey { principal, name, source }
}

fn lease(leases: &SourceLeases, run: u8) -> SourceLease {
    match want(leases, run) {
        LeaseRequest::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn ticket(leases: &SourceLeases, run: u8) -> LeaseTicket {
    match want(leases, run) {
        LeaseRequest::Queued(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// The lease, if the turn has come by now.
async fn taken(ticket: &LeaseTicket) -> Option<SourceLease> {
    let mut turn = std::pin::pin!(ticket.turn());
    let polled = std::future::poll_fn(|context| Poll::Ready(turn.as_mut().poll(context))).await;
    match polled {
        Poll::Ready(lease) => Some(lease.expect("a newer offer stands here")),
        Poll::Pending => None,
    }
}

/// Whether no lease is held or awaited.
fn is_empty(leases: &SourceLeases) -> bool {
    leases.queues().by_key.is_empty()
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_of_one_source_the_second_one_waits_until_the_first_is_done() {
    let leases = leases();
    let first = lease(&leases, 1);
    let second = ticket(&leases, 2);
    assert!(taken(&second).await.is_none());
    // Another name, another source, and another principal, are another matter.
    for other in [
        key("alice", "b.bin", SOURCE),
        key("alice", "a.bin", Token([8; 16])),
        key("bob", "a.bin", SOURCE),
    ] {
        assert!(matches!(leases.request(other, Token([2; 16])), LeaseRequest::Granted(_)));
    }
    first.end();
    let second = taken(&second).await.unwrap();
    drop(first);
    assert!(matches!(want(&leases, 3), LeaseRequest::Queued(_)));
    second.end();
    assert!(is_empty(&leases));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_woken_for_its_turn() {
    let leases = leases();
    let first = lease(&leases, 1);
    let second = ticket(&leases, 2);
    let waiting = tokio::spawn(async move { second.turn().await.is_some() });
    yield_now().await;
    assert!(!waiting.is_finished());
    first.end();
    // The clock stands still meanwhile: it does not hear of it by looking again.
    yield_now().await;
    assert!(waiting.is_finished() && waiting.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_longest_waiter_gets_the_next_turn() {
    let leases = leases();
    let first = lease(&leases, 1);
    let line = [2, 3, 4].map(|run| ticket(&leases, run));
    first.end();
    assert!(taken(&line[2]).await.is_none() && taken(&line[1]).await.is_none());
    let second = taken(&line[0]).await.unwrap();
    second.end();
    assert!(taken(&line[2]).await.is_none());
    assert!(taken(&line[1]).await.is_some());
}

/// Its connection does something else, perhaps for ever.
#[tokio::test(start_paused = true)]
async fn a_missed_turn_delays_no_other_waiter() {
    let leases = leases();
    let first = lease(&leases, 1);
    let [idle, next] = [2, 3].map(|run| ticket(&leases, run));
    first.end();
    assert!(taken(&next).await.is_none());
    advance(PRECEDENCE_PER_PLACE).await;
    let third = taken(&next).await.unwrap();
    assert!(taken(&idle).await.is_none());
    third.end();
    assert!(taken(&idle).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_comes_back_takes_over_at_once() {
    let leases = leases();
    let old = lease(&leases, 1);
    let second = ticket(&leases, 2);
    let back = lease(&leases, 1);
    // The end of the old lease changes nothing.
    old.end();
    assert!(taken(&second).await.is_none());
    back.end();
    assert!(taken(&second).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_run_has_some_seconds_to_come_back_before_those_in_line() {
    let leases = leases();
    let old = lease(&leases, 1);
    let second = ticket(&leases, 2);
    drop(old);
    advance(RETURN_TIMEOUT - SECOND).await;
    assert!(taken(&second).await.is_none());
    let back = lease(&leases, 1);
    advance(SECOND).await;
    assert!(taken(&second).await.is_none());
    back.suspend();
    advance(RETURN_TIMEOUT).await;
    let second = taken(&second).await.unwrap();
    // Too late: it waits in line.
    let late = ticket(&leases, 1);
    second.end();
    assert!(taken(&late).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_in_line_means_that_nobody_waits() {
    let leases = leases();
    drop(lease(&leases, 1));
    assert!(is_empty(&leases));
    let _second = lease(&leases, 2);
    let _first = ticket(&leases, 1);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stands_still_is_overtaken_and_waits_in_its_turn() {
    let leases = leases();
    let first = lease(&leases, 1);
    first.stored(1 << 20);
    let second = ticket(&leases, 2);
    advance(LIMIT - SECOND).await;
    assert!(taken(&second).await.is_none());
    advance(SECOND).await;
    let second = taken(&second).await.unwrap();
    // The first learns of the takeover at its next step, and returns.
    let back = ticket(&leases, 1);
    first.suspend();
    advance(LIMIT - SECOND).await;
    second.stored(1 << 20);
    advance(LIMIT - SECOND).await;
    assert!(taken(&back).await.is_none());
    second.end();
    assert!(taken(&back).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_as_good_as_nothing_and_a_slow_line_is_not() {
    for (bytes_per_s, moves) in [(1, false), (1000, false), (3000, true), (100_000, true)] {
        let leases = leases();
        let first = lease(&leases, 1);
        let second = ticket(&leases, 2);
        let mut overtaken = None;
        for _ in 0..10 * LIMIT.as_secs() {
            advance(SECOND).await;
            first.arrived(bytes_per_s);
            if overtaken.is_none() {
                overtaken = taken(&second).await;
            }
        }
        assert_eq!(overtaken.is_none(), moves, "{bytes_per_s} bytes/s");
    }
}

/// Blocks that are begun again and again are no progress, however fast they come.
#[tokio::test(start_paused = true)]
async fn bytes_of_which_no_block_comes_count_for_a_while() {
    let leases = leases();
    let mut first = lease(&leases, 1);
    let second = ticket(&leases, 2);
    let mut overtaken = None;
    for _ in 0..1000 {
        advance(SECOND).await;
        first.arrived(1 << 20);
        overtaken = taken(&second).await;
        if overtaken.is_some() {
            break;
        }
        // It is cut all the time, and back at once.
        drop(first);
        first = lease(&leases, 1);
    }
    assert!(overtaken.is_some());
}

#[tokio::test(start_paused = true)]
async fn work_of_the_server_is_no_stall() {
    let leases = leases();
    let first = lease(&leases, 1);
    let second = ticket(&leases, 2);
    advance(LIMIT - SECOND).await;
    let work = first.begin_work();
    advance(10 * LIMIT).await;
    assert!(taken(&second).await.is_none());
    drop(work);
    assert!(taken(&second).await.is_none());
    advance(SECOND).await;
    assert!(taken(&second).await.is_some());
}

/// A client hashes the bytes that the server has already, and sends nothing meanwhile.
#[tokio::test(start_paused = true)]
async fn a_client_has_time_to_hash_the_servers_bytes() {
    let leases = leases();
    let first = lease(&leases, 1);
    let second = ticket(&leases, 2);
    first.begin_hashing(64 << 30, 100 << 30);
    assert_eq!(second.progress(), (64 << 30, 100 << 30));
    advance(LIMIT + Duration::from_secs(1023)).await;
    assert!(taken(&second).await.is_none());
    advance(SECOND).await;
    assert!(taken(&second).await.is_some());
}

/// Where a block takes longer than the limit, all would begin it again and again otherwise.
#[tokio::test(start_paused = true)]
async fn overtaking_without_progress_takes_longer_each_time() {
    let leases = leases();
    let mut holder = lease(&leases, 0);
    for (run, factor) in (1..).zip([1, 2, 4, 8, 16, 32, 64, 64]) {
        let next = ticket(&leases, run);
        advance(LIMIT * factor - SECOND).await;
        holder.arrived(MIN_MOVING_BYTES - 1);
        assert!(taken(&next).await.is_none(), "{factor}");
        advance(SECOND).await;
        holder = taken(&next).await.unwrap();
    }
    for (run, factor) in (100..).zip([64, 32, 16, 8, 4, 2, 1, 1]) {
        holder.stored(1);
        let next = ticket(&leases, run);
        advance(LIMIT * factor - SECOND).await;
        assert!(taken(&next).await.is_none(), "{factor}");
        advance(SECOND).await;
        holder = taken(&next).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_away_leaves_nothing() {
    let leases = leases();
    let first = lease(&leases, 1);
    let [gone, next] = [2, 3].map(|run| ticket(&leases, run));
    drop(gone);
    first.end();
    let second = taken(&next).await.unwrap();
    drop((next, second));
    assert!(is_empty(&leases));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_comes_back_keeps_its_place() {
    let leases = leases();
    let first = lease(&leases, 1);
    let [old, next] = [2, 3].map(|run| ticket(&leases, run));
    let back = ticket(&leases, 2);
    assert!(old.turn().await.is_none());
    drop(old);
    first.end();
    assert!(taken(&next).await.is_none());
    assert!(taken(&back).await.is_some());
}

/// The same tokens in another's offers neither wait for an upload, nor take its lease or its progress.
#[tokio::test(start_paused = true)]
async fn runs_of_different_principals_do_not_meet() {
    let leases = leases();
    let alice = lease(&leases, 1);
    alice.begin_hashing(5, 10);
    let waits = ticket(&leases, 2);
    for run in [1, 2, 3] {
        let bob = leases.request(key("bob", "a.bin", SOURCE), Token([run; 16]));
        let LeaseRequest::Granted(bob) = bob else { panic!("{bob:?}") };
        bob.end();
    }
    assert!(taken(&waits).await.is_none());
    assert_eq!(waits.progress(), (5, 10));
    alice.end();
    assert!(taken(&waits).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_line_has_an_end() {
    let leases = leases();
    let _first = lease(&leases, 1);
    let runs = (0..).map(|run: u128| Token((run + 1000).to_le_bytes()));
    let mut line = Vec::new();
    for run in runs {
        match leases.request(key("alice", "a.bin", SOURCE), run) {
            LeaseRequest::Queued(ticket) => line.push(ticket),
            LeaseRequest::QueueFull => break,
            LeaseRequest::Granted(lease) => panic!("{lease:?}"),
        }
    }
    assert_eq!(line.len(), MAX_QUEUED_OFFERS);
    line.pop();
    let _other = ticket(&leases, 2);
}
