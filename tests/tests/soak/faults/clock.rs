//! The clock of the server is set, in the middle of an upload.

use std::fs;
use std::path::{Path, PathBuf};

use ftx_tests::ServerBuilder;
use ftx_tests::soak::Step;

use crate::run::Struck;
use crate::transfer::Files;
use crate::world::{Start, World};

/// The library that takes the place of the system's clock, in the directories of the system's libraries.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

fn library() -> Option<PathBuf> {
    let dirs = fs::read_dir("/usr/lib").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    dirs.map(|dir| dir.join(LIBRARY)).find(|path| path.is_file())
}

/// Why no clock can be set, if none can be.
pub(crate) fn missing() -> Option<String> {
    library().is_none().then(|| format!("no {LIBRARY} (scripts/setup installs it)"))
}

/// Has a server take the time from a file. Clocks that only count on are left alone.
pub(crate) fn faked(server: ServerBuilder, file: &Path) -> ServerBuilder {
    server
        .env("LD_PRELOAD", library().expect("no library"))
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
}

fn set(file: &Path, seconds: i64) {
    fs::write(file, format!("{seconds:+}\n")).unwrap();
}

pub(super) fn strike(
    world: &mut World<'_>,
    step: &Step,
    files: &Files,
    seconds: i64,
    kills: bool,
) -> Struck {
    if missing().is_some() {
        return Struck::default();
    }
    set(&world.clock(), 0);
    world.start(&Start::Clock);
    let mut attempt = world.attempt_until_moment(step, files);
    let is_open = attempt.client.ended().is_none();
    set(&world.clock(), seconds);
    if is_open {
        world.figures.count(|figures| &figures.clock_jumps);
    }
    let kept = attempt.kept(step).filter(|_| kills && is_open && !step.retries);
    if kills {
        world.start(&Start::Clock);
        world.figures.count_server_kill(is_open);
        attempt.proxy.set_upstream(world.server().addr());
    }
    attempt.release(step);
    world.note(step.way, files, attempt.client);
    world.count_bytes(&attempt.proxy);
    // The retry is served by a clock that is wrong; the next start sets it right.
    Struck { kept, has_struck: is_open }
}
