//! What can be set about a client.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::native::wire::Overwrite;
use ftx_store::Durability;

/// Settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long to wait for a connection, an answer, or the next bytes.
    pub timeout: Duration,
    /// How often a file is tried again after a failure that may pass. Tries that got further into
    /// the file than any before do not count: a transfer that gets on is never given up.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each, up to
    /// [`max_backoff`](Self::max_backoff), and is varied at random.
    pub min_backoff: Duration,
    /// The longest pause between two tries.
    pub max_backoff: Duration,
    /// How much a finished download survives.
    pub durability: Durability,
    /// Which protocol is spoken.
    pub dialect: Dialect,
    /// Connections that share the work, in the native dialect; as many as seem worth it if `None`.
    pub streams: Option<NonZeroUsize>,
    /// A directory that belongs to clients, to keep what is known of local files in: chaining values by
    /// device, inode, size and times, in the native dialect. A file that did not change is then not
    /// read again to find out what the server lacks of it. `None` keeps it in memory only.
    pub cache: Option<PathBuf>,
    /// What may become of a file that an upload finds, in the native dialect.
    pub overwrite: Overwrite,
}

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The native one, or that of the original system with a server that knows no other. The client
    /// finds out by itself.
    #[default]
    Auto,
    /// The native one only.
    Native,
    /// That of the original system only.
    Legacy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retries: 5,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            durability: Durability::Full,
            dialect: Dialect::Auto,
            streams: None,
            cache: None,
            overwrite: Overwrite::Replace,
        }
    }
}
