//! The settings of a local store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ftx_store::{Durability, DurableNames};

use crate::config::{Config, Timeouts};
use crate::descriptors::Descriptors;
use crate::limits::StoreLimits;
use crate::metrics::Metrics;

/// Settings of a [`LocalStore`](super::LocalStore). [`LocalStoreConfig::new`] gives the defaults that the
/// binary has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalStoreConfig {
    /// The directory of the files, which is created if it is missing.
    pub root: PathBuf,
    /// The failures that a confirmed upload survives.
    pub durability: Durability,
    /// How long an interrupted upload is kept after its last write.
    pub staging_ttl: Duration,
    /// How long the writer of an upload must have been silent before another client's offer takes the upload
    /// over.
    pub takeover_after: Duration,
    /// As `takeover_after`, in the legacy dialect, in which a client that is back cannot say that it is.
    pub legacy_takeover_after: Duration,
    /// Unfinished uploads of each user that are kept, in each dialect.
    pub stagings_per_user: usize,
    /// The descriptors for open files. A call that needs one too many is refused.
    pub descriptors: Descriptors,
    /// Counts waits, publishing and open stagings.
    pub metrics: Metrics,
    /// Directories whose names are known to be durable. A process that may not open the directories above the root
    /// any more has made their names durable before.
    pub durable_names: Arc<DurableNames>,
}

impl LocalStoreConfig {
    /// Settings for a store in `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            durability: Durability::Full,
            staging_ttl: Duration::from_secs(7 * 24 * 60 * 60),
            takeover_after: Timeouts::default().stall,
            legacy_takeover_after: Duration::from_secs(2),
            stagings_per_user: StoreLimits::default().stagings_per_user,
            descriptors: Descriptors::of_this_process(),
            metrics: Metrics::default(),
            durable_names: Arc::default(),
        }
    }

    /// Fits a store to the server that uses it: both take descriptors from one budget and count in one
    /// place, and an upload can be taken over once the server counts its client as stalled.
    #[must_use]
    pub fn for_server(mut self, server: &Config) -> Self {
        self.takeover_after = server.timeouts.stall;
        self.stagings_per_user = server.limits.store.stagings_per_user;
        self.descriptors = server.descriptors.clone();
        self.metrics = server.metrics.clone();
        self
    }
}
