//! ftx with the programs that it replaces: Qt 5 and Qt 6, our own peer and the original.
//!
//! | file | its subject |
//! | --- | --- |
//! | `clients`, `clients_resume` | old clients with `ftx-server`; their interrupted uploads |
//! | `servers` | `ftx-client` with old servers |
//! | `crowds` | many clients at once, and two that want the same |
//! | `large` | files beyond 2 GiB |
//! | `qt_peer` | our own peer, which stands for the original |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clients;
mod clients_resume;
mod crowds;
mod large;
mod qt_peer;
mod servers;
