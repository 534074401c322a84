//! Every transition of a request, and every reply that does not fit its state.

use std::string::ToString as _;
use std::vec;
use std::vec::Vec;

use super::{
    DownloadRequest, DownloadStep, FetchError, OpenRequests, RemoteVersion, RequestedFile,
};
use crate::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest};
use crate::native::step::StepError;
use crate::native::wire::{BlockHead, FileHead, GetScope, Meta, Overwrite, Reply, Version};

type TestRequest = DownloadRequest<&'static str, u32>;
type TestStep = DownloadStep<&'static str, u32>;

const FIRST: BlockRange = BlockRange { first: 0, count: 8 };
const META: Meta =
    Meta { mtime: None, executable: true, readers: crate::native::wire::Readers::Group };
const GOT: FileHead = FileHead::Got { meta: META, version: Version([1; 16]) };
const HEAD: BlockHead = BlockHead { index: 0, len: BLOCK_BYTES };
const LOCAL: Digest = Digest([3; 32]);
const A: Cv = Cv([0xaa; 32]);

fn remote(size: u64) -> RemoteVersion {
    RemoteVersion { size, meta: META, version: Version([1; 16]) }
}

fn found(size: u64) -> Reply {
    Reply::Found { size, meta: META, version: Version([1; 16]) }
}

fn end(digest: Option<Digest>) -> Reply {
    Reply::End { digest }
}

fn failed() -> Reply {
    Reply::Failed { reason: -408, message: "it changed".to_string() }
}

fn refused(file: RequestedFile<&'static str, u32>) -> TestStep {
    DownloadStep::Refused { file, reason: -408, message: "it changed".to_string() }
}

fn digest(cvs: &[Cv]) -> Digest {
    Manifest::new(cvs.len() as u64 * BLOCK_BYTES, cvs.to_vec()).unwrap().digest()
}

/// A request in each state, and its name.
fn states() -> Vec<(&'static str, TestRequest)> {
    let after = |mut request: TestRequest, replies: Vec<Reply>| {
        for reply in replies {
            let _ = request.on_reply(reply).unwrap();
        }
        request
    };
    let blocks = || DownloadRequest::blocks(7, Version([1; 16]), vec![FIRST]).0;
    let mut open = after(DownloadRequest::first_blocks("f", FIRST).0, vec![found(9)]);
    open.opened(7).unwrap();
    let mut whole = after(DownloadRequest::whole("f").0, vec![found(BLOCK_BYTES + 1)]);
    whole.opened(7).unwrap();
    let mut abandoned = DownloadRequest::manifest("f", false).0;
    assert_eq!(abandoned.abandon(), Some("f"));
    let unless = || DownloadRequest::whole_unless("f", LOCAL).0;
    let manifest = || DownloadRequest::manifest("f", false).0;
    vec![
        ("start", DownloadRequest::first_blocks("f", FIRST).0),
        ("start whole", DownloadRequest::whole("f").0),
        ("conditional", unless()),
        ("conditional, found", after(unless(), vec![found(9)])),
        ("comparing", manifest()),
        ("comparing, found", after(manifest(), vec![found(BLOCK_BYTES + 1)])),
        ("opening", after(DownloadRequest::first_blocks("f", FIRST).0, vec![found(9)])),
        ("blocks", blocks()),
        ("blocks, found", open),
        ("blocks, whole", whole),
        ("abandoned", abandoned),
        ("over", after(blocks(), vec![failed()])),
    ]
}

/// The steps of a state for one input, `Err` where it does not fit.
fn steps(
    input: impl Fn(&mut TestRequest) -> Result<TestStep, StepError>,
) -> Vec<(&'static str, TestStep)> {
    let mut accepted = Vec::new();
    for (state, mut request) in states() {
        match input(&mut request) {
            Ok(step) => accepted.push((state, step)),
            Err(StepError::OutOfStep { .. }) => {}
            Err(error) => panic!("{state}: {error}"),
        }
    }
    accepted
}

#[test]
fn a_request_names_its_scope() {
    let scope = |(_, scope): (TestRequest, GetScope)| scope;
    assert_eq!(scope(DownloadRequest::first_blocks("f", FIRST)), GetScope::Blocks(vec![FIRST]));
    assert_eq!(scope(DownloadRequest::whole("f")), GetScope::Whole);
    assert_eq!(scope(DownloadRequest::whole_unless("f", LOCAL)), GetScope::WholeUnless(LOCAL));
    assert_eq!(scope(DownloadRequest::manifest("f", false)), GetScope::Manifest);
    assert_eq!(scope(DownloadRequest::manifest("f", true)), GetScope::FreshManifest);
    let ranges = vec![FIRST, BlockRange { first: 20, count: 1 }];
    let asked = DownloadRequest::blocks(7, Version([1; 16]), ranges.clone());
    assert_eq!(scope(asked), GetScope::Blocks(ranges));
}

