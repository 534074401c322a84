//! The power of the disk goes, with everything in it that was not synced.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use ftx_tests::soak::{Step, Way};

use crate::run::Struck;
use crate::transfer::Files;
use crate::verify::{self, Rest};
use crate::world::{Start, World};

pub(super) fn strike(world: &mut World<'_>, step: &Step, files: &Files, rots: bool) -> Struck {
    let mut attempt = world.attempt_until_moment(step, files);
    world.disk.cut();
    world.figures.count(|figures| &figures.power_cuts);
    // A client that downloads is on the machine that has lost its power; one that uploads is not.
    let survives = step.way == Way::Up && step.retries;
    if !survives {
        attempt.client.kill();
    }
    world.kill_server();
    attempt.release(step);
    world.disk.restore();
    if rots && step.way == Way::Up && rot(world, step) {
        world.figures.count(|figures| &figures.rotten);
    }
    if !survives {
        world.note(step.way, files, attempt.client);
        verify::all(world, Rest::PartialDownloads);
        world.start(&Start::Plain);
    } else {
        verify::all(world, Rest::PartialDownloads);
        world.start(&Start::Plain);
        attempt.proxy.set_upstream(world.server().addr());
        world.note(step.way, files, attempt.client);
    }
    world.count_bytes(&attempt.proxy);
    // How much of an unfinished transfer outlives a power cut is not promised.
    Struck::default()
}

/// Changes a byte of an unfinished upload, if there is one.
fn rot(world: &World<'_>, step: &Step) -> bool {
    let stagings = ["blocks", "staging"].map(|dir| world.root().join(".ftx").join(dir));
    let entries = stagings.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten();
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "data");
    let Some(path) = entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_data) else {
        return false;
    };
    let file: File = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    if len == 0 {
        return false;
    }
    let (at, mut byte) = (step.seed % len, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    true
}
