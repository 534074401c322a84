//! A line of frames, among them compressed ones, as a connection takes it apart.

#![no_main]

use ftx_core::native::wire::{CompressedHead, HEADER_BYTES, MAX_REQUEST_BYTES, next_frame};
use ftx_io::count_frames;
use libfuzzer_sys::fuzz_target;

/// The shortest ordinary frame.
const MIN_FRAME_BYTES: usize = HEADER_BYTES + 4;

fuzz_target!(|input: &[u8]| {
    // The first byte says whether the rest is the line, or a zstd frame of so many bytes.
    let Some((form, rest)) = input.split_first() else { return };
    let line = match form {
        0 => rest.to_vec(),
        _ => {
            let Some((len, zstd)) = rest.split_first_chunk() else { return };
            let decoded_len = u32::from_le_bytes(*len) as usize;
            let Ok(head) = CompressedHead { decoded_len }.encode(zstd.len()) else { return };
            [&head[..], zstd].concat()
        }
    };
    let compressed = std::iter::successors(Some(&line[..]), |line| {
        let header = next_frame(line).ok().flatten()?;
        line.get(HEADER_BYTES + header.len as usize..)
    });
    // No more comes out than all of them may announce.
    let most = compressed.count() * (1 << 20) + line.len();
    if let Ok(count) = count_frames(&line, MAX_REQUEST_BYTES) {
        assert!(count <= most / MIN_FRAME_BYTES);
    }
});
