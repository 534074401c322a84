//! The bytes of FTX/1: every message and every frame as `PROTOCOL.md` section 3 gives them, both
//! ways. If one of these has to change, so does every peer.

use ftx_core::RawName;
use ftx_core::native::Granule;
use ftx_core::native::blocks::{BlockRange, Cv, Digest};
use ftx_core::native::wire::{
    BlockHead, CLIENT_PREFACE, CompressedHead, Entry, EntryKind, FileHead, FileLayout, FrameHeader,
    FrameKind, GetScope, HEADER_BYTES, Listed, Meta, Mtime, Obstacle, Overwrite, Readers, Reply,
    Request, Token, Untransferable, Version, next_frame, server_preface,
};

const TOKEN: &str = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const VERSION: &str = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf";
const HASH: &str = "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf";

fn token() -> Token {
    TOKEN.parse().unwrap()
}

fn version() -> Version {
    VERSION.parse().unwrap()
}

fn cv() -> Cv {
    HASH.parse().unwrap()
}

fn digest() -> Digest {
    HASH.parse().unwrap()
}

fn meta() -> Meta {
    Meta { mtime: Mtime::new(1_700_000_000, 5), executable: true, readers: Readers::All }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn split(frame: &[u8]) -> (FrameHeader, &[u8]) {
    let header = next_frame(frame).unwrap().unwrap();
    let payload = &frame[HEADER_BYTES..];
    assert_eq!(payload.len(), usize::try_from(header.len).unwrap());
    (header, payload)
}

/// The request has these bytes, and they are that request.
fn request(id: u32, request: &Request, golden: &[&str]) {
    let frame = request.encode(id).unwrap();
    assert_eq!(hex::encode(&frame), golden.concat(), "{request:?}");
    let (header, payload) = split(&frame);
    assert_eq!((header.kind, header.request), (FrameKind::Control, id));
    assert_eq!(Request::decode(&header, payload).as_ref(), Ok(request));
}

/// The reply has these bytes, and they are that reply.
fn reply(id: u32, reply: &Reply, golden: &[&str]) {
    let frame = reply.encode(id).unwrap();
    assert_eq!(hex::encode(&frame), golden.concat(), "{reply:?}");
    let (header, payload) = split(&frame);
    assert_eq!((header.kind, header.request), (FrameKind::Control, id));
    assert_eq!(Reply::decode(&header, payload).as_ref(), Ok(reply));
}

#[test]
fn prefaces() {
    assert_eq!(hex::encode(CLIENT_PREFACE), "894654580d0a1a0a00000000");
    assert_eq!(hex::encode(server_preface(1)), "894654580d0a1a0a01000000");
}

#[test]
#[rustfmt::skip]
fn hello() {
    let hello = |session, auth, replaces| Request::Hello {
        versions: vec![1], features: vec![text("x")], agent: text("ftx/0"), session, auth, replaces,
    };
    request(0, &hello(None, None, None), &[
        "31000000" , "00000000", "01", "000000", // 49 bytes, request 0, control
        "00000000",                              // variant 0
        "0100000000000000", "01000000",          // one version: 1
        "0100000000000000",                      // one feature,
        "0100000000000000", "78",                // of one byte: x
        "0500000000000000", "6674782f30",        // agent
        "00", "00", "00",                        // no session, no auth, replaces none
    ]);
    request(0, &hello(Some(token()), Some(text("s")), Some(token())), &[
        "5a000000" , "00000000", "01", "000000",
        "00000000",
        "0100000000000000", "01000000",
        "0100000000000000",
        "0100000000000000", "78",
        "0500000000000000", "6674782f30",
        "01", TOKEN,                             // session
        "01", "0100000000000000", "73",          // auth
        "01", TOKEN,                             // the session that is replaced
    ]);
}

#[test]
#[rustfmt::skip]
fn requests_of_an_upload() {
    let offer = |meta, overwrite, source| Request::Offer {
        name: text("d/é"), size: 0x0102_0304, meta, overwrite, run: token(), source,
    };
    request(1, &offer(meta(), Overwrite::IfUnchanged(digest()), Some(token())), &[
        "6b000000", "01000000", "01", "000000",
        "01000000",                              // variant 1
        "0400000000000000", "642fc3a9",          // name
        "0403020100000000",                      // size
        "01", "00f1536500000000", "05000000",    // mtime: seconds, nanoseconds
        "01",                                    // executable
        "02000000", HASH,                        // overwrite: if it has this digest
        TOKEN,                                   // run
        "01", TOKEN,                             // source
    ]);
    request(1, &offer(Meta::default(), Overwrite::Replace, None), &[
        "2f000000", "01000000", "01", "000000",
        "01000000", "0400000000000000", "642fc3a9", "0403020100000000",
        "00", "00",                              // no mtime, not executable, for all
        "00000000",                              // overwrite: replace
        TOKEN,
        "00",                                    // no source
    ]);
    request(1, &offer(Meta::default(), Overwrite::Fail, None), &[
        "2f000000", "01000000", "01", "000000",
        "01000000", "0400000000000000", "642fc3a9", "0403020100000000", "00", "00",
        "01000000",                              // overwrite: fail
        TOKEN,
        "00",
    ]);
    request(1, &Request::Commit { digest: digest() }, &[
        "24000000", "01000000", "01", "000000",
        "02000000", HASH,
    ]);
    request(1, &Request::Abandon { discard: true }, &[
        "05000000", "01000000", "01", "000000",
        "03000000", "01",
    ]);
}

#[test]
#[rustfmt::skip]
fn requests_of_a_download() {
    let get = |version, what| Request::Get { name: text("f"), version, what };
    request(7, &get(None, GetScope::Whole), &[
        "12000000", "07000000", "01", "000000",
        "04000000", "0100000000000000", "66",
        "00",                                    // any version
        "00000000",                              // whole
    ]);
    request(7, &get(Some(version()), GetScope::Manifest), &[
        "22000000", "07000000", "01", "000000",
        "04000000", "0100000000000000", "66",
        "01", VERSION,
        "01000000",                              // manifest
    ]);
    let ranges = vec![BlockRange { first: 2, count: 3 }, BlockRange { first: 9, count: 1 }];
    request(7, &get(None, GetScope::Blocks(ranges)), &[
        "3a000000", "07000000", "01", "000000",
        "04000000", "0100000000000000", "66", "00",
        "02000000",                              // blocks
        "0200000000000000",                      // two ranges
        "0200000000000000", "0300000000000000",  // first, count
        "0900000000000000", "0100000000000000",
    ]);
    request(7, &get(None, GetScope::WholeUnless(digest())), &[
        "32000000", "07000000", "01", "000000",
        "04000000", "0100000000000000", "66", "00",
        "03000000", HASH,                        // whole unless
    ]);
    request(7, &get(None, GetScope::FreshManifest), &[
        "12000000", "07000000", "01", "000000",
        "04000000", "0100000000000000", "66", "00",
        "04000000",                              // fresh manifest
    ]);
}

#[test]
#[rustfmt::skip]
fn other_requests() {
    request(9, &Request::Stat { name: text("f") }, &[
        "0d000000", "09000000", "01", "000000",
        "05000000", "0100000000000000", "66",
    ]);
    let list = |after| Request::List { name: text(""), recursive: true, after, limit: 100 };
    request(9, &list(Some(text("f"))), &[
        "1b000000", "09000000", "01", "000000",
        "06000000", "0000000000000000",          // the root
        "01",                                    // recursive
        "01", "0100000000000000", "66",          // after
        "64000000",                              // limit
    ]);
    request(9, &list(None), &[
        "12000000", "09000000", "01", "000000",
        "06000000", "0000000000000000", "01", "00", "64000000",
    ]);
    request(9, &Request::Digest { name: text("f") }, &[
        "0d000000", "09000000", "01", "000000",
        "07000000", "0100000000000000", "66",
    ]);
    request(9, &Request::Remove { name: text("f") }, &[
        "0d000000", "09000000", "01", "000000",
        "08000000", "0100000000000000", "66",
    ]);
    request(9, &Request::MakeDirectory { name: text("d") }, &[
        "0d000000", "09000000", "01", "000000",
        "0a000000", "0100000000000000", "64",
    ]);
    let meta = Meta { mtime: None, executable: true, readers: Readers::Owner };
    request(9, &Request::Check { name: text("f"), size: 5, meta, digest: digest() }, &[
        "37000000", "09000000", "01", "000000",
        "0b000000", "0100000000000000", "66",
        "0500000000000000",                      // size
        "00", "05",                              // meta: executable, for its owner
        HASH,
    ]);
    for (id, hex) in [(0, "00000000"), (9, "09000000")] {
        request(id, &Request::Ping { payload: 0x0807_0605_0403_0201 }, &[
            "0c000000", hex, "01", "000000",
            "09000000", "0102030405060708",
        ]);
    }
}

#[test]
#[rustfmt::skip]
fn replies_of_a_connection() {
    reply(0, &Reply::Welcome {
        version: 1, features: vec![], agent: text("ftx/0"), session: token(),
        window: 8 << 20, requests: 1024,
    }, &[
        "39000000", "00000000", "01", "000000",
        "00000000",
        "01000000",                              // version
        "0000000000000000",                      // no features
        "0500000000000000", "6674782f30",        // agent
        TOKEN,                                   // session
        "0000800000000000",                      // window
        "00040000",                              // requests
    ]);
    reply(0, &Reply::Goodbye { reason: -203, message: text("no") }, &[
        "12000000", "00000000", "01", "000000",
        "0e000000", "35ffffff", "0200000000000000", "6e6f",
    ]);
    reply(4, &Reply::Pong { payload: 1 }, &[
        "0c000000", "04000000", "01", "000000",
        "0c000000", "0100000000000000",
    ]);
}

#[test]
#[rustfmt::skip]
fn replies_of_an_upload() {
    reply(1, &Reply::Have { first: 3, blocks: vec![Some(cv()), None] }, &[
        "36000000", "01000000", "01", "000000",
        "01000000",
        "0300000000000000",                      // first
        "0200000000000000",                      // two blocks
        "01", HASH,
        "00",
    ]);
    reply(1, &Reply::Ready { resumed: 256, granule: Granule::ONE }, &[
        "0c000000", "01000000", "01", "000000",
        "02000000", "0001000000000000",          // no granule: one block
    ]);
    reply(1, &Reply::Ready { resumed: 256, granule: Granule::new(8).unwrap() }, &[
        "10000000", "01000000", "01", "000000",
        "02000000", "0001000000000000",
        "08000000",                              // granule
    ]);
    reply(1, &Reply::Stored { index: 4 }, &[
        "0c000000", "01000000", "01", "000000",
        "03000000", "0400000000000000",
    ]);
    reply(1, &Reply::Done { digest: digest(), unchanged: true }, &[
        "25000000", "01000000", "01", "000000",
        "04000000", HASH, "01",
    ]);
    reply(1, &Reply::Working { done: 1, total: 2 }, &[
        "14000000", "01000000", "01", "000000",
        "0a000000", "0100000000000000", "0200000000000000",
    ]);
    reply(1, &Reply::Failed { reason: -405, message: text("full") }, &[
        "14000000", "01000000", "01", "000000",
        "0b000000", "6bfeffff", "0400000000000000", "66756c6c",
    ]);
}

#[test]
#[rustfmt::skip]
fn replies_of_a_download() {
    reply(7, &Reply::Found { size: 5, meta: meta(), version: version() }, &[
        "2a000000", "07000000", "01", "000000",
        "05000000",
        "0500000000000000",                      // size
        "01", "00f1536500000000", "05000000",    // mtime
        "01",                                    // executable
        VERSION,
    ]);
    reply(7, &Reply::Cvs { first: 1, cvs: vec![cv()] }, &[
        "34000000", "07000000", "01", "000000",
        "06000000", "0100000000000000", "0100000000000000", HASH,
    ]);
    reply(7, &Reply::End { digest: Some(digest()) }, &[
        "25000000", "07000000", "01", "000000",
        "07000000", "01", HASH,
    ]);
    reply(7, &Reply::End { digest: None }, &[
        "05000000", "07000000", "01", "000000",
        "07000000", "00",
    ]);
}

#[test]
#[rustfmt::skip]
fn other_replies() {
    let meta = Meta::default();
    let directory = Entry { name: "d".parse().unwrap(), kind: EntryKind::Directory, size: 0, meta };
    let file = Entry { name: "d/f".parse().unwrap(), kind: EntryKind::File, size: 5, meta };
    reply(9, &Reply::Entry(file.clone()), &[
        "1d000000", "09000000", "01", "000000",
        "08000000",
        "0300000000000000", "642f66",            // name
        "00000000",                              // file
        "0500000000000000",                      // size
        "00", "00",                              // no mtime, not executable, for all
    ]);
    let name = RawName::parse("d/\\xff").unwrap();
    let other = Untransferable { name, obstacle: Obstacle::NotUtf8, size: 7, meta };
    let entries = vec![Listed::Entry(directory), Listed::Entry(file), Listed::Untransferable(other)];
    reply(9, &Reply::Entries { entries, more: true }, &[
        "5d000000", "09000000", "01", "000000",
        "09000000",
        "0300000000000000",                      // three entries
        "0100000000000000", "64", "01000000", "0000000000000000", "00", "00",
        "0300000000000000", "642f66", "00000000", "0500000000000000", "00", "00",
        "0600000000000000", "642f5c786666",      // the escaped name
        "02000000", "02000000",                  // not transferable, not UTF-8
        "0700000000000000", "00", "00",
        "01",                                    // more
    ]);
    reply(9, &Reply::Wanted, &[
        "04000000", "09000000", "01", "000000",
        "0f000000",
    ]);
    reply(1, &Reply::Waiting, &[
        "04000000", "01000000", "01", "000000",
        "10000000",
    ]);
    reply(9, &Reply::Removed, &[
        "04000000", "09000000", "01", "000000",
        "0d000000",
    ]);
}

#[test]
fn a_block_frame() {
    let block = BlockHead { index: 0x0102, len: 3 };
    let golden = [
        "2b000000",
        "03000000",
        "02",
        "000000",           // 43 bytes, request 3, block
        "0201000000000000", // index
    ];
    let head = block.encode(3).unwrap();
    assert_eq!(hex::encode(head), golden.concat());
    let header = next_frame(&head).unwrap().unwrap();
    let index = head.last_chunk().copied().unwrap();
    assert_eq!((header.kind, header.request), (FrameKind::Block, 3));
    assert_eq!(BlockHead::decode(&header, index), Ok(block));
}

#[test]
fn a_compressed_frame() {
    let head = CompressedHead { decoded_len: 0x0001_0203 };
    let golden = [
        "18000000", "00000000", "04", "000000",   // 24 bytes, request 0, compressed
        "03020100", // decoded bytes
    ];
    let frame = head.encode(20).unwrap();
    assert_eq!(hex::encode(frame), golden.concat());
    let header = next_frame(&frame).unwrap().unwrap();
    let len = frame.last_chunk().copied().unwrap();
    assert_eq!((header.kind, header.request), (FrameKind::Compressed, 0));
    assert_eq!(CompressedHead::decode(&header, len), Ok(head));
}

/// The head has these bytes before 2 bytes of the file, and the whole frame is read as that.
fn file(head: FileHead, golden: &[&str]) {
    let before = head.encode(3, 2).unwrap();
    assert_eq!(hex::encode(&before), golden.concat(), "{head:?}");
    let frame = [&before[..], b"hi", &digest().0].concat();
    let (header, payload) = split(&frame);
    assert_eq!((header.kind, header.request), (FrameKind::File, 3));
    let (prefix, rest) = payload.split_first_chunk().unwrap();
    let layout = FileLayout::decode(&header, *prefix).unwrap();
    assert_eq!(layout.data_len, 2);
    let (decoded, rest) = rest.split_at(layout.head_len);
    assert_eq!(FileHead::decode(decoded), Ok(head));
    assert_eq!(rest, [&b"hi"[..], &digest().0].concat());
}

#[test]
#[rustfmt::skip]
fn file_frames() {
    file(FileHead::Put { name: text("f"), meta: meta(), overwrite: Overwrite::Replace }, &[
        "45000000", "03000000", "03", "000000",  // 69 bytes, request 3, file
        "1f000000",                              // 31 bytes of head
        "00000000",                              // variant 0
        "0100000000000000", "66",                // name
        "01", "00f1536500000000", "05000000",    // mtime
        "01",                                    // executable
        "00000000",                              // overwrite: replace
    ]);
    file(FileHead::Got { meta: Meta::default(), version: version() }, &[
        "3c000000", "03000000", "03", "000000",
        "16000000",                              // 22 bytes of head
        "01000000",                              // variant 1
        "00", "00",                              // no mtime, not executable, for all
        VERSION,
    ]);
}
