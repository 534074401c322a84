//! The requests of a client's uploads, reply by reply: each transition, and each reply that fits none.

mod choices;

use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Digest, Manifest, PartialManifest};
use ftx_core::native::upload::{
    AnsweredUpload, FileId, NextUpload, OwedReplies, RefusedFile, SendDecision, SentFile,
    StreamLimits, UnansweredCommit, UnconfirmedFile, UploadEnd, UploadRequests, UploadStep,
};
use ftx_core::native::wire::{Entry, EntryKind, Meta, Overwrite, Reply, Token, Version};
use ftx_core::native::{Granule, Reason, TransferProgress};

const A: Cv = Cv([0xaa; 32]);
const SIZE: u64 = 2 * BLOCK_BYTES;
const WINDOW: u64 = 4 * BLOCK_BYTES;
const DONE: Digest = Digest([7; 32]);

/// The stream and the request of most tests.
const HOME: u32 = 0;
const ID: u32 = 1;
const FILE: FileId = 40;

fn sent() -> SentFile {
    SentFile { size: 5, digest: DONE, meta: Meta::default() }
}

fn digest() -> Digest {
    Manifest::new(SIZE, vec![A, A]).unwrap().digest()
}

/// No request, and two connections.
fn requests() -> UploadRequests {
    let mut requests = UploadRequests::new(Overwrite::Replace);
    for stream in [HOME, 1] {
        requests.connect(stream, StreamLimits { window: WINDOW, max_requests: 100 });
    }
    requests
}

fn offered() -> UploadRequests {
    let mut requests = requests();
    requests.offer(HOME, ID, FILE, PartialManifest::new(SIZE), None);
    requests
}

fn sending() -> UploadRequests {
    let mut requests = offered();
    step(&mut requests, ready(1));
    requests
}

/// Both blocks are sent, one of them by another connection.
fn all_sent() -> UploadRequests {
    let mut requests = sending();
    for stream in [HOME, 1] {
        let index = claimed(&mut requests, stream);
        assert_eq!(requests.sent(ID, index, A), Ok(false));
    }
    requests
}

fn committing() -> UploadRequests {
    let mut requests = all_sent();
    step(&mut requests, Reply::Stored { index: 0 });
    requests.on_reply(1, ID, Reply::Stored { index: 1 }).unwrap();
    assert_eq!(requests.next(1), NextUpload::File { probe: false });
    assert_eq!(requests.next(HOME), NextUpload::Commit { request: ID, file: FILE });
    assert_eq!(requests.commit(ID), Some(digest()));
    requests
}

fn ready(granule: u32) -> Reply {
    Reply::Ready { resumed: 3, granule: Granule::new(granule).unwrap() }
}

fn done(digest: Digest, unchanged: bool) -> Reply {
    Reply::Done { digest, unchanged }
}

fn failed(reason: Reason) -> Reply {
    Reply::failed(reason, "no")
}

fn refused(reason: Reason) -> RefusedFile {
    RefusedFile { reason, message: "no".to_owned() }
}

fn working() -> Reply {
    Reply::Working { done: 0, total: 1 }
}

fn claimed(requests: &mut UploadRequests, stream: u32) -> u64 {
    match requests.next(stream) {
        NextUpload::Block { request: ID, file: FILE, claim } => claim.index,
        other => panic!("{other:?}"),
    }
}

/// The step after a reply to the request on its own connection.
fn step(requests: &mut UploadRequests, reply: Reply) -> UploadStep {
    let answered = requests.on_reply(HOME, ID, reply).unwrap().unwrap();
    assert_eq!(answered.file, FILE);
    answered.step
}

/// The replies of each kind; those that a state takes are named by their position.
fn replies() -> Vec<Reply> {
    let entry =
        Entry { name: "a".parse().unwrap(), kind: EntryKind::File, size: 0, meta: Meta::default() };
    vec![
        Reply::Have { first: 0, blocks: vec![None] },
        ready(1),
        Reply::Stored { index: 0 },
        done(digest(), false),
        Reply::Wanted,
        Reply::Waiting,
        working(),
        failed(Reason::NoSpace),
        Reply::Pong { payload: 0 },
        Reply::Found { size: 1, meta: Meta::default(), version: Version([0; 16]) },
        Reply::Cvs { first: 0, cvs: vec![] },
        Reply::End { digest: None },
        Reply::Entry(entry),
        Reply::Entries { entries: vec![], more: false },
        Reply::Removed,
        Reply::goodbye(Reason::Busy, "no"),
        Reply::Welcome {
            version: 1,
            features: vec![],
            agent: String::new(),
            session: Token([0; 16]),
            window: 1,
            requests: 1,
        },
    ]
}

