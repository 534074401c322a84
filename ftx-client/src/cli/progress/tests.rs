//! The model under a clock of numbers.

use std::path::Path;
use std::time::Duration;

use ftx_client::{Event, TransferError};

use super::{
    Amount, DetailView, FILE_COST_BYTES, FileEnd, FileState, Finished, Progress, ProgressView,
    ScanView, TransferSummary, WholeView,
};

const MIB: u64 = 1 << 20;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Files of these sizes, expected at the time 0.
fn expecting<const N: usize>(sizes: [Option<u64>; N]) -> Progress {
    let mut progress = Progress::new();
    progress.expect(sizes.into_iter(), at(0));
    for (file, size) in sizes.into_iter().enumerate() {
        progress.begin(file, &format!("file-{file}"), size, at(0));
    }
    progress
}

fn transfer(progress: &mut Progress, millis: u64) -> WholeView {
    match progress.view(at(millis)) {
        ProgressView::Whole(transfer) => transfer,
        ProgressView::Scanning { scan, .. } => panic!("still scanning: {scan:?}"),
    }
}

fn started(from: u64, size: u64) -> Event<'static> {
    Event::Started { from, size }
}

fn progressed(done: u64, moved: u64) -> Event<'static> {
    Event::Progress { done, size: 0, moved }
}

fn sent(moved: u64) -> Finished {
    Finished { moved, already_there: false, size: None }
}

const THERE: Finished = Finished { moved: 0, already_there: true, size: None };

fn error(detail: &str) -> TransferError {
    TransferError::unreadable(Path::new("x"), detail)
}

#[test]
fn a_scan_is_no_total() {
    let mut progress = Progress::new();
    progress.found(Some(5));
    progress.found(None);
    let scan = ScanView { files: 2, bytes: 5 };
    assert_eq!(progress.view(at(0)), ProgressView::Scanning { scan, detail: None });
    let lost = error("lost");
    progress.observe(0, &Event::Retrying { attempt: 1, pause: at(500), error: &lost }, at(0));
    let ProgressView::Scanning { detail: Some(DetailView::Retrying { .. }), .. } =
        progress.view(at(0))
    else {
        panic!("the retry is not shown")
    };
    progress.expect([Some(5), Some(7)].into_iter(), at(1000));
    assert_eq!(transfer(&mut progress, 1000).files, Amount::of(0, 2));
    assert_eq!(transfer(&mut progress, 1000).bytes, Amount::of(0, 12));
}

#[test]
fn the_total_is_unknown_until_every_size_is() {
    let mut progress = expecting([Some(MIB), None]);
    assert_eq!(transfer(&mut progress, 0).bytes.total, None);
    assert_eq!(transfer(&mut progress, 5000).eta, None);
    progress.observe(1, &started(0, 3 * MIB), at(0));
    assert_eq!(transfer(&mut progress, 0).bytes, Amount::of(0, 4 * MIB));
    // A file that has grown since.
    progress.observe(0, &started(0, 2 * MIB), at(0));
    assert_eq!(transfer(&mut progress, 0).bytes, Amount::of(0, 5 * MIB));
}

#[test]
fn a_file_that_fails_is_no_longer_expected() {
    let mut progress = expecting([Some(MIB), None, Some(4 * MIB)]);
    progress.observe(0, &started(0, MIB), at(0));
    progress.observe(0, &progressed(MIB / 2, MIB / 2), at(0));
    progress.fail(0, FileEnd::Failed);
    progress.fail(1, FileEnd::Vanished);
    let view = transfer(&mut progress, 0);
    assert_eq!((view.files, view.bytes), (Amount::of(2, 3), Amount::of(MIB / 2, 9 * MIB / 2)));
    progress.fail(2, FileEnd::Cancelled);
    let summary = progress.summary(at(0));
    assert_eq!((summary.failed, summary.vanished, summary.left), (1, 1, 1));
    assert_eq!(summary.moved, MIB / 2);
}

