//! The codec of control messages, and the machine that receives an upload.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Manifest, PartialManifest};
use ftx_core::native::upload::{Completed, Receiver};
use ftx_core::native::wire::{
    HEADER_BYTES, MAX_CV_PAGE_BLOCKS, Meta, Overwrite, Reply, Request, Token, next_frame,
};

const BLOCKS: u64 = 1024;

/// The first message of an upload, and the largest page of chaining values.
pub(crate) fn codec(criterion: &mut Criterion) {
    let token: Token = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf".parse().unwrap();
    let offer = Request::Offer {
        name: "a/directory/with/a/file.bin".into(),
        size: 3 << 30,
        meta: Meta::default(),
        overwrite: Overwrite::Replace,
        run: token,
        source: Some(token),
    };
    let page = Reply::Have { first: 0, blocks: vec![Some(Cv([7; 32])); MAX_CV_PAGE_BLOCKS] };

    let mut group = criterion.benchmark_group("codec");
    group.bench_function("encode Offer", |bench| bench.iter(|| black_box(&offer).encode(1)));
    let frame = offer.encode(1).unwrap();
    group.bench_function("decode Offer", |bench| {
        bench.iter(|| {
            let header = next_frame(black_box(&frame)).unwrap().unwrap();
            Request::decode(&header, &frame[HEADER_BYTES..])
        });
    });
    let frame = page.encode(1).unwrap();
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("encode Have", |bench| bench.iter(|| black_box(&page).encode(1)));
    group.bench_function("decode Have", |bench| {
        bench.iter(|| {
            let header = next_frame(black_box(&frame)).unwrap().unwrap();
            Reply::decode(&header, &frame[HEADER_BYTES..])
        });
    });
    group.finish();
}

/// All blocks of a file of 1 GiB on one stream, without their bytes.
pub(crate) fn receiver(criterion: &mut Criterion) {
    let (size, cv) = (BLOCKS * BLOCK_BYTES, Cv([7; 32]));
    let blocks = usize::try_from(BLOCKS).unwrap();
    let digest = Manifest::new(size, vec![cv; blocks]).unwrap().digest();
    let mut group = criterion.benchmark_group("receiver");
    group.throughput(Throughput::Elements(BLOCKS));
    group.bench_function("1024 blocks", |bench| {
        bench.iter(|| {
            let mut receiver = Receiver::new(PartialManifest::new(size), None);
            for index in 0..BLOCKS {
                receiver.accept(0, index, BLOCK_BYTES).unwrap();
                assert_eq!(receiver.complete(0, cv, cv).unwrap(), Completed::Journal);
            }
            receiver.commit(digest).unwrap()
        });
    });
    group.finish();
}
