//! The choice of the next message: windows, limits, probes, and files that fail on this side.

use ftx_core::native::blocks::{BLOCK_BYTES, Cv, PartialManifest};
use ftx_core::native::upload::{
    NextUpload, SentFile, StreamLimits, UploadEnd, UploadRequests, UploadStep,
};
use ftx_core::native::wire::{Overwrite, Reply};
use ftx_core::native::{Reason, StepError};

use super::{
    A, DONE, FILE, HOME, ID, SIZE, WINDOW, all_sent, claimed, done, failed, offered, ready,
    requests, sent, step, working,
};

#[test]
fn waiting_offers_leave_room_for_others_and_keep_their_place() {
    let mut requests = requests();
    for request in 1..=8 {
        assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
        requests.offer(HOME, request, FILE, PartialManifest::new(SIZE), None);
    }
    assert_eq!(requests.next(HOME), NextUpload::Wait);
    for request in 1..=8 {
        requests.on_reply(HOME, request, Reply::Waiting).unwrap();
    }
    assert_eq!(step(&mut requests, working()), UploadStep::KeptPlace);
    for request in 9..=16 {
        assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
        requests.offer(HOME, request, FILE, PartialManifest::new(SIZE), None);
        requests.on_reply(HOME, request, Reply::Waiting).unwrap();
    }
    assert_eq!(requests.next(HOME), NextUpload::Wait, "a server allows 16");
}

#[test]
fn a_window_is_shared_by_all_files_of_a_connection() {
    let mut requests = requests();
    requests.put(HOME, 9, FILE, SentFile { size: BLOCK_BYTES, ..sent() }, None);
    requests.offer(HOME, ID, FILE, PartialManifest::new(8 * BLOCK_BYTES), None);
    step(&mut requests, ready(1));
    for index in 0..3 {
        assert_eq!(claimed(&mut requests, HOME), index);
        requests.sent(ID, index, A).unwrap();
    }
    assert_eq!(requests.next(HOME), NextUpload::Wait);
    assert_eq!(claimed(&mut requests, 1), 3);
    requests.on_reply(HOME, 9, done(DONE, false)).unwrap();
    assert_eq!(claimed(&mut requests, HOME), 4);
}

/// They get no reply any more.
#[test]
fn blocks_of_a_failed_file_take_no_room() {
    let mut requests = requests();
    for request in [1, 2] {
        requests.offer(HOME, request, FILE, PartialManifest::new(8 * BLOCK_BYTES), None);
        requests.on_reply(HOME, request, ready(1)).unwrap();
    }
    for index in 0..4 {
        assert_eq!(claimed(&mut requests, HOME), index);
        requests.sent(ID, index, A).unwrap();
    }
    assert_eq!(requests.next(HOME), NextUpload::Wait);
    step(&mut requests, failed(Reason::PermissionDenied));
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 2, .. }));
}

/// Room for a part of it would stop it halfway, and nothing would be answered any more.
#[test]
fn a_granule_waits_until_all_of_its_room_is_free() {
    let mut requests = requests();
    for request in [1, 2] {
        requests.offer(HOME, request, FILE, PartialManifest::new(8 * BLOCK_BYTES), None);
        requests.on_reply(HOME, request, ready(2)).unwrap();
    }
    let mut out = Vec::new();
    while let NextUpload::Block { request, claim, .. } = requests.next(HOME) {
        requests.sent(request, claim.index, A).unwrap();
        out.push((request, claim.index));
    }
    assert_eq!(out, [(1, 0), (1, 1), (1, 2), (1, 3)]);
    requests.on_reply(HOME, 1, Reply::Stored { index: 0 }).unwrap();
    assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
    requests.on_reply(HOME, 1, Reply::Stored { index: 1 }).unwrap();
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 1, .. }));
}

/// The server may have memory for one granule, and would read nothing of the second one.
#[test]
fn a_granule_is_completed_before_one_of_another_file_begins() {
    let mut requests = sending_two_files();
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 2, .. }));
    requests.sent(2, 1, A).unwrap();
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 1, .. }));
}

#[test]
fn the_granule_of_a_failed_file_is_not_completed() {
    let mut requests = sending_two_files();
    requests.abandon(2);
    assert_eq!(requests.next(HOME), NextUpload::Abandon { request: 2 });
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 1, .. }));
}

/// Of the second one, a connection has begun a granule.
fn sending_two_files() -> UploadRequests {
    let mut requests = requests();
    for request in [1, 2] {
        requests.offer(HOME, request, FILE, PartialManifest::new(4 * BLOCK_BYTES), None);
    }
    requests.on_reply(HOME, 2, ready(2)).unwrap();
    assert!(matches!(requests.next(HOME), NextUpload::Block { request: 2, .. }));
    requests.sent(2, 0, A).unwrap();
    requests.on_reply(HOME, 1, ready(2)).unwrap();
    requests
}

