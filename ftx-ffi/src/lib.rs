//! C ABI of ftx, `libftx`.
//!
//! `include/ftx.h` and its documentation are generated from the exported functions in `api`. Each
//! of them converts the arguments of C, calls safe Rust in the other modules, and stops panics
//! (`guard`). No other crate of the project contains `unsafe`.
//!
//! A client (`worker`) runs its jobs one after another (`job`, `execute`), on a thread that it takes from
//! a pool while there are jobs. Events go to a queue (`queue`), from which the caller takes them. A blocking call is
//! a job whose queue the calling thread drains, so callbacks run there.
#![deny(missing_docs)]
// The documentation of each function, which becomes the header's, is its contract.
#![allow(clippy::missing_safety_doc)]

pub mod api;

mod callback;
mod event;
mod execute;
mod failpoint;
mod failure;
mod guard;
mod job;
mod log;
mod pointer;
mod process;
mod queue;
mod signal;
mod status;
#[cfg(test)]
mod tests;
mod thread_state;
mod totals;
mod worker;
