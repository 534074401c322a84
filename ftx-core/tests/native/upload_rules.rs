//! The rules of the machines of an upload: invalid peers, mistakes of a driver, and cases that the
//! model of a server seldom meets.

use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, PartialManifest};
use ftx_core::native::upload::{
    BlockAction, ClaimedBlock, Completed, HavePage, ReceiveError, Receiver, SendDecision, Sender,
};
use ftx_core::native::wire::{FrameHeader, FrameKind, MAX_CV_PAGE_BLOCKS, Reply};
use ftx_core::native::{BlockMismatch, Granule, Reason, StepError, TransferProgress};

const A: Cv = Cv([0xaa; 32]);
const B: Cv = Cv([0xbb; 32]);

fn known(size: u64, cvs: &[(u64, Cv)]) -> PartialManifest {
    let mut partial = PartialManifest::new(size);
    assert!(cvs.iter().all(|(index, cv)| partial.set(*index, *cv)));
    partial
}

fn ready(size: u64, window: u64) -> Sender {
    let mut sender = Sender::new(size, window);
    sender.ready(Granule::ONE).unwrap();
    sender
}

fn send(sender: &mut Sender, stream: u32, cv: Cv) -> u64 {
    let claim = sender.claim(stream).unwrap();
    sender.sent(claim.index, cv).unwrap();
    claim.index
}

#[test]
fn blocks_are_claimed_when_the_server_is_ready_and_the_lowest_first() {
    let mut sender = Sender::new(2 * BLOCK_BYTES + 1, 8 * BLOCK_BYTES);
    assert_eq!(sender.claim(0), None);
    sender.have(1, &[Some(A), None]).unwrap();
    sender.ready(Granule::ONE).unwrap();
    let claims = [0, 1, 0].map(|stream| sender.claim(stream).unwrap());
    assert_eq!(claims[0], ClaimedBlock { index: 0, len: BLOCK_BYTES, theirs: None });
    assert_eq!(claims[1], ClaimedBlock { index: 1, len: BLOCK_BYTES, theirs: Some(A) });
    assert_eq!(claims[2], ClaimedBlock { index: 2, len: 1, theirs: None });
    assert_eq!(sender.claim(0), None);
}

#[test]
fn blocks_that_the_server_holds_are_not_sent() {
    let mut sender = Sender::new(3 * BLOCK_BYTES, 8 * BLOCK_BYTES);
    sender.have(0, &[Some(A), Some(A), None]).unwrap();
    sender.ready(Granule::ONE).unwrap();
    for (index, cv, decision) in
        [(0, A, SendDecision::Skip), (1, B, SendDecision::Send), (2, A, SendDecision::Send)]
    {
        assert_eq!(sender.claim(0).map(|claim| claim.index), Some(index));
        assert_eq!(sender.hashed(index, cv), Ok(decision));
    }
    for index in [1, 2] {
        sender.sent(index, if index == 1 { B } else { A }).unwrap();
        assert_eq!(sender.all_stored(), None);
        sender.stored(0, index).unwrap();
    }
    let manifest = Manifest::new(3 * BLOCK_BYTES, vec![A, B, A]).unwrap();
    assert_eq!(sender.all_stored(), Some(manifest.digest()));
    assert_eq!(
        sender.progress(),
        TransferProgress { done: 3 * BLOCK_BYTES, moved: 2 * BLOCK_BYTES }
    );
}

#[test]
fn hashed_blocks_are_not_read_again() {
    let own = known(3 * BLOCK_BYTES, &[(0, A), (1, A)]);
    let mut sender = Sender::with_known(own, 8 * BLOCK_BYTES);
    sender.have(0, &[Some(A), Some(B), Some(B)]).unwrap();
    sender.ready(Granule::ONE).unwrap();
    assert_eq!(sender.progress().done, BLOCK_BYTES);
    assert_eq!(sender.claim(0), Some(ClaimedBlock { index: 1, len: BLOCK_BYTES, theirs: None }));
    assert_eq!(sender.claim(0), Some(ClaimedBlock { index: 2, len: BLOCK_BYTES, theirs: Some(B) }));
}

