//! System calls of the server that fail; then the power goes, or a promise made in spite of them would
//! look kept.

use ftx_tests::Strace;
use ftx_tests::soak::{Moment, Step, WriteBack};

use crate::run::Struck;
use crate::transfer::Files;
use crate::verify::{self, Rest};
use crate::world::{Start, World};

pub(super) fn strike(
    world: &mut World<'_>,
    step: &Step,
    files: &Files,
    call: &str,
    error: &str,
    nth: u64,
) -> Struck {
    if Strace::missing().is_some() {
        return Struck::default();
    }
    let strace = Strace::default().inject(&format!("{call}:error={error}:when={nth}"));
    let strace = strace.only_injected();
    world.start(&Start::Under(&strace));
    let step = &Step { moment: Moment::Done, ..step.clone() };
    let attempt = world.attempt_until_moment(step, files);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    let failed = strace.injections() as u64;
    if failed > 0 {
        world.figures.add(|figures| &figures.injected, failed);
        world.disk.cut();
        world.figures.count_power_cut(WriteBack::Nothing, false);
        world.kill_server();
        world.disk.restore();
        verify::all(world, Rest::PartialDownloads);
    }
    world.start(&Start::Plain);
    Struck { kept: None, has_struck: failed > 0 }
}
