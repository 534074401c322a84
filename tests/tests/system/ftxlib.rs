//! `tests/ftxlib.py` speaks the protocol as it is.

use std::path::Path;
use std::process::Command;

use ftx_tests::{DEADLINE, Process, bins};
use tempfile::tempdir;

#[test]
fn programs_in_python_can_speak_the_protocol() {
    let temp = tempdir().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("ftxlib_check.py");
    let mut python = Command::new("python3");
    python
        .arg("-B")
        .arg(program)
        .env("FTX_SERVER", bins::server())
        .env("FTX_CLIENT", bins::client())
        .env("CASES_TMP", temp.path());
    let outcome = Process::spawn(&mut python).wait(DEADLINE);
    outcome.assert_done();
    assert_eq!(outcome.stdout, "all of it is right", "{outcome:#?}");
}
