//! Lines and compressors in virtual time.

use std::time::Duration;

use super::*;
use crate::CompressionLevel;

const MIB: u64 = 1 << 20;

/// A line and a compressor.
#[derive(Clone, Copy)]
struct World {
    /// Bytes a second of the line.
    line: u64,
    /// Bytes a second of the compressor at level 1; each next level takes twice the time.
    packer: u64,
    /// Plain bytes for a compressed one; 1 if they do not shrink.
    ratio: u64,
}

/// What a transfer has cost.
#[derive(Debug, Default, PartialEq)]
struct Cost {
    wire: u64,
    time: Duration,
    /// Bytes that were compressed in vain.
    wasted: u64,
    switches: u32,
}

fn time(bytes: u64, rate: u64) -> Duration {
    Duration::from_nanos(bytes * 1_000_000_000 / rate)
}

/// Sends so many plain bytes, a block at a time; the line carries the bytes of the block before while the next
/// one is compressed.
fn send(policy: &mut Policy, world: World, plain: u64) -> Cost {
    let mut cost = Cost::default();
    let mut was_on = policy.is_on();
    for _ in 0..plain / MIB {
        let is_on = policy.is_on();
        cost.switches += u32::from(is_on != std::mem::replace(&mut was_on, is_on));
        let (mut wire, mut packing) = (MIB, Duration::ZERO);
        if is_on {
            let step = LEVELS.iter().position(|level| *level == policy.level()).unwrap_or(3);
            packing = time(MIB, world.packer) * (1 << step);
            if world.ratio > 1 {
                wire /= world.ratio;
                policy.packed(usize::try_from(MIB).unwrap(), packing);
            } else {
                policy.incompressible();
                cost.wasted += MIB;
            }
        }
        let writing = time(wire, world.line).saturating_sub(packing);
        policy.wrote(usize::try_from(wire).unwrap(), writing);
        cost.wire += wire;
        cost.time += packing + writing;
    }
    cost
}

const TEXT: World = World { line: 2_500_000, packer: 300_000_000, ratio: 4 };
const LOOPBACK: World = World { line: 1_500_000_000, ..TEXT };

fn auto() -> Policy {
    Policy::new(Compression::Auto, LineHint::default())
}

fn far(millis: u64) -> LineHint {
    LineHint { is_local: false, round_trip: Some(Duration::from_millis(millis)) }
}

#[test]
fn a_slow_line_is_noticed_after_the_first_block() {
    let cost = send(&mut auto(), TEXT, 64 * MIB);
    assert!(cost.wire < 64 * MIB / 4 + MIB, "{cost:?}");
    assert_eq!(cost.switches, 1, "{cost:?}");
}

#[test]
fn a_far_line_is_compressed_from_the_first_byte() {
    let cost = send(&mut Policy::new(Compression::Auto, far(20)), TEXT, 64 * MIB);
    assert_eq!(cost.wire, 64 * MIB / 4, "{cost:?}");
    let mut policy = auto();
    policy.estimate(far(19));
    assert!(!policy.is_on());
    policy.estimate(far(300));
    assert!(policy.is_on());
    let local = LineHint { is_local: true, ..far(300) };
    assert!(!Policy::new(Compression::Auto, local).is_on());
}

#[test]
fn a_fast_line_stays_raw() {
    let cost = send(&mut auto(), LOOPBACK, 1024 * MIB);
    assert_eq!((cost.wire, cost.switches), (1024 * MIB, 0));
}

/// A gigabit far away starts slowly, and deserves compression as long as one core is faster.
#[test]
fn a_far_line_that_turns_out_fast_is_left_alone() {
    let mut policy = Policy::new(Compression::Auto, far(100));
    let raw = time(1024 * MIB, LOOPBACK.line);
    let cost = send(&mut policy, LOOPBACK, 1024 * MIB);
    assert!(cost.time < raw * 11 / 10, "{cost:?} {raw:?}");
    assert!(!policy.is_on());
}

/// A reader that is slower than the line, on one machine, is no reason.
#[test]
fn between_programs_of_one_machine_only_a_slow_tunnel_counts() {
    let local = LineHint { is_local: true, round_trip: None };
    let slow_reader = World { line: 60_000_000, ..TEXT };
    let policy = || Policy::new(Compression::Auto, local);
    assert_eq!(send(&mut policy(), slow_reader, 256 * MIB).wire, 256 * MIB);
    assert!(send(&mut auto(), slow_reader, 256 * MIB).wire < 80 * MIB);
    assert!(send(&mut policy(), TEXT, 64 * MIB).wire < 20 * MIB);
}

#[test]
fn random_bytes_are_tried_rarely_and_in_small_pieces_of_time() {
    let random = World { ratio: 1, packer: 2_000_000_000, ..TEXT };
    let mut policy = auto();
    let cost = send(&mut policy, random, 256 * MIB);
    assert_eq!(cost.wire, 256 * MIB);
    assert!(cost.wasted <= 24 * MIB, "{cost:?}");
    assert_eq!(policy.level(), PROBE_LEVEL);
    // Text is noticed again.
    let cost = send(&mut policy, TEXT, 64 * MIB);
    assert!(cost.wire < (16 + 1) * MIB + 48 * MIB / 4, "{cost:?}");
}

#[test]
fn the_level_rises_with_the_time_that_the_line_leaves() {
    let mut policy = auto();
    send(&mut policy, TEXT, 64 * MIB);
    assert_eq!(policy.level(), 9);
    // The line becomes faster.
    send(&mut policy, World { line: 70_000_000, ..TEXT }, 64 * MIB);
    assert!(policy.is_on() && policy.level() < 9, "{}", policy.level());
}

/// Near the limit the decision must not change with every block.
#[test]
fn near_the_limit_it_does_not_waver() {
    for line in (60..200).step_by(10).map(|rate| rate * 1_000_000) {
        let world = World { line, packer: 150_000_000, ratio: 3 };
        let cost = send(&mut auto(), world, 2048 * MIB);
        assert!(cost.switches <= 40, "{line}: {cost:?}");
        let raw = time(2048 * MIB, line);
        assert!(cost.time < raw * 106 / 100, "{line}: {cost:?} {raw:?}");
    }
}

#[test]
fn a_level_holds_whatever_the_line() {
    let level = Compression::Level(CompressionLevel::new(6).unwrap());
    let mut policy = Policy::new(level, LineHint { is_local: true, round_trip: None });
    assert_eq!(send(&mut policy, LOOPBACK, 64 * MIB).wire, 16 * MIB);
    assert_eq!(policy.level(), 6);
    let mut policy = Policy::new(Compression::Always, LineHint::default());
    assert_eq!(send(&mut policy, LOOPBACK, 256 * MIB).wire, 64 * MIB);
    assert_eq!(policy.level(), 1);
}

/// A peer learns that bytes arrive from those that it gets.
#[test]
fn on_a_slow_line_fewer_bytes_are_compressed_together() {
    let mut policy = auto();
    send(&mut policy, World { line: 16_000, ..TEXT }, 8 * MIB);
    assert_eq!(policy.piece_bytes(), 64 << 10);
    send(&mut policy, World { line: 20_000_000, ..TEXT }, 64 * MIB);
    assert_eq!(policy.piece_bytes(), 1 << 20);
}

#[test]
fn levels_are_those_of_zstd_without_the_extreme_ones() {
    assert_eq!([0, 20].map(CompressionLevel::new), [None, None]);
    assert_eq!(
        [1, 19].map(|level| CompressionLevel::new(level).map(CompressionLevel::get)),
        [Some(1), Some(19)]
    );
}
