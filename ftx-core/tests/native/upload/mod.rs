//! Both machines of an upload, joined over a model of a server's disk. Connections are cut within
//! blocks, their remains arrive late, processes end after any effect, and the disk gets full:
//! after enough attempts the upload succeeds, the published file is the offered one, and no more
//! blocks are sent again than were on their way.

mod client;
mod disk;
mod faults;
mod server;

use ftx_core::native::blocks::{BLOCK_BYTES, block_count};
use proptest::prelude::*;

use client::{Account, Client, End};
use disk::File;
use faults::{Crash, Faults, Side};
use server::Server;

const WINDOW_BLOCKS: u64 = 2;

/// Makes attempts until one succeeds. Only the first meets the planned fault.
fn upload(file: &File, streams: usize, server: &mut Server, faults: &mut Faults) -> Account {
    let mut account = Account::default();
    for _ in 0..20 {
        let client = Client::new(file, WINDOW_BLOCKS * BLOCK_BYTES, &mut account);
        match client.run(streams, server, faults) {
            Ok(End::Done) => {
                assert_eq!(server.disk.published.as_ref(), Some(file));
                return account;
            }
            Ok(End::Failed | End::Cut) | Err(Crash(Side::Client)) => {}
            Err(Crash(Side::Server)) => server.crash(),
        }
        // At any time every recorded block is intact.
        server.disk.table();
    }
    panic!("the upload does not end: {faults:?}");
}

fn sizes() -> impl Strategy<Value = u64> {
    (0..7u64, 0..2u64).prop_map(|(blocks, cut)| (blocks * BLOCK_BYTES).saturating_sub(cut * 17))
}

fn file_of(size: u64) -> impl Strategy<Value = File> {
    let count = usize::try_from(block_count(size)).unwrap();
    prop::collection::vec(0..3u8, count).prop_map(move |blocks| File { size, blocks })
}

fn files() -> impl Strategy<Value = File> {
    sizes().prop_flat_map(file_of)
}

/// Versions of a file, some of which have the same size.
fn versions() -> impl Strategy<Value = Vec<File>> {
    (sizes(), files()).prop_flat_map(|(size, other)| {
        (file_of(size), file_of(size)).prop_map(move |(one, two)| vec![one, two, other.clone()])
    })
}

/// The blocks that the server has not, at the same places.
fn differing(file: &File, held: Option<&File>) -> u64 {
    let held = held.map(|held| held.manifest().cvs().to_vec()).unwrap_or_default();
    let own = file.manifest();
    let same = own.cvs().iter().zip(&held).filter(|(own, held)| own == held).count();
    own.cvs().len() as u64 - same as u64
}

fn check_cost(file: &File, held: Option<&File>, account: &Account) {
    let once = differing(file, held);
    let again = account.lost * WINDOW_BLOCKS;
    assert!((once..=once + again).contains(&account.sent), "{once}, {again}: {account:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_process_may_end_after_any_effect(
        published in prop::option::of(files()),
        file in files(),
        streams in 1..4usize,
        cuts in 0..2u32,
        seed: u64,
    ) {
        for crash_at in 1..10_000 {
            let mut faults = Faults::seeded(seed);
            faults.crash_at = Some(crash_at);
            faults.cuts = cuts;
            let mut server = Server::default();
            server.disk.published = published.clone();
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, published.as_ref(), &account);
            if faults.effects < crash_at {
                break;
            }
        }
    }

    #[test]
    fn the_disk_may_be_full_at_any_write(
        published in prop::option::of(files()),
        file in files(),
        streams in 1..4usize,
        seed: u64,
    ) {
        for full_at in 1..=2 * block_count(file.size) {
            let mut faults = Faults::seeded(seed);
            faults.full_at = Some(full_at);
            let mut server = Server::default();
            server.disk.published = published.clone();
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, published.as_ref(), &account);
        }
    }

    #[test]
    fn connections_may_be_cut_at_any_time(
        file in files(),
        streams in 1..5usize,
        cuts in 0..9u32,
        seeds in prop::collection::vec(any::<u64>(), 40),
    ) {
        for seed in seeds {
            let mut faults = Faults::seeded(seed);
            faults.cuts = cuts;
            let mut server = Server::default();
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, None, &account);
        }
    }

    /// One attempt of each version, which may end anywhere; then one that succeeds.
    #[test]
    fn a_file_that_changes_between_tries_is_never_mixed(
        files in versions(),
        order in prop::collection::vec(0..5usize, 1..6),
        crashes in prop::collection::vec(1..60u64, 6),
        streams in 1..4usize,
        seed: u64,
    ) {
        let mut server = Server::default();
        let mut faults = Faults::seeded(seed);
        let mut account = Account::default();
        for (which, crash_after) in order.into_iter().zip(crashes) {
            faults.crash_at = Some(faults.effects + crash_after);
            // The two of the same size more often.
            let file = &files[which / 2];
            let client = Client::new(file, WINDOW_BLOCKS * BLOCK_BYTES, &mut account);
            if let Err(Crash(Side::Server)) = client.run(streams, &mut server, &mut faults) {
                server.crash();
            }
            server.disk.table();
        }
        faults.crash_at = None;
        for file in &files {
            upload(file, streams, &mut server, &mut faults);
        }
    }
}
