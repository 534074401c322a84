//! The server of ftx, as a library.
//!
//! ```text
//! Server ──▶ Worker ──▶ dispatch ──┬──▶ native ──▶ Store ──────────┬──▶ store::local ──▶ disk threads
//! acceptor   reactor    finds the  │    handler                    │    files in a directory
//!            thread     dialect    └──▶ legacy ──▶ LegacyStore ────┘
//!                                       handler
//! ```
//!
//! A program that embeds a server binds a listener, opens a [`LocalStore`](store::local::LocalStore) or
//! brings its own [`Store`](store::Store), and runs a [`Server`]; the binary `ftx-server` does just that.
//! [`Authenticator`] decides who may connect, [`Access`] what they may do, and [`Metrics`] counts for server and store.
//! [`Dialects`] says which protocols the server speaks. The legacy one lives in the `legacy` folders alone;
//! the documentation of the dispatcher says how to remove it.
#![forbid(unsafe_code)]

mod access;
mod auth;
mod config;
pub mod config_file;
mod context;
mod dedicated;
mod descriptors;
mod dispatch;
mod handshake_deadline;
mod legacy;
mod limits;
mod log_throttle;
mod metrics;
mod monitor;
mod native;
pub mod process;
mod proxy;
mod server;
mod state_dir;
pub mod store;
mod stream_reason;
mod tls;
mod worker;

pub use access::{
    Access, AccessPolicy, Grant, GrantPath, GrantPathError, Grants, LegacyPolicy, Rights, Scope,
    UserPolicy,
};
pub use auth::{
    Authenticator, Credentials, Everyone, Identity, MAX_USER_NAME_BYTES, Principal, SecretHash,
    SystemWallClock, TokenAuthenticator, TokenFile, TokenFileError, TokenLineFault, TokenRecord,
    TokenReload, UserNameError, WallClock, check_user_name,
};
pub use config::{Config, Timeouts};
pub use descriptors::{Descriptors, raise_descriptor_limit};
pub use dispatch::Dialects;
pub use limits::{AddressLimit, Bandwidth, Limit, Limits, MIN_SPEED_WINDOW, StoreLimits};
pub use metrics::{
    BUCKET_LIMITS, DialectSnapshot, DurationSnapshot, Metrics, MetricsSnapshot, OpenStaging,
};
pub use monitor::Monitor;
pub use server::Server;
pub use state_dir::create as create_state_dir;
pub use tls::{NextTls, ServerCertificate, ServerTls, TlsError, TlsFiles};

#[cfg(test)]
use worker::BLOCKING_THREADS;
