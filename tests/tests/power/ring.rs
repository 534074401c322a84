//! The power is cut right after an acknowledgement.

use std::sync::{Mutex, PoisonError};

use ftx_tests::LoopFs;

use super::moments;
use super::scenarios::SCENARIOS;
use super::setting::{Scenario, assert_code, make_empty};
use super::suite::{Case, Lane};

/// All cases on one file system.
pub(crate) fn lane(disk: &Mutex<LoopFs>) -> Lane<'_> {
    let kind = lock(disk, |fs| fs.kind().name());
    let mut lane = Vec::new();
    for scenario in SCENARIOS {
        for &dialect in scenario.dialects {
            let name = format!("{kind}, {:?}, {dialect}: {}", scenario.side, scenario.name);
            lane.push(Case::new(name, move || lock(disk, |fs| cut_after(fs, scenario, dialect))));
        }
    }
    lane.extend(moments::CASES.map(|(what, case)| {
        Case::new(format!("{kind}, at random: {what}"), move || lock(disk, case))
    }));
    lane
}

/// Uses the file system, mounted again if a case that failed has left it without power.
fn lock<T>(disk: &Mutex<LoopFs>, work: impl FnOnce(&mut LoopFs) -> T) -> T {
    let mut fs = disk.lock().unwrap_or_else(PoisonError::into_inner);
    if fs.is_cut() {
        fs.restore();
    }
    work(&mut fs)
}

fn cut_after(fs: &mut LoopFs, scenario: &Scenario, dialect: &'static str) {
    let disk = fs.path().join("case");
    make_empty(&disk);
    let place = scenario.prepare(dialect, &disk);
    fs.sync();
    let mut server = place.server().start();
    place.change();
    let outcome = place.client(server.addr()).run();
    fs.cut();
    assert_code(&outcome, scenario.code, "before the cut");
    server.kill();
    fs.restore();
    place.assert_after();

    let server = server.restart();
    let outcome = place.client(server.addr()).run();
    assert_code(&outcome, scenario.again, "after the cut");
    place.assert_after();
}
