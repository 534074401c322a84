//! The machines of the legacy dialect: joined in memory, and driven by hand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod pair;
mod rules;
