//! Client of ftx.
//!
//! [`Client`] transfers files to and from a server; [`blocking::BlockingClient`] does the same for
//! callers without a runtime. An [`Observer`] receives the events of a transfer, and a [`Cancel`]
//! handle stops it. The binary `ftx-client` is built on this API.
#![forbid(unsafe_code)]

mod activity;
mod address;
pub mod blocking;
mod cancel;
mod client;
mod connect;
mod error;
mod event;
mod legacy;
mod links;
mod local_path;
mod native;
pub mod options;
mod retry;
mod shared_rate;
mod target_paths;
mod tls;

pub use address::{DEFAULT_PORT, ParseServerAddrError, ServerAddr};
pub use cancel::Cancel;
pub use client::{Client, FileDownload, FileUpload, Transferred};
pub use error::TransferError;
pub use event::{DownloadSource, Event, Observer, TreeWatch, Watch};
pub use ftx_core::native::Reason;
pub use ftx_core::native::blocks::Digest;
pub use ftx_core::native::wire::{Entry, EntryKind, Listed, Obstacle, Overwrite, Untransferable};
pub use ftx_core::{AccessToken, AccessTokenError, RawName, RemoteName, Status};
pub use ftx_io::{Compression, CompressionLevel, Fingerprint};
pub use ftx_store::Durability;
pub use local_path::{LocalPath, LocalTree};
pub use options::{ClientConfig, DialectChoice, TlsChoice};
