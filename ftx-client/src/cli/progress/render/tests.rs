//! The lines at several widths, as a terminal shows them.

use std::time::Duration;

use super::super::format::Charset::{self, Ascii, Unicode};
use super::super::view::{Amount, DetailView, FileState, ProgressView, ScanView, WholeView};
use super::{columns, render};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A tree of 400 files, a third done.
fn tree() -> WholeView {
    WholeView {
        name: None,
        files: Amount::of(123, 400),
        bytes: Amount::of(GIB + GIB / 5, 3 * GIB + GIB / 2),
        work: Amount::of(35, 100),
        speed: Some(99 * MIB + 900 * KIB),
        eta: Some(Duration::from_secs(78)),
        detail: None,
    }
}

/// One file, two thirds done.
fn single() -> WholeView {
    let bytes = Amount::of(1228 * MIB, 1904 * MIB);
    WholeView {
        name: Some("films/2026/film.mkv".to_owned()),
        files: Amount::of(0, 1),
        bytes,
        work: bytes,
        speed: Some(461 * MIB),
        eta: Some(Duration::from_secs(2)),
        detail: None,
    }
}

fn file(state: FileState) -> Option<DetailView> {
    let name = "photos/2026/11/29/IMG_2000.tiff".to_owned();
    Some(DetailView::File { name, state, amount: Amount::of(120 * MIB, 250 * MIB) })
}

fn retrying() -> Option<DetailView> {
    let error = "cannot connect to 192.0.2.7:7411: connection refused".to_owned();
    Some(DetailView::Retrying { attempt: 2, pause: Duration::from_millis(2900), error })
}

#[track_caller]
fn assert_lines(transfer: &WholeView, width: usize, charset: Charset, lines: &[&str]) {
    assert_eq!(render(&ProgressView::Whole(transfer.clone()), width, charset), lines);
}

#[test]
fn a_tree() {
    let tree = WholeView { detail: file(FileState::Moving), ..tree() };
    assert_lines(
        &tree,
        80,
        Unicode,
        &[
            "123/400 files ████████░░░░░░░░░░░░░░░  35% 1.20/3.50 GiB 99.9 MiB/s ETA 1m 18s",
            "photos/2026/11/29/IMG_2000.tiff █████████░░░░░░░░░░░  48% 120/250 MiB",
        ],
    );
    assert_lines(
        &tree,
        80,
        Ascii,
        &[
            "123/400 files ########---------------  35% 1.20/3.50 GiB 99.9 MiB/s ETA 1m 18s",
            "photos/2026/11/29/IMG_2000.tiff #########-----------  48% 120/250 MiB",
        ],
    );
    assert_lines(
        &tree,
        40,
        Unicode,
        &["123/400  35% 99.9 MiB/s ETA 1m 18s", "…6/11/29/IMG_2000.tiff  48% 120/250 MiB"],
    );
    assert_lines(&tree, 20, Unicode, &["123/400  35%", "…IMG_2000.tiff  48%"]);
    assert_lines(&tree, 20, Ascii, &["123/400  35%", "...G_2000.tiff  48%"]);
}

#[test]
fn one_file() {
    assert_lines(
        &single(),
        80,
        Unicode,
        &["films/2026/film.mkv ██████████░░░░░░░  64% 1.20/1.86 GiB  461 MiB/s ETA 2s"],
    );
    assert_lines(&single(), 40, Unicode, &["…film.mkv  64%  461 MiB/s ETA 2s"]);
    assert_lines(&single(), 20, Ascii, &[" 64% ETA 2s"]);
}

#[test]
fn unknown_sizes_and_speeds_are_not_guessed() {
    let bytes = Amount { done: 12 * MIB, total: None };
    let unknown = WholeView { bytes, work: bytes, speed: None, eta: None, ..tree() };
    assert_lines(&unknown, 80, Unicode, &["123/400 files 12.0 MiB          - ETA -"]);
    assert_lines(&unknown, 20, Unicode, &["123/400 12.0 MiB"]);
}

#[test]
fn a_retry_says_why() {
    let tree = WholeView { detail: retrying(), eta: None, speed: Some(0), ..tree() };
    assert_lines(
        &tree,
        80,
        Unicode,
        &[
            "123/400 files ████████░░░░░░░░░░░░░░░  35% 1.20/3.50 GiB      0 B/s ETA -",
            "retry 2 in 2.9s: cannot connect to 192.0.2.7:7411: connection refused",
        ],
    );
    assert_lines(&tree, 20, Ascii, &["123/400  35%", "retry 2 in 2.9s:..."]);
}

#[test]
fn hashing_and_waiting_are_named() {
    let with = |state| WholeView { detail: file(state), ..tree() };
    let line =
        |state, width| render(&ProgressView::Whole(with(state)), width, Unicode).pop().unwrap();
    assert_eq!(
        line(FileState::Hashing, 80),
        "checking photos/2026/11/29/IMG_2000.tiff █████████░░░░░░░░░░░  48% 120/250 MiB"
    );
    assert_eq!(line(FileState::Hashing, 20), "checking …tiff  48%");
    assert_eq!(
        line(FileState::Waiting, 80),
        "waiting: another upload of photos/2026/11/29/IMG_2000.tiff is running"
    );
    assert_eq!(line(FileState::Finishing, 80), "finishing photos/2026/11/29/IMG_2000.tiff");
    let draining = line(FileState::Draining, 80);
    assert!(draining.starts_with("cancelled; reading the last 130 MiB"), "{draining}");
}

#[test]
fn a_scan_has_no_total() {
    let scan = ScanView { files: 12_345, bytes: 3 * GIB };
    let lines = |width, detail| render(&ProgressView::Scanning { scan, detail }, width, Unicode);
    assert_eq!(lines(80, None), ["looking for files: 12345 files so far, 3.00 GiB"]);
    assert_eq!(lines(20, retrying()), ["12345 files so far", "retry 2 in 2.9s: c…"]);
}

#[test]
fn no_line_is_wider_than_the_terminal_and_ascii_is_ascii() {
    let details = [
        None,
        retrying(),
        file(FileState::Begun),
        file(FileState::Moving),
        file(FileState::Hashing),
        file(FileState::Finishing),
        file(FileState::Waiting),
        file(FileState::Draining),
    ];
    let named = WholeView { name: Some("报告\u{1b}[2J/caf\u{e9}".to_owned()), ..single() };
    for detail in details {
        for transfer in [tree(), single(), named.clone()] {
            let view = ProgressView::Whole(WholeView { detail: detail.clone(), ..transfer });
            for width in 1..200 {
                for charset in [Unicode, Ascii] {
                    for line in render(&view, width, charset) {
                        assert!(columns(&line) < width, "{width}: {line}");
                        assert!(!line.contains(char::is_control), "{line:?}");
                        assert!(charset == Unicode || line.is_ascii(), "{line}");
                    }
                }
            }
        }
    }
}
