//! Both machines of an upload, joined over a model of a server's disk. Connections are cut within
//! blocks, their remains arrive late, processes end after any effect, and the disk gets full:
//! after enough attempts the upload succeeds, the published file is the offered one, and no more
//! blocks are sent again than were on their way.

mod client;
mod disk;
mod faults;
mod server;

use std::collections::BTreeMap;

use ftx_core::native::Granule;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, block_count};
use ftx_core::native::wire::Reply;
use proptest::prelude::*;

use client::{Account, Client, End};
use disk::{File, cv};
use faults::{Crash, Faults, Side};
use server::{Item, Server};

/// Twice the granule, the smallest that a server may have.
fn window_blocks(server: &Server) -> u64 {
    server.granule.min_window_bytes() / BLOCK_BYTES
}

/// Makes attempts until one succeeds. Only the first meets the planned fault.
fn upload(file: &File, streams: usize, server: &mut Server, faults: &mut Faults) -> Account {
    let mut account = Account::default();
    for _ in 0..20 {
        let client = Client::new(file, window_blocks(server) * BLOCK_BYTES, &mut account);
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

fn granules() -> impl Strategy<Value = Granule> {
    prop::sample::select(vec![1, 2, 8]).prop_map(|blocks| Granule::new(blocks).unwrap())
}

/// Also some that are longer than the longest granule.
fn sizes() -> impl Strategy<Value = u64> {
    let blocks = prop_oneof![3 => 0..7u64, 1 => 9..18u64];
    (blocks, 0..2u64).prop_map(|(blocks, cut)| (blocks * BLOCK_BYTES).saturating_sub(cut * 17))
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

/// The blocks of granules that the server has not, at the same places.
fn differing(file: &File, held: Option<&File>, granule: Granule) -> u64 {
    let held = held.map(|held| held.manifest().cvs().to_vec()).unwrap_or_default();
    let own = file.manifest();
    let granule = usize::try_from(granule.blocks()).unwrap();
    let own = own.cvs().chunks(granule);
    let held = held.chunks(granule).map(Some).chain(std::iter::repeat(None));
    let differs =
        |(own, held): &(&[Cv], Option<&[Cv]>)| held.is_none_or(|held| !held.starts_with(own));
    own.zip(held).filter(differs).map(|(own, _)| own.len() as u64).sum()
}

fn check_cost(file: &File, held: Option<&File>, server: &Server, account: &Account) {
    let once = differing(file, held, server.granule);
    let again = account.lost * window_blocks(server);
    assert!((once..=once + again).contains(&account.sent), "{once}, {again}: {account:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_process_may_end_after_any_effect(
        published in prop::option::of(files()),
        file in files(),
        granule in granules(),
        streams in 1..4usize,
        cuts in 0..2u32,
        seed: u64,
    ) {
        for crash_at in 1..10_000 {
            let mut faults = Faults::seeded(seed);
            faults.crash_at = Some(crash_at);
            faults.cuts = cuts;
            let mut server = Server::new(granule, published.clone());
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, published.as_ref(), &server, &account);
            if faults.effects < crash_at {
                break;
            }
        }
    }

    #[test]
    fn the_disk_may_be_full_at_any_write(
        published in prop::option::of(files()),
        file in files(),
        granule in granules(),
        streams in 1..4usize,
        seed: u64,
    ) {
        for full_at in 1..=2 * block_count(file.size) {
            let mut faults = Faults::seeded(seed);
            faults.full_at = Some(full_at);
            let mut server = Server::new(granule, published.clone());
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, published.as_ref(), &server, &account);
        }
    }

    /// A damaged block, a commit of another file, or a reply about another file: each fails one attempt.
    #[test]
    fn no_damage_is_taken_and_no_lie_is_believed(
        published in prop::option::of(files()),
        file in files(),
        granule in granules(),
        streams in 1..4usize,
        damage_at in prop::option::of(1..9u64),
        wrong_commit: bool,
        wrong_done: bool,
        seed: u64,
    ) {
        let mut faults = Faults::seeded(seed);
        faults.damage_at = damage_at;
        faults.wrong_commit = wrong_commit;
        faults.wrong_done = wrong_done;
        let mut server = Server::new(granule, published.clone());
        let account = upload(&file, streams, &mut server, &mut faults);
        check_cost(&file, published.as_ref(), &server, &account);
        prop_assert!(!faults.has_lied && !faults.wrong_commit && !faults.wrong_done);
    }

    /// A client that sends blocks more than once. The first copy counts.
    #[test]
    fn a_further_copy_of_a_block_is_compared_with_the_first(
        copies in prop::collection::vec((0..3u64, 0..2u8), 1..12),
    ) {
        let mut server = Server::new(Granule::ONE, None);
        let mut faults = Faults::default();
        let size = 3 * BLOCK_BYTES;
        let mut first = BTreeMap::new();
        let replies = |server: &mut Server, faults: &mut Faults, items: Vec<Item>| {
            let connection = server.connections.entry(0).or_default();
            connection.to_server.extend(items);
            while !server.connections[&0].to_server.is_empty() {
                server.deliver(0, faults).unwrap();
            }
            std::mem::take(&mut server.connections.get_mut(&0).unwrap().to_client)
        };
        replies(&mut server, &mut faults, vec![Item::Offer { request: 1, size }]);
        for (index, content) in copies {
            let cv = cv(size, index, [content; 2]);
            let items = vec![
                Item::Begin { request: 1, index, len: BLOCK_BYTES },
                Item::Half { which: 0, content },
                Item::Half { which: 1, content },
                Item::End { cv },
            ];
            let replies = replies(&mut server, &mut faults, items);
            let is_equal = *first.entry(index).or_insert(content) == content;
            prop_assert_eq!(replies.len(), 1);
            prop_assert_eq!(replies[0].1 == Reply::Stored { index }, is_equal);
            prop_assert!(server.disk.data[&index] == [first[&index]; 2], "it is overwritten");
            if !is_equal {
                break;
            }
        }
    }

    #[test]
    fn connections_may_be_cut_at_any_time(
        file in files(),
        granule in granules(),
        streams in 1..5usize,
        cuts in 0..9u32,
        seeds in prop::collection::vec(any::<u64>(), 40),
    ) {
        for seed in seeds {
            let mut faults = Faults::seeded(seed);
            faults.cuts = cuts;
            let mut server = Server::new(granule, None);
            let account = upload(&file, streams, &mut server, &mut faults);
            check_cost(&file, None, &server, &account);
        }
    }

    /// One attempt of each version, which may end anywhere; then one that succeeds.
    #[test]
    fn a_file_that_changes_between_tries_is_never_mixed(
        files in versions(),
        order in prop::collection::vec(0..5usize, 1..6),
        crashes in prop::collection::vec(1..60u64, 6),
        granule in granules(),
        streams in 1..4usize,
        seed: u64,
    ) {
        let mut server = Server::new(granule, None);
        let mut faults = Faults::seeded(seed);
        let mut account = Account::default();
        for (which, crash_after) in order.into_iter().zip(crashes) {
            faults.crash_at = Some(faults.effects + crash_after);
            // The two of the same size more often.
            let file = &files[which / 2];
            let client = Client::new(file, window_blocks(&server) * BLOCK_BYTES, &mut account);
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
