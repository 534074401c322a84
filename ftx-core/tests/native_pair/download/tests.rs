//! Downloads over any schedule of deliveries, cuts, crashes, lies and changes.

use std::collections::{BTreeMap, BTreeSet};

use ftx_core::native::blocks::{BLOCK_BYTES, block_count};
use ftx_core::native::download::INITIAL_WINDOW_BLOCKS;
use proptest::prelude::*;

use super::client::{AttemptEnd, DownloadClient, IDLE_LIMIT, Job, MAX_REQUESTS};
use crate::files::{ModelDisk, ModelFile};
use crate::pair::{LineFaults, Pair};
use crate::server::{Lie, ModelServer};

/// A download of some files by a client that comes back until all are there.
struct Transfer {
    pair: Pair<ModelServer>,
    jobs: Vec<Job>,
    disks: BTreeMap<String, ModelDisk>,
    distrusted: BTreeSet<String>,
    done: BTreeSet<String>,
    /// Connections of attempts that ended early.
    lost: u64,
}

impl Transfer {
    fn new(files: &[TestFile], seed: u64) -> Self {
        let name = |index: usize| format!("file {index}");
        let named = || files.iter().enumerate().map(|(index, file)| (name(index), file));
        let remote = named().map(|(name, file)| (name, file.remote.clone())).collect();
        let disk = |file: &TestFile| ModelDisk { published: file.local.clone(), staging: None };
        Self {
            pair: Pair::new(ModelServer::new(remote), seed),
            jobs: named().map(|(name, file)| Job { name, listed: file.listed() }).collect(),
            disks: named().map(|(name, file)| (name, disk(file))).collect(),
            distrusted: BTreeSet::new(),
            done: BTreeSet::new(),
            lost: 0,
        }
    }

    /// One attempt over connections with these faults.
    fn attempt(&mut self, lines: &[LineFaults], crash_at: Option<u64>) -> AttemptEnd {
        let streams: Vec<_> = lines.iter().map(|faults| self.pair.connect(*faults)).collect();
        let jobs = self.jobs.iter().filter(|job| !self.done.contains(&job.name));
        let (jobs, disks) = (jobs.cloned().collect(), std::mem::take(&mut self.disks));
        let mut client = DownloadClient::new(disks, jobs, &streams, self.pair.now);
        (client.crash_at, client.distrusted) = (crash_at, self.distrusted.clone());
        self.pair.run(&mut client);
        let end = client.end.unwrap_or_else(|| panic!("the download stands still: {client:#?}"));
        for staging in client.disks.values().filter_map(|disk| disk.staging.as_ref()) {
            // Each recorded block is intact.
            staging.block_map();
        }
        (self.disks, self.distrusted) = (client.disks, client.distrusted);
        self.done.extend(client.done);
        self.lost += if end == AttemptEnd::Over { 0 } else { lines.len() as u64 };
        end
    }

    /// Makes attempts without faults until every file is done.
    fn complete(&mut self, streams: usize) {
        for _ in 0..4 {
            if self.done.len() == self.jobs.len() {
                return;
            }
            let end = self.attempt(&vec![LineFaults::default(); streams], None);
            assert_eq!(end, AttemptEnd::Over);
        }
        assert_eq!(self.done.len(), self.jobs.len(), "the download does not end");
    }

    fn here(&self, name: &str) -> Option<&ModelFile> {
        self.disks[name].published.as_ref()
    }

    fn assert_arrived(&self) {
        for (name, file) in &self.pair.server.files {
            assert_eq!(self.here(name), Some(file), "{name}");
        }
    }
}

/// What is known of the size of a file before its download.
#[derive(Clone, Copy, Debug)]
enum Listing {
    Nothing,
    Size,
    /// It was a small file then.
    Outdated,
}

#[derive(Clone, Debug)]
struct TestFile {
    remote: ModelFile,
    local: Option<ModelFile>,
    listing: Listing,
}

impl TestFile {
    fn listed(&self) -> Option<u64> {
        match self.listing {
            Listing::Nothing => None,
            Listing::Size => Some(self.remote.size),
            Listing::Outdated => Some(5),
        }
    }
}

fn sizes(most: u64) -> impl Strategy<Value = u64> {
    (0..=most, 0..2u64).prop_map(|(blocks, cut)| (blocks * BLOCK_BYTES).saturating_sub(cut * 17))
}

