//! The JSON events of a run, as `docs/json.md` documents them.

use std::collections::BTreeMap;
use std::fs;

use ftx_tests::content::{content, write_file};
use ftx_tests::{Outcome, Plan, Proxy};
use serde_json::Value;

use super::setting::WAYS;
use super::{MIB, Setting, Way};

/// The fields that an event has besides those that all have.
fn fields(event: &str) -> &'static [&'static str] {
    match event {
        "begin" => &["path"],
        "waiting" => &[],
        "hashing" | "progress" => &["done", "size"],
        "started" => &["from", "size"],
        "retrying" => &["attempt", "pause_ms", "status", "error"],
        "finished" => &["moved", "already_there"],
        "failed" => &["status", "status_name", "error"],
        other => panic!("an event that is not documented: {other}"),
    }
}

/// The events of each file, in order; each is checked against its documentation.
fn by_file(outcome: &Outcome, direction: &str) -> BTreeMap<u64, Vec<Value>> {
    let mut files: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for line in outcome.stdout.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["direction"], direction, "{line}");
        assert!(event["name"].is_string(), "{line}");
        for field in fields(event["event"].as_str().unwrap()) {
            assert!(!event[field].is_null(), "no {field} in {line}");
        }
        files.entry(event["file"].as_u64().unwrap()).or_default().push(event);
    }
    for events in files.values() {
        let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!(kinds[0], "begin", "{kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| **kind == "begin").count(), 1, "{kinds:?}");
        let is_last = |kind: &&&str| ["finished", "failed"].contains(*kind);
        assert_eq!(kinds.iter().filter(is_last).count(), 1, "{kinds:?}");
        assert!(is_last(&kinds.last().unwrap()), "{kinds:?}");
    }
    files
}

fn find<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events
        .iter()
        .find(|event| event["event"] == kind)
        .unwrap_or_else(|| panic!("no {kind}: {events:?}"))
}

fn verb(way: Way) -> &'static str {
    match way {
        Way::Up => "upload",
        Way::Down => "download",
    }
}

#[test]
fn a_run_of_several_files_is_reported() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, 5 * MIB);
        let source = setting.source(way);
        write_file(&source.with_file_name("b.bin"), content(2, 1000));
        let client = setting.client(way, setting.server.addr());
        let outcome = client.args(["b.bin", "none", "--json", "--keep-going"]).run();
        outcome.assert_code(1);
        assert_eq!(outcome.stderr, "");
        let files = by_file(&outcome, verb(way));
        assert_eq!(files.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(find(&files[&0], "begin")["name"], "a.bin");
        assert_eq!(find(&files[&0], "started")["from"], 0);
        assert_eq!(find(&files[&0], "started")["size"], 5 * MIB);
        let progress: Vec<_> =
            files[&0].iter().filter(|event| event["event"] == "progress").collect();
        // Two connections may tell of theirs in another order.
        let furthest = progress.iter().filter_map(|event| event["done"].as_u64()).max();
        assert_eq!(furthest, Some(5 * MIB), "{way:?}");
        assert_eq!(find(&files[&0], "finished")["moved"], 5 * MIB);
        assert_eq!(find(&files[&0], "finished")["already_there"], false);
        assert_eq!(find(&files[&1], "finished")["moved"], 1000);
        let failed = find(&files[&2], "failed");
        assert_eq!((&failed["name"], &failed["status"]), (&"none".into(), &(-2).into()));
        assert!(failed["error"].as_str().unwrap().contains("none"), "{failed}");
    }
}

#[test]
fn a_resumed_file_reports_its_offset() {
    for way in WAYS {
        let setting = Setting::with_file(way, 1, 16 * MIB);
        let proxy = Proxy::start(setting.server.addr(), move |index| match index {
            // Not cut: bytes that the server has not read are lost with the line.
            0 => Plan::default().hang_after(way.direction(), 8 * MIB),
            _ => Plan::default(),
        });
        let client = setting.client(way, proxy.addr()).args(["--json", "--timeout", "3s"]);
        let outcome = client.streams(1).run();
        outcome.assert_done();
        let files = by_file(&outcome, verb(way));
        let retrying = find(&files[&0], "retrying");
        assert_eq!((&retrying["attempt"], &retrying["status"]), (&1.into(), &(-5).into()));
        let started: Vec<_> =
            files[&0].iter().filter(|event| event["event"] == "started").collect();
        let from = started.last().unwrap()["from"].as_u64().unwrap();
        assert!((4 * MIB..=8 * MIB).contains(&from), "{way:?}: went on from {from}");
        let moved = find(&files[&0], "finished")["moved"].as_u64().unwrap();
        assert_eq!(moved, 16 * MIB - from, "{way:?}");
    }
}

#[test]
fn hashing_is_reported() {
    let setting = Setting::with_file(Way::Down, 1, 16 * MIB);
    fs::copy(setting.source(Way::Down), setting.target(Way::Down)).unwrap();
    let outcome = setting.client(Way::Down, setting.server.addr()).arg("--json").run();
    outcome.assert_done();
    let files = by_file(&outcome, "download");
    let hashed: Vec<_> = files[&0].iter().filter(|event| event["event"] == "hashing").collect();
    assert_eq!(hashed.last().unwrap()["done"], 16 * MIB);
    assert_eq!(find(&files[&0], "finished")["already_there"], true);
}