#[test]
fn a_window_is_one_streams_and_a_block_always_fits_an_empty_one() {
    let mut sender = ready(5 * BLOCK_BYTES, 2 * BLOCK_BYTES);
    assert_eq!([0, 0].map(|stream| send(&mut sender, stream, A)), [0, 1]);
    assert_eq!(sender.claim(0), None);
    assert_eq!(send(&mut sender, 1, A), 2);
    sender.stored(0, 1).unwrap();
    assert_eq!(send(&mut sender, 0, A), 3);

    let mut narrow = ready(2 * BLOCK_BYTES, 1);
    assert_eq!(send(&mut narrow, 0, A), 0);
    assert_eq!(narrow.claim(0), None);
    narrow.stored(0, 0).unwrap();
    assert_eq!(send(&mut narrow, 0, A), 1);
}

#[test]
fn an_empty_file_needs_nothing_but_the_server() {
    let mut sender = Sender::new(0, 1);
    assert_eq!(sender.all_stored(), None);
    sender.ready(Granule::ONE).unwrap();
    let empty = Manifest::new(0, vec![]).unwrap().digest();
    assert_eq!((sender.all_stored(), sender.claim(0)), (Some(empty), None));
    assert_eq!(Receiver::new(PartialManifest::new(0), None).commit(empty), Ok(vec![]));
}

#[test]
fn blocks_are_spoken_of_in_ascending_order() {
    let mut sender = Sender::new(8 * BLOCK_BYTES, 8 * BLOCK_BYTES);
    let goes_back = StepError::OutOfStep { what: "a Have that goes back" };
    assert_eq!(sender.unspoken(), 8);
    sender.have(2, &[Some(A), None]).unwrap();
    assert_eq!(sender.unspoken(), 4);
    for (first, blocks) in [(0, &[Some(B)][..]), (2, &[Some(B), None]), (3, &[None]), (0, &[])] {
        assert_eq!(sender.have(first, blocks), Err(goes_back), "{first}");
        assert_eq!(sender.unspoken(), 4);
    }
    sender.have(4, &[]).unwrap();
    sender.have(4, &[Some(A)]).unwrap();
    sender.have(7, &[Some(A)]).unwrap();
    assert_eq!(sender.unspoken(), 0);
    sender.ready(Granule::ONE).unwrap();
    let theirs: Vec<_> =
        (0..8).map(|stream| sender.claim(stream).unwrap()).map(|claim| claim.theirs).collect();
    assert_eq!(theirs, [None, None, Some(A), None, Some(A), None, None, Some(A)]);
}

#[test]
fn a_sender_takes_no_nonsense() {
    let mut sender = Sender::new(2 * BLOCK_BYTES, 8 * BLOCK_BYTES);
    for (first, len) in [(0, 3), (2, 1), (u64::MAX, 1), (3, 0)] {
        let error = sender.have(first, &vec![None; len]).unwrap_err();
        assert!(matches!(error, StepError::NoSuchBlock { count: 2, .. }), "{first} {len}");
        assert_eq!(error.reason(), Reason::Malformed);
    }
    sender.have(2, &[]).unwrap();
    sender.ready(Granule::ONE).unwrap();
    assert_eq!(sender.unspoken(), 0);
    assert!(sender.ready(Granule::ONE).is_err() && sender.have(0, &[None]).is_err());
    assert!(sender.hashed(0, A).is_err() && sender.sent(0, A).is_err());
    assert!(sender.stored(0, 0).is_err());
    assert!(sender.claim(0).is_some());
    assert!(sender.stored(0, 0).is_err(), "it is not sent yet");
    sender.sent(0, A).unwrap();
    assert!(sender.sent(0, A).is_err() && sender.hashed(0, A).is_err());
    assert!(sender.stored(1, 0).is_err() && sender.stored(0, 1).is_err());
    sender.stored(0, 0).unwrap();
    assert!(sender.stored(0, 0).is_err());
    assert_eq!(sender.progress(), TransferProgress { done: BLOCK_BYTES, moved: BLOCK_BYTES });
}

