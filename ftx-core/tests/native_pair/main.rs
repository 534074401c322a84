//! Clients and servers of the native dialect, joined in memory: the machines of both sides exchange
//! encoded bytes over several connections, under a virtual clock.
#![allow(
    dead_code, // The first users of the kit follow.
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod files;
mod kit;
mod pair;
