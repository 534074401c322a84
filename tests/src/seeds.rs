//! The seeds of the fuzz targets: the golden vectors of both dialects, and journals as they are written.
//!
//! `FTX_BLESS=1 cargo test -p ftx-tests --lib seeds` writes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::codec;
use ftx_core::native::blocks::Cv;
use ftx_core::native::wire::{CLIENT_PREFACE, FrameKind, next_frame, server_preface};
use ftx_store::{Journal, JournalRecord, PrefixHasher};
use serde_json::Value;
use tempfile::tempdir;

use crate::bins::workspace;

const MAX_SEED_BYTES: usize = 1 << 20;

/// The contents of the seeds, by their paths below `fuzz/seeds`.
type Seeds = BTreeMap<PathBuf, Vec<u8>>;

fn add(seeds: &mut Seeds, target: &str, name: &str, bytes: impl Into<Vec<u8>>) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = name.split(|c| !is_plain(c)).filter(|word| !word.is_empty());
    let name = words.take(8).collect::<Vec<_>>().join("-").to_lowercase();
    let path = Path::new(target).join(name);
    let bytes = bytes.into();
    let earlier = seeds.insert(path.clone(), bytes.clone());
    assert!(earlier.is_none_or(|earlier| earlier == bytes), "two seeds: {}", path.display());
}

/// The frames that `PROTOCOL.md` shows.
fn add_native(seeds: &mut Seeds) {
    let document = fs::read_to_string(workspace().join("PROTOCOL.md")).unwrap();
    let blocks = document.split("```hex\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    for example in blocks.flat_map(|block| block.split("# ").skip(1)) {
        let (title, digits) = example.split_once('\n').unwrap();
        let frame = hex::decode(digits.split_whitespace().collect::<String>()).unwrap();
        if next_frame(&frame).unwrap().unwrap().kind == FrameKind::Control {
            add(seeds, "native_message", title, frame.clone());
        }
        add(seeds, "compressed", title, [&[0], &frame[..]].concat());
        add(seeds, "native_frame", title, frame);
    }
}

/// Frames of zstd, by hand: the length that is announced, and the frame.
fn add_compressed(seeds: &mut Seeds) {
    let ping = "0c000000070000000100000009000000 0100000000000000";
    for (name, len, zstd) in [
        ("stored", 24, format!("28b52ffd 20 18 c10000 {ping}")),
        ("two blocks", 24, format!("28b52ffd 20 18 400000 {} 810000 {}", &ping[..16], &ping[16..])),
        (
            "zeros",
            1 << 20,
            "28b52ffd a0 00001000 020010 00 020010 00 020010 00 020010 00 020010 00 \
            020010 00 020010 00 030010 00"
                .to_owned(),
        ),
        ("a lie", 23, format!("28b52ffd 20 18 c10000 {ping}")),
        ("two frames", 24, format!("28b52ffd 20 18 c10000 {ping} 28b52ffd 20 18 c10000 {ping}")),
        ("a skipped frame", 24, "502a4d18 04000000 00000000".to_owned()),
    ] {
        let digits: String = zstd.split_whitespace().collect();
        let bytes = [&[1], &u32::to_le_bytes(len)[..], &hex::decode(digits).unwrap()].concat();
        add(seeds, "compressed", name, bytes);
    }
}

