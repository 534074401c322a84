//! A long run of transfers and faults, which counts what was lost.
//!
//! Each lane has a file system of its own, on which a server and its clients store what they receive.
//! In each step a fault strikes a transfer, all files are verified, and the transfer is tried again.
//!
//! | file | its subject |
//! | --- | --- |
//! | `options` | the command line |
//! | `lane` | one step after the other, until the goals are reached |
//! | `run` | one step: preparation, fault, verification, retry |
//! | `world` | the file system, the server, the ledger |
//! | `transfer` | clients and their reports |
//! | `strike` | the moment at which a fault strikes |
//! | `faults` | a file for each kind of fault |
//! | `verify` | every file against the ledger |
//! | `figures`, `machine` | the counts, and where they were counted |
//!
//! It needs root, loop devices, a strace that may trace, and libfaketime. Without root or loop devices
//! it does not run; with `CI` in the environment anything missing is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation
)]

mod faults;
mod figures;
mod lane;
mod machine;
mod options;
mod run;
mod strike;
mod transfer;
mod verify;
mod world;

use std::env;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use figures::Figures;
use ftx_tests::{FsKind, LoopFs, Strace, own_mounts};
use lane::Lane;
use options::Options;

fn main() -> ExitCode {
    let options = match Options::from(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            println!("soak: {error}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if options.is_list {
        println!("soak: test");
        return ExitCode::SUCCESS;
    }
    if !options.is_wanted {
        return ExitCode::SUCCESS;
    }
    let missing = LoopFs::missing().map_or_else(own_mounts, Err);
    if let Err(missing) = missing {
        println!("soak: not run: it needs root and loop devices for power cuts: {missing}");
        return ended(options::is_ci());
    }
    let left_out: Vec<String> =
        [Strace::missing(), faults::clock::missing()].into_iter().flatten().collect();
    for missing in &left_out {
        println!("soak: without some of its faults: {missing}");
    }
    println!("soak: seed {}", options.seed);
    let (figures, begin) = (Figures::default(), Instant::now());
    let kinds = [FsKind::Ext4, FsKind::Xfs];
    let lanes = kinds.map(|kind| Lane::new(kind, &options, &figures, begin));
    thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(move || lane.run());
        }
    });
    figures.print(&options, begin.elapsed());
    ended(figures.has_failed() || (options::is_ci() && !left_out.is_empty()))
}

fn ended(has_failed: bool) -> ExitCode {
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