const HAVE: usize = 0;
const READY: usize = 1;
const STORED: usize = 2;
const WAS_DONE: usize = 3;
const WANTED: usize = 4;
const WAITS: usize = 5;
const WORKS: usize = 6;
const FAILED: usize = 7;

/// In this state exactly these replies fit; all others are a protocol error.
#[track_caller]
fn fits(state: &UploadRequests, taken: &[usize]) {
    for (at, reply) in replies().into_iter().enumerate() {
        let result = state.clone().on_reply(HOME, ID, reply.clone());
        assert_eq!(result.is_ok(), taken.contains(&at), "{reply:?}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.reason(), Reason::OutOfStep, "{reply:?}");
        }
    }
}

#[test]
fn each_state_takes_its_replies_and_no_others() {
    fits(&offered(), &[HAVE, READY, WAITS, WORKS, FAILED]);
    let mut waiting = offered();
    assert_eq!(step(&mut waiting, Reply::Waiting), UploadStep::Waits);
    fits(&waiting, &[HAVE, READY, WORKS, FAILED]);
    fits(&sending(), &[WORKS, FAILED]);
    fits(&all_sent(), &[STORED, WORKS, FAILED]);
    fits(&committing(), &[WAS_DONE, WORKS, FAILED]);
    let mut abandoned = sending();
    abandoned.abandon(ID);
    fits(&abandoned, &[HAVE, READY, STORED, WAITS, WORKS, FAILED]);

    let mut put = requests();
    put.put(HOME, ID, FILE, sent(), None);
    fits(&put, &[WAS_DONE, WORKS, FAILED]);
    let mut check = requests();
    check.check(HOME, ID, FILE, sent());
    fits(&check, &[WAS_DONE, WANTED, WORKS, FAILED]);
    let mut confirm = requests();
    confirm.confirm(HOME, ID, FILE, unconfirmed());
    fits(&confirm, &[WAS_DONE, WANTED, WORKS, FAILED]);
}

#[test]
fn to_no_request_only_what_may_come_late_fits() {
    for (at, reply) in replies().into_iter().enumerate() {
        let result = requests().on_reply(HOME, ID, reply.clone());
        // Also the reply to a `Ping`.
        let late = [STORED, WORKS, FAILED, 8].contains(&at);
        assert_eq!(result.is_ok_and(|answered| answered.is_none()), late, "{reply:?}");
    }
}

#[test]
fn replies_come_on_the_connection_of_their_request() {
    for (state, reply) in [
        (offered(), Reply::Have { first: 0, blocks: vec![None] }),
        (offered(), ready(1)),
        (offered(), Reply::Waiting),
        (all_sent(), Reply::Stored { index: 0 }),
        (committing(), done(digest(), false)),
    ] {
        assert!(state.clone().on_reply(HOME, ID, reply.clone()).is_ok(), "{reply:?}");
        assert!(state.clone().on_reply(1, ID, reply.clone()).is_err(), "{reply:?}");
    }
    // A block fails on its own connection.
    let mut requests = all_sent();
    let answered = requests.on_reply(1, ID, failed(Reason::BlockMismatch)).unwrap().unwrap();
    assert_eq!(
        answered.step,
        UploadStep::Ended(UploadEnd::Refused(refused(Reason::BlockMismatch)))
    );
    assert!(refused(Reason::BlockMismatch).doubts_blocks());
    assert!(!refused(Reason::NoSpace).doubts_blocks());
}

#[test]
fn an_upload_goes_from_the_offer_to_its_end() {
    let mut requests = offered();
    assert_eq!(requests.owed(HOME), OwedReplies { requests: 1, unspoken: 2, sent: 0 });
    assert_eq!(requests.next(1), NextUpload::File { probe: false });
    assert_eq!(step(&mut requests, working()), UploadStep::Nothing);
    let have = Reply::Have { first: 0, blocks: vec![None, Some(A)] };
    assert_eq!(step(&mut requests, have), UploadStep::Nothing);
    assert_eq!(requests.owed(HOME).unspoken, 0);
    assert_eq!(step(&mut requests, ready(1)), UploadStep::Begun { resumed: 3, size: SIZE });
    assert_eq!(requests.owed(HOME), OwedReplies::default());

    assert_eq!((claimed(&mut requests, HOME), claimed(&mut requests, 1)), (0, 1));
    let hashed = requests.hashed(ID, 1, A).unwrap().unwrap();
    assert_eq!((hashed.decision, hashed.is_last), (SendDecision::Skip, false));
    assert_eq!(requests.sent(ID, 0, A), Ok(false));
    assert_eq!(requests.owed(HOME), OwedReplies { requests: 0, unspoken: 0, sent: 1 });
    let progress = TransferProgress { done: SIZE, moved: BLOCK_BYTES };
    let stored = UploadStep::Stored { progress, size: SIZE, is_last: true };
    assert_eq!(step(&mut requests, Reply::Stored { index: 0 }), stored);

    assert_eq!(requests.next(HOME), NextUpload::Commit { request: ID, file: FILE });
    assert_eq!(requests.commit(ID), Some(digest()));
    assert_eq!(requests.commit(ID), None, "twice");
    assert_eq!(requests.owed(HOME).requests, 1);
    let answered = requests.on_reply(HOME, ID, done(digest(), true)).unwrap().unwrap();
    let end = UploadEnd::Done { moved: BLOCK_BYTES, already_there: false };
    assert_eq!(answered.step, UploadStep::Ended(end));
    assert_eq!(answered.own.unwrap().known(), 2);
    assert!(requests.is_idle(HOME) && !requests.is_tainted(HOME) && requests.offered().is_empty());
}

