//! Benchmarks of the parts of ftx: `cargo bench -p ftx-bench -- codec` runs some of them.
//!
//! | file | measures |
//! | --- | --- |
//! | `machines` | the codec of control messages, and the machine that receives an upload |
//! | `store` | the hashes of a file's blocks, and small files published in a batch |
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod machines;
mod store;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    machines::codec(&mut criterion);
    machines::receiver(&mut criterion);
    store::hashing(&mut criterion);
    store::publishing(&mut criterion);
    criterion.final_summary();
}
