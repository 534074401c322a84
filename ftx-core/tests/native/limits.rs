//! Invalid bytes are refused with an error, before memory is allocated for them.

use ftx_core::RawName;
use ftx_core::codec::{MAX_RECORD_BYTES, encode};
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest};
use ftx_core::native::wire::{
    BlockHead, CompressedHead, Entry, EntryKind, FileHead, FileLayout, FrameError, FrameHeader,
    FrameKind, GetScope, HEADER_BYTES, Listed, MAX_CV_PAGE_BLOCKS, MAX_DECODED_BYTES,
    MAX_GET_RANGES, MAX_REQUEST_BYTES, MAX_ZSTD_BYTES, Meta, Mtime, Obstacle, Overwrite, Readers,
    Reply, Request, Token, Untransferable, Version, next_frame,
};
use proptest::prelude::*;

/// The longest head of a file frame.
const MAX_FILE_HEAD_BYTES: u32 = 16_384;

fn control(request: u32, record: &[u8]) -> (FrameHeader, Vec<u8>) {
    let header = FrameHeader::new(FrameKind::Control, request, record.len() as u64).unwrap();
    (header, record.to_vec())
}

fn header(len: u32, request: u32, kind: u8, reserved: [u8; 3]) -> Result<FrameHeader, FrameError> {
    let bytes = [&len.to_le_bytes()[..], &request.to_le_bytes(), &[kind], &reserved].concat();
    FrameHeader::decode(bytes.first_chunk().unwrap())
}

#[test]
fn a_header_has_a_known_kind_and_zeros_at_its_end() {
    for kind in (0..=u8::MAX).filter(|kind| !(1..=4).contains(kind)) {
        assert_eq!(header(100, 1, kind, [0; 3]), Err(FrameError::UnknownKind { kind }));
    }
    for reserved in [[1, 0, 0], [0, 1, 0], [0, 0, 0x80]] {
        assert_eq!(header(100, 1, 1, reserved), Err(FrameError::Reserved));
    }
}

#[test]
fn each_kind_has_its_lengths() {
    let head = MAX_FILE_HEAD_BYTES;
    let bounds = [(1, 4, 1 << 20), (2, 41, (1 << 20) + 40), (3, 40, (1 << 20) + 36 + head)];
    for (kind, least, most) in bounds {
        for len in [least, most] {
            assert!(header(len, 1, kind, [0; 3]).is_ok(), "{kind} {len}");
        }
        for len in [least - 1, most + 1, u32::MAX] {
            let error = header(len, 1, kind, [0; 3]).unwrap_err();
            assert!(matches!(error, FrameError::PayloadLength { .. }), "{kind} {len}");
            assert_eq!(error.reason(), Reason::Malformed);
        }
        assert!(most <= 1_114_112);
    }
}

#[test]
fn a_header_is_read_once_it_is_there() {
    let frame = Request::Ping { payload: 1 }.encode(1).unwrap();
    for len in 0..HEADER_BYTES {
        assert_eq!(next_frame(&frame[..len]), Ok(None));
    }
    for len in HEADER_BYTES..=frame.len() {
        assert!(next_frame(&frame[..len]).unwrap().is_some());
    }
}

#[test]
fn ids_are_for_requests_and_zero_for_the_connection() {
    for kind in [2, 3] {
        assert!(matches!(header(100, 0, kind, [0; 3]), Err(FrameError::RequestId { .. })));
    }
    let hello = Request::Hello {
        versions: vec![1],
        features: vec![],
        agent: String::new(),
        session: None,
        auth: None,
        replaces: None,
    };
    let stat = Request::Stat { name: "f".into() };
    for (request, right, wrong) in [(&hello, 0, 1), (&stat, 1, 0)] {
        assert!(matches!(request.encode(wrong), Err(FrameError::RequestId { .. })));
        let frame = request.encode(right).unwrap();
        let (header, payload) = control(wrong, &frame[HEADER_BYTES..]);
        let decoded = Request::decode(&header, &payload);
        assert!(matches!(decoded, Err(FrameError::RequestId { .. })), "{decoded:?}");
    }
    for (reply, right, wrong) in
        [(&Reply::goodbye(Reason::ShuttingDown, ""), 0, 1), (&Reply::Removed, 1, 0)]
    {
        assert!(matches!(reply.encode(wrong), Err(FrameError::RequestId { .. })));
        let frame = reply.encode(right).unwrap();
        let (header, payload) = control(wrong, &frame[HEADER_BYTES..]);
        let decoded = Reply::decode(&header, &payload);
        assert!(matches!(decoded, Err(FrameError::RequestId { .. })), "{decoded:?}");
    }
}

