//! Whole-system tests of ftx: real binaries, the real Qt, real faults.
//!
//! This library is the kit; the cases are in `tests/`, in few programs, since each takes time to link.
//!
//! - [`Server`] and [`Client`] run the two programs under test, which `bins` builds.
//! - [`Peer`] runs the programs that ftx replaces: our own Qt peer and, where its sources are at
//!   hand, the original; [`with_every_peer!`] makes one test of a case for each of them.
//! - [`Pty`] is a terminal whose screen can be read.
//! - [`Proxy`] stands between a client and a server: it counts, cuts, splits, slows down and holds
//!   back.
//! - [`Authority`] issues certificates, [`Server::add_token`] tokens.
//! - [`RawSocket`] says anything at all to a server, [`stub`] to a client.
//! - [`ScriptedStream`] is a scripted peer's end of a connection, in plain or inside TLS, where
//!   [`RecordForger`] takes over; [`with_each_carrier!`] makes one test of a case for each of both.
//! - [`ffi`] builds `libftx`, and programs in C and C++ with it.
//! - [`qt`] runs the programs that are made of the Qt classes, on a [screen](qt::Screen) where they
//!   need one; [`with_each_qt!`] makes one test of a case for each version of Qt.
//! - [`content`] makes and compares files that never lie in memory as a whole.
//! - [`SmallDisk`] is a file system that can be full, [`LoopFs`] one whose power can be cut.
//! - [`soak`] draws the faults of a long run from a seed, and keeps the ledger of its promises.
//! - [`Mapping`] writes to a file through a shared mapping.
//! - [`Strace`] records a process's system calls, and makes calls fail; [`durable`] judges from the
//!   record whether every promise would have outlived a power loss.
//!
//! Nothing here sleeps to let something happen: [`wait_until`] waits for the thing itself. Every
//! process is killed when its value is dropped, so a failing test leaves none behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc
)]
#![forbid(unsafe_code)]

pub mod bins;
pub mod content;
pub mod durable;
pub mod ffi;
pub mod peer;
pub mod qt;
pub mod soak;
pub mod stub;

mod authority;
mod client;
mod disk;
#[cfg(test)]
mod documents;
mod loopfs;
mod mapping;
mod process;
mod proxy;
mod pty;
mod random;
mod raw;
mod requirements;
#[cfg(test)]
mod seeds;
mod server;
mod sockets;
mod strace;
mod stream;
mod wait;

pub use authority::{Authority, Issued};
pub use client::Client;
pub use disk::{SmallDisk, with_mounts};
pub use loopfs::{FsKind, LoopFs, own_mounts};
pub use mapping::Mapping;
pub use peer::{Peer, PeerServer};
pub use process::{Outcome, Process, ThreadStatus};
pub use proxy::{Direction, Plan, Proxy};
pub use pty::{Pty, Shown};
pub use random::{Random, seed};
pub use raw::{RawSocket, encoded};
pub use requirements::{lacks, lacks_program, lacks_root};
pub use server::{Monitor, Server, ServerBuilder};
pub use sockets::NOBODY;
pub use strace::{Call, Strace};
pub use stream::{Carrier, RecordForger, ScriptedStream, TestCertificate, client_hello};
pub use wait::{DEADLINE, wait_until, within};
