//! The decision whether, and how hard, to compress. Reads no clock: it gets bytes and durations.
//!
//! ```text
//!        the line is clearly slower than the compressor
//!   raw ───────────────────────────────────────────────▶ packed, level 1 to 9
//!    ▲                                                     │
//!    └─────────────────────────────────────────────────────┘
//!        the compressor gains nothing, or has not been compared for long
//! ```
//!
//! Only the time in which the line keeps this side waiting counts, so a slow disk is no slow line. Bytes that
//! do not shrink are sent as they are for a while, twice as many each time.

use std::time::Duration;

use ftx_core::native::wire::MAX_DECODED_BYTES;

use super::Compression;

/// Levels of automatic compression. The step from one to the next costs at most three times the time.
const LEVELS: [i32; 4] = [1, 3, 6, 9];

/// The level of the first bytes on a line that is known to be far.
const FAR_START: usize = 1;

/// The level at which bytes are tried that may not shrink.
const PROBE_LEVEL: i32 = 1;

/// The rate of the compressor until it is measured, in bytes a second: level 1 on one core that has other
/// work too.
const ASSUMED_PACK_RATE: u64 = 200_000_000;

/// The line between two programs of one machine is fast, and a slow reader is no reason to compress. Below
/// this rate it is the mouth of a tunnel.
const MAX_TUNNEL_RATE: u64 = 16_000_000;

/// A line that carries less than a first window in a round trip of this length is slower than the compressor
/// at first, whatever it is later.
const FAR_ROUND_TRIP: Duration = Duration::from_millis(20);

/// Bytes that a sender may send at once, in the first round trip.
const FIRST_WINDOW_BYTES: u64 = 10 * 1448;

/// The waiting time that tells the rate of a line, and the bytes that tell that a line is fast.
const RAW_SAMPLE_WAIT: Duration = Duration::from_millis(20);
const RAW_SAMPLE_BYTES: u64 = 2 << 20;

/// The plain bytes and the time after which compression is judged.
const PACKED_SAMPLE_BYTES: u64 = 1 << 20;
const PACKED_SAMPLE_TIME: Duration = Duration::from_millis(50);
const MAX_PACKED_SAMPLE_BYTES: u64 = 2 << 20;

/// Plain bytes after which a line that no longer limits is measured again without compression.
const REMEASURE_BYTES: u64 = 256 << 20;

/// The same while the rate of the line is only an estimate.
const FIRST_MEASURE_BYTES: u64 = 4 << 20;

/// The time that the bytes that are compressed together take on the line: until then the peer sees none of
/// them. Each of them shrinks to a quarter, roughly.
const PIECES_PER_SECOND: u64 = 2;
const PLAIN_PER_WIRE: u64 = 4;
const MIN_PIECE_BYTES: u64 = 64 << 10;

/// The rate of a line that has not been measured.
const ASSUMED_LINE_RATE: u64 = 128 << 10;

/// Bytes that go out raw after others did not shrink: at first, and at most.
const MIN_SKIP_BYTES: u64 = 1 << 20;
const MAX_SKIP_BYTES: u64 = 16 << 20;

/// Bytes that go out raw after compression gained nothing: at first, and at most.
const MIN_REST_BYTES: u64 = 16 << 20;
const MAX_REST_BYTES: u64 = 256 << 20;

/// What is known of the line when a connection begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineHint {
    /// Both ends are on one machine.
    pub is_local: bool,
    /// A round trip; `None` if it was not measured.
    pub round_trip: Option<Duration>,
}

/// Decides for one direction of one connection.
#[derive(Debug)]
pub(crate) struct Policy {
    compression: Compression,
    hint: LineHint,
    is_on: bool,
    /// Index in [`LEVELS`].
    level: usize,
    sample: Sample,
    /// Bytes a second that the line carried without compression.
    raw_rate: Option<u64>,
    /// Bytes a second that the line carried last.
    line_rate: u64,
    /// Bytes a second of the compressor at the least level.
    pack_rate: u64,
    /// Plain bytes until the line is measured again.
    until_remeasure: u64,
    /// Raw bytes to come, since others did not shrink.
    skip: Backoff,
    /// Raw bytes to come, since compression gained nothing.
    rest: Backoff,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    plain: u64,
    wire: u64,
    packing: Duration,
    writing: Duration,
}

/// Bytes to let pass, twice as many after each failure.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    left: u64,
    next: u64,
    min: u64,
    max: u64,
}

impl Policy {
    pub(crate) fn new(compression: Compression, hint: LineHint) -> Self {
        let mut policy = Self {
            compression,
            hint,
            is_on: !matches!(compression, Compression::Never | Compression::Auto),
            level: FAR_START,
            sample: Sample::default(),
            raw_rate: None,
            line_rate: ASSUMED_LINE_RATE,
            pack_rate: ASSUMED_PACK_RATE,
            until_remeasure: REMEASURE_BYTES,
            skip: Backoff::new(MIN_SKIP_BYTES, MAX_SKIP_BYTES),
            rest: Backoff::new(MIN_REST_BYTES, MAX_REST_BYTES),
        };
        if compression == Compression::Auto {
            policy.estimate(hint);
        }
        policy
    }