#[test]
fn a_request_is_short() {
    let fits = (MAX_REQUEST_BYTES - 12) as usize;
    let stat = |len| Request::Stat { name: "x".repeat(len) };
    assert_eq!(stat(fits).encode(1).unwrap().len(), HEADER_BYTES + MAX_REQUEST_BYTES as usize);
    let too_long = Err(FrameError::RequestTooLong { len: u64::from(MAX_REQUEST_BYTES) + 1 });
    assert_eq!(stat(fits + 1).encode(1), too_long);
    let (header, payload) = control(1, &encode(&stat(fits + 1)).unwrap());
    let error = Request::decode(&header, &payload).unwrap_err();
    assert_eq!(error.reason(), Reason::LimitExceeded);
}

#[test]
fn ranges_and_pages_are_short() {
    let get = |count| Request::Get {
        name: "x".repeat(4096),
        version: None,
        what: GetScope::Blocks(vec![BlockRange { first: 0, count: 1 }; count]),
    };
    assert!(get(MAX_GET_RANGES).encode(1).is_ok());
    assert!(get(MAX_GET_RANGES + 1).encode(1).is_err());
    let (header, payload) = control(1, &encode(&get(MAX_GET_RANGES + 1)).unwrap());
    assert!(Request::decode(&header, &payload).is_err());

    let have = |len| Reply::Have { first: 0, blocks: vec![Some(Cv([0; 32])); len] };
    let cvs = |len| Reply::Cvs { first: 0, cvs: vec![Cv([0; 32]); len] };
    assert!(
        have(MAX_CV_PAGE_BLOCKS).encode(1).is_ok() && cvs(MAX_CV_PAGE_BLOCKS).encode(1).is_ok()
    );
    for reply in [have(MAX_CV_PAGE_BLOCKS + 1), cvs(MAX_CV_PAGE_BLOCKS + 1)] {
        let too_long = FrameError::PageTooLong { len: MAX_CV_PAGE_BLOCKS as u64 + 1 };
        assert_eq!(reply.encode(1), Err(too_long.clone()));
        let (header, payload) = control(1, &encode(&reply).unwrap());
        assert_eq!(Reply::decode(&header, &payload), Err(too_long));
    }
}

#[test]
fn an_entry_knows_its_length() {
    for mtime in [None, Mtime::new(-1, 999_999_999)] {
        let meta = Meta { mtime, ..Meta::default() };
        let entry = Entry { name: "a/é".parse().unwrap(), kind: EntryKind::File, size: 1, meta };
        let name = RawName::parse("a\\\\b/caf\\xe9").unwrap();
        let other = Untransferable { name, obstacle: Obstacle::NotUtf8, size: 1, meta };
        for listed in [Listed::Entry(entry), Listed::Untransferable(other)] {
            assert_eq!(encode(&listed).unwrap().len(), listed.record_len());
            let count = (MAX_RECORD_BYTES - 32) / listed.record_len();
            assert!(Reply::Entries { entries: vec![listed; count], more: true }.encode(1).is_ok());
        }
    }
}

/// The bytes of a text with those of another in its place.
fn replaced(mut record: Vec<u8>, text: &str, other: &str) -> Vec<u8> {
    let of = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
    let (text, other) = (of(text), of(other));
    let at = record.windows(text.len()).position(|bytes| bytes == text).unwrap();
    record.splice(at..at + text.len(), other);
    record
}

