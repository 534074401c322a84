//! Resumes stagings whose journal holds arbitrary bytes.
//!
//! The input begins with one byte, odd for a journal as it is and even for records to be framed, and two
//! with the length of the data.
//!
//! The recovered blocks need not be right, as this target makes valid checksums for the records; but no
//! block beyond the data may count as known, and a staging closed in good order must be recovered.

#![no_main]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::native::blocks::{block_len, block_offset};
use ftx_store::{BlockStaging, Journal, JournalRecord, Recovered, PrefixStaging, StagingFiles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, low, high], bytes)) = input.split_first_chunk() else { return };
    let data_len = u16::from_le_bytes([low, high]);
    let temp = tempfile::tempdir().expect("a directory can be made");
    let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).expect("it is there");
    let files = StagingFiles { data: "data".into(), journal: "journal".into() };
    dir.write("data", vec![7; usize::from(data_len)]).expect("it can be written");
    if kind % 2 == 1 {
        dir.write("journal", bytes).expect("it can be written");
    } else {
        // Records with the right checksums, which a mutation would rarely hit.
        let mut journal = Journal::create(&dir, "journal".as_ref()).expect("it can be made");
        for record in bytes.split(|byte| *byte == 0xa5) {
            if let Ok(record) = ftx_core::codec::decode::<JournalRecord>(record) {
                journal.append(&record).expect("it can be written");
            }
        }
    }
    let _ = PrefixStaging::name_of(&dir, &files);
    let Ok(Recovered::Staging(staging)) = BlockStaging::recover(&dir, files.clone()) else {
        let _ = PrefixStaging::recover(&dir, files);
        return;
    };
    let table = staging.block_map();
    for (index, _) in table.known_from(0) {
        let end = block_offset(index) + block_len(staging.size(), index);
        assert!(end <= u64::from(data_len), "block {index} ends at {end} of {data_len}");
    }
    drop(staging);
    let again = BlockStaging::recover(&dir, files).expect("it was recovered before");
    assert_eq!(again.staging().map(|staging| staging.block_map()), Some(table));
});
