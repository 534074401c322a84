//! The sources of the C ABI keep its promises, and its header follows them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod functions;
mod header;
