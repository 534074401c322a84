//! Taking a native frame apart.

#![no_main]

use ftx_core::native::wire::{
    BLOCK_HEAD_BYTES, BlockHead, COMPRESSED_HEAD_BYTES, CompressedHead, FileHead, FileLayout, FrameKind, HEADER_BYTES, next_frame,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(Some(header)) = next_frame(input) else { return };
    assert!(header.len <= 1_114_112 && input.starts_with(&header.encode()));
    let payload = &input[HEADER_BYTES..];
    match header.kind {
        FrameKind::Control => {}
        FrameKind::Block => {
            let Some(head) = payload.first_chunk() else { return };
            let head = BlockHead::decode(&header, *head).expect("the length was checked");
            let encoded = head.encode(header.request).expect("it was decoded");
            assert_eq!(encoded, input[..HEADER_BYTES + BLOCK_HEAD_BYTES]);
        }
        FrameKind::File => {
            let Some((prefix, rest)) = payload.split_first_chunk() else { return };
            let Ok(FileLayout { head_len, data_len }) = FileLayout::decode(&header, *prefix) else {
                return;
            };
            let Some((head, _)) = rest.split_at_checked(head_len) else { return };
            let Ok(head) = FileHead::decode(head) else { return };
            let before = head.encode(header.request, data_len).expect("it was decoded");
            assert!(input.starts_with(&before));
        }
        FrameKind::Compressed => {
            let Some(head) = payload.first_chunk() else { return };
            let Ok(head) = CompressedHead::decode(&header, *head) else { return };
            let zstd_len = header.len as usize - COMPRESSED_HEAD_BYTES;
            assert!(head.decoded_len <= 1 << 20 && zstd_len <= 1_052_672);
            let before = head.encode(zstd_len).expect("it was decoded");
            assert!(input.starts_with(&before));
        }
    }
});
