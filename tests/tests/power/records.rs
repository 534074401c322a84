//! The syncs in the record of a process's calls.
//!
//! A sync of one file on ext4 or XFS also writes back earlier name changes of other processes, so a cut
//! does not show each missing sync. The record does.

use std::net::SocketAddr;
use std::time::Duration;

use ftx_core::legacy::wire::LegacyReply;
use ftx_tests::content::{assert_content, content, write_file};
use ftx_tests::durable::{Others, Verdict, judge_client, judge_server};
use ftx_tests::{Call, Client, Direction, Outcome, Plan, Proxy, RawSocket, Server, Strace};

use super::faults;
use super::scenarios::SCENARIOS;
use super::setting::{Scenario, Side, assert_code};
use super::suite::{Case, Lane};

/// How long a server may take to end that has nothing to do.
const END: Duration = Duration::from_secs(60);

/// All scenarios, recorded, and those in which something fails.
pub(crate) fn lane() -> Lane<'static> {
    let mut lane = Vec::new();
    for scenario in SCENARIOS {
        for &dialect in scenario.dialects {
            let name = format!("record, {:?}, {dialect}: {}", scenario.side, scenario.name);
            lane.push(Case::new(name, move || keeps_its_promises(scenario, dialect)));
        }
    }
    let name = "record, Server, legacy: an original client has a file that was never synced";
    lane.push(Case::new(name, an_original_client_is_offered_only_durable_bytes));
    for dialect in ["native", "legacy"] {
        let name =
            format!("record, Client, {dialect}: a download resumes where nothing was synced");
        lane.push(Case::new(name, move || names_made_by_an_earlier_attempt_are_synced(dialect)));
    }
    lane.extend(faults::CASES.map(|(what, case)| Case::new(format!("record: {what}"), case)));
    lane
}

fn keeps_its_promises(scenario: &Scenario, dialect: &'static str) {
    let (outcome, verdict) = recorded(scenario, dialect, Strace::default(), Others::Count);
    assert_code(&outcome, scenario.code, "the client");
    assert!(!verdict.promises.is_empty(), "nothing is promised: {outcome:#?}");
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
}

/// Runs a scenario with the side recorded whose disk it is about.
pub(crate) fn recorded(
    scenario: &Scenario,
    dialect: &'static str,
    strace: Strace,
    others: Others,
) -> (Outcome, Verdict) {
    let dir = tempfile::tempdir().unwrap();
    // Links would have other names in the record.
    let disk = dir.path().canonicalize().unwrap();
    let place = scenario.prepare(dialect, &disk);
    match scenario.side {
        Side::Server => {
            let server = place.server().under(&strace).start();
            place.change();
            let outcome = place.client(server.addr()).run();
            assert_code(&server.terminate(END), 0, "the server");
            (outcome, judge_server(&disk, &strace.calls(), others))
        }
        Side::Client => {
            let server = place.server().start();
            place.change();
            let out = disk.join("out");
            // The client answers for the name of its output directory only if it makes it.
            let root = if out.is_dir() { &out } else { &disk };
            let outcome = place.client(server.addr()).under(&strace).run();
            (outcome, judge_client(root, &strace.calls(), |name| out.join(name)))
        }
    }
}

/// The client has just this file, so it sends nothing, and takes it for stored.
fn an_original_client_is_offered_only_durable_bytes() {
    let (strace, dir) = (Strace::default(), tempfile::tempdir().unwrap());
    let disk = dir.path().canonicalize().unwrap();
    let server = Server::builder(&disk).under(&strace).start();
    write_file(&disk.join("a"), content(1, 1000));
    let mut socket = RawSocket::connect(server.addr());
    let reply = socket.upload_header("a").unwrap();
    assert!(matches!(reply, LegacyReply::UploadHeader { pos: 1000, .. }), "{reply:?}");
    drop(socket);
    assert_code(&server.terminate(END), 0, "the server");
    let verdict = judge_server(&disk, &strace.calls(), Others::Count);
    assert_eq!(verdict.promises.len(), 1);
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
}

/// The try that made the directories wanted nothing to be durable.
fn names_made_by_an_earlier_attempt_are_synced(dialect: &'static str) {
    const LEN: u64 = (4 << 20) + 12_345;
    let (source, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_file(&source.path().join("a"), content(1, LEN));
    let disk = dir.path().canonicalize().unwrap();
    let out = disk.join("n1/n2");
    let server = Server::start(source.path());
    let proxy = Proxy::start(server.addr(), |_| {
        Plan::default().cut_after(Direction::ToClient, (3 << 20) + 1)
    });
    let download = |address: SocketAddr, durability: &str| {
        Client::new()
            .args(["download", &address.to_string(), "a", "--json", "--retries", "0"])
            .args(["--streams", "1", "--no-cache", "--durability", durability, "--out-dir"])
            .arg(&out)
            .dialect(dialect)
    };
    assert_code(&download(proxy.addr(), "none").run(), 1, "the client that is cut off");
    assert!(out.join("a.ftxpart").exists());
    let strace = Strace::default();
    let outcome = download(server.addr(), "full").under(&strace).run();
    assert_code(&outcome, 0, "the client");
    let calls = strace.calls();
    let verdict = judge_client(&disk, &calls, |name| out.join(name));
    assert_eq!(verdict.promises.len(), 1);
    assert!(verdict.faults.is_empty(), "{:#?}", verdict.faults);
    // The record does not show who made these, so the judge takes them for old.
    for dir in [&disk, &disk.join("n1"), &out] {
        let syncs_it = |call: &Call| {
            call.name == "fsync" && call.succeeded() && call.descriptor(0).as_ref() == Some(dir)
        };
        assert!(calls.iter().any(syncs_it), "{} is not synced", dir.display());
    }
    assert_content(&out.join("a"), content(1, LEN));
}
