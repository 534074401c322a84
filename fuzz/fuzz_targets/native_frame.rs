//! Taking a native frame apart.

#![no_main]

use ftx_core::native::wire::{
    BLOCK_HEAD_LEN, BlockHead, FileFrame, FrameKind, HEADER_LEN, next_frame,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(Some(header)) = next_frame(input) else { return };
    assert!(header.len <= 1_114_112 && input.starts_with(&header.encode()));
    let payload = &input[HEADER_LEN..];
    match header.kind {
        FrameKind::Control => {}
        FrameKind::Block => {
            let Some(head) = payload.first_chunk() else { return };
            let head = BlockHead::decode(&header, *head).expect("the length was checked");
            let encoded = head.encode(header.request).expect("it was decoded");
            assert_eq!(encoded, input[..HEADER_LEN + BLOCK_HEAD_LEN]);
        }
        FrameKind::File => {
            let Ok(FileFrame { head, data, digest }) = FileFrame::decode(&header, payload) else {
                return;
            };
            let before = head.encode(header.request, data.len() as u64).expect("it was decoded");
            assert_eq!([&before[..], data, &digest.0].concat(), input);
        }
    }
});
