//! Uploads: whole exchanges of encoded bytes over several connections, with cuts, delays and silence.

mod client;
mod server;

use ftx_core::native::blocks::{BLOCK_BYTES, block_count};
use ftx_core::native::upload::{UploadEnd, UploadStep};
use ftx_core::native::{Granule, Reason};
use proptest::prelude::*;

use crate::files::ModelFile;
use crate::pair::{LineFaults, Millis, Pair, RunEnd};
use client::{ClientFault, MAX_REQUESTS, TIMEOUT, UploadClient};
use server::UploadServer;

const TIMEOUT_MS: Millis = TIMEOUT.as_millis() as Millis;

fn granule(blocks: u32) -> Granule {
    Granule::new(blocks).unwrap()
}

fn file(blocks: u64, content: u8) -> ModelFile {
    let size = blocks * BLOCK_BYTES;
    ModelFile { size, blocks: vec![content; block_count(size) as usize] }
}

/// One attempt over connections with these faults.
fn attempt(
    pair: &mut Pair<UploadServer>,
    files: &[ModelFile],
    lines: &[LineFaults],
    number: u32,
) -> (UploadClient, RunEnd) {
    let streams: Vec<_> = lines.iter().map(|faults| pair.connect(*faults)).collect();
    let window = pair.server.window;
    let mut client = UploadClient::new(files, &streams, window, number * 10_000 + 1);
    let end = pair.run(&mut client);
    (client, end)
}

fn check_published(server: &UploadServer, files: &[ModelFile]) {
    for (name, file) in files.iter().enumerate() {
        assert_eq!(server.disks[&name.to_string()].published.as_ref(), Some(file), "{name}");
    }
}

fn files() -> impl Strategy<Value = Vec<ModelFile>> {
    let file = (0..19u64, 0..2u64).prop_flat_map(|(blocks, cut)| {
        let size = (blocks * BLOCK_BYTES).saturating_sub(cut * 17);
        let count = block_count(size) as usize;
        prop::collection::vec(0..3u8, count).prop_map(move |blocks| ModelFile { size, blocks })
    });
    prop::collection::vec(file, 1..4)
}