fn file_of(size: u64) -> impl Strategy<Value = ModelFile> {
    let count = usize::try_from(block_count(size)).unwrap();
    prop::collection::vec(0..3u8, count).prop_map(move |blocks| ModelFile { size, blocks })
}

fn listings() -> impl Strategy<Value = Listing> {
    prop_oneof![Just(Listing::Nothing), Just(Listing::Size), Just(Listing::Outdated)]
}

/// A file, often with a local one of the same size.
fn files(most: u64) -> impl Strategy<Value = TestFile> {
    let other = prop_oneof![Just(5), sizes(most)].prop_flat_map(file_of);
    (sizes(most), other, 0..3u8, listings()).prop_flat_map(|(size, other, which, listing)| {
        (file_of(size), file_of(size)).prop_map(move |(remote, same)| {
            let local = [None, Some(same), Some(other.clone())].into_iter().nth(which.into());
            TestFile { remote, local: local.flatten(), listing }
        })
    })
}

/// A file that is new here, with a content of its own for each block.
fn new_file(blocks: u64) -> TestFile {
    let contents = (0..blocks).map(|index| (index % 251) as u8).collect();
    let remote = ModelFile { size: blocks * BLOCK_BYTES, blocks: contents };
    TestFile { remote, local: None, listing: Listing::Nothing }
}

/// Lines of which some are cut.
fn lines() -> impl Strategy<Value = Vec<LineFaults>> {
    let up = prop::option::weighted(0.1, 0..200u64);
    let down = prop::option::weighted(0.6, 0..8 * BLOCK_BYTES);
    let line = (0..3u64, up, down).prop_map(|(delay, cut_up_after, cut_down_after)| LineFaults {
        delay: delay * 40,
        cut_up_after,
        cut_down_after,
        silent_after: None,
    });
    prop::collection::vec(line, 1..4)
}

