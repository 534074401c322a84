//! The sources of the C ABI keep its promises, and its header follows them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod functions;
mod header;
mod sections;