fn lines() -> impl Strategy<Value = Vec<LineFaults>> {
    let cut = || prop::option::weighted(0.3, 0..12 * BLOCK_BYTES);
    let line = (0..200u64, cut(), prop::option::weighted(0.2, 0..2_000u64)).prop_map(
        |(delay, cut_up_after, cut_down_after)| LineFaults {
            delay,
            cut_up_after,
            cut_down_after,
            ..LineFaults::default()
        },
    );
    prop::collection::vec(line, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In spite of cuts, and of another version that is published.
    #[test]
    fn files_arrive_whole_with_each_granule(
        old in files(),
        new in files(),
        blocks in prop::sample::select(vec![1, 2, 8]),
        tries in prop::collection::vec(lines(), 0..4),
        seed: u64,
    ) {
        let mut pair = Pair::new(UploadServer::new(granule(blocks)), seed);
        let sound = [LineFaults { delay: 20, ..LineFaults::default() }; 2];
        for (number, files) in [(0, &old), (50, &new)] {
            for (at, lines) in tries.iter().enumerate() {
                attempt(&mut pair, files, lines, number + at as u32);
            }
            let (client, _) = attempt(&mut pair, files, &sound, number + 49);
            let is_done = |end: &UploadEnd| {
                matches!(end, UploadEnd::Done { .. } | UploadEnd::UpToDate { .. })
            };
            prop_assert!(client.ends.len() == files.len() && client.ends.values().all(is_done));
            check_published(&pair.server, files);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each fault fails the file in one attempt, and the next one succeeds.
    #[test]
    fn no_damage_is_taken_and_no_lie_is_believed(
        count in 2..19u64,
        blocks in prop::sample::select(vec![1, 2, 8]),
        at in 1..20u64,
        which in 0..4u8,
        seed: u64,
    ) {
        let files = [file(count, 1)];
        let mut pair = Pair::new(UploadServer::new(granule(blocks)), seed);
        let (at, refused) = (1 + at % count, |reason: Reason| {
            move |end: &UploadEnd| matches!(end, UploadEnd::Refused(refused) if refused.reason == reason)
        });
        let stream = pair.connect(LineFaults::default());
        let mut client = UploadClient::new(&files, &[stream], pair.server.window, 1);
        let fault = match which {
            0 => ClientFault::Damage(at),
            1 => ClientFault::Changed(at),
            _ => ClientFault::WrongCommit,
        };
        pair.server.lies = which == 3;
        pair.server.slack = BLOCK_BYTES;
        client.fault = Some(fault).filter(|_| which < 3);
        pair.run(&mut client);
        let is_right = match which {
            0 | 1 => refused(Reason::BlockMismatch)(&client.ends[&0]),
            2 => refused(Reason::DigestMismatch)(&client.ends[&0]),
            _ => client.ends[&0] == UploadEnd::OtherStored,
        };
        prop_assert!(is_right, "{:?}", client.ends);
        let (client, _) = attempt(&mut pair, &files, &[LineFaults::default()], 1);
        let is_done = matches!(client.ends[&0], UploadEnd::Done { .. });
        prop_assert!(is_done, "{:?}", client.ends);
        check_published(&pair.server, &files);
    }
}

#[test]
fn of_a_cut_upload_only_the_window_is_sent_again() {
    for blocks in [1, 2, 8] {
        let files = [file(32, 1)];
        let mut pair = Pair::new(UploadServer::new(granule(blocks)), 7);
        let cut = LineFaults { cut_up_after: Some(20 * BLOCK_BYTES), ..LineFaults::default() };
        attempt(&mut pair, &files, &[cut], 0);
        attempt(&mut pair, &files, &[LineFaults::default()], 1);
        check_published(&pair.server, &files);
        let again = pair.server.blocks - 32;
        assert!(again <= 2 * u64::from(blocks), "{blocks}: {again}");
    }
}

/// It hears of the server all the time, and for far longer than its timeout.
#[test]
fn a_client_that_waits_for_another_run_reports_it_and_stays() {
    let files = [file(2, 1)];
    let mut pair = Pair::new(UploadServer::new(Granule::ONE), 0);
    pair.server.wait = 20 * TIMEOUT_MS;
    let (client, _) =
        attempt(&mut pair, &files, &[LineFaults { delay: 50, ..LineFaults::default() }], 0);
    assert_eq!(client.left_at, None);
    let told = |is: fn(&UploadStep) -> bool| {
        client.told.iter().filter(|(_, step)| is(step)).map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let waits = told(|step| matches!(step, UploadStep::Waits));
    let kept = told(|step| matches!(step, UploadStep::KeptPlace));
    let begun = told(|step| matches!(step, UploadStep::Begun { .. }));
    assert_eq!((waits, begun), (vec![100], vec![20 * TIMEOUT_MS + 100]));
    assert!(kept.len() > 590, "{}", kept.len());
    check_published(&pair.server, &files);
}

#[test]
fn a_server_that_publishes_for_long_is_not_left() {
    let files = [file(3, 1)];
    let mut pair = Pair::new(UploadServer::new(Granule::ONE), 0);
    pair.server.publish = 20 * TIMEOUT_MS;
    let (client, _) = attempt(&mut pair, &files, &[LineFaults::default()], 0);
    assert_eq!((client.left_at, client.ends.len()), (None, 1));
    assert!(pair.now >= 20 * TIMEOUT_MS);
}

/// Whatever the server has said until then.
#[test]
fn a_server_that_falls_silent_is_left_after_the_timeout() {
    for silent_after in [0, 13, 60, 200] {
        let files = [file(40, 1)];
        let mut pair = Pair::new(UploadServer::new(Granule::ONE), silent_after);
        let silent_after = Some(silent_after);
        let line = LineFaults { delay: 5, silent_after, ..LineFaults::default() };
        let (client, _) = attempt(&mut pair, &files, &[line], 0);
        let left_at = client.left_at.expect("it waits for ever");
        let last = client.told.last().map_or(0, |(at, _)| *at);
        assert!((TIMEOUT_MS..=last + TIMEOUT_MS + 100).contains(&left_at), "{left_at}");
    }
}

/// An extra connection has nothing to do while the first one waits; a `Ping` shows that it is alive.
#[test]
fn an_idle_connection_outlives_any_wait() {
    let files = [file(2, 1)];
    let mut pair = Pair::new(UploadServer::new(Granule::ONE), 0);
    pair.server.wait = 20 * TIMEOUT_MS;
    let (client, _) = attempt(&mut pair, &files, &[LineFaults::default(); 2], 0);
    assert_eq!((client.left_at, client.ends.len()), (None, 1));
}

fn small_files(count: usize) -> Vec<ModelFile> {
    (0..count).map(|_| ModelFile { size: 9, blocks: vec![3] }).collect()
}

/// Their number does not matter, as long as the client may have so many requests.
#[test]
fn small_files_take_one_round_trip() {
    let files = small_files(MAX_REQUESTS);
    let mut pair = Pair::new(UploadServer::new(Granule::ONE), 0);
    let line = LineFaults { delay: 100, ..LineFaults::default() };
    attempt(&mut pair, &files, &[line], 0);
    assert_eq!(pair.now, 200);
    check_published(&pair.server, &files);
}

#[test]
fn small_files_are_probed_once_one_was_there() {
    let files = small_files(MAX_REQUESTS + 88);
    let mut pair = Pair::new(UploadServer::new(Granule::ONE), 0);
    let line = LineFaults { delay: 100, ..LineFaults::default() };
    for (number, probed) in [(0, 0), (1, 88)] {
        let (client, _) = attempt(&mut pair, &files, &[line], number);
        let is_probed = |end: &&UploadEnd| matches!(end, UploadEnd::UpToDate { .. });
        assert_eq!(client.ends.values().filter(is_probed).count(), probed);
    }
}
