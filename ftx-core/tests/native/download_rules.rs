//! The requests of the machine of a download, and its errors for an invalid server.

use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, PartialManifest, block_count,
};
use ftx_core::native::download::{ArrivingBlock, Fetch, FetchError};
use ftx_core::native::wire::{BlockHead, MAX_GET_RANGES};
use ftx_core::native::{BlockMismatch, Reason, StepError, TransferProgress};

const A: Cv = Cv([0xaa; 32]);
const B: Cv = Cv([0xbb; 32]);

fn known(size: u64, cvs: &[(u64, Cv)]) -> PartialManifest {
    let mut partial = PartialManifest::new(size);
    assert!(cvs.iter().all(|(index, cv)| partial.set(*index, *cv)));
    partial
}

/// A download without a manifest, of which no block is requested yet.
fn empty(size: u64) -> Fetch {
    let mut fetch = Fetch::begun(size, 0, range(0, 0));
    fetch.range_end(0, None).unwrap();
    fetch
}

/// A download of a version with these chaining values.
fn of(cvs: &[Cv], local: &PartialManifest) -> Fetch {
    let size = cvs.len() as u64 * BLOCK_BYTES;
    Fetch::resumed(&Manifest::new(size, cvs.to_vec()).unwrap(), local)
}

fn range(first: u64, count: u64) -> BlockRange {
    BlockRange { first, count }
}

fn digest(cvs: &[Cv]) -> Digest {
    Manifest::new(cvs.len() as u64 * BLOCK_BYTES, cvs.to_vec()).unwrap().digest()
}

#[test]
fn a_stream_asks_again_when_half_of_its_window_is_free() {
    let mut fetch = empty(20 * BLOCK_BYTES);
    assert_eq!(fetch.next(0, 4), Some(vec![range(0, 4)]));
    assert_eq!(fetch.next(1, 4), Some(vec![range(4, 4)]));
    fetch.block(0, 0, A, A).unwrap();
    assert_eq!(fetch.next(0, 4), None);
    fetch.block(0, 1, A, A).unwrap();
    assert_eq!(fetch.next(0, 4), Some(vec![range(8, 2)]));
    assert_eq!(fetch.expects(0), Some(2));
    assert_eq!(
        fetch.progress(),
        TransferProgress { done: 2 * BLOCK_BYTES, moved: 2 * BLOCK_BYTES }
    );
}

#[test]
fn with_a_manifest_only_differing_blocks_are_requested_at_once() {
    let theirs = [A, A, B, A, B, A];
    let local = known(9 * BLOCK_BYTES, &[(0, A), (2, B), (3, B), (4, B), (7, A)]);
    let mut fetch = of(&theirs, &local);
    assert_eq!(fetch.progress(), TransferProgress { done: 3 * BLOCK_BYTES, moved: 0 });
    assert_eq!(fetch.next(0, 100), Some(vec![range(1, 1), range(3, 1), range(5, 1)]));
    for (index, cv) in [(1, A), (3, A), (5, A)] {
        assert!(!fetch.is_finished());
        fetch.block(0, index, cv, cv).unwrap();
    }
    fetch.range_end(0, None).unwrap();
    assert!(fetch.is_finished());
}

#[test]
fn blocks_requested_before_the_size_is_known_are_not_requested_again() {
    for (first, left) in [(range(0, 2), Some(range(2, 1))), (range(0, u64::MAX), None)] {
        let mut fetch = Fetch::begun(3 * BLOCK_BYTES, 5, first);
        assert_eq!(fetch.expects(5), Some(0));
        assert_eq!(fetch.next(6, 100), left.map(|left| vec![left]));
    }
    let mut fetch = Fetch::begun(0, 0, range(0, 8));
    assert!(fetch.is_finished() && fetch.next(0, 100).is_none());
    fetch.range_end(0, None).unwrap();
}

#[test]
fn the_digest_of_a_whole_is_that_of_its_blocks() {
    let whole = || {
        let mut fetch = Fetch::begun(2 * BLOCK_BYTES, 0, range(0, u64::MAX));
        fetch.block(0, 0, A, A).unwrap();
        fetch.block(0, 1, B, B).unwrap();
        fetch
    };
    whole().range_end(0, Some(digest(&[A, B]))).unwrap();
    let (computed, claimed) = (digest(&[A, B]), digest(&[B, B]));
    let mismatch = FetchError::DigestMismatch { computed, claimed };
    assert_eq!(whole().range_end(0, Some(claimed)), Err(mismatch.clone()));
    assert_eq!(mismatch.reason(), Reason::DigestMismatch);
}

