//! The requests of the machine of a download, and its errors for an invalid server.

use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, PartialManifest, block_count,
};
use ftx_core::native::download::{Fetch, FetchError};
use ftx_core::native::wire::MAX_GET_RANGES;
use ftx_core::native::{BlockMismatch, Reason, StepError, TransferProgress};

const A: Cv = Cv([0xaa; 32]);
const B: Cv = Cv([0xbb; 32]);

fn known(size: u64, cvs: &[(u64, Cv)]) -> PartialManifest {
    let mut partial = PartialManifest::new(size);
    assert!(cvs.iter().all(|(index, cv)| partial.set(*index, *cv)));
    partial
}

fn empty(size: u64, window: u64) -> Fetch {
    Fetch::new(size, &PartialManifest::new(size), window)
}

fn range(first: u64, count: u64) -> BlockRange {
    BlockRange { first, count }
}

fn digest(cvs: &[Cv]) -> Digest {
    Manifest::new(cvs.len() as u64 * BLOCK_BYTES, cvs.to_vec()).unwrap().digest()
}

#[test]
fn a_stream_asks_again_when_half_of_its_window_is_free() {
    let mut fetch = empty(20 * BLOCK_BYTES, 4);
    assert_eq!(fetch.next(0), Some(vec![range(0, 4)]));
    assert_eq!(fetch.next(1), Some(vec![range(4, 4)]));
    fetch.block(0, 0, A, A).unwrap();
    assert_eq!(fetch.next(0), None);
    fetch.block(0, 1, A, A).unwrap();
    assert_eq!(fetch.next(0), Some(vec![range(8, 2)]));
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
    let mut fetch = Fetch::new(6 * BLOCK_BYTES, &local, 100);
    fetch.cvs(0, &theirs[..4]).unwrap();
    assert_eq!(fetch.next(0), None, "the manifest is not there yet");
    fetch.cvs(4, &theirs[4..]).unwrap();
    fetch.manifest(digest(&theirs)).unwrap();
    assert_eq!(fetch.progress(), TransferProgress { done: 3 * BLOCK_BYTES, moved: 0 });
    assert_eq!(fetch.next(0), Some(vec![range(1, 1), range(3, 1), range(5, 1)]));
    for (index, cv) in [(1, A), (3, A), (5, A)] {
        assert!(!fetch.is_finished());
        fetch.block(0, index, cv, cv).unwrap();
    }
    fetch.range_end(0).unwrap();
    assert!(fetch.is_finished());
}

#[test]
fn without_a_manifest_nothing_is_believed() {
    let mut fetch = Fetch::new(2 * BLOCK_BYTES, &known(2 * BLOCK_BYTES, &[(0, A), (1, A)]), 100);
    assert!(!fetch.is_finished());
    assert_eq!(fetch.next(0), Some(vec![range(0, 2)]));
    assert!(fetch.cvs(0, &[A]).is_err() && fetch.manifest(digest(&[A, A])).is_err());
}

#[test]
fn a_manifest_must_be_complete_ordered_and_match_its_digest() {
    let mut fetch = empty(3 * BLOCK_BYTES, 100);
    assert!(matches!(fetch.cvs(1, &[A]), Err(StepError::OutOfStep { .. })));
    assert!(matches!(fetch.cvs(0, &[A; 4]), Err(StepError::NoSuchBlock { .. })));
    fetch.cvs(0, &[A, B]).unwrap();
    assert!(fetch.cvs(0, &[A]).is_err());
    let missing = FetchError::Missing { first: 2, count: 1 };
    assert_eq!(fetch.manifest(digest(&[A, B, A])), Err(missing));
    fetch.cvs(2, &[A]).unwrap();
    let (computed, claimed) = (digest(&[A, B, A]), digest(&[A, B, B]));
    let mismatch = FetchError::DigestMismatch { computed, claimed };
    assert_eq!(fetch.manifest(claimed), Err(mismatch));
    fetch.manifest(computed).unwrap();
    assert!(fetch.manifest(computed).is_err() && fetch.cvs(3, &[]).is_err());
}

#[test]
fn a_block_is_the_one_that_was_asked_for_as_it_was_sent_and_of_the_version() {
    let mut fetch = empty(3 * BLOCK_BYTES, 100);
    fetch.cvs(0, &[A; 3]).unwrap();
    fetch.manifest(digest(&[A; 3])).unwrap();
    let unasked = |index, stream| Err(StepError::Unasked { index, stream }.into());
    assert_eq!(fetch.block(0, 0, A, A), unasked(0, 0));
    assert!(fetch.next(0).is_some());
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
    let mut fetch = empty(3 * BLOCK_BYTES, 2);
    assert!(matches!(fetch.range_end(0), Err(FetchError::Step(_))));
    assert!(fetch.next(0).is_some());
    fetch.block(0, 0, A, A).unwrap();
    let missing = FetchError::Missing { first: 1, count: 1 };
    assert_eq!(fetch.range_end(0), Err(missing));
    assert_eq!(fetch.next(0), Some(vec![range(2, 1)]), "the window is free by half");
    fetch.block(0, 1, A, A).unwrap();
    // The next request is not begun before the last is ended.
    assert!(fetch.block(0, 2, A, A).is_err());
    fetch.range_end(0).unwrap();
    fetch.block(0, 2, A, A).unwrap();
    fetch.range_end(0).unwrap();
    assert!(fetch.range_end(0).is_err() && fetch.is_finished());
}

#[test]
fn a_request_names_not_too_many_ranges() {
    let blocks = 3 * MAX_GET_RANGES as u64;
    let local: Vec<_> = (0..blocks).step_by(2).map(|index| (index, A)).collect();
    let mut fetch =
        Fetch::new(blocks * BLOCK_BYTES, &known(blocks * BLOCK_BYTES, &local), u64::MAX);
    let cvs = vec![A; usize::try_from(blocks).unwrap()];
    fetch.cvs(0, &cvs).unwrap();
    fetch.manifest(digest(&cvs)).unwrap();
    assert_eq!(fetch.next(0).unwrap().len(), MAX_GET_RANGES);
    // A size that is only said takes no memory.
    let all = empty(u64::MAX, u64::MAX).next(0).unwrap();
    assert_eq!(all, [range(0, block_count(u64::MAX))]);
}
