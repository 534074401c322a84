//! Acknowledged changes survive a loss of power.
//!
//! | file | its subject |
//! | --- | --- |
//! | `scenarios` | the transfers: small, large, trees, again, removed; each is cut and recorded |
//! | `ring` | the power is cut right after the client's exit 0, on ext4 and XFS |
//! | `moments` | the power is cut at random moments |
//! | `records` | the syncs in the record of the system calls: what the journal of ext4 and XFS hides |
//! | `faults` | syncs that fail |
//! | `suite` | runs all of these, and reports their results |
//!
//! The cuts need root and loop devices, the records a strace that may trace. The last lines name
//! anything missing; with `CI` in the environment that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod faults;
mod moments;
mod records;
mod ring;
mod scenarios;
mod setting;
mod suite;

use std::env;
use std::process::ExitCode;
use std::sync::Mutex;

use ftx_tests::{FsKind, LoopFs, Strace, own_mounts};
use suite::{Lane, Options, Suite};

fn main() -> ExitCode {
    let options = Options::from(env::args().skip(1));
    if options.list {
        options.print_list();
        return ExitCode::SUCCESS;
    }
    let mut suite = Suite::new(options);
    let disks = match disks() {
        Ok(disks) => disks,
        Err(missing) => {
            suite.leave_out(format!("needs root and loop devices for power cuts: {missing}"));
            Vec::new()
        }
    };
    let mut lanes: Vec<Lane<'_>> = disks.iter().map(ring::lane).collect();
    match Strace::missing() {
        None => lanes.push(records::lane()),
        Some(missing) => suite.leave_out(format!("needs strace to record calls: {missing}")),
    }
    suite.run(lanes)
}

/// The file systems whose power is cut, or why there are none. Their mounts are seen by this process and
/// those that it starts, and end with them.
fn disks() -> Result<Vec<Mutex<LoopFs>>, String> {
    if let Some(missing) = LoopFs::missing() {
        return Err(missing);
    }
    own_mounts()?;
    let made = [FsKind::Ext4, FsKind::Xfs].map(|kind| LoopFs::new(kind).map(Mutex::new));
    made.into_iter().collect()
}