    /// Takes a round trip that was measured before the first bytes of files.
    pub(crate) fn estimate(&mut self, hint: LineHint) {
        self.hint = LineHint { is_local: self.hint.is_local || hint.is_local, ..hint };
        // On one machine, a long round trip is that of a busy program.
        let is_far = |trip: &Duration| !self.hint.is_local && *trip >= FAR_ROUND_TRIP;
        let far = hint.round_trip.filter(is_far);
        let Some(trip) = far.filter(|_| self.compression == Compression::Auto) else { return };
        let rate = rate(FIRST_WINDOW_BYTES, trip);
        if self.is_slow(rate) {
            (self.raw_rate, self.line_rate) = (Some(rate), rate);
            self.start(FAR_START);
            self.until_remeasure = FIRST_MEASURE_BYTES;
        }
    }

    /// Whether the next frame is to be compressed.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on && self.skip.left == 0
    }

    /// The level for the next bytes.
    pub(crate) fn level(&self) -> i32 {
        if self.skip.has_failed() {
            return PROBE_LEVEL;
        }
        match self.compression {
            Compression::Level(level) => level.get().into(),
            _ => LEVELS.get(self.level).copied().unwrap_or(PROBE_LEVEL),
        }
    }

    /// The plain bytes to compress together.
    pub(crate) fn piece_bytes(&self) -> usize {
        let piece = self.line_rate.saturating_mul(PLAIN_PER_WIRE) / PIECES_PER_SECOND;
        let most = MAX_DECODED_BYTES as u64;
        usize::try_from(piece.clamp(MIN_PIECE_BYTES, most)).unwrap_or(MAX_DECODED_BYTES)
    }

    /// Bytes were compressed.
    pub(crate) fn packed(&mut self, plain: usize, took: Duration) {
        if !self.skip.has_failed() {
            self.sample.plain += plain as u64;
            self.sample.packing += took;
        }
        self.skip.succeeded();
    }

    /// Bytes did not shrink enough.
    pub(crate) fn incompressible(&mut self) {
        self.skip.failed();
        self.sample = Sample::default();
    }

    /// The system has accepted bytes after this time.
    pub(crate) fn wrote(&mut self, bytes: usize, took: Duration) {
        let bytes = bytes as u64;
        if self.skip.left > 0 {
            self.skip.passed(bytes);
            return;
        }
        self.sample.wire += bytes;
        self.sample.writing += took;
        if self.is_on {
            self.judge_packed();
        } else if self.compression == Compression::Auto {
            self.rest.passed(bytes);
            self.judge_raw();
        }
    }

    fn judge_raw(&mut self) {
        let Sample { wire, writing, .. } = self.sample;
        if writing < RAW_SAMPLE_WAIT && wire < RAW_SAMPLE_BYTES {
            return;
        }
        self.sample = Sample::default();
        let rate = rate(wire, writing);
        (self.raw_rate, self.line_rate) = (Some(rate), rate);
        if self.is_slow(rate) && self.rest.left == 0 {
            self.start(0);
        }
    }

    /// Whether compression clearly beats a line of this rate.
    fn is_slow(&self, rate: u64) -> bool {
        let gains = rate.saturating_mul(3) < self.pack_rate.saturating_mul(2);
        gains && (!self.hint.is_local || rate < MAX_TUNNEL_RATE)
    }

    fn start(&mut self, level: usize) {
        (self.is_on, self.level) = (true, level);
        self.sample = Sample::default();
        self.until_remeasure = REMEASURE_BYTES;
    }

    fn judge_packed(&mut self) {
        let Sample { plain, wire, packing, writing } = self.sample;
        let took = packing + writing;
        let is_judged = plain >= PACKED_SAMPLE_BYTES
            && (took >= PACKED_SAMPLE_TIME || plain >= MAX_PACKED_SAMPLE_BYTES);
        if !is_judged {
            return;
        }
        self.sample = Sample::default();
        self.line_rate = rate(wire, took);
        if writing >= packing * 4 {
            self.level = (self.level + 1).min(LEVELS.len() - 1);
        } else if writing < packing && self.level > 0 {
            self.level -= 1;
        } else if writing * 4 < packing && self.compression == Compression::Auto {
            self.pack_rate = rate(plain, packing);
            self.judge_gain(plain, rate(plain, took));
        }
    }

    /// The compressor and not the line limits the speed.
    fn judge_gain(&mut self, plain: u64, plain_rate: u64) {
        let gains = self.raw_rate.is_none_or(|raw| plain_rate > raw.saturating_add(raw / 10));
        if !gains {
            self.rest.failed();
            self.is_on = false;
        } else {
            self.until_remeasure = self.until_remeasure.saturating_sub(plain);
            self.is_on = self.until_remeasure > 0;
        }
    }
}

impl Backoff {
    fn new(min: u64, max: u64) -> Self {
        Self { left: 0, next: min, min, max }
    }

    fn has_failed(&self) -> bool {
        self.next > self.min
    }

    fn failed(&mut self) {
        self.left = self.next;
        self.next = (self.next * 2).min(self.max);
    }

    fn succeeded(&mut self) {
        self.next = self.min;
    }

    fn passed(&mut self, bytes: u64) {
        self.left = self.left.saturating_sub(bytes);
    }
}

/// Bytes a second.
fn rate(bytes: u64, time: Duration) -> u64 {
    let nanos = time.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
