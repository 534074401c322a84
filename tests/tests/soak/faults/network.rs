//! Connections that are cut, stand still, or change a byte.

use ftx_tests::Plan;
use ftx_tests::soak::{Moment, Step};

use crate::run::Struck;
use crate::transfer::{Files, direction};
use crate::world::World;

/// Within this time a client notices that nothing comes.
const TIMEOUT: &str = "500ms";

/// Bytes that a connection carries before the fault.
fn place(step: &Step) -> u64 {
    let part = match step.moment {
        Moment::Settled(part) | Moment::Racing(part) | Moment::Acknowledged(part) => part,
        Moment::Done => 0,
    };
    // Not only at round places.
    1 + step.load.bytes() / step.streams as u64 * part / 1000 + step.seed % 1000
}

/// Runs the transfer on a line of which the first connections follow a plan, all of them or one.
fn strike(world: &mut World<'_>, step: &Step, files: &Files, plan: Plan, flags: &[&str]) -> Struck {
    let (streams, seed) = (step.streams, step.seed as usize);
    let is_struck =
        move |index| index < streams && (seed.is_multiple_of(2) || index == seed / 2 % streams);
    let plan = move |index| if is_struck(index) { plan } else { Plan::default() };
    // The plan says where, not the gate.
    let step = &Step { moment: Moment::Done, ..step.clone() };
    let attempt = world.attempt(step, files, plan, flags);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    Struck::default()
}

pub(super) fn cut(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    world.figures.count(|figures| &figures.cuts);
    let plan = Plan::default().cut_after(direction(step.way), place(step));
    strike(world, step, files, plan, &[])
}

pub(super) fn stall(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    world.figures.count(|figures| &figures.stalls);
    let plan = Plan::default().hang_after(direction(step.way), place(step));
    strike(world, step, files, plan, &["--timeout", TIMEOUT, "--stall-timeout", "5s"])
}

pub(super) fn flip(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    world.figures.count(|figures| &figures.flips);
    let plan = Plan::default().flip_after(direction(step.way), place(step));
    strike(world, step, files, plan, &["--timeout", TIMEOUT, "--stall-timeout", "5s"])
}