#[test]
fn bytes_are_moved_or_saved() {
    let mut progress = expecting([Some(10 * MIB), Some(MIB), Some(7 * MIB), Some(5)]);
    // Resumed by an earlier run, and some of its blocks are the same.
    progress.observe(0, &started(4 * MIB, 10 * MIB), at(0));
    progress.observe(0, &progressed(5 * MIB, 0), at(0));
    progress.observe(0, &progressed(9 * MIB, 4 * MIB), at(0));
    progress.finish(0, sent(5 * MIB), at(0));
    // Small files have no progress.
    progress.observe(1, &started(0, MIB), at(0));
    progress.finish(1, sent(MIB), at(0));
    // No event tells the size of a file that an original server has.
    progress.finish(2, Finished { size: Some(7 * MIB), ..THERE }, at(0));
    progress.finish(3, THERE, at(2000));
    let summary = TransferSummary {
        transferred: 2,
        already_there: 2,
        moved: 6 * MIB,
        saved: 5 * MIB + 7 * MIB + 5,
        time: at(2000),
        ..TransferSummary::default()
    };
    assert_eq!(progress.summary(at(2000)), summary);
    let view = transfer(&mut progress, 2000);
    assert_eq!(
        (view.files, view.bytes),
        (Amount::of(4, 4), Amount::of(18 * MIB + 5, 18 * MIB + 5))
    );
    assert_eq!(view.work.share(100), Some(100));
}

#[test]
fn bytes_of_every_attempt_were_moved_and_none_of_them_saved() {
    let mut progress = expecting([Some(10 * MIB)]);
    progress.observe(0, &started(0, 10 * MIB), at(0));
    progress.observe(0, &progressed(6 * MIB, 6 * MIB), at(0));
    let lost = error("lost");
    let retrying = Event::Retrying { attempt: 1, pause: at(100), error: &lost };
    assert!(progress.observe(0, &retrying, at(0)));
    progress.observe(0, &started(5 * MIB, 10 * MIB), at(0));
    assert_eq!(transfer(&mut progress, 0).bytes, Amount::of(5 * MIB, 10 * MIB));
    progress.observe(0, &progressed(10 * MIB, 5 * MIB), at(0));
    progress.finish(0, sent(5 * MIB), at(0));
    let summary = progress.summary(at(0));
    assert_eq!((summary.moved, summary.saved, summary.retries), (11 * MIB, 0, 1));
}

#[test]
fn connections_may_tell_of_one_file_in_any_order() {
    let mut progress = expecting([Some(4 * MIB)]);
    progress.observe(0, &started(0, 4 * MIB), at(0));
    for step in [2, 1, 4, 3] {
        progress.observe(0, &progressed(step * MIB, step * MIB), at(0));
    }
    assert_eq!(transfer(&mut progress, 0).bytes.done, 4 * MIB);
    progress.finish(0, sent(4 * MIB), at(0));
    assert_eq!(progress.summary(at(0)).moved, 4 * MIB);
}

#[test]
fn a_retry_is_news_once_and_shown_until_something_moves() {
    let mut progress = expecting([Some(10 * MIB), Some(10 * MIB)]);
    for file in [0, 1] {
        progress.observe(file, &started(0, 10 * MIB), at(0));
        progress.observe(file, &progressed(5 * MIB, 5 * MIB), at(1900));
    }
    assert!(transfer(&mut progress, 2000).eta.is_some());
    let lost = error("lost");
    let retrying = |attempt| Event::Retrying { attempt, pause: at(3000), error: &lost };
    assert!(progress.observe(0, &retrying(1), at(2000)));
    assert!(!progress.observe(1, &retrying(1), at(2000)), "the same attempt");
    let view = transfer(&mut progress, 3000);
    assert_eq!(view.eta, None);
    let detail = |attempt, pause, error: &str| {
        Some(DetailView::Retrying { attempt, pause: at(pause), error: error.to_owned() })
    };
    assert_eq!(view.detail, detail(1, 2000, "\"x\" cannot be read: lost"));
    assert!(progress.observe(0, &retrying(2), at(6000)));
    assert_eq!(transfer(&mut progress, 9500).detail, detail(2, 0, "\"x\" cannot be read: lost"));
    progress.observe(1, &started(5 * MIB, 10 * MIB), at(9900));
    progress.observe(1, &progressed(9 * MIB, 4 * MIB), at(10_000));
    let view = transfer(&mut progress, 10_000);
    assert!(!matches!(view.detail, Some(DetailView::Retrying { .. })) && view.eta.is_some());
    assert_eq!(progress.summary(at(10_000)).retries, 2);
}

#[test]
fn the_remaining_time_follows_the_last_seconds() {
    let mut progress = expecting([Some(100 * MIB)]);
    progress.observe(0, &started(40 * MIB, 100 * MIB), at(0));
    for step in 1..=20 {
        progress.observe(0, &progressed((40 + step) * MIB, step * MIB), at(step * 500));
    }
    let view = transfer(&mut progress, 10_000);
    // Resumed bytes count neither for the speed nor for the time.
    assert_eq!((view.speed, view.eta), (Some(2 * MIB), Some(at(20_000))));
    assert_eq!(view.work.share(100), Some(59));
    // A stall.
    let view = transfer(&mut progress, 16_000);
    assert_eq!((view.speed, view.eta), (Some(0), None));
}

