//! Decodes messages of a legacy client.

#![no_main]

use ftx_core::legacy::wire::{DecodeLimits, decode_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = DecodeLimits::default();
    let Ok(Some((request, used))) = decode_request(input, &limits) else { return };
    assert!(used <= input.len() && used <= limits.message_bytes);

    // A byte array with broken UTF-8 becomes a longer text, so this may outgrow the limits.
    let mut encoded = Vec::new();
    request.encode(&mut encoded);
    let generous = DecodeLimits { message_bytes: usize::MAX, string_bytes: usize::MAX, ..limits };
    assert_eq!(decode_request(&encoded, &generous), Ok(Some((request, encoded.len()))));
});
