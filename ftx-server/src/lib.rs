//! Server of ftx.
//!
//! ```text
//! Server (acceptor) ──▶ Worker (a reactor thread) ──▶ connection ──▶ legacy (driver) ──▶ Store
//!                       with the fewest connections    (dialect)      state machine       threads
//!                                                                      in ftx-core        for disks
//! ```
//!
//! A program that wants a server of its own binds a listener, opens a
//! [`LocalStore`](store::local::LocalStore) or brings a [`Store`](store::Store), and runs a
//! [`Server`]; the binary `ftx-server` does just that.
#![forbid(unsafe_code)]

mod config;
mod context;
mod dedicated;
mod descriptors;
mod dispatch;
mod handshake_deadline;
mod legacy;
mod log_throttle;
mod monitor;
mod native;
mod server;
pub mod store;
mod worker;

pub use config::{Config, Timeouts};
pub use descriptors::{Descriptors, raise_descriptor_limit};
pub use dispatch::Dialects;
pub use monitor::{Monitor, Snapshot};
pub use server::Server;

#[cfg(test)]
use worker::BLOCKING_THREADS;