#[test]
fn a_have_is_of_the_staging_and_else_of_the_published_version() {
    let staged = known(4 * BLOCK_BYTES, &[(1, A)]);
    let published = known(9 * BLOCK_BYTES, &[(0, B), (1, B), (3, B), (4, B)]);
    let receiver = Receiver::new(staged, Some(&published));
    let pages: Vec<_> = receiver.have().collect();
    let blocks = vec![Some(B), Some(A), None, Some(B)];
    assert_eq!(pages, [HavePage { first: 0, blocks }]);
    assert_eq!(receiver.resumed(), BLOCK_BYTES);
    assert_eq!(Receiver::new(PartialManifest::new(1), None).have().count(), 0);
}

#[test]
fn pages_are_short_and_skip_missing_blocks() {
    let page = MAX_CV_PAGE_BLOCKS as u64;
    let last = (1 << 44) - 1;
    let all: Vec<_> = (0..page + 2).chain([last]).map(|index| (index, A)).collect();
    let receiver = Receiver::new(known(u64::MAX, &all), None);
    let pages = receiver.have().map(|page| (page.first, page.blocks.len()));
    assert_eq!(pages.collect::<Vec<_>>(), [(0, MAX_CV_PAGE_BLOCKS), (page, 2), (last, 1)]);
    let blocks: Vec<_> = receiver.have().flat_map(|page| page.blocks).collect();
    assert!(blocks.iter().all(|block| *block == Some(A)) && blocks.len() == all.len());
}

/// The error of a commit, without committing.
fn missing(receiver: &Receiver) -> Result<(), ReceiveError> {
    receiver.clone().commit(Digest([0; 32])).map(drop)
}

#[test]
fn a_block_that_is_being_replaced_is_not_held() {
    let mut receiver = Receiver::new(known(2 * BLOCK_BYTES, &[(0, A), (1, A)]), None);
    assert_eq!(receiver.accept(0, 0, BLOCK_BYTES), Ok(BlockAction::Write));
    receiver.lost(0);
    assert_eq!(missing(&receiver), Err(ReceiveError::Missing { first: 0, count: 1 }));
    assert_eq!(receiver.accept(1, 0, BLOCK_BYTES), Ok(BlockAction::Write));
    assert_eq!(receiver.complete(1, B, B), Ok(Completed::Journal));
    let digest = Manifest::new(2 * BLOCK_BYTES, vec![B, A]).unwrap().digest();
    assert_eq!(receiver.commit(digest), Ok(vec![]));
}

#[test]
fn a_block_that_did_not_arrive_as_sent_is_not_there() {
    let mut receiver = Receiver::new(PartialManifest::new(BLOCK_BYTES), None);
    assert!(receiver.accept(0, 0, BLOCK_BYTES).is_ok());
    let mismatch = BlockMismatch { index: 0, computed: A, claimed: B };
    let error = receiver.complete(0, A, B).unwrap_err();
    assert_eq!((error.reason(), error), (Reason::BlockMismatch, mismatch.into()));
    assert_eq!(missing(&receiver), Err(ReceiveError::Missing { first: 0, count: 1 }));
    assert_eq!(receiver.accept(0, 0, BLOCK_BYTES), Ok(BlockAction::Write));
}

