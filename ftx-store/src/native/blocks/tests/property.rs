//! Any order of writing, overwriting, suspending and crashing: the staging's claims hold at all
//! times, and it ends in the intended file.

use std::sync::LazyLock;

use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, block_count};
use proptest::prelude::*;

use super::{
    BlockStaging, Durability, block_of, bytes, cv_of, files, is_true, known, publish, scratch,
    store,
};
use crate::BootId;

const SIZE: u64 = 4 * BLOCK_BYTES + 1234;

/// Two versions of the file: the first one sent, and the sender's present one.
static VERSIONS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [bytes(SIZE, 0), bytes(SIZE, 1)]);

#[derive(Clone, Debug)]
enum Step {
    /// Write and store a block.
    Store {
        version: usize,
        index: u64,
    },
    /// Write the start of a block, and no more.
    Begin {
        version: usize,
        index: u64,
        share: u8,
    },
    /// Copy a block from a published version.
    Copy {
        version: usize,
        index: u64,
    },
    Suspend,
    /// The process dies.
    Kill,
    /// The machine dies: this share of each block and of the journal, in 1/256, has reached the
    /// disk.
    PowerLoss {
        data: [u8; 5],
        journal: u8,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let block = || (0..2usize, 0..block_count(SIZE));
    // Usually all or nothing.
    let share = || prop_oneof![3 => Just(255_u8), 1 => Just(0), 1 => any::<u8>()];
    let step = prop_oneof![
        6 => block().prop_map(|(version, index)| Step::Store { version, index }),
        2 => (block(), any::<u8>())
            .prop_map(|((version, index), share)| Step::Begin { version, index, share }),
        1 => block().prop_map(|(version, index)| Step::Copy { version, index }),
        1 => Just(Step::Suspend),
        1 => Just(Step::Kill),
        1 => (prop::array::uniform5(share()), share())
            .prop_map(|(data, journal)| Step::PowerLoss { data, journal }),
    ];
    prop::collection::vec(step, 1..24)
}

fn share(of: usize, part: u8) -> usize {
    if part == 255 { of } else { of * usize::from(part) / 256 }
}

/// The remains of the files after the machine died.
fn lose(dir: &Dir, kept: [u8; 5], journal: u8) {
    let mut data = dir.read("data").unwrap();
    for (block, part) in data.chunks_mut(usize::try_from(BLOCK_BYTES).unwrap()).zip(kept) {
        let kept = share(block.len(), part);
        block[kept..].fill(0);
    }
    let mut records = dir.read("journal").unwrap();
    records.truncate(share(records.len(), journal));
    for (path, bytes) in [("data", data), ("journal", records)] {
        dir.remove_file(path).unwrap();
        dir.write(path, bytes).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn claimed_blocks_are_there_after_any_steps(steps in steps()) {
        let (_temp, dir) = scratch();
        let (_published, published) = scratch();
        for (version, data) in VERSIONS.iter().enumerate() {
            published.write(version.to_string(), data).unwrap();
        }
        let mut run = 0_u8;
        let boot = |run: u8| Some(BootId([run; 16]));
        let new = |run| {
            BlockStaging::create_with(&dir, files(), "n", SIZE, boot(run))
                .unwrap()
                .with_durability(Durability::None)
        };
        let mut staging = new(run);

        for step in steps {
            let before = staging.block_map();
            let mut lossless = true;
            match step {
                Step::Store { version, index } => {
                    store(&staging, &VERSIONS[version], index);
                    prop_assert_eq!(staging.block_map().get(index), Some(cv_of(&VERSIONS[version], index)));
                    continue;
                }
                Step::Begin { version, index, share: part } => {
                    let block = block_of(&VERSIONS[version], index);
                    staging.write_at(index * BLOCK_BYTES, &block[..share(block.len(), part)]).unwrap();
                    is_true(&dir, &staging);
                    continue;
                }
                Step::Copy { version, index } => {
                    let source = published.open(version.to_string()).unwrap().into_std();
                    let block = (index, cv_of(&VERSIONS[version], index));
                    let copied = staging.copy_blocks(&source, &[block], &mut |_| true);
                    prop_assert_eq!(copied.unwrap(), 1);
                    continue;
                }
                Step::Suspend => staging.suspend().unwrap(),
                Step::Kill => drop(staging),
                Step::PowerLoss { data, journal } => {
                    drop(staging);
                    run += 1;
                    lose(&dir, data, journal);
                    lossless = false;
                }
            }
            let recovered = BlockStaging::recover_with(&dir, files(), boot(run), &mut |_| true);
            staging = match recovered.unwrap().staging() {
                Some(staging) => staging.with_durability(Durability::None),
                None => new(run),
            };
            is_true(&dir, &staging);
            if lossless {
                prop_assert_eq!(staging.block_map(), before);
            }
        }

        let whole = &VERSIONS[1];
        for index in 0..block_count(SIZE) {
            if staging.block_map().get(index) != Some(cv_of(whole, index)) {
                store(&staging, whole, index);
            }
        }
        prop_assert_eq!(known(&staging).len() as u64, block_count(SIZE));
        let digest = publish(staging, &dir).unwrap().manifest.digest();
        prop_assert!(dir.read("file").unwrap() == *whole);
        prop_assert_eq!(digest.0, *blake3::hash(whole).as_bytes());
        prop_assert_eq!(dir.entries().unwrap().count(), 1);
    }
}
