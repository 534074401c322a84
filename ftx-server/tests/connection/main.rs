//! The server from its connections: in one process with the tests, over loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod client;
#[path = "../kit/content.rs"]
mod content;
mod downloads;
mod ended;
mod fairness;
mod framing;
mod limits;
#[path = "../kit/proxied.rs"]
mod proxied;
mod proxied_clients;
#[path = "../kit/running.rs"]
mod running;
mod shutdown;

use ftx_store::PrefixHasher;

use content::{DEADLINE, MIB, content};
use running::wait_until;

fn md5(bytes: &[u8]) -> String {
    PrefixHasher::of(bytes).digest().to_string()
}