#[test]
fn listed_names_lead_to_no_other_place() {
    let entry = |name: &str| Entry {
        name: name.parse().unwrap(),
        kind: EntryKind::File,
        size: 1,
        meta: Meta::default(),
    };
    let replies = [
        Reply::Entry(entry("good")),
        Reply::Entries {
            entries: ["a", "good", "z"].map(|n| Listed::Entry(entry(n))).into(),
            more: true,
        },
    ];
    for reply in replies {
        let record = encode(&reply).unwrap();
        let decoded = |name: &str| {
            let (header, payload) = control(1, &replaced(record.clone(), "good", name));
            Reply::decode(&header, &payload)
        };
        assert!(decoded("other/x").is_ok());
        let long = "x".repeat(5000);
        let escapes = "\u{1b}".repeat(4000);
        for name in
            ["", "/etc/passwd", "..", "a/../b", "a\0b", ".ftx/lock", "C:", "a/", &long, &escapes]
        {
            let error = decoded(name).unwrap_err();
            assert_eq!(error.reason(), Reason::Malformed);
            let FrameError::Record { source, .. } = error else { panic!("{error:?}") };
            let text = source.to_string();
            assert!(["name", "part"].iter().any(|what| text.contains(what)), "{text}");
            assert!(text.len() < 1300 && !text.contains(['\0', '\u{1b}']), "{text}");
        }
    }
}

#[test]
fn an_untransferable_entry_has_a_name_in_a_directory() {
    let meta = Meta::default();
    let name = RawName::parse("good").unwrap();
    let other = Untransferable { name, obstacle: Obstacle::Link, size: 0, meta };
    let reply = Reply::Entries { entries: vec![Listed::Untransferable(other)], more: false };
    let record = encode(&reply).unwrap();
    let decoded = |name: &str| {
        let (header, payload) = control(1, &replaced(record.clone(), "good", name));
        Reply::decode(&header, &payload)
    };
    for name in ["other/x", "caf\\xe9", "d/back\\\\slash", "C:", ".ftx"] {
        assert!(decoded(name).is_ok(), "{name}");
    }
    let long = "x".repeat(5000);
    for name in
        ["", "/a", "..", "a/../b", "a/", "../b\\xff", "a\\", "\\x41", "\\xFF", "\\xff/a", &long]
    {
        let error = decoded(name).unwrap_err();
        assert_eq!(error.reason(), Reason::Malformed, "{name}");
    }
    // There is no fourth kind and no sixth obstacle.
    for (at, unknown) in [(12 + 8 + 4, 3_u32), (12 + 8 + 4 + 4, 5)] {
        let mut record = record.clone();
        record.splice(at..at + 4, unknown.to_le_bytes());
        let (header, payload) = control(1, &record);
        assert!(Reply::decode(&header, &payload).is_err(), "{unknown} at {at}");
    }
}

#[test]
fn a_time_has_less_than_a_second_of_nanoseconds() {
    assert_eq!(Mtime::new(0, 1_000_000_000), None);
    let mut record = encode(&Mtime::new(7, 999_999_999)).unwrap();
    let decoded: Option<Mtime> = ftx_core::codec::decode(&record).unwrap();
    assert_eq!(decoded.map(|mtime| (mtime.secs(), mtime.nanos())), Some((7, 999_999_999)));
    record[9..].copy_from_slice(&1_000_000_000u32.to_le_bytes());
    assert!(ftx_core::codec::decode::<Option<Mtime>>(&record).is_err());
}

#[test]
fn unknown_messages_are_refused() {
    for (variant, known) in [(11u32, 10), (15, 14), (u32::MAX, 0)] {
        assert!(variant > known);
        let (header, payload) = control(1, &[&variant.to_le_bytes()[..], &[0; 8]].concat());
        assert!(Request::decode(&header, &payload).is_err());
        assert!(variant == 11 || Reply::decode(&header, &payload).is_err());
    }
}

