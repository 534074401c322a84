//! The planned faults.

/// The side of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One side's process ends here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash(pub Side);

/// Counts effects, and ends a process after one of them.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// The process that is about to do this effect ends.
    pub(crate) crash_at: Option<u64>,
    /// The write with this number finds no space.
    pub(crate) full_at: Option<u64>,
    /// The block with this number is damaged on its way.
    pub(crate) damage_at: Option<u64>,
    /// The next `Commit` has the digest of another file.
    pub(crate) wrong_commit: bool,
    /// The next `Done` has the digest of another file.
    pub(crate) wrong_done: bool,
    /// The server has sent it, and the client has not noticed.
    pub(crate) has_lied: bool,
    /// How many connections may be cut.
    pub(crate) cuts: u32,
    /// Effects until now.
    pub(crate) effects: u64,
    writes: u64,
    blocks: u64,
    random: u64,
}

impl Faults {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self { random: seed, ..Self::default() }
    }

    /// Something that the other side or a later process can see is about to be done.
    pub(crate) fn effect(&mut self, side: Side) -> Result<(), Crash> {
        self.effects += 1;
        if self.crash_at == Some(self.effects) { Err(Crash(side)) } else { Ok(()) }
    }

    pub(crate) fn disk_is_full(&mut self) -> bool {
        self.writes += 1;
        self.full_at == Some(self.writes)
    }

    pub(crate) fn damages_next(&mut self) -> bool {
        self.blocks += 1;
        self.damage_at == Some(self.blocks)
    }

    /// A number below `bound`, by SplitMix64.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
