//! C ABI of ftx, `libftx`.
//!
//! `include/ftx.h` is generated from this crate, and its documentation is that of the exported
//! functions in `api`: each converts the arguments of C, calls safe Rust in the other modules, and lets
//! no panic out (`guard`). Nothing else of the project contains `unsafe`.
//!
//! A client is a thread (`worker`) that runs its jobs one after another (`job`,
//! `execute`). Events go to a queue (`queue`), from which the caller takes them. A blocking call is a
//! job whose queue the calling thread drains, so callbacks run there.
#![deny(missing_docs)]
// The contract of each function is the whole of its documentation, which is the header's.
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
mod totals;
mod worker;
