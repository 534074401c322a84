//! One step: the files of both versions, the fault, the verification, and the retry.

use ftx_tests::soak::{BLOCK_BYTES, Fault, Load, Step, Way};

use super::faults;
use super::transfer::{Files, Version};
use super::verify::{self, Rest};
use super::world::World;

/// Bytes that a retry sends beside the files.
const OVERHEAD_BYTES: u64 = 1 << 19;

/// The result of a strike.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Struck {
    /// Bytes that had arrived, if the receiver keeps them for the retry.
    pub(crate) kept: Option<u64>,
    /// Whether the fault happened at all: a transfer may end before.
    pub(crate) has_struck: bool,
}

/// Runs a step.
pub(crate) fn run(world: &mut World<'_>, step: &Step) {
    prepare(world, step);
    let files = Files::write(world, step, Version::New);
    if step.way == Way::Down {
        world.transfer(step, Way::Up, &files);
    }
    let struck = faults::strike(world, step, &files);
    if !struck.has_struck {
        world.figures.count(|figures| &figures.missed);
    }
    verify::all(world, Rest::PartialDownloads);

    let sent = world.transfer(step, step.way, &files);
    match step.fault {
        Fault::PowerCut { .. } if step.way == Way::Down => verify::sweep(world, u64::MAX),
        // Larger files have a journal from their first byte.
        Fault::KillClient if step.way == Way::Down => verify::sweep(world, BLOCK_BYTES),
        _ => {}
    }
    verify::all(world, Rest::Nothing);
    check_resumption(world, step, struck, sent);
    world.keep(step.load.files().iter().map(|(name, _)| name.clone()).collect());
}

/// Puts older files under the names, if the step has any.
fn prepare(world: &mut World<'_>, step: &Step) {
    if !step.overwrites {
        return;
    }
    let files = Files::write(world, step, Version::Old);
    world.transfer(step, Way::Up, &files);
    if step.way == Way::Down {
        world.transfer(step, Way::Down, &files);
    }
}

/// Asserts that the retry has not sent again what the receiver had.
fn check_resumption(world: &World<'_>, step: &Step, struck: Struck, sent: u64) {
    let Load::Large(_) = step.load else { return };
    let whole = step.sent_bytes();
    if sent + OVERHEAD_BYTES < whole {
        world.figures.count(|figures| &figures.resumed);
        world.figures.add(|figures| &figures.spared, whole - sent);
    }
    if let Some(kept) = struck.kept {
        // On each connection, the block that was under way.
        let again = step.streams as u64 * BLOCK_BYTES + OVERHEAD_BYTES;
        assert!(
            sent <= whole.saturating_sub(kept) + again,
            "{kept} of {whole} bytes had arrived, and the retry sent {sent}"
        );
    }
}
