//! C ABI of ftx, `libftx`.
//!
//! `include/ftx.h` is generated from this crate, and its documentation is that of the exported
//! functions in `api`: each converts what C passes, calls what the other modules do in safe Rust, and
//! lets no panic out (`guard`). Nothing else of the project contains `unsafe`.
//!
//! A client is a thread (`worker`) that runs its jobs one after another (`job`, `run`). What
//! happens is put into a queue (`queue`), from which the caller takes it. A call that blocks is a
//! job whose queue is emptied by the calling thread, so callbacks run there.
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