fn json(name: &str) -> Value {
    let path = workspace().join("ftx-core/testdata/legacy").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Messages and nonsense as Qt wrote and read them.
fn add_legacy(seeds: &mut Seeds) {
    let messages = json("messages.json");
    for message in messages["messages"].as_array().unwrap() {
        let target = match message["direction"].as_str() {
            Some("c2s") => "legacy_request",
            _ => "legacy_reply",
        };
        for qt in ["qt5", "qt6"] {
            let bytes = hex::decode(message[qt].as_str().unwrap()).unwrap();
            let name = format!("{} {qt}", message["name"].as_str().unwrap());
            add(seeds, target, &name, bytes);
        }
    }
    let odd = json("odd.json");
    for (number, case) in odd["odd"].as_array().unwrap().iter().enumerate() {
        let bytes = hex::decode(case["hex"].as_str().unwrap()).unwrap();
        if !bytes.is_empty() {
            for target in ["legacy_request", "legacy_reply"] {
                add(seeds, target, &format!("odd {number}"), bytes.clone());
            }
        }
    }
}

/// The journal of these records, as it lies on the disk.
fn journal(records: &[JournalRecord]) -> Vec<u8> {
    let temp = tempdir().unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let mut journal = Journal::create(&dir, "journal".as_ref()).unwrap();
    for record in records {
        journal.append(record).unwrap();
    }
    dir.read("journal").unwrap()
}

fn add_journals(seeds: &mut Seeds) {
    let begin = JournalRecord::Begin { name: "d/a".into(), boot: None, created_unix: 1 };
    let mut hasher = PrefixHasher::new();
    hasher.update(b"abc");
    let checkpoint = JournalRecord::Checkpoint { boot: None, hasher: hasher.save() };
    let blocks = JournalRecord::Blocks { name: "d/b".into(), size: 5, boot: None, created_unix: 1 };
    let owned = JournalRecord::OwnedBlocks {
        name: "d/b".into(),
        size: 5,
        boot: None,
        created_unix: 1,
        principal: "user:alice".into(),
    };
    let stored = JournalRecord::Block { index: 0, cv: Cv([7; 32]) };
    for (name, records, data_bytes) in [
        ("bytes", &[begin, checkpoint, JournalRecord::Distrust][..], 3),
        ("blocks", &[blocks, stored.clone()], 5),
        ("owned blocks", &[owned, stored], 5),
    ] {
        let encoded: Vec<_> = records.iter().map(|record| codec::encode(record).unwrap()).collect();
        // The target takes a journal as it is, or frames the records between bytes of 0xa5.
        add(seeds, "journal", name, [&[1, data_bytes, 0], &journal(records)[..]].concat());
        let unframed = [&[0, data_bytes, 0], &encoded.join(&0xa5)[..]].concat();
        add(seeds, "journal", &format!("{name} unframed"), unframed);
    }
}

fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    add_native(&mut seeds);
    add_compressed(&mut seeds);
    add_legacy(&mut seeds);
    add_journals(&mut seeds);
    add(&mut seeds, "dialect", "native", CLIENT_PREFACE);
    add(&mut seeds, "dialect", "native server", server_preface(1));
    add(&mut seeds, "dialect", "legacy", [0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 1]);
    for (number, name) in
        ["a", "d/é.txt", "a/../b", "/a", ".ftx/a", r"d/\xff", "d//"].iter().enumerate()
    {
        add(&mut seeds, "remote_name", &number.to_string(), *name);
    }
    // Where a manifest is changed, what it keeps, and the change.
    add(&mut seeds, "manifest", "as it is", [0, 0, 1]);
    add(&mut seeds, "manifest", "a digit", [40, 0, 1, 7]);
    add(&mut seeds, "manifest", "replaced", [0, 0, 0, b'x']);
    for machine in 0..3_u8 {
        let bytes: Vec<u8> = (0..=255_u8).map(|at| at.wrapping_mul(37) ^ machine).collect();
        add(&mut seeds, "native_machines", &machine.to_string(), [&[machine], &bytes[..]].concat());
    }
    seeds
}

/// The files of the folders of a folder.
fn on_disk(top: &Path) -> Seeds {
    let entries =
        |path: &Path| fs::read_dir(path).into_iter().flatten().map(|it| it.unwrap().path());
    let files = entries(top).flat_map(|folder| entries(&folder).collect::<Vec<_>>());
    files.map(|path| (path.strip_prefix(top).unwrap().into(), fs::read(&path).unwrap())).collect()
}

#[test]
fn the_seeds_are_the_golden_vectors() {
    let top = workspace().join("fuzz/seeds");
    let seeds = seeds();
    assert!(seeds.values().map(Vec::len).sum::<usize>() < MAX_SEED_BYTES);
    if env::var_os("FTX_BLESS").is_some() {
        let _ = fs::remove_dir_all(&top);
        for (path, bytes) in &seeds {
            fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            fs::write(top.join(path), bytes).unwrap();
        }
    }
    let on_disk = on_disk(&top);
    let differing = seeds.iter().filter(|(path, bytes)| on_disk.get(*path) != Some(*bytes));
    let left = on_disk.keys().filter(|path| !seeds.contains_key(*path));
    let wrong: Vec<_> = differing.map(|(path, _)| path).chain(left).collect();
    assert!(wrong.is_empty(), "FTX_BLESS=1 writes these seeds anew: {wrong:?}");
}

#[test]
fn every_target_has_seeds() {
    let targets = fs::read_dir(workspace().join("fuzz/fuzz_targets")).unwrap();
    let seeds = seeds();
    for target in targets.map(|entry| entry.unwrap().path()) {
        let name = Path::new(target.file_stem().unwrap());
        assert!(seeds.keys().any(|path| path.starts_with(name)), "{}", name.display());
    }
}
