//! Decodes messages of a legacy server.

#![no_main]

use ftx_core::legacy::wire::{DecodeLimits, decode_reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = DecodeLimits::default();
    let Ok(Some((reply, used))) = decode_reply(input, &limits) else { return };
    assert!(used <= input.len() && used <= limits.message_bytes);

    // A byte array with broken UTF-8 becomes a longer text, so this may outgrow the limits.
    let mut encoded = Vec::new();
    reply.encode(&mut encoded);
    let generous = DecodeLimits { message_bytes: usize::MAX, string_bytes: usize::MAX, ..limits };
    assert_eq!(decode_reply(&encoded, &generous), Ok(Some((reply, encoded.len()))));
});