#[test]
fn many_small_files_have_a_remaining_time() {
    let mut progress = expecting([Some(10); 100]);
    for file in 0..50 {
        progress.finish(file, sent(10), at(file as u64 * 100));
    }
    let view = transfer(&mut progress, 4900);
    assert_eq!(view.files, Amount::of(50, 100));
    assert_eq!(view.work, Amount::of(50 * (10 + FILE_COST_BYTES), 100 * (10 + FILE_COST_BYTES)));
    assert!((at(4000)..=at(6000)).contains(&view.eta.unwrap()), "{view:?}");
}

#[test]
fn hashing_has_no_remaining_time() {
    let mut progress = expecting([Some(100 * MIB)]);
    progress.observe(0, &started(0, 100 * MIB), at(0));
    progress.observe(0, &progressed(50 * MIB, 50 * MIB), at(1500));
    assert!(transfer(&mut progress, 1500).eta.is_some());
    progress.observe(0, &Event::Hashing { done: 10, total: 50 }, at(1600));
    let view = transfer(&mut progress, 1600);
    assert_eq!(view.eta, None);
    let detail = DetailView::File {
        name: "file-0".to_owned(),
        state: FileState::Hashing,
        amount: Amount::of(10, 50),
    };
    assert_eq!(view.detail, Some(detail));
}

#[test]
fn a_file_in_place_that_is_not_published_has_no_remaining_time() {
    let mut progress = expecting([Some(4 * MIB)]);
    progress.observe(0, &started(0, 4 * MIB), at(0));
    progress.observe(0, &progressed(2 * MIB, 2 * MIB), at(1000));
    assert!(transfer(&mut progress, 1000).eta.is_some());
    progress.observe(0, &progressed(4 * MIB, 4 * MIB), at(2000));
    let view = transfer(&mut progress, 2500);
    assert_eq!((view.eta, view.detail), (None, None));
    let is_finishing =
        |detail| matches!(detail, Some(DetailView::File { state: FileState::Finishing, .. }));
    assert!(is_finishing(transfer(&mut progress, 3000).detail));
}

#[test]
fn blocks_that_are_the_same_are_checked_and_not_moved() {
    let mut progress = expecting([Some(100 * MIB)]);
    progress.observe(0, &started(0, 100 * MIB), at(0));
    for step in 1..=30 {
        progress.observe(0, &progressed(step * MIB, 0), at(step * 100));
    }
    let view = transfer(&mut progress, 3000);
    assert_eq!((view.speed, view.eta), (None, Some(at(7000))));
    let is_checked = |view: &WholeView| {
        matches!(view.detail, Some(DetailView::File { state: FileState::Comparing, .. }))
    };
    assert!(is_checked(&view), "{view:?}");
    progress.observe(0, &progressed(31 * MIB, MIB), at(3100));
    assert!(!is_checked(&transfer(&mut progress, 3100)));
}

#[test]
fn a_file_that_takes_long_is_shown_until_it_ends() {
    let name = |progress: &mut Progress, millis| match transfer(progress, millis).detail {
        Some(DetailView::File { name, .. }) => Some(name),
        _ => None,
    };
    let mut progress = expecting([Some(MIB), Some(90 * MIB), Some(80 * MIB)]);
    for file in 0..3 {
        progress.observe(file, &started(0, (file as u64 + 1) * 40 * MIB), at(0));
    }
    assert_eq!(name(&mut progress, 900), None);
    assert_eq!(name(&mut progress, 1000).as_deref(), Some("file-2"));
    // Another one has more left, but a display that jumps cannot be read.
    progress.observe(2, &progressed(119 * MIB, 119 * MIB), at(2000));
    assert_eq!(name(&mut progress, 2000).as_deref(), Some("file-2"));
    progress.finish(2, sent(120 * MIB), at(2100));
    assert_eq!(name(&mut progress, 2100).as_deref(), Some("file-1"));
    assert_eq!(transfer(&mut progress, 2100).name, None);
    // The only file has the first line.
    let mut single = expecting([Some(MIB)]);
    single.observe(0, &started(0, MIB), at(0));
    let view = transfer(&mut single, 5000);
    assert_eq!((view.name.as_deref(), view.detail), (Some("file-0"), None));
}
