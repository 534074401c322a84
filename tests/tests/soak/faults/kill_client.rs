//! SIGKILL of the client.

use ftx_tests::soak::Step;

use crate::run::Struck;
use crate::transfer::Files;
use crate::world::World;

pub(super) fn strike(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let mut attempt = world.attempt_until_moment(step, files);
    let kept = attempt.kept(step);
    attempt.client.kill();
    world.figures.count(|figures| &figures.client_kills);
    attempt.release(step);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    Struck { kept }
}
