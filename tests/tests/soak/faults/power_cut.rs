//! The power of the disk goes, with everything in it that was neither synced nor written back.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use ftx_tests::soak::{CHECKPOINT_BYTES, Dialect, Step, Way, WriteBack};
use ftx_tests::{DEADLINE, Random, Strace, wait_until};

use crate::run::Struck;
use crate::strike::Attempt;
use crate::transfer::Files;
use crate::verify::{self, Rest, files_below};
use crate::world::{Start, World};

/// The calls that sync, and how long each of them waits on a slow disk: longer than it takes to see an
/// answer and to cut the power.
const SLOW_SYNCS: &str = "fsync,fdatasync,syncfs:delay_enter=50000";

/// A power cut, as a step has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PowerCut {
    pub(super) write_back: WriteBack,
    pub(super) rots: bool,
    pub(super) slow: bool,
}

pub(super) fn strike(
    world: &mut World<'_>,
    step: &Step,
    files: &Files,
    power_cut: PowerCut,
) -> Struck {
    let PowerCut { write_back, rots, slow } = power_cut;
    let strace = slow_disk(slow);
    if let (Some(strace), Way::Up) = (&strace, step.way) {
        world.start(&Start::Under(strace));
    }
    let of_client = strace.as_ref().filter(|_| step.way == Way::Down);
    let mut attempt = world.attempt_under(step, files, of_client);
    let is_open = attempt.client.ended().is_none();
    if has_no_checkpoint(step, &attempt) {
        reach_checkpoint(world);
    }
    cut(world, step, write_back);
    world.figures.count_power_cut(write_back, is_open);
    // A client that downloads is on the machine that has lost its power; one that uploads is not.
    let survives = step.way == Way::Up && step.retries;
    if !survives {
        attempt.client.kill();
    }
    world.kill_server();
    attempt.release(step);
    world.disk.restore();
    if rots && rot(world, step) {
        world.figures.count(|figures| &figures.rotten);
    }
    if !survives {
        world.note(step.way, files, attempt.client);
        verify::all(world, Rest::PartialDownloads);
        world.start(&Start::Plain);
    } else {
        verify::all(world, Rest::PartialDownloads);
        world.start(&Start::Plain);
        attempt.proxy.set_upstream(world.server().addr());
        world.note(step.way, files, attempt.client);
    }
    world.count_bytes(&attempt.proxy);
    // How much of an unfinished transfer outlives a power cut is not promised.
    Struck { kept: None, has_struck: true }
}

fn slow_disk(is_slow: bool) -> Option<Strace> {
    let can = is_slow && Strace::missing().is_none();
    can.then(|| Strace::default().inject(SLOW_SYNCS).only_injected())
}

/// Whether so much of an upload in the original's protocol has arrived that a server which finds it
/// at its start writes a checkpoint. Without one, nothing of the upload would outlive a power cut.
fn has_no_checkpoint(step: &Step, attempt: &Attempt) -> bool {
    step.way == Way::Up
        && step.dialect == Dialect::Legacy
        && !step.retries
        && attempt.kept(step).is_some_and(|kept| kept > CHECKPOINT_BYTES)
}

/// Restarts the server, and waits until it has written a checkpoint.
fn reach_checkpoint(world: &mut World<'_>) {
    let dir = world.root().join(".ftx").join("staging");
    let journals = || -> u64 {
        let paths = files_below(&dir)
            .into_iter()
            .filter(|path| path.extension() == Some("journal".as_ref()));
        paths.filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    };
    let before = journals();
    world.start(&Start::Plain);
    world.figures.count_server_kill(true);
    wait_until("the server has written a checkpoint", DEADLINE, || journals() > before);
}

fn cut(world: &mut World<'_>, step: &Step, write_back: WriteBack) {
    match write_back {
        WriteBack::Nothing => world.disk.cut(),
        WriteBack::Names => world.disk.cut_after_log(),
        WriteBack::Files => {
            sync_some(world.disk.path(), step.seed);
            world.disk.cut();
        }
        WriteBack::Everything => {
            world.disk.sync();
            world.disk.cut();
        }
    }
}

/// Writes back about half of the files; those that have gone meanwhile need none.
fn sync_some(top: &Path, seed: u64) {
    let mut random = Random::new(seed);
    for path in files_below(top) {
        if random.below(2) == 0
            && let Ok(file) = File::open(path)
        {
            file.sync_all().unwrap();
        }
    }
}

/// Changes a byte of an unfinished transfer, if there is one.
fn rot(world: &World<'_>, step: &Step) -> bool {
    let (dir, ending) = match step.way {
        Way::Up => (world.root().join(".ftx"), "data"),
        Way::Down => (world.down(), "ftxpart"),
    };
    let is_data = |path: &PathBuf| path.extension().is_some_and(|extension| extension == ending);
    let Some(path) = files_below(&dir).into_iter().find(is_data) else {
        return false;
    };
    let file: File = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    if len == 0 {
        return false;
    }
    let (at, mut byte) = (step.seed % len, [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    true
}
