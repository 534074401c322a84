//! The native dialect from its connections: in one process with the tests, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod ask;
mod chaos;
mod client;
mod downloads;
mod frame;
mod greeting;
mod hostile;
mod limits;
mod names;
mod overwrite;
mod ranges;
mod resume;
#[path = "../connection/running.rs"]
mod running;
mod shutdown;
mod small;
mod takeover;
mod uploads;
mod wrong;

use std::thread;
use std::time::{Duration, Instant};

use ftx_core::native::blocks::{BlockHasher, Cv, Digest, Manifest, block_len, block_offset};

/// More than any step takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

const MIB: usize = 1 << 20;

/// Asks again and again until the condition holds.
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes that are different for each seed, from the first one on.
fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The bytes of block `index` of a file.
fn block(file: &[u8], index: u64) -> &[u8] {
    let start = usize::try_from(block_offset(index)).unwrap();
    &file[start..][..usize::try_from(block_len(file.len() as u64, index)).unwrap()]
}

fn cv(file: &[u8], index: u64) -> Cv {
    let mut hasher = BlockHasher::new(file.len() as u64, index);
    hasher.update(block(file, index));
    hasher.finish().unwrap()
}

fn digest(file: &[u8]) -> Digest {
    let cvs = (0..(file.len() as u64).div_ceil(MIB as u64)).map(|index| cv(file, index));
    Manifest::new(file.len() as u64, cvs.collect()).unwrap().digest()
}
