//! Protocol core of ftx.
//!
//! The crate contains the messages of both dialects, their bytes, and the deterministic state
//! machines of a transfer. It is `no_std`, so it cannot open a file or a socket, read a clock or
//! start a thread: input is bytes and facts, output is bytes and actions. Every state machine is a
//! plain value that a test can drive by hand.
//!
//! The most important types of the native dialect ([`native`], FTX/1) are
//! - [`Request`](native::wire::Request) and [`Reply`](native::wire::Reply), the messages;
//! - [`Sender`](native::upload::Sender) and [`Receiver`](native::upload::Receiver), the client's and
//!   the server's side of an upload, and [`Fetch`](native::download::Fetch), the client's side of a
//!   download: they decide which blocks are sent, and when a file is complete;
//! - [`Manifest`](native::blocks::Manifest), the chaining values of a file, and
//!   [`BlockHasher`](native::blocks::BlockHasher), which computes one of them.
//!
//! Those of the legacy dialect ([`legacy`], the Qt `FileServer`/`FileClient` system) are
//! [`ServerMachine`](legacy::server::ServerMachine),
//! [`UploadMachine`](legacy::upload::UploadMachine) and
//! [`DownloadMachine`](legacy::download::DownloadMachine), which decide everything that is said.
//! The native machines decide about blocks only: the drivers in `ftx-server` and `ftx-client` choose
//! the requests and answer them.
//!
//! # Shared by both dialects
//! - [`dialect`]: finds the dialect of a connection from its first bytes.
//! - [`RemoteName`]: a validated name. No other form of a name from the wire leaves the parser.
//! - [`AccessToken`]: the proof that a client acts for a user.
//! - [`RawName`]: the name of a directory entry that may have no remote name; reported and compared,
//!   never opened.
//! - [`Status`]: the status codes of the legacy protocol and of the APIs.
//! - [`escaped`], [`shown()`]: a peer's text, made safe for a terminal.
//! - [`codec`]: the bytes of structured records, in one place.
//!
//! # Out of scope
//! Sockets, files, timeouts, retries and logging belong to the drivers in `ftx-server` and
//! `ftx-client`, everything that touches a disk to `ftx-store`.
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
mod numbered;
mod raw_name;
mod shown;
mod status;
mod text;

pub use name::{NameError, RemoteName};
pub use native::{AccessToken, AccessTokenError, TokenId};
pub use numbered::numbered_part;
pub use raw_name::{RawName, RawNameError, escaped_bytes};
pub use shown::shown;
pub use status::Status;
pub use text::escaped;