#[test]
fn a_granule_that_the_window_cannot_hold_twice_is_refused() {
    let error = requests_error(ready(3));
    assert_eq!(error, StepError::GranuleTooLong { blocks: 3, window: WINDOW });
    assert_eq!(error.reason(), Reason::LimitExceeded);
}

fn requests_error(reply: Reply) -> StepError {
    offered().on_reply(HOME, ID, reply).unwrap_err()
}

#[test]
fn as_many_requests_as_the_server_allows_are_open() {
    let mut requests = UploadRequests::new(Overwrite::Replace);
    requests.connect(HOME, StreamLimits { window: WINDOW, max_requests: 2 });
    for request in [1, 2] {
        assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
        requests.put(HOME, request, FILE, sent(), None);
    }
    assert_eq!(requests.next(HOME), NextUpload::Wait);
    requests.on_reply(HOME, 2, done(DONE, false)).unwrap();
    assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
}

#[test]
fn files_are_probed_once_one_was_unchanged() {
    let mut requests = requests();
    requests.put(HOME, ID, FILE, sent(), None);
    step(&mut requests, done(DONE, true));
    assert_eq!(requests.next(HOME), NextUpload::File { probe: true });
    requests.check(HOME, ID, FILE, sent());
    let up_to_date = UploadStep::Ended(UploadEnd::UpToDate { size: 5 });
    assert_eq!(step(&mut requests, done(DONE, true)), up_to_date);
    requests.check(HOME, ID, FILE, sent());
    assert_eq!(step(&mut requests, Reply::Wanted), UploadStep::Wanted);
    assert!(!requests.is_idle(HOME), "the file is to be sent");
    assert_eq!(requests.next(HOME), NextUpload::Wanted(FILE));
    for _ in 1..64 {
        assert_eq!(requests.next(HOME), NextUpload::File { probe: true });
        requests.check(HOME, ID, FILE, sent());
        step(&mut requests, Reply::Wanted);
        assert_eq!(requests.next(HOME), NextUpload::Wanted(FILE));
    }
    assert_eq!(requests.next(HOME), NextUpload::File { probe: false });

    // Where files must not be replaced, the server decides.
    let mut requests = UploadRequests::new(Overwrite::Fail);
    requests.connect(HOME, StreamLimits { window: WINDOW, max_requests: 2 });
    requests.put(HOME, ID, FILE, sent(), None);
    step(&mut requests, done(DONE, true));
    assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
}

#[test]
fn a_file_that_fails_here_is_abandoned_once() {
    let mut requests = all_sent();
    requests.abandon(ID);
    requests.abandon(ID);
    assert!(requests.is_tainted(HOME) && requests.is_tainted(1));
    assert_eq!((requests.owed(HOME).requests, requests.owed(HOME).sent), (1, 0));
    assert_eq!(requests.next(1), NextUpload::File { probe: false });
    assert_eq!(requests.next(HOME), NextUpload::Abandon { request: ID });
    assert_eq!(requests.next(HOME), NextUpload::File { probe: false });
    assert!(requests.owed(HOME).is_none() && requests.offered().is_empty());
    assert_eq!(requests.hashed(ID, 0, A), Ok(None));
    assert_eq!(requests.commit(ID), None);
    assert_eq!(requests.on_reply(HOME, ID, Reply::Stored { index: 0 }), Ok(None));
    assert_eq!(requests.on_reply(HOME, ID, failed(Reason::Cancelled)), Ok(None));
    assert!(requests.is_idle(HOME));
}

#[test]
fn a_connection_is_reused_unless_late_replies_may_come() {
    let mut requests = all_sent();
    let claim_of_neither = requests.next(1);
    assert_eq!(claim_of_neither, NextUpload::File { probe: false });
    step(&mut requests, Reply::Stored { index: 0 });
    step(&mut requests, failed(Reason::NoSpace));
    assert!(!requests.is_tainted(HOME), "all of its blocks were answered");
    assert!(requests.is_tainted(1));
    // The frame of a block is completed after its file has failed.
    assert_eq!(requests.sent(ID, 1, A), Ok(false));
}

#[test]
fn a_file_that_differs_from_its_saved_values_is_not_committed() {
    let mut requests = requests();
    let mut known = PartialManifest::new(SIZE);
    assert!(known.set(0, A) && known.set(1, Cv([1; 32])));
    requests.offer(HOME, ID, FILE, known, None);
    step(&mut requests, Reply::Have { first: 0, blocks: vec![Some(A), None] });
    step(&mut requests, ready(1));
    assert_eq!(requests.own(ID).map(PartialManifest::known), Some(2));
    assert_eq!(claimed(&mut requests, HOME), 1);
    assert_eq!(requests.sent(ID, 1, A), Ok(true));
    assert_eq!(requests.own(ID), None, "they are not saved");
    step(&mut requests, Reply::Stored { index: 1 });
    assert_eq!(requests.next(HOME), NextUpload::Commit { request: ID, file: FILE });
    assert_eq!(requests.commit(ID), None);
    requests.abandon(ID);
    assert_eq!(requests.next(HOME), NextUpload::Abandon { request: ID });
}
