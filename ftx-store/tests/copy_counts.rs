//! Bytes that are read and written when blocks are copied. Alone in its process, which the system counts.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{BLOCK_BYTES, Cv, block_cv};
use ftx_store::{BlockStaging, Durability, StagingFiles};

const BLOCKS: u64 = 16;
const LEN: u64 = BLOCKS * BLOCK_BYTES;

/// The bytes that this process has read and written.
fn moved() -> (u64, u64) {
    let counts = fs::read_to_string("/proc/self/io").unwrap();
    let count = |name: &str| {
        let line = counts.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    (count("rchar:"), count("wchar:"))
}

/// Of the first half of the blocks the source has other bytes.
#[test]
fn each_byte_is_read_once_and_written_once() {
    // No file system whose files share data: there the copies are hashed.
    let temp = tempfile::tempdir_in("/dev/shm").unwrap();
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
    let data: Vec<u8> = (0_u8..=250).cycle().take(usize::try_from(LEN).unwrap()).collect();
    dir.write("source", &data).unwrap();
    let source = dir.open("source").unwrap().into_std();
    let cv_of = |(index, block): (u64, &[u8])| match index {
        0..8 => (index, Cv([7; 32])),
        _ => (index, block_cv(LEN, index, block).unwrap()),
    };
    let blocks = data.chunks(usize::try_from(BLOCK_BYTES).unwrap());
    let blocks: Vec<(u64, Cv)> = (0..).zip(blocks).map(cv_of).collect();
    let files = StagingFiles { data: "data".into(), journal: "journal".into() };
    let staging = BlockStaging::create(&dir, files, "name", LEN).unwrap();
    let staging = staging.with_durability(Durability::None);

    let before = moved();
    let copied = staging.copy_blocks(&source, &blocks, &mut |_| true).unwrap();
    let after = moved();
    assert_eq!(copied as u64, BLOCKS / 2);
    let (read, written) = (after.0 - before.0, after.1 - before.1);
    // The journal's records, and the reading of these counts.
    let beside = BLOCK_BYTES / 4;
    assert!((LEN..LEN + beside).contains(&read), "{read} bytes read");
    assert!((LEN / 2..LEN / 2 + beside).contains(&written), "{written} bytes written");
}
