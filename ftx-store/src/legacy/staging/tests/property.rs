//! Any order of writing, suspending and crashing ends in the intended file.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{bytes, create, files, md5, scratch};
use crate::{BootId, CHECKPOINT_BYTES, Durability, PrefixStaging};

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Suspend,
    /// The process dies.
    Kill,
    /// The machine dies: the data ends at this share of it, in 1/256, and a byte at the other share
    /// may be wrong.
    PowerLoss {
        keep: u8,
        wrong: Option<u8>,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..300usize).prop_map(Step::Write),
        3 => (500_000..2_000_000usize).prop_map(Step::Write),
        1 => Just(Step::Suspend),
        1 => Just(Step::Kill),
        1 => (any::<u8>(), any::<Option<u8>>())
            .prop_map(|(keep, wrong)| Step::PowerLoss { keep, wrong }),
    ];
    prop::collection::vec(step, 1..16)
}

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| bytes(12_000_000));

fn share(of: usize, part: u8) -> usize {
    of * usize::from(part) / 256
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_file_is_intact_after_any_steps(steps in steps()) {
        let (_temp, dir) = scratch();
        let whole = &*WHOLE;
        let mut run = 0_u8;
        let boot = |run: u8| Some(BootId([run; 16]));
        let new = |run| create(&dir).with_durability(Durability::None).with_boot(boot(run));
        let mut staging = new(run);
        // The bytes that must survive a crash of the process.
        let mut safe = 0;

        for step in steps {
            let len = usize::try_from(staging.len()).unwrap();
            let mut least = safe;
            match step {
                Step::Write(more) => {
                    staging.write(&whole[len..(len + more).min(whole.len())]).unwrap();
                    continue;
                }
                Step::Suspend => {
                    staging.suspend().unwrap();
                    least = len;
                }
                Step::Kill => {
                    drop(staging);
                    least = least.max(len.saturating_sub(usize::try_from(CHECKPOINT_BYTES).unwrap() + 2_000_000));
                }
                Step::PowerLoss { keep, wrong } => {
                    drop(staging);
                    run += 1;
                    let mut data = dir.read("data").unwrap();
                    data.truncate(share(len, keep));
                    let at = wrong.map(|wrong| share(data.len(), wrong));
                    if let Some(byte) = at.and_then(|at| data.get_mut(at)) {
                        *byte ^= 1;
                    }
                    dir.remove_file("data").unwrap();
                    dir.write("data", data).unwrap();
                    least = 0;
                }
            }
            let recovered = PrefixStaging::recover_with(&dir, files(), boot(run), &mut |_| true).unwrap();
            let recovered = recovered.map(super::hashed);
            staging = recovered.map_or_else(|| new(run), |s| s.with_durability(Durability::None));
            safe = usize::try_from(staging.len()).unwrap();
            prop_assert!((least..=len).contains(&safe), "{least} {safe} {len}");
            prop_assert_eq!(staging.digest(), md5(&whole[..safe]));
        }

        let len = usize::try_from(staging.len()).unwrap();
        staging.write(&whole[len..]).unwrap();
        let published = staging.publish(&dir, Path::new("file")).unwrap();
        prop_assert_eq!(published.md5, Some(md5(whole)));
        prop_assert!(dir.read("file").unwrap() == *whole);
        prop_assert_eq!(dir.entries().unwrap().count(), 1);
    }
}