#[test]
fn work_in_progress_changes_nothing() {
    let working =
        |request: &mut TestRequest| request.on_reply(Reply::Working { done: 1, total: 2 });
    let accepted = steps(working);
    assert_eq!(accepted.len(), states().len());
    assert!(accepted.iter().all(|(_, step)| *step == DownloadStep::Wait));
}

#[test]
fn a_small_file_is_found_where_it_is_awaited() {
    let remote = remote(9);
    let open = |first| DownloadStep::Open { file: "f", remote, first };
    let expected = [
        ("start", open(FIRST)),
        ("start whole", open(BlockRange { first: 0, count: u64::MAX })),
        ("conditional", DownloadStep::Wait),
        ("comparing", DownloadStep::CheckRoom(remote)),
        ("blocks", DownloadStep::Wait),
        ("abandoned", DownloadStep::Wait),
    ];
    assert_eq!(steps(|request| request.on_reply(found(9))), expected);
}

#[test]
fn a_file_that_has_grown_is_opened_with_all_its_blocks() {
    let (mut request, _) = TestRequest::whole_unless("f", LOCAL);
    let step = request.on_reply(found(BLOCK_BYTES + 1)).unwrap();
    let first = BlockRange { first: 0, count: u64::MAX };
    assert_eq!(step, DownloadStep::Open { file: "f", remote: remote(BLOCK_BYTES + 1), first });
    request.opened(7).unwrap();
    assert_eq!(request.on_block(HEAD), Ok(DownloadStep::Block { file: 7, head: HEAD }));
    assert!(request.on_reply(end(None)).is_err(), "a whole has a digest");
    let step = request.on_reply(end(Some(LOCAL)));
    assert_eq!(step, Ok(DownloadStep::EndBlocks { file: 7, digest: Some(LOCAL) }));
    assert!(request.is_over());
}

#[test]
fn blocks_are_of_the_version_that_was_asked_for() {
    let (mut request, _) = TestRequest::blocks(7, Version([2; 16]), vec![FIRST]);
    assert!(matches!(request.on_reply(found(9)), Err(StepError::OutOfStep { .. })));
}

#[test]
fn pages_of_a_manifest_come_in_order_and_end_with_its_size() {
    let page = |first, cvs: &[Cv]| Reply::Cvs { first, cvs: cvs.to_vec() };
    let expected = [("comparing, found", DownloadStep::Wait), ("abandoned", DownloadStep::Wait)];
    assert_eq!(steps(|request| request.on_reply(page(0, &[A]))), expected);
    let size = 3 * BLOCK_BYTES;
    let (mut request, _) = TestRequest::manifest("f", true);
    assert_eq!(request.on_reply(found(size)), Ok(DownloadStep::CheckRoom(remote(size))));
    for (first, cvs) in [(1, &[A][..]), (0, &[A; 4]), (u64::MAX, &[A])] {
        assert!(request.on_reply(page(first, cvs)).is_err(), "{first}");
    }
    assert_eq!(request.on_reply(page(0, &[A, A])), Ok(DownloadStep::Wait));
    assert!(request.on_reply(page(0, &[A])).is_err());
    assert_eq!(request.on_reply(page(2, &[A])), Ok(DownloadStep::Wait));
    assert!(request.on_reply(end(None)).is_err(), "a manifest has a digest");
    let manifest = Manifest::new(size, vec![A; 3]).unwrap();
    let compare = DownloadStep::Compare { file: "f", remote: remote(size), manifest };
    assert_eq!(request.on_reply(end(Some(digest(&[A; 3])))), Ok(compare));
    assert!(request.is_over());
}

#[test]
fn a_manifest_that_contradicts_its_digest_fails_the_file() {
    let (mut request, _) = TestRequest::manifest("f", false);
    let _ = request.on_reply(found(2 * BLOCK_BYTES)).unwrap();
    let _ = request.on_reply(Reply::Cvs { first: 0, cvs: vec![A; 2] }).unwrap();
    let error = FetchError::DigestMismatch { computed: digest(&[A; 2]), claimed: LOCAL };
    let step = request.on_reply(end(Some(LOCAL)));
    assert_eq!(step, Ok(DownloadStep::Mismatched { file: "f", error }));
}

