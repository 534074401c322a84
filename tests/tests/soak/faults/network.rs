//! Connections that are cut, stand still, or change a byte.

use ftx_tests::Plan;
use ftx_tests::soak::{Moment, Step};

use crate::run::Struck;
use crate::transfer::{Files, direction};
use crate::world::World;

/// Within half a second a client notices that nothing comes.
const TIMEOUTS: [&str; 4] = ["--timeout", "500ms", "--stall-timeout", "5s"];

/// Bytes that a connection carries before the fault.
fn place(step: &Step) -> u64 {
    let part = match step.moment {
        Moment::Settled(part) | Moment::Racing(part) | Moment::Acknowledged(part) => part,
        Moment::Done => 0,
    };
    // Not only at round places.
    1 + step.sent_bytes() / step.streams as u64 * part / 1000 + step.seed % 1000
}

/// Runs the transfer on a line of which the first connections follow a plan, all of them or one.
/// The number of faults that struck.
fn strike(world: &mut World<'_>, step: &Step, files: &Files, plan: Plan, flags: &[&str]) -> u64 {
    let (streams, seed) = (step.streams, step.seed as usize);
    let is_struck =
        move |index| index < streams && (seed.is_multiple_of(2) || index == seed / 2 % streams);
    let plan = move |index| if is_struck(index) { plan } else { Plan::default() };
    // The plan says where, not the gate.
    let step = &Step { moment: Moment::Done, ..step.clone() };
    let attempt = world.attempt(step, files, plan, flags, None);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    attempt.proxy.struck() as u64
}

fn struck(count: u64) -> Struck {
    Struck { kept: None, has_struck: count > 0 }
}

pub(super) fn cut(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let plan = Plan::default().cut_after(direction(step.way), place(step));
    let count = strike(world, step, files, plan, &[]);
    world.figures.add(|figures| &figures.cuts, count);
    struck(count)
}

pub(super) fn stall(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let plan = Plan::default().hang_after(direction(step.way), place(step));
    let count = strike(world, step, files, plan, &TIMEOUTS);
    world.figures.add(|figures| &figures.stalls, count);
    struck(count)
}

pub(super) fn flip(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    let plan = Plan::default().flip_after(direction(step.way), place(step));
    let count = strike(world, step, files, plan, &TIMEOUTS);
    world.figures.add(|figures| &figures.flips, count);
    struck(count)
}
