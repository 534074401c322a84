//! Client of ftx.
//!
//! [`Client`] brings files to a server and back; [`blocking::Client`] does the same for callers
//! without a runtime. What happens on the way is told to an [`Observer`], and [`Cancel`] stops it.
//! The binary `ftx-client` is made of these.
#![forbid(unsafe_code)]

mod address;
pub mod blocking;
mod cancel;
mod client;
mod config;
mod connect;
mod error;
mod event;
mod legacy;
mod links;
mod local_path;
mod native;
mod place;

pub use address::{DEFAULT_PORT, ParseServerAddrError, ServerAddr};
pub use cancel::Cancel;
pub use client::{Client, Download, Transferred, Upload};
pub use config::{Config, Dialect};
pub use error::TransferError;
pub use event::{Event, Observer, Watch};
pub use ftx_core::native::Reason;
pub use ftx_core::native::blocks::Digest;
pub use ftx_core::native::wire::{Entry, EntryKind, Listed, Obstacle, Overwrite, Untransferable};
pub use ftx_core::{RawName, RemoteName, Status};
pub use ftx_store::Durability;
pub use local_path::{LocalPath, LocalTree};
