//! The settings of a client.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ftx_core::native::wire::Overwrite;
use ftx_store::Durability;

/// Settings of a client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The longest wait for a connection, a reply, or the next bytes.
    pub timeout: Duration,
    /// The most retries after a transient failure. An attempt that gets further than all before it does
    /// not count, so a transfer that makes progress is never given up.
    pub retries: u32,
    /// The pause before the first retry; it doubles with each, up to
    /// [`max_backoff`](Self::max_backoff), and is varied at random.
    pub min_backoff: Duration,
    /// The longest pause between two attempts.
    pub max_backoff: Duration,
    /// The failures that a finished download survives.
    pub durability: Durability,
    /// The dialect to speak.
    pub dialect: DialectChoice,
    /// The number of connections that share the work, in the native dialect; `None` chooses it by files and
    /// distance.
    pub streams: Option<NonZeroUsize>,
    /// A directory, used by clients only, for the chaining values of local files by device, inode, size
    /// and times, in the native dialect. An unchanged file is then not read again to find the blocks that
    /// the server lacks. `None` keeps them in memory only.
    pub cache: Option<PathBuf>,
    /// Whether an upload may replace an existing file, in the native dialect.
    pub overwrite: Overwrite,
}

/// The dialects that a client may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DialectChoice {
    /// Native, or legacy with a server that speaks only that. Detected automatically.
    #[default]
    Auto,
    /// Native only.
    Native,
    /// Legacy only: the protocol of the original system.
    Legacy,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retries: 5,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            durability: Durability::Full,
            dialect: DialectChoice::Auto,
            streams: None,
            cache: None,
            overwrite: Overwrite::Replace,
        }
    }
}
