//! A disk without room, in the middle of a transfer.

use ftx_tests::soak::Step;

use crate::run::Struck;
use crate::transfer::Files;
use crate::verify::{self, Rest};
use crate::world::World;

pub(super) fn strike(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    // Waiting for room would take the client as long as its retries do.
    let step = &Step { retries: false, ..step.clone() };
    let attempt = world.attempt_until_moment(step, files);
    world.disk.fill();
    let kept = attempt.kept(step);
    attempt.release(step);
    let outcome = world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    world.disk.free();
    verify::all(world, Rest::PartialDownloads);
    // Nothing else is in its way; where all had its room before, nothing fails.
    let has_struck = outcome.code != Some(0);
    if has_struck {
        world.figures.count(|figures| &figures.full_disks);
    }
    Struck { kept, has_struck }
}
