//! The functions, types and numbers of the header.
//!
//! # Contract
//! What holds for every function, and is not repeated with each:
//!
//! - A pointer is NULL or points to what its documentation says, for as long as the call takes.
//! - A handle came from this library and was not freed.

pub mod ask;
pub mod call;
pub mod client;
pub mod codes;
pub mod config;
pub mod control;
pub mod entry;
pub mod error;
pub mod event;
pub mod job;
pub mod log;
pub mod result;
pub mod totals;
pub mod version;
