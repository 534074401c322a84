//! Protocol core of ftx.
//!
//! Everything that decides *what is said next* on an ftx connection lives here, and nothing that
//! touches the outside world: the crate is `no_std`, so it cannot open a file or a socket, read a
//! clock or start a thread. Input is bytes and facts; output is bytes and what to do next. Every
//! state machine is a plain value that a test can drive by hand.
//!
//! # In scope
//! - [`Status`]: the codes of the protocol and of the APIs, one table.
//! - [`RemoteName`]: the only form in which a name from the wire gets past the parser.
//! - [`RawName`]: the name of what has no remote name, to be told and compared.
//! - [`escaped`], [`shown()`]: text of a stranger, fit to be shown.
//! - [`dialect`]: which protocol a connection speaks, from its first bytes.
//! - [`legacy`]: the dialect of the Qt `FileServer`/`FileClient` system, codec and both sides'
//!   state machines.
//! - [`native`]: the dialect FTX/1, frames and messages, blocks, and both sides' state machines.
//! - [`escaped`]: names and messages of others, for people.
//! - [`codec`]: the one place that knows how structured records are turned into bytes.
//!
//! # Out of scope
//! Sockets, files, time-outs, retry, logging: the drivers in
//! `ftx-server` and `ftx-client` do those, and `ftx-store` holds what touches a disk.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod codec;
pub mod dialect;
pub mod legacy;
pub mod native;

mod name;
mod raw_name;
mod shown;
mod status;
mod text;

pub use name::{NameError, RemoteName};
pub use raw_name::{RawName, RawNameError, escaped_bytes};
pub use shown::shown;
pub use status::Status;
pub use text::escaped;
