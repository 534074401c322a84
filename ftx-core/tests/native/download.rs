//! The machine of a download, driven by a model of a client whose target survives its process. The
//! process ends after any effect, and the server's file changes between attempts: every recorded block
//! is intact, and the target ends up equal to the server's file.

use std::collections::{BTreeMap, VecDeque};

use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockRange, Cv, Manifest, PartialManifest, block_count, block_len,
};
use ftx_core::native::download::Fetch;
use proptest::prelude::*;

/// Different contents and lengths have different chaining values.
fn cv(size: u64, index: u64, content: u8) -> Cv {
    let mut bytes = [content; 32];
    bytes[..8].copy_from_slice(&block_len(size, index).to_le_bytes());
    bytes[8] = u8::from(block_len(size, index) == size);
    Cv(bytes)
}

#[derive(Clone, Debug)]
struct File {
    size: u64,
    blocks: Vec<u8>,
}

impl File {
    fn manifest(&self) -> Manifest {
        let cvs = (0..).zip(&self.blocks).map(|(index, content)| cv(self.size, index, *content));
        Manifest::new(self.size, cvs.collect()).unwrap()
    }
}

/// The state that survives a client. A block with the contents 0xff is torn.
#[derive(Clone, Debug, Default)]
struct Target {
    size: u64,
    data: BTreeMap<u64, u8>,
    table: BTreeMap<u64, Cv>,
}

impl Target {
    fn table(&self) -> PartialManifest {
        let mut table = PartialManifest::new(self.size);
        for (index, known) in &self.table {
            assert_eq!(*known, cv(self.size, *index, self.data[index]), "block {index} is torn");
            assert!(table.set(*index, *known));
        }
        table
    }

    /// A staging keeps only full blocks when the size changes.
    fn resize(&mut self, size: u64) {
        let table = self.table().resized(size);
        self.table = table.known_from(0).collect();
        self.size = size;
    }
}

/// One process of a client, which ends after `effects` effects.
fn run(
    file: &File,
    manifest: bool,
    target: &mut Target,
    mut effects: u32,
    choices: &mut impl FnMut(usize) -> usize,
) -> Option<()> {
    let mut effect = || {
        effects = effects.checked_sub(1)?;
        Some(())
    };
    target.resize(file.size);
    let mut fetch = if manifest {
        Fetch::resumed(&file.manifest(), &target.table())
    } else {
        Fetch::begun(file.size, 0, BlockRange { first: 0, count: 0 })
    };
    if !manifest {
        fetch.range_end(0, None).unwrap();
    }
    let mut streams: Vec<(u32, VecDeque<Option<u64>>)> =
        (0..3).map(|n| (n, VecDeque::new())).collect();
    for _ in 3..10_000 {
        if fetch.is_finished() {
            assert!(
                file.blocks.iter().zip(target.data.values()).all(|(ours, theirs)| ours == theirs)
            );
            return Some(());
        }
        let which = choices(streams.len());
        let (stream, coming) = &mut streams[which];
        match choices(8) {
            0..=2 => {
                if let Some(ranges) = fetch.next(*stream, 2) {
                    let blocks = ranges.iter().flat_map(|range| range.first..range.end());
                    coming.extend(blocks.map(Some).chain([None]));
                }
            }
            _ => match coming.pop_front() {
                Some(Some(index)) => {
                    assert_eq!(fetch.expects(*stream), Some(index));
                    if target.table.contains_key(&index) {
                        effect()?;
                        target.table.remove(&index);
                    }
                    effect()?;
                    target.data.insert(index, 0xff);
                    effect()?;
                    let content = file.blocks[usize::try_from(index).unwrap()];
                    target.data.insert(index, content);
                    let cv = cv(file.size, index, content);
                    fetch.block(*stream, index, cv, cv).unwrap();
                    effect()?;
                    target.table.insert(index, cv);
                }
                Some(None) => fetch.range_end(*stream, None).unwrap(),
                None => {}
            },
        }
    }
    panic!("the download stands still: {fetch:?}");
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let size = (0..9u64, 0..2u64).prop_map(|(n, cut)| (n * BLOCK_BYTES).saturating_sub(cut * 17));
    let file = |size: u64| {
        let count = usize::try_from(block_count(size)).unwrap();
        prop::collection::vec(0..3u8, count).prop_map(move |blocks| File { size, blocks })
    };
    let other = size.clone().prop_flat_map(file);
    (size, other).prop_flat_map(move |(size, other)| {
        (file(size), file(size)).prop_map(move |(one, two)| vec![one, two, other.clone()])
    })
}

proptest! {
    #[test]
    fn a_client_may_end_anywhere_and_versions_are_never_mixed(
        files in files(),
        tries in prop::collection::vec((0..5usize, any::<bool>(), 0..40u32), 0..5),
        mut seed: u64,
    ) {
        let mut choices = |bound: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((seed >> 33) % bound as u64).unwrap()
        };
        let mut target = Target::default();
        for (which, manifest, effects) in tries {
            // The two of the same size more often.
            let _ = run(&files[which / 2], manifest, &mut target, effects, &mut choices);
            target.table();
        }
        for file in &files {
            prop_assert!(run(file, true, &mut target, 1000, &mut choices).is_some());
        }
    }
}