#[test]
fn a_file_of_which_nothing_was_sent_was_there_already() {
    for unchanged in [false, true] {
        let mut requests = offered();
        step(&mut requests, Reply::Have { first: 0, blocks: vec![Some(A); 2] });
        step(&mut requests, ready(1));
        for index in [0, 1] {
            assert_eq!(claimed(&mut requests, HOME), index);
            assert!(requests.hashed(ID, index, A).is_ok());
        }
        assert_eq!(requests.commit(ID), Some(digest()));
        let end = UploadEnd::Done { moved: 0, already_there: unchanged };
        assert_eq!(step(&mut requests, done(digest(), unchanged)), UploadStep::Ended(end));
    }
}

#[test]
fn a_server_that_stored_other_bytes_is_not_believed() {
    let other = UploadStep::Ended(UploadEnd::OtherStored);
    assert_eq!(step(&mut committing(), done(DONE, false)), other);
    let mut requests = requests();
    requests.put(HOME, ID, FILE, sent(), None);
    assert_eq!(step(&mut requests.clone(), done(digest(), false)), other);
    let end = UploadEnd::Done { moved: 5, already_there: false };
    assert_eq!(step(&mut requests, done(DONE, true)), UploadStep::Ended(end));
    requests.check(HOME, ID, FILE, sent());
    assert_eq!(step(&mut requests, done(digest(), true)), other);
}

fn unconfirmed() -> UnconfirmedFile {
    UnconfirmedFile { sent: sent(), refused: refused(Reason::AlreadyExists) }
}

#[test]
fn a_file_in_the_way_of_itself_is_confirmed() {
    for reason in [Reason::AlreadyExists, Reason::PreconditionFailed, Reason::NoSpace] {
        for before in [None, Some(sent())] {
            let mut put = requests();
            put.put(HOME, ID, FILE, sent(), before);
            let mut offer = requests();
            offer.offer(HOME, ID, FILE, PartialManifest::new(SIZE), before);
            for mut requests in [put, offer] {
                let expected = if before.is_some() && reason != Reason::NoSpace {
                    UploadStep::Confirm(UnconfirmedFile { sent: sent(), refused: refused(reason) })
                } else {
                    UploadStep::Ended(UploadEnd::Refused(refused(reason)))
                };
                assert_eq!(step(&mut requests, failed(reason)), expected);
                assert!(requests.is_idle(HOME));
            }
        }
    }
}

#[test]
fn only_the_digest_confirms_a_file() {
    let ended = |reply: Reply| {
        let mut requests = requests();
        requests.confirm(HOME, ID, FILE, unconfirmed());
        assert_eq!(requests.owed(HOME).requests, 1);
        let UploadStep::Ended(end) = step(&mut requests, reply) else { panic!() };
        end
    };
    let end = UploadEnd::Done { moved: 5, already_there: false };
    assert_eq!(ended(done(DONE, true)), end);
    let first = UploadEnd::Refused(refused(Reason::AlreadyExists));
    for reply in [done(digest(), true), Reply::Wanted, failed(Reason::PermissionDenied)] {
        assert_eq!(ended(reply), first);
    }
}

#[test]
fn a_commit_is_unanswered_for_later_requests() {
    let mut commit = UnansweredCommit::default();
    assert_eq!(commit.before(1), None);
    commit.announce(1, sent());
    commit.announce(2, SentFile { size: 6, ..sent() });
    assert_eq!((commit.before(1), commit.before(2)), (None, Some(sent())));
    commit.answered();
    assert_eq!(commit.before(2), None);
}

#[test]
fn a_reply_names_its_file() {
    let mut requests = requests();
    requests.put(HOME, 2, 22, sent(), None);
    requests.put(1, 3, 33, sent(), None);
    let answered = requests.on_reply(1, 3, done(DONE, false)).unwrap();
    assert!(matches!(answered, Some(AnsweredUpload { file: 33, own: None, .. })));
    assert!(requests.on_reply(1, 2, done(DONE, false)).is_err());
}
