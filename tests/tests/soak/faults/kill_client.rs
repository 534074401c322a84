//! SIGKILL of the client.

use ftx_tests::soak::Step;

use crate::run::Struck;
use crate::transfer::Files;
use crate::world::World;

/// The number of the signal.
const SIGKILL: i32 = 9;

pub(super) fn strike(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let mut attempt = world.attempt_until_moment(step, files);
    let kept = attempt.kept(step);
    attempt.client.kill();
    attempt.release(step);
    let outcome = world.note(step.way, files, attempt.client);
    // One that had ended by itself was not killed.
    let has_struck = outcome.signal == Some(SIGKILL);
    if has_struck {
        world.figures.count_client_kill();
    }
    world.count_bytes(&attempt.proxy);
    Struck { kept, has_struck }
}
