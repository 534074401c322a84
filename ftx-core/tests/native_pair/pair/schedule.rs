//! The choices of a run, all from one seed.

/// Makes choices by SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    state: u64,
}

impl Schedule {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// How many bytes arrive together: few, a part of a block, or all.
    pub(crate) fn piece(&mut self) -> u64 {
        match self.below(4) {
            0 => 1 + self.next() % 40,
            1 => 1 + self.next() % (1 << 20),
            _ => u64::MAX,
        }
    }
}