#[test]
fn features_that_nobody_knows_are_read() {
    let hello = Request::Hello {
        versions: vec![9, 1],
        features: vec!["zip".into(), "報".into()],
        agent: "other/3".into(),
        session: None,
        auth: None,
        replaces: None,
    };
    let frame = hello.encode(0).unwrap();
    let header = next_frame(&frame).unwrap().unwrap();
    assert_eq!(Request::decode(&header, &frame[HEADER_BYTES..]), Ok(hello));
}

#[test]
fn a_block_frame_holds_a_block() {
    for (len, fits) in [(0, false), (1, true), (BLOCK_BYTES, true), (BLOCK_BYTES + 1, false)] {
        let encoded = BlockHead { index: u64::MAX, len }.encode(1);
        assert_eq!(encoded.is_ok(), fits, "{len}");
        assert!(fits || matches!(encoded, Err(FrameError::BlockLength { .. })));
    }
    assert!(BlockHead { index: 0, len: 1 }.encode(0).is_err());
    let (header, _) = control(1, &[0; 60]);
    let wrong = BlockHead::decode(&header, [0; 8]).unwrap_err();
    assert_eq!(wrong.reason(), Reason::OutOfStep);
}

#[test]
fn a_compressed_frame_is_bounded_before_and_after() {
    let (most, zstd) = (MAX_DECODED_BYTES, MAX_ZSTD_BYTES);
    for (decoded_len, zstd_len, fits) in [
        (1, 9, true),
        (most, zstd, true),
        (0, 9, false),
        (most + 1, 9, false),
        (usize::MAX, 9, false),
        (1, 8, false),
        (1, zstd + 1, false),
    ] {
        let head = CompressedHead { decoded_len };
        assert_eq!(head.encode(zstd_len).is_ok(), fits, "{decoded_len} {zstd_len}");
    }
    let header = FrameHeader::new(FrameKind::Compressed, 0, 100).unwrap();
    for len in [0, u32::try_from(most).unwrap() + 1, u32::MAX] {
        let error = FrameError::DecodedLength { len: len.into() };
        assert_eq!(CompressedHead::decode(&header, len.to_le_bytes()), Err(error));
    }
    assert!(FrameHeader::new(FrameKind::Compressed, 1, 100).is_err());
    let (control, _) = control(0, &[0; 60]);
    let wrong = CompressedHead::decode(&control, [1, 0, 0, 0]).unwrap_err();
    assert_eq!(wrong.reason(), Reason::OutOfStep);
}

fn put(name_len: usize) -> FileHead {
    let (meta, overwrite) = (Meta::default(), Overwrite::Fail);
    FileHead::Put { name: "n".repeat(name_len), meta, overwrite }
}

#[test]
fn the_parts_of_a_file_frame_are_bounded() {
    let around = encode(&put(0)).unwrap().len();
    assert!(put(MAX_FILE_HEAD_BYTES as usize - around).encode(1, BLOCK_BYTES).is_ok());
    let long_head = put(MAX_FILE_HEAD_BYTES as usize - around + 1).encode(1, 0);
    assert!(matches!(long_head, Err(FrameError::FileHead { .. })));
    assert_eq!(
        put(1).encode(1, BLOCK_BYTES + 1),
        Err(FrameError::FileLength { len: BLOCK_BYTES + 1 })
    );
    assert!(put(1).encode(0, 1).is_err());

    let header = FrameHeader::new(FrameKind::File, 1, 100).unwrap();
    let layout = |len: u32| FileLayout::decode(&header, len.to_le_bytes());
    assert_eq!(layout(60), Ok(FileLayout { head_len: 60, data_len: 4 }));
    assert_eq!(layout(64), Ok(FileLayout { head_len: 64, data_len: 0 }));
    for len in [65, u32::MAX] {
        assert_eq!(layout(len), Err(FrameError::FileHead { len: len.into() }));
    }
    let full = FrameHeader::new(FrameKind::File, 1, BLOCK_BYTES + 36 + 10).unwrap();
    assert!(FileLayout::decode(&full, 10u32.to_le_bytes()).is_ok());
    let more = FileLayout::decode(&full, 9u32.to_le_bytes());
    assert_eq!(more, Err(FrameError::FileLength { len: BLOCK_BYTES + 1 }));
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z/.é報]{0,12}"]
}