#[test]
fn a_block_is_accepted_in_its_turn_and_with_its_length() {
    let size = 2 * BLOCK_BYTES + 5;
    let head = |index, len| BlockHead { index, len };
    let mut fetch = Fetch::begun(size, 0, range(0, 8));
    assert_eq!(fetch.accept(0, head(0, BLOCK_BYTES)), Ok(ArrivingBlock::Write));
    let length = StepError::WrongLength { index: 0, expected: BLOCK_BYTES, got: 5 };
    assert_eq!(fetch.accept(0, head(0, 5)), Err(length));
    let unasked = |index, stream| Err(StepError::Unasked { index, stream });
    assert_eq!(fetch.accept(0, head(1, BLOCK_BYTES)), unasked(1, 0));
    assert_eq!(fetch.accept(1, head(0, BLOCK_BYTES)), unasked(0, 1));
    let absent = StepError::NoSuchBlock { index: 3, count: 3 };
    assert_eq!(fetch.accept(0, head(3, BLOCK_BYTES)), Err(absent));
    for index in 0..2 {
        fetch.block(0, index, A, A).unwrap();
    }
    assert_eq!(fetch.accept(0, head(2, 5)), Ok(ArrivingBlock::Write));
}

#[test]
fn a_download_that_has_failed_skips_what_is_on_its_way() {
    let mut fetch = empty(9 * BLOCK_BYTES);
    assert!(fetch.next(0, 2).is_some());
    fetch.fail();
    assert_eq!(fetch.next(1, 2), None);
    let head = BlockHead { index: 7, len: 5 };
    assert_eq!(fetch.accept(0, head), Ok(ArrivingBlock::Skip));
    fetch.range_end(0, None).unwrap();
}

#[test]
fn a_block_is_the_one_that_was_asked_for_as_it_was_sent_and_of_the_version() {
    let mut fetch = of(&[A; 3], &PartialManifest::new(0));
    let unasked = |index, stream| Err(StepError::Unasked { index, stream }.into());
    assert_eq!(fetch.block(0, 0, A, A), unasked(0, 0));
    assert!(fetch.next(0, 100).is_some());
    assert_eq!(fetch.block(0, 1, A, A), unasked(1, 0));
    assert_eq!(fetch.block(1, 0, A, A), unasked(0, 1));
    let mismatch = BlockMismatch { index: 0, computed: A, claimed: B };
    assert_eq!(fetch.block(0, 0, A, B), Err(mismatch.into()));
    let changed = fetch.block(0, 0, B, B).unwrap_err();
    assert_eq!((changed.reason(), changed), (Reason::Changed, FetchError::Changed { index: 0 }));
    fetch.block(0, 0, A, A).unwrap();
    assert_eq!(fetch.block(0, 0, A, A), unasked(0, 0));
}

#[test]
fn an_answer_brings_all_that_was_asked_for() {
    let mut fetch = empty(3 * BLOCK_BYTES);
    assert!(matches!(fetch.range_end(0, None), Err(FetchError::Step(_))));
    assert!(fetch.next(0, 2).is_some());
    fetch.block(0, 0, A, A).unwrap();
    let missing = FetchError::Missing { first: 1, count: 1 };
    assert_eq!(fetch.range_end(0, None), Err(missing));
    assert_eq!(fetch.next(0, 2), Some(vec![range(2, 1)]), "the window is free by half");
    fetch.block(0, 1, A, A).unwrap();
    // The next request is not begun before the last is ended.
    assert!(fetch.block(0, 2, A, A).is_err());
    fetch.range_end(0, None).unwrap();
    fetch.block(0, 2, A, A).unwrap();
    fetch.range_end(0, None).unwrap();
    assert!(fetch.range_end(0, None).is_err() && fetch.is_finished());
}

#[test]
fn a_request_names_not_too_many_ranges() {
    let blocks = 3 * MAX_GET_RANGES as u64;
    let local: Vec<_> = (0..blocks).step_by(2).map(|index| (index, A)).collect();
    let cvs = vec![A; usize::try_from(blocks).unwrap()];
    let mut fetch = of(&cvs, &known(blocks * BLOCK_BYTES, &local));
    assert_eq!(fetch.next(0, u64::MAX).unwrap().len(), MAX_GET_RANGES);
    // A size that is only said takes no memory.
    let all = empty(u64::MAX).next(0, u64::MAX).unwrap();
    assert_eq!(all, [range(0, block_count(u64::MAX))]);
}
