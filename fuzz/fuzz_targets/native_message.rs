//! Decodes messages of a native client and a native server.

#![no_main]

use ftx_core::native::wire::{FrameKind, HEADER_BYTES, Reply, Request, next_frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(Some(header)) = next_frame(input) else { return };
    if header.kind != FrameKind::Control {
        return;
    }
    let payload = &input[HEADER_BYTES..];
    // The length in the header is the driver's business: it hands in so many bytes.
    if payload.len() != header.len as usize {
        return;
    }
    if let Ok(request) = Request::decode(&header, payload) {
        assert_eq!(request.encode(header.request).as_deref(), Ok(input));
    }
    if let Ok(reply) = Reply::decode(&header, payload) {
        assert_eq!(reply.encode(header.request).as_deref(), Ok(input));
    }
});
