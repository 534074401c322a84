//! The faults: each strikes a transfer, and leaves a world in which the server runs again.

pub(crate) mod clock;
mod failing;
mod full_disk;
mod kill_client;
mod kill_server;
mod network;
mod power_cut;

use ftx_tests::soak::{Fault, Step};

use self::power_cut::PowerCut;
use super::run::Struck;
use super::transfer::Files;
use super::world::World;

/// Has the fault of a step strike its transfer.
pub(crate) fn strike(world: &mut World<'_>, step: &Step, files: &Files) -> Struck {
    match step.fault {
        Fault::KillServer => kill_server::strike(world, step, files),
        Fault::KillClient => kill_client::strike(world, step, files),
        Fault::PowerCut { write_back, rots, slow } => {
            power_cut::strike(world, step, files, PowerCut { write_back, rots, slow })
        }
        Fault::Cut => network::cut(world, step, files),
        Fault::Stall => network::stall(world, step, files),
        Fault::Flip => network::flip(world, step, files),
        Fault::FullDisk => full_disk::strike(world, step, files),
        Fault::Failing { call, error, nth } => {
            failing::strike(world, step, files, call, error, nth)
        }
        Fault::ClockJump { seconds, kills } => clock::strike(world, step, files, seconds, kills),
    }
}
