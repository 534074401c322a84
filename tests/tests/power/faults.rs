//! Syncs that fail: the program claims no data safe that is not.

use ftx_tests::durable::Others;
use ftx_tests::{Outcome, Strace};

use super::records::recorded;
use super::scenarios::{
    MANY_FILES, MANY_PRESENT, ONE, ONE_DOWN, REMOVAL, THREE_FILES, TREE_DOWN, WHOLE_TREE,
};
use super::setting::{Scenario, assert_code};

pub(crate) const CASES: [(&str, fn()); 7] = [
    ("where syncfs fails, each small file is synced by itself", each_is_synced_by_itself),
    ("where syncfs fails, each file of a downloaded tree is, too", each_download_is_synced),
    ("where syncfs fails, each small file that is present is, too", each_present_is_synced),
    ("a small file whose sync fails is not stored", a_file_is_not_stored),
    ("of three small files, one whose sync fails is not stored", one_of_three_is_not_stored),
    ("a removal whose sync fails is no removal", an_unsynced_removal_is_not_reported),
    ("whichever sync of a tree fails, only durable files are reported", any_sync_of_a_tree),
];

const SYSTEM: &str = "syncfs:error=EIO";

/// Runs a scenario while calls fail: how many files were promised.
fn promises(scenario: &Scenario, dialect: &'static str, failing: &[&str], code: i32) -> usize {
    let (outcome, promised) = run(scenario, dialect, failing);
    assert_code(&outcome, code, &format!("{}, {dialect}, {failing:?}", scenario.name));
    promised
}

/// As [`promises`], whatever the exit code is.
fn run(scenario: &Scenario, dialect: &'static str, failing: &[&str]) -> (Outcome, usize) {
    let strace = failing.iter().fold(Strace::default(), |strace, call| strace.inject(call));
    let (outcome, verdict) = recorded(scenario, dialect, strace, Others::DoNotCount);
    let run = format!("{}, {dialect}, {failing:?}", scenario.name);
    assert!(verdict.faults.is_empty(), "{run}: {:#?}\n{outcome:#?}", verdict.faults);
    (outcome, verdict.promises.len())
}

fn nth(call: &str, n: usize) -> String {
    format!("{call}:error=EIO:when={n}")
}

fn each_is_synced_by_itself() {
    for scenario in [&MANY_FILES, &WHOLE_TREE] {
        let stored = promises(scenario, "native", &[SYSTEM], 0);
        assert_eq!(stored, scenario.source.len(), "{}", scenario.name);
    }
}

fn each_download_is_synced() {
    let files = TREE_DOWN.source.len() - 1;
    assert_eq!(promises(&TREE_DOWN, "native", &[SYSTEM], 0), files);
}

fn each_present_is_synced() {
    let there = promises(&MANY_PRESENT, "native", &[SYSTEM], 0);
    assert_eq!(there, MANY_PRESENT.after.len());
}

fn a_file_is_not_stored() {
    for scenario in [&ONE, &ONE_DOWN] {
        for dialect in ["native", "legacy"] {
            // Of its bytes and mode, and of its name.
            for n in 1..=2 {
                assert_eq!(promises(scenario, dialect, &[&nth("fsync", n)], 1), 0);
            }
        }
    }
}

fn one_of_three_is_not_stored() {
    for n in 1..=3 {
        let stored = promises(&THREE_FILES, "native", &[&nth("fsync", n)], 1);
        assert!(stored <= 2, "{stored} stored when sync {n} failed");
    }
    // After a syncfs that fails, too.
    let stored = promises(&MANY_FILES, "native", &[SYSTEM, &nth("fsync", 2)], 1);
    assert!(stored < MANY_FILES.after.len(), "{stored} stored");
}

fn an_unsynced_removal_is_not_reported() {
    assert_eq!(promises(&REMOVAL, "native", &[&nth("fsync", 1)], 1), 0);
}

fn any_sync_of_a_tree() {
    for n in 1..=8 {
        run(&WHOLE_TREE, "native", &[&nth("fsync", n)]);
    }
}
