//! What can be set about a server.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ftx_store::Durability;

use crate::descriptors::Descriptors;

/// Settings of a server. [`Config::new`] gives the defaults that the binary has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The directory that is served; created if it is not there.
    pub root: PathBuf,
    /// Reactor threads.
    pub threads: NonZeroUsize,
    /// How much a confirmed upload survives.
    pub durability: Durability,
    /// How long an interrupted upload is kept.
    pub staging_ttl: Duration,
    /// Connections at one time; more are closed at once.
    pub max_connections: usize,
    /// What connections and open files share. Who finds none left is refused for now.
    pub descriptors: Descriptors,
    /// How long connections may take, and how long a shutdown does.
    pub timeouts: Timeouts,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From accepting a connection to its first whole message.
    pub hello: Duration,
    /// Without a byte moving in the middle of a message or a transfer.
    pub stall: Duration,
    /// Between two jobs of one connection. Long, because an original client that is closed while
    /// it idles never connects again.
    pub idle: Duration,
    /// From the request to stop until running transfers are suspended.
    pub grace: Duration,
}

impl Config {
    /// Settings for serving `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            threads: NonZeroUsize::MIN,
            durability: Durability::Full,
            staging_ttl: Duration::from_secs(7 * 24 * 60 * 60),
            max_connections: 4096,
            descriptors: Descriptors::of_this_process(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(60 * 60),
            grace: Duration::from_secs(5),
        }
    }
}
