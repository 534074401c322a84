//! A client's side of one download: which blocks are asked for, and when the file is whole.
//!
//! A server has no machine for it: it sends what it is asked for.

mod fetch;

pub use fetch::{Fetch, FetchError};
