//! Feeds the native transfer machines arbitrary messages in any order: they answer or refuse.

#![no_main]

use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, PartialManifest, block_count,
};
use ftx_core::native::download::{DownloadRequest, DownloadStep, Fetch, OpenRequests};
use ftx_core::native::upload::{
    NextUpload, Receiver, SentFile, Sender, StreamLimits, UploadRequests,
};
use ftx_core::native::wire::{BlockHead, FileHead, Meta, Overwrite, Reply, Version};
use ftx_core::native::{Granule, Reason};
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
    if u.arbitrary()? {
        return upload_requests(u);
    }
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

fn upload_reply(u: &mut Unstructured) -> Result<Reply> {
    let digest = Digest(cv(u)?.0);
    Ok(match u.int_in_range(0..=7)? {
        0 => Reply::Have { first: index(u)?, blocks: page(u)? },
        1 => {
            let granule = Granule::new(u.int_in_range(0..=4)?).unwrap_or(Granule::ONE);
            Reply::Ready { resumed: u.arbitrary()?, granule }
        }
        2 => Reply::Stored { index: index(u)? },
        3 => Reply::Done { digest, unchanged: u.arbitrary()? },
        4 => Reply::Wanted,
        5 => Reply::Waiting,
        6 => Reply::Working { done: 0, total: 0 },
        _ => Reply::failed(*u.choose(Reason::TABLE)?, String::new()),
    })
}

/// Replies to the requests of two connections, which send what comes next.
fn upload_requests(u: &mut Unstructured) -> Result<()> {
    let mut requests = UploadRequests::new(Overwrite::Replace);
    for stream in 0..=1 {
        let window = u.int_in_range(0..=10 * BLOCK_BYTES)?;
        requests.connect(stream, StreamLimits { window, max_requests: 4 });
    }
    let mut last_request = 0;
    while !u.is_empty() {
        let stream = u.int_in_range(0..=1)?;
        if u.arbitrary()? {
            let request = u.int_in_range(0..=last_request + 1)?;
            let _ = requests.on_reply(stream, request, upload_reply(u)?);
            continue;
        }
        match requests.next(stream) {
            NextUpload::Block { request, claim, .. } => {
                let cv = cv(u)?;
                let skips = claim.theirs.is_some()
                    && requests.hashed(request, claim.index, cv).unwrap().is_none_or(|hashed| hashed.skips());
                if !skips {
                    let _ = requests.sent(request, claim.index, cv).unwrap();
                }
            }
            NextUpload::Commit { request, .. } => {
                if requests.commit(request).is_none() {
                    requests.abandon(request);
                }
            }
            NextUpload::File { probe } => {
                last_request += 1;
                let (size, digest) = (size(u)?, Digest(cv(u)?.0));
                let sent = SentFile { size, digest, meta: Meta::default() };
                let before = if u.arbitrary()? { Some(sent) } else { None };
                match u.int_in_range(0..=1)? {
                    0 => requests.offer(stream, last_request, 0, table(u, size)?, before),
                    _ if probe => requests.check(stream, last_request, 0, sent),
                    _ => requests.put(stream, last_request, 0, sent, before),
                }
            }
            NextUpload::Abandon { .. } | NextUpload::Wanted(_) | NextUpload::Wait => {}
        }
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

fn fetch(u: &mut Unstructured) -> Result<Fetch> {
    let size = size(u)?;
    // A manifest has a chaining value for each block, of which a size may announce too many.
    let cvs = (0..block_count(size).min(6)).map(|_| cv(u)).collect::<Result<Vec<Cv>>>()?;
    if let Ok(manifest) = Manifest::new(size, cvs)
        && u.arbitrary()?
    {
        let local_size = self::size(u)?;
        return Ok(Fetch::resumed(&manifest, &table(u, local_size)?));
    }
    let first = BlockRange { first: index(u)?, count: u.arbitrary()? };
    Ok(Fetch::begun(size, stream(u)?, first))
}

fn download(u: &mut Unstructured) -> Result<()> {
    let mut fetch = fetch(u)?;
    while !u.is_empty() {
        match u.int_in_range(0..=5)? {
            0 => {
                let head = BlockHead { index: index(u)?, len: BLOCK_BYTES };
                let _ = fetch.accept(stream(u)?, head);
            }
            1 => {
                let _ = fetch.next(stream(u)?, u.int_in_range(0..=4)?);
            }
            2 => {
                let (stream, computed) = (stream(u)?, cv(u)?);
                let index = fetch.expects(stream).unwrap_or(index(u)?);
                let _ = fetch.block(stream, index, computed, cv(u)?);
            }
            3 => {
                let digest = if u.arbitrary()? { Some(Digest(cv(u)?.0)) } else { None };
                let _ = fetch.range_end(stream(u)?, digest);
            }
            4 => assert!(fetch.progress().moved <= fetch.progress().done),
            _ if u.ratio(1, 16)? => fetch.fail(),
            _ => {}
        }
    }
    Ok(())
}

fn download_request(u: &mut Unstructured) -> Result<DownloadRequest<(), ()>> {
    let range = BlockRange { first: 0, count: 8 };
    let version = Version([u.int_in_range(0..=1)?; 16]);
    Ok(match u.int_in_range(0..=4)? {
        0 => DownloadRequest::first_blocks((), range).0,
        1 => DownloadRequest::whole(()).0,
        2 => DownloadRequest::whole_unless((), Digest(cv(u)?.0)).0,
        3 => DownloadRequest::manifest((), u.arbitrary()?).0,
        _ => DownloadRequest::blocks((), version, vec![range]).0,
    })
}

fn reply(u: &mut Unstructured) -> Result<Reply> {
    let (meta, version) = (Meta::default(), Version([u.int_in_range(0..=1)?; 16]));
    Ok(match u.int_in_range(0..=5)? {
        0 => Reply::Found { size: size(u)?, meta, version },
        1 => Reply::Cvs { first: index(u)?, cvs: page(u)?.into_iter().flatten().collect() },
        2 => Reply::End { digest: None },
        3 => Reply::End { digest: Some(Digest(cv(u)?.0)) },
        4 => Reply::Failed { reason: u.arbitrary()?, message: String::new() },
        _ => Reply::Working { done: 0, total: 0 },
    })
}

/// Answers to the requests of one connection.
fn requests(u: &mut Unstructured) -> Result<()> {
    let mut requests = OpenRequests::new(4);
    for id in 1..=4 {
        requests.insert(id, download_request(u)?);
    }
    let meta = Meta::default();
    while !u.is_empty() {
        let id = u.int_in_range(0..=5)?;
        match u.int_in_range(0..=4)? {
            0 | 1 => {
                if let Ok(DownloadStep::Open { .. }) = requests.on_reply(id, reply(u)?)
                    && u.arbitrary()?
                {
                    requests.opened(id, ()).unwrap();
                }
            }
            2 => {
                let _ = requests.on_block(id, BlockHead { index: index(u)?, len: 1 });
            }
            3 => {
                let head = FileHead::Got { meta, version: Version([0; 16]) };
                let _ = requests.on_file(id, &head, 1);
            }
            _ => {
                let _ = requests.abandon(id);
            }
        }
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let Some((machine, input)) = input.split_first() else { return };
    let mut u = Unstructured::new(input);
    // Input that ends too early has been fed as far as it went.
    let _ = match machine % 4 {
        0 => upload(&mut u),
        1 => receive(&mut u),
        2 => download(&mut u),
        _ => requests(&mut u),
    };
});