#[test]
fn a_block_is_written_by_one_stream_at_a_time() {
    let mut receiver = Receiver::new(PartialManifest::new(2 * BLOCK_BYTES), None);
    assert_eq!(receiver.accept(0, 0, BLOCK_BYTES), Ok(BlockAction::Write));
    let error = receiver.accept(1, 0, BLOCK_BYTES).unwrap_err();
    assert_eq!((error.reason(), error), (Reason::Busy, ReceiveError::InUse { index: 0 }));
    assert_eq!(receiver.accept(1, 1, BLOCK_BYTES), Ok(BlockAction::Write));
    // The loss of the writer leaves its block to any stream.
    receiver.lost(0);
    assert_eq!(receiver.accept(2, 0, BLOCK_BYTES), Ok(BlockAction::Write));
    assert_eq!(receiver.complete(2, A, A), Ok(Completed::Journal));
}

#[test]
fn a_stored_block_is_never_written_again() {
    let mut receiver = Receiver::new(PartialManifest::new(BLOCK_BYTES), None);
    assert!(receiver.accept(0, 0, BLOCK_BYTES).is_ok());
    assert_eq!(receiver.complete(0, A, A), Ok(Completed::Journal));
    for stream in [0, 1] {
        assert_eq!(receiver.accept(stream, 0, BLOCK_BYTES), Ok(BlockAction::Discard));
    }
    assert_eq!(receiver.complete(0, A, A), Ok(Completed::AlreadyStored));
    let changed = ReceiveError::Changed { index: 0 };
    assert_eq!(receiver.complete(1, B, B), Err(changed));
    let digest = Manifest::new(BLOCK_BYTES, vec![A]).unwrap().digest();
    assert_eq!(receiver.commit(digest), Ok(vec![]));
}

/// The granule of the second and third block, of which the second one has arrived.
#[test]
fn a_granule_that_is_forgotten_is_written_again() {
    let mut receiver = Receiver::new(known(4 * BLOCK_BYTES, &[(0, A), (2, A)]), None);
    for index in [1, 3] {
        assert!(receiver.accept(0, index, BLOCK_BYTES).is_ok());
        assert_eq!(receiver.complete(0, B, B), Ok(Completed::Journal));
    }
    receiver.forget(BlockRange { first: 1, count: 2 });
    assert_eq!(missing(&receiver), Err(ReceiveError::Missing { first: 1, count: 1 }));
    assert_eq!(receiver.accept(1, 1, BLOCK_BYTES), Ok(BlockAction::Write));
    assert_eq!(receiver.complete(1, A, A), Ok(Completed::Journal));
    let digest = Manifest::new(4 * BLOCK_BYTES, vec![A, A, A, B]).unwrap().digest();
    assert_eq!(receiver.commit(digest), Ok(vec![]));
}

#[test]
fn a_receiver_takes_no_nonsense() {
    let mut receiver = Receiver::new(PartialManifest::new(BLOCK_BYTES + 5), None);
    let missing = StepError::NoSuchBlock { index: 2, count: 2 };
    assert_eq!(receiver.accept(0, 2, 5), Err(missing.into()));
    assert!(receiver.accept(0, u64::MAX, 5).is_err());
    let wrong = StepError::WrongLength { index: 1, expected: 5, got: 4 };
    assert_eq!(receiver.accept(0, 1, 4), Err(wrong.into()));
    assert!(matches!(receiver.complete(0, A, A), Err(ReceiveError::Step(_))));
    assert!(receiver.accept(0, 1, 5).is_ok());
    assert!(receiver.accept(0, 0, BLOCK_BYTES).is_err(), "a block within a block");
    receiver.lost(9);
}

