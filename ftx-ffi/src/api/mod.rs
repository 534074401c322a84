//! The functions, types and constants of the header.
//!
//! # Contract
//! The rules that hold for every function:
//!
//! - A pointer is NULL or points to the documented value for the duration of the call.
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
