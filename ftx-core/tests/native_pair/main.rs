//! Clients and servers of the native dialect, joined in memory: the machines of both sides exchange
//! encoded bytes over several connections, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod download;
mod files;
mod kit;
mod pair;
mod server;
mod upload;