#[test]
fn a_commit_needs_every_block_and_the_right_digest() {
    let digest = |cvs: &[Cv]| Manifest::new(3 * BLOCK_BYTES, cvs.to_vec()).unwrap().digest();
    let published = known(4 * BLOCK_BYTES, &[(2, B)]);
    let mut receiver = Receiver::new(known(3 * BLOCK_BYTES, &[(0, A)]), Some(&published));
    let missing = ReceiveError::Missing { first: 1, count: 1 };
    assert_eq!(receiver.commit(digest(&[A, A, B])), Err(missing));
    assert!(receiver.accept(0, 1, BLOCK_BYTES).is_ok());
    let within = receiver.commit(digest(&[A, A, B])).unwrap_err();
    assert_eq!(within.reason(), Reason::OutOfStep);
    assert!(receiver.complete(0, A, A).is_ok());
    let (computed, claimed) = (digest(&[A, A, B]), digest(&[A, A, A]));
    let mismatch = ReceiveError::DigestMismatch { computed, claimed };
    assert_eq!(receiver.commit(claimed), Err(mismatch));

    // A stored block that is sent again does not delay the commit.
    assert_eq!(receiver.accept(1, 1, BLOCK_BYTES), Ok(BlockAction::Discard));
    assert_eq!(receiver.commit(computed), Ok(vec![BlockRange { first: 2, count: 1 }]));
    assert!(receiver.commit(computed).is_err());
    assert_eq!(receiver.complete(1, B, B), Ok(Completed::Discarded));
    assert_eq!(receiver.accept(1, 1, BLOCK_BYTES), Ok(BlockAction::Discard));
}

fn granules_of(blocks: u32, size: u64, window: u64, have: &[Option<Cv>]) -> Sender {
    let mut sender = Sender::new(size, window);
    sender.have(0, have).unwrap();
    sender.ready(Granule::new(blocks).unwrap()).unwrap();
    sender
}

#[test]
fn a_granule_goes_over_one_stream_in_order() {
    let mut sender = granules_of(3, 8 * BLOCK_BYTES, 6 * BLOCK_BYTES, &[]);
    let streams = [0, 1, 0, 1, 2, 0, 2, 1];
    let sent = streams.map(|stream| send(&mut sender, stream, A));
    assert_eq!(sent, [0, 3, 1, 4, 6, 2, 7, 5]);
    assert_eq!(sender.claim(0), None);
}

#[test]
fn a_granule_takes_its_room_as_a_whole() {
    let mut sender = granules_of(2, 7 * BLOCK_BYTES, 5 * BLOCK_BYTES, &[]);
    assert_eq!(send(&mut sender, 0, A), 0);
    assert_eq!(sender.unanswered(0), 2 * BLOCK_BYTES);
    assert_eq!([1, 2, 3].map(|_| send(&mut sender, 0, A)), [1, 2, 3]);
    // Room for one block is not enough for two.
    assert_eq!(sender.claim(0), None);
    sender.stored(0, 0).unwrap();
    assert_eq!([4, 5].map(|_| send(&mut sender, 0, A)), [4, 5]);
    // The last one is shorter.
    assert_eq!((sender.claim(0), sender.unanswered(0)), (None, 5 * BLOCK_BYTES));
    sender.stored(0, 5).unwrap();
    assert_eq!(send(&mut sender, 0, A), 6);
}

#[test]
fn a_granule_is_sent_completely_or_not_at_all() {
    let held = [Some(A); 4];
    let mut sender = granules_of(2, 4 * BLOCK_BYTES, 4 * BLOCK_BYTES, &held);
    let compare = |index| Some(ClaimedBlock { index, len: BLOCK_BYTES, theirs: Some(A) });
    for index in [0, 1] {
        assert_eq!(sender.claim(0), compare(index));
        assert_eq!(sender.claim(0), None, "while one is compared");
        assert!(sender.sent(index, A).is_err(), "before it is compared");
        assert_eq!(sender.progress().done, 0);
        assert_eq!(sender.hashed(index, A), Ok(SendDecision::Skip));
    }
    assert_eq!((sender.progress().done, sender.unanswered(0)), (2 * BLOCK_BYTES, 0));
    // The first block of the other one is equal, the second differs.
    assert_eq!(sender.claim(0), compare(2));
    assert_eq!(sender.hashed(2, A), Ok(SendDecision::Skip));
    assert_eq!(sender.claim(0), compare(3));
    assert_eq!(sender.hashed(3, B), Ok(SendDecision::Skip));
    for (index, cv) in [(2, A), (3, B)] {
        let claim = ClaimedBlock { index, len: BLOCK_BYTES, theirs: None };
        assert_eq!(sender.claim(0), Some(claim));
        assert!(sender.all_stored().is_none());
        sender.sent(index, cv).unwrap();
    }
    (2..4).for_each(|index| sender.stored(0, index).unwrap());
    assert!(sender.all_stored().is_some());
    assert_eq!(
        sender.progress(),
        TransferProgress { done: 4 * BLOCK_BYTES, moved: 2 * BLOCK_BYTES }
    );
}

