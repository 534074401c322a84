//! A client's side of one download: it decides which blocks to request, and when the file is complete.
//!
//! A server needs no machine: it sends the requested blocks.

mod fetch;

pub use fetch::{Fetch, FetchError};