fn lies() -> impl Strategy<Value = Lie> {
    (0..3u8, 0..6u64).prop_map(|(which, at)| match which {
        0 => Lie::Damaged(at),
        1 => Lie::OtherBlock(at),
        _ => Lie::OtherCv(at),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn connections_may_be_cut_anywhere(
        files in prop::collection::vec(files(12), 1..6),
        attempts in prop::collection::vec(lines(), 0..6),
        seed: u64,
    ) {
        let mut transfer = Transfer::new(&files, seed);
        for lines in attempts {
            if transfer.done.len() < files.len() {
                transfer.attempt(&lines, None);
            }
        }
        transfer.complete(2);
        transfer.assert_arrived();
    }

    /// Losing a connection costs its window at most.
    #[test]
    fn no_more_than_the_windows_comes_again(
        blocks in 0..40u64,
        attempts in prop::collection::vec(lines(), 0..8),
        seed: u64,
    ) {
        let mut transfer = Transfer::new(&[new_file(blocks)], seed);
        for lines in attempts {
            if transfer.done.is_empty() {
                transfer.attempt(&lines, None);
            }
        }
        transfer.complete(3);
        transfer.assert_arrived();
        let again = transfer.lost * INITIAL_WINDOW_BLOCKS;
        let sent = transfer.pair.server.sent;
        prop_assert!((blocks..=blocks + again).contains(&sent), "{} of {}", sent, blocks);
    }

    #[test]
    fn the_process_may_end_before_any_effect(
        file in files(6),
        streams in 1..4usize,
        seed: u64,
    ) {
        for crash_at in 1..1000 {
            let mut transfer = Transfer::new(std::slice::from_ref(&file), seed);
            let lines = vec![LineFaults::default(); streams];
            let end = transfer.attempt(&lines, Some(crash_at));
            transfer.complete(streams);
            transfer.assert_arrived();
            if end == AttemptEnd::Over {
                break;
            }
        }
    }

    #[test]
    fn a_server_that_contradicts_itself_is_not_believed(
        files in prop::collection::vec(files(5), 1..4),
        lie in lies(),
        streams in 1..4usize,
        seed: u64,
    ) {
        let mut transfer = Transfer::new(&files, seed);
        transfer.pair.server.lie = Some(lie);
        transfer.complete(streams);
        transfer.assert_arrived();
    }

    #[test]
    fn a_block_of_another_version_than_the_manifest_is_not_taken(
        file in files(5),
        local in sizes(5).prop_flat_map(file_of),
        at in 0..5u64,
        streams in 1..4usize,
        seed: u64,
    ) {
        let file = TestFile { local: Some(local), listing: Listing::Nothing, ..file };
        let mut transfer = Transfer::new(&[file], seed);
        transfer.pair.server.lie = Some(Lie::OtherPart(at));
        transfer.complete(streams);
        transfer.assert_arrived();
    }

    #[test]
    fn versions_are_never_mixed(
        file in files(12),
        next in sizes(12).prop_flat_map(file_of),
        same_size: bool,
        at in 1..14u64,
        lines in lines(),
        seed: u64,
    ) {
        let next = if same_size {
            let blocks = file.remote.blocks.iter().map(|content| (content + 1) % 3).collect();
            ModelFile { size: file.remote.size, blocks }
        } else {
            next
        };
        let mut transfer = Transfer::new(std::slice::from_ref(&file), seed);
        transfer.pair.server.change = Some((at, "file 0".to_owned(), next.clone()));
        transfer.attempt(&lines, None);
        transfer.complete(lines.len());
        let here = transfer.here("file 0").unwrap();
        prop_assert!(*here == file.remote || *here == next, "{:?}", here);
    }

    /// The limit counts from the last bytes; whatever came before them is kept.
    #[test]
    fn a_server_that_falls_silent_is_left(
        blocks in 1..20u64,
        silent_after in 0..20 * BLOCK_BYTES,
        streams in 1..4usize,
        seed: u64,
    ) {
        let mut transfer = Transfer::new(&[new_file(blocks)], seed);
        let mut lines = vec![LineFaults { delay: 100, ..LineFaults::default() }; streams];
        lines[0].silent_after = Some(silent_after);
        let end = transfer.attempt(&lines, None);
        // The others may have taken the rest.
        if end != AttemptEnd::Over {
            prop_assert_eq!(end, AttemptEnd::Silence);
            let elapsed = transfer.pair.now;
            prop_assert!((IDLE_LIMIT..IDLE_LIMIT + 200 * (blocks + 2)).contains(&elapsed));
        }
        transfer.complete(streams);
        transfer.assert_arrived();
        prop_assert!(transfer.pair.server.sent <= blocks + transfer.lost * INITIAL_WINDOW_BLOCKS);
    }
}

#[test]
fn an_answer_may_take_as_long_as_the_limit() {
    for (delay, expected) in
        [(IDLE_LIMIT / 2 - 1, AttemptEnd::Over), (IDLE_LIMIT / 2 + 1, AttemptEnd::Silence)]
    {
        let mut transfer = Transfer::new(&[new_file(20)], delay);
        let end = transfer.attempt(&[LineFaults { delay, ..LineFaults::default() }], None);
        assert_eq!(end, expected, "{delay}");
    }
}

/// The server owes nothing to the second connection, which asks now and then whether it is there.
#[test]
fn a_connection_that_waits_for_another_is_no_failure() {
    let mut transfer = Transfer::new(&[new_file(40)], 1);
    let slow = LineFaults { delay: IDLE_LIMIT / 2 - 1000, ..LineFaults::default() };
    let end = transfer.attempt(&[slow, LineFaults::default()], None);
    assert_eq!(end, AttemptEnd::Over);
    transfer.assert_arrived();
    assert!(transfer.pair.now > IDLE_LIMIT && transfer.pair.server.pings > 0);
}

/// As many as its window makes necessary, not one for each block.
#[test]
fn a_large_file_takes_few_round_trips() {
    let mut transfer = Transfer::new(&[new_file(64)], 1);
    let line = LineFaults { delay: 250, ..LineFaults::default() };
    assert_eq!(transfer.attempt(&[line], None), AttemptEnd::Over);
    transfer.assert_arrived();
    // A request for half of the window goes out when that half is free.
    let most = 2 + 64 / (INITIAL_WINDOW_BLOCKS / 2);
    assert!(transfer.pair.now <= most * 500, "{} ms", transfer.pair.now);
}

#[test]
fn many_small_files_take_few_round_trips() {
    let remote = ModelFile { size: 1000, blocks: vec![7] };
    let file = TestFile { remote, local: None, listing: Listing::Size };
    let mut transfer = Transfer::new(&vec![file; 300], 1);
    let line = LineFaults { delay: 50, ..LineFaults::default() };
    assert_eq!(transfer.attempt(&[line], None), AttemptEnd::Over);
    transfer.assert_arrived();
    let most = 2 + 300 / MAX_REQUESTS as u64;
    assert!(transfer.pair.now <= most * 100, "{} ms", transfer.pair.now);
}