#[test]
fn a_granule_with_a_block_that_is_surely_another_is_not_compared() {
    for (own, have) in [
        // The server lacks the second block.
        (known(2 * BLOCK_BYTES, &[]), [Some(A), None]),
        // Ours is known, and is another one.
        (known(2 * BLOCK_BYTES, &[(1, B)]), [Some(A), Some(A)]),
    ] {
        let mut sender = Sender::with_known(own, 4 * BLOCK_BYTES);
        sender.have(0, &have).unwrap();
        sender.ready(Granule::new(2).unwrap()).unwrap();
        for index in [0, 1] {
            let claim = ClaimedBlock { index, len: BLOCK_BYTES, theirs: None };
            assert_eq!(sender.claim(0), Some(claim));
            sender.sent(index, B).unwrap();
        }
    }
}

#[test]
fn of_a_granule_that_is_known_in_part_the_rest_is_compared() {
    let own = known(6 * BLOCK_BYTES, &[(0, A), (1, A), (2, A), (4, A), (5, A)]);
    let mut sender = Sender::with_known(own, 8 * BLOCK_BYTES);
    sender.have(0, &[Some(A); 6]).unwrap();
    sender.ready(Granule::new(2).unwrap()).unwrap();
    assert_eq!(sender.progress().done, 4 * BLOCK_BYTES);
    let compare = ClaimedBlock { index: 3, len: BLOCK_BYTES, theirs: Some(A) };
    assert_eq!(sender.claim(0), Some(compare));
    assert_eq!(sender.hashed(3, A), Ok(SendDecision::Skip));
    assert!(sender.all_stored().is_some());
}

#[test]
fn a_window_that_holds_no_two_granules_is_refused() {
    for (window, blocks, taken) in
        [(1, 1, true), (4 * BLOCK_BYTES, 2, true), (4 * BLOCK_BYTES - 1, 2, false)]
    {
        let mut sender = Sender::new(8 * BLOCK_BYTES, window);
        let ready = sender.ready(Granule::new(blocks).unwrap());
        assert_eq!(ready.is_ok(), taken, "{window} {blocks}");
        assert_eq!(sender.claim(0).is_some(), taken);
    }
    let error = StepError::GranuleTooLong { blocks: 8, window: BLOCK_BYTES };
    assert_eq!(error.reason(), Reason::LimitExceeded);
}

#[test]
fn a_granule_on_the_wire_is_bounded_and_has_one_form() {
    let decoded = |granule: &[u8]| {
        let payload = [&2u32.to_le_bytes()[..], &[0; 8], granule].concat();
        let header = FrameHeader::new(FrameKind::Control, 1, payload.len() as u64).unwrap();
        Reply::decode(&header, &payload)
    };
    let ready = |blocks| Reply::Ready { resumed: 0, granule: Granule::new(blocks).unwrap() };
    assert_eq!(decoded(&[]), Ok(ready(1)));
    for blocks in [2u32, 8, 1024] {
        assert_eq!(decoded(&blocks.to_le_bytes()), Ok(ready(blocks)));
    }
    for blocks in [0u32, 1, 1025, u32::MAX] {
        let error = decoded(&blocks.to_le_bytes()).unwrap_err();
        assert_eq!(error.reason(), Reason::Malformed, "{blocks}");
    }
    for wrong in [&[8][..], &[8, 0, 0], &[8, 0, 0, 0, 0]] {
        assert!(decoded(wrong).is_err(), "{wrong:?}");
    }
}
