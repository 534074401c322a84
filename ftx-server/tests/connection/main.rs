//! The server from its connections: in one process with the tests, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod client;
mod downloads;
mod fairness;
mod framing;
mod limits;
mod running;
mod shutdown;

use std::thread;
use std::time::{Duration, Instant};

use ftx_store::PrefixHasher;

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

fn md5(bytes: &[u8]) -> String {
    PrefixHasher::of(bytes).digest().to_hex()
}
