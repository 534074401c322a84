//! Many, greedy and slow clients at once: `bench/load.py` with small numbers. It checks that all of them are served
//! or ended, and that no descriptor stays.

use std::path::Path;
use std::process::Command;

use ftx_tests::{DEADLINE, Process, bins};

#[test]
fn a_server_under_load_loses_nothing() {
    let (server, client) = (bins::server(), bins::client());
    let binaries = server.parent().unwrap();
    assert_eq!(client.parent(), Some(binaries));
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/load.py");
    let mut python = Command::new("python3");
    python.arg("-B").arg(program).arg("--bin").arg(binaries);
    python.args(["--connections", "200", "--clients", "30", "--honest-mib", "16"]);
    let outcome = Process::spawn(&mut python).wait(8 * DEADLINE);
    outcome.assert_done();
    assert_eq!(outcome.stdout.matches("descriptors").count(), 4, "{outcome:#?}");
}
