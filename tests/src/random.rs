//! Random numbers that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::content::content;

/// A stream of random numbers; equal seeds give equal ones.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one, below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        let word = content(self.0, 8).bytes();
        self.0 = u64::from_le_bytes(word.try_into().unwrap());
        self.0 % end
    }
}

/// The seed of a run: that of `FTX_TEST_SEED`, or another one each time. It is printed.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("FTX_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        u64::from(now.unwrap_or_default().subsec_nanos())
    });
    println!("FTX_TEST_SEED={seed}");
    seed
}