fn requests() -> impl Strategy<Value = Request> {
    let token = any::<[u8; 16]>().prop_map(Token);
    let readers = prop_oneof![Just(Readers::All), Just(Readers::Group), Just(Readers::Owner)];
    let meta = (any::<Option<(i64, u32)>>(), any::<bool>(), readers);
    let meta = meta.prop_map(|(mtime, executable, readers)| Meta {
        mtime: mtime.and_then(|(secs, nanos)| Mtime::new(secs, nanos % 1_000_000_000)),
        executable,
        readers,
    });
    let overwrite = prop_oneof![
        Just(Overwrite::Replace),
        Just(Overwrite::Fail),
        any::<[u8; 32]>().prop_map(|digest| Overwrite::IfUnchanged(Digest(digest))),
    ];
    let range = (any::<u64>(), any::<u64>()).prop_map(|(first, count)| BlockRange { first, count });
    let what = prop_oneof![
        Just(GetScope::Whole),
        Just(GetScope::Manifest),
        Just(GetScope::FreshManifest),
        prop::collection::vec(range, 0..5).prop_map(GetScope::Blocks),
        any::<[u8; 32]>().prop_map(|digest| GetScope::WholeUnless(Digest(digest))),
    ];
    prop_oneof![
        (names(), any::<u64>(), meta, overwrite, token.clone(), prop::option::of(token)).prop_map(
            |(name, size, meta, overwrite, run, source)| Request::Offer {
                name,
                size,
                meta,
                overwrite,
                run,
                source
            }
        ),
        (names(), any::<Option<[u8; 16]>>(), what).prop_map(|(name, version, what)| {
            Request::Get { name, version: version.map(Version), what }
        }),
        (names(), any::<bool>(), prop::option::of(names()), any::<u32>()).prop_map(
            |(name, recursive, after, limit)| Request::List { name, recursive, after, limit }
        ),
    ]
}

proptest! {
    #[test]
    fn requests_round_trip_and_no_cut_is_one(request in requests(), id in 1..=u32::MAX) {
        let frame = request.encode(id).unwrap();
        let header = next_frame(&frame).unwrap().unwrap();
        let payload = &frame[HEADER_BYTES..];
        prop_assert_eq!(&Request::decode(&header, payload).unwrap(), &request);
        prop_assert_eq!(header.request, id);
        for len in 0..payload.len() {
            prop_assert!(Request::decode(&header, &payload[..len]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_message_that_encodes_to_them(
        variant in 0..18u32,
        rest in prop::collection::vec(prop_oneof![3 => 0..3u8, 1 => any::<u8>()], 0..90),
        id in 0..2u32,
    ) {
        let (header, payload) = control(id, &[&variant.to_le_bytes()[..], &rest].concat());
        let frame = [&header.encode()[..], &payload].concat();
        if let Ok(request) = Request::decode(&header, &payload) {
            prop_assert_eq!(request.encode(id).unwrap(), frame.clone());
        }
        if let Ok(reply) = Reply::decode(&header, &payload) {
            prop_assert_eq!(reply.encode(id).unwrap(), frame);
        }
    }

    #[test]
    fn any_12_bytes_are_an_error_or_a_header_that_encodes_to_them(bytes: [u8; 12], small: bool) {
        let mut bytes = bytes;
        if small {
            bytes[3] = 0;
            bytes[8] &= 7;
            bytes[9..].fill(0);
        }
        if let Ok(header) = FrameHeader::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }
}
