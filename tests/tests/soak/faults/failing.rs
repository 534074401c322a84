//! System calls of the server that fail.

use ftx_tests::Strace;
use ftx_tests::soak::{Moment, Step};

use crate::run::Struck;
use crate::transfer::Files;
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
    world.start(&Start::Failing(&strace));
    let step = &Step { moment: Moment::Done, ..step.clone() };
    let attempt = world.attempt_until_moment(step, files);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    world.start(&Start::Plain);
    world.figures.add(|figures| &figures.injected, strace.injections() as u64);
    Struck::default()
}