#[test]
fn an_end_fits_what_was_asked_for() {
    let whole = DownloadStep::EndBlocks { file: 7, digest: Some(LOCAL) };
    let expected = [
        ("conditional, found", DownloadStep::Keep { file: "f", remote: remote(9) }),
        ("opening", DownloadStep::Wait),
        ("blocks, whole", whole),
        ("abandoned", DownloadStep::Wait),
    ];
    // The manifest of "comparing, found" is not complete.
    assert_eq!(steps(|request| request.on_reply(end(Some(LOCAL)))), expected);
    let expected = [
        ("opening", DownloadStep::Wait),
        ("blocks, found", DownloadStep::EndBlocks { file: 7, digest: None }),
        ("abandoned", DownloadStep::Wait),
    ];
    assert_eq!(steps(|request| request.on_reply(end(None))), expected);
    let other = steps(|request| request.on_reply(end(Some(Digest([4; 32])))));
    assert!(other.iter().all(|(state, _)| *state != "conditional, found"));
}

#[test]
fn a_failure_ends_every_request_once() {
    let unopened = || refused(RequestedFile::Unopened("f"));
    let open = || refused(RequestedFile::Open(7));
    let expected = [
        ("start", unopened()),
        ("start whole", unopened()),
        ("conditional", unopened()),
        ("conditional, found", unopened()),
        ("comparing", unopened()),
        ("comparing, found", unopened()),
        ("opening", DownloadStep::Wait),
        ("blocks", open()),
        ("blocks, found", open()),
        ("blocks, whole", open()),
        ("abandoned", DownloadStep::Wait),
    ];
    assert_eq!(steps(|request| request.on_reply(failed())), expected);
}

#[test]
fn a_block_comes_behind_its_file() {
    let block = || DownloadStep::Block { file: 7, head: HEAD };
    let skip = || DownloadStep::Skip { len: BLOCK_BYTES };
    let expected = [
        ("opening", skip()),
        ("blocks, found", block()),
        ("blocks, whole", block()),
        ("abandoned", skip()),
    ];
    assert_eq!(steps(|request| request.on_block(HEAD)), expected);
}

#[test]
fn a_file_comes_where_all_of_it_was_asked_for() {
    let receive = || DownloadStep::Receive { file: "f", meta: META, len: 9 };
    let expected = [
        ("start whole", receive()),
        ("conditional", receive()),
        ("abandoned", DownloadStep::Skip { len: 9 }),
    ];
    assert_eq!(steps(|request| request.on_file(&GOT, 9)), expected);
    let put = FileHead::Put { name: "f".to_string(), meta: META, overwrite: Overwrite::Replace };
    assert_eq!(steps(|request| request.on_file(&put, 9)), []);
}

#[test]
fn answers_to_other_requests_fit_no_download() {
    let others = [
        Reply::Have { first: 0, blocks: vec![] },
        Reply::Ready { resumed: 0, granule: crate::native::Granule::ONE },
        Reply::Stored { index: 0 },
        Reply::Done { digest: LOCAL, unchanged: false },
        Reply::Entries { entries: vec![], more: false },
        Reply::Removed,
        Reply::Wanted,
        Reply::Waiting,
        Reply::Pong { payload: 0 },
    ];
    for other in others {
        assert_eq!(steps(|request| request.on_reply(other.clone())), [], "{other:?}");
    }
}

#[test]
fn only_a_target_that_was_to_be_opened_is_opened() {
    for (state, mut request) in states() {
        assert_eq!(request.opened(8).is_ok(), state == "opening", "{state}");
    }
}

#[test]
fn a_connection_begins_files_within_its_limits() {
    let mut requests = OpenRequests::<&str, u32>::new(3);
    assert!(requests.is_empty() && requests.may_begin(3) && !requests.may_begin(4));
    for id in 1..=3 {
        assert!(requests.may_begin(0));
        requests.insert(id, DownloadRequest::whole("f").0);
    }
    assert!(!requests.may_begin(0), "three are unanswered");
    assert!(requests.on_file(1, &GOT, 9).is_ok() && requests.may_begin(0));
    assert!(requests.on_reply(1, failed()).is_err(), "it is answered");

    let mut requests = OpenRequests::<&str, u32>::new(512);
    for id in 1..=16 {
        assert!(requests.may_begin(0));
        let first = DownloadRequest::first_blocks("f", FIRST).0;
        requests
            .insert(id, if id % 2 == 0 { first } else { DownloadRequest::manifest("f", false).0 });
    }
    assert!(!requests.may_begin(0), "16 may open a file");
    // Each of these leaves room for one.
    assert_eq!(requests.abandon(1), Some("f"));
    assert!(requests.may_begin(0) && requests.unopened(1).is_none());
    assert!(requests.on_reply(2, found(9)).is_ok() && requests.opened(2, 7).is_ok());
    assert!(requests.on_reply(3, failed()).is_ok());
    for id in 20..23 {
        assert!(requests.may_begin(0));
        requests.insert(id, DownloadRequest::manifest("f", false).0);
    }
    assert!(!requests.may_begin(0) && requests.unopened(20) == Some(&"f"));
}
