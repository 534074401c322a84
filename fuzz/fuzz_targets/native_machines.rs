//! Feeds the native transfer machines arbitrary messages in any order: they answer or refuse.

#![no_main]

use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, PartialManifest, block_count};
use ftx_core::native::Granule;
use ftx_core::native::download::Fetch;
use ftx_core::native::upload::{Receiver, Sender};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

/// A few sizes at the edges, so that messages fit the state now and then.
fn size(u: &mut Unstructured) -> Result<u64> {
    let blocks = u.int_in_range(0..=5)?;
    let sizes = [blocks * BLOCK_BYTES, blocks * BLOCK_BYTES + 1, (blocks * BLOCK_BYTES).saturating_sub(1), u64::MAX];
    u.choose(&sizes).copied()
}

fn index(u: &mut Unstructured) -> Result<u64> {
    if u.ratio(1, 8)? { u.arbitrary() } else { u.int_in_range(0..=6) }
}

fn stream(u: &mut Unstructured) -> Result<u32> {
    u.int_in_range(0..=2)
}

fn cv(u: &mut Unstructured) -> Result<Cv> {
    Ok(Cv([u.int_in_range(0..=2)?; 32]))
}

fn page(u: &mut Unstructured) -> Result<Vec<Option<Cv>>> {
    let len = u.int_in_range(0..=6)?;
    (0..len).map(|_| if u.arbitrary()? { cv(u).map(Some) } else { Ok(None) }).collect()
}

fn table(u: &mut Unstructured, size: u64) -> Result<PartialManifest> {
    let mut table = PartialManifest::new(size);
    for cv in (0..).zip(page(u)?).filter_map(|(index, cv)| Some((index, cv?))) {
        let _ = table.set(cv.0, cv.1);
    }
    Ok(table)
}

fn upload(u: &mut Unstructured) -> Result<()> {
    let size = size(u)?;
    let mut sender = Sender::with_known(table(u, size)?, u.int_in_range(0..=10 * BLOCK_BYTES)?);
    while !u.is_empty() {
        match u.int_in_range(0..=6)? {
            0 => {
                let _ = sender.have(index(u)?, &page(u)?);
            }
            1 => {
                if let Ok(granule) = Granule::new(u.int_in_range(0..=4)?) {
                    let _ = sender.ready(granule);
                }
            }
            2 => {
                let claim = sender.claim(stream(u)?);
                assert!(claim.is_none_or(|claim| claim.index < block_count(size)));
            }
            3 => {
                let _ = sender.hashed(index(u)?, cv(u)?);
            }
            4 => {
                let _ = sender.sent(index(u)?, cv(u)?);
            }
            5 => {
                let _ = sender.stored(stream(u)?, index(u)?);
            }
            _ => assert!(sender.all_stored().is_none() || sender.own().complete().is_some()),
        }
        assert!(sender.progress().done <= size);
    }
    Ok(())
}

fn receive(u: &mut Unstructured) -> Result<()> {
    let staged_size = size(u)?;
    let staged = table(u, staged_size)?;
    let published_size = size(u)?;
    let published = table(u, published_size)?;
    let mut receiver = Receiver::new(staged, Some(&published));
    assert!(receiver.have().all(|page| page.blocks.iter().any(Option::is_some)));
    while !u.is_empty() {
        match u.int_in_range(0..=3)? {
            0 => {
                let len = if u.arbitrary()? { BLOCK_BYTES } else { u.int_in_range(0..=BLOCK_BYTES)? };
                let _ = receiver.accept(stream(u)?, index(u)?, len);
            }
            1 => {
                let _ = receiver.complete(stream(u)?, cv(u)?, cv(u)?);
            }
            2 => receiver.lost(stream(u)?),
            _ => {
                if let Ok(copy) = receiver.commit(Digest(cv(u)?.0)) {
                    assert!(copy.iter().all(|range| range.end() <= block_count(staged_size)));
                }
            }
        }
    }
    Ok(())
}

fn download(u: &mut Unstructured) -> Result<()> {
    let size = size(u)?;
    let local_size = self::size(u)?;
    let mut fetch = Fetch::new(size, &table(u, local_size)?, u.int_in_range(0..=4)?);
    let mut cvs = Vec::new();
    while !u.is_empty() {
        match u.int_in_range(0..=5)? {
            0 => {
                let page: Vec<Cv> = page(u)?.into_iter().flatten().collect();
                let first = if u.arbitrary()? { cvs.len() as u64 } else { index(u)? };
                if fetch.cvs(first, &page).is_ok() {
                    cvs.extend(page);
                }
            }
            1 => {
                let manifest = ftx_core::native::blocks::Manifest::new(size, cvs.clone());
                let digest = manifest.map_or(Digest([0; 32]), |manifest| manifest.digest());
                let _ = fetch.manifest(digest);
            }
            2 => {
                let end = block_count(size);
                let ranges = fetch.next(stream(u)?);
                assert!(ranges.into_iter().flatten().all(|range: BlockRange| range.end() <= end));
            }
            3 => {
                let (stream, computed) = (stream(u)?, cv(u)?);
                let index = fetch.expects(stream).unwrap_or(index(u)?);
                let _ = fetch.block(stream, index, computed, cv(u)?);
            }
            4 => {
                let _ = fetch.range_end(stream(u)?);
            }
            _ => assert!(!fetch.is_finished() || fetch.progress().done == size),
        }
        assert!(fetch.progress().done <= size);
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let Some((machine, input)) = input.split_first() else { return };
    let mut u = Unstructured::new(input);
    // Input that ends too early has been fed as far as it went.
    let _ = match machine % 3 {
        0 => upload(&mut u),
        1 => receive(&mut u),
        _ => download(&mut u),
    };
});
