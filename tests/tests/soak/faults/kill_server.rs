//! SIGKILL of the server.

use ftx_tests::soak::Step;

use crate::run::Struck;
use crate::transfer::Files;
use crate::verify::{self, Rest};
use crate::world::{Start, World};

pub(super) fn strike(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let mut attempt = world.attempt_until_moment(step, files);
    // A client that has ended has nothing left to resume.
    let is_open = attempt.client.ended().is_none();
    let kept = attempt.kept(step).filter(|_| is_open && !step.retries);
    world.kill_server();
    world.figures.count_server_kill(is_open);
    attempt.release(step);
    verify::all(world, Rest::PartialDownloads);
    world.start(&Start::Plain);
    attempt.proxy.set_upstream(world.server().addr());
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    Struck { kept, has_struck: true }
}
