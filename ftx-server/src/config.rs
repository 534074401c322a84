//! The settings of a server.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use ftx_io::Compression;

use crate::access::{Access, AccessPolicy};
use crate::auth::{Authenticator, Everyone};
use crate::descriptors::Descriptors;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::tls::ServerTls;

/// Settings of a server, whatever store it serves. The defaults are those of the binary.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The number of reactor threads.
    pub threads: NonZeroUsize,
    /// The limits of all connections, and of each address.
    pub limits: Limits,
    /// The descriptors for connections and open files. A request that needs one too many is refused.
    pub descriptors: Descriptors,
    /// The time limits of connections, and of a shutdown.
    pub timeouts: Timeouts,
    /// The key and certificate for clients that use TLS. Without them only plain connections are served.
    pub tls: Option<Arc<ServerTls>>,
    /// What each principal may do, and which networks are trusted.
    pub access: Access,
    /// Decides for whom each connection acts.
    pub authenticator: Arc<dyn Authenticator>,
    /// The counters of the server and its store.
    pub metrics: Metrics,
    /// When native connections are compressed, with clients that agree.
    pub compression: Compression,
}

/// The time limits of connections, and of a shutdown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From the accept of a connection to its first complete message.
    pub handshake: Duration,
    /// Without a byte in the middle of a message or a transfer.
    pub stall: Duration,
    /// Between two requests of a connection. The default is long, because an original client never
    /// reconnects after its idle connection was closed.
    pub idle: Duration,
    /// From the start of a shutdown until unfinished transfers are suspended.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::MIN,
            limits: Limits::default(),
            descriptors: Descriptors::of_this_process(),
            timeouts: Timeouts::default(),
            tls: None,
            access: Access::new(AccessPolicy::open()),
            authenticator: Arc::new(Everyone),
            metrics: Metrics::default(),
            compression: Compression::Auto,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(60 * 60),
            grace: Duration::from_secs(5),
        }
    }
}
