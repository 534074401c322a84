//! Judging the first bytes of a connection.

#![no_main]

use ftx_core::dialect::{Sniff, sniff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|first: &[u8]| {
    let mut decided = Sniff::Incomplete;
    for len in 0..=first.len().min(16) {
        let now = sniff(&first[..len]);
        assert!(decided == Sniff::Incomplete || decided == now);
        assert!(len < 8 || now != Sniff::Incomplete);
        decided = now;
    }
});
