//! Stopping a transfer from outside.

use tokio_util::sync::CancellationToken;

/// Stops transfers; clones stop the same ones.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Cancel {
    /// A handle that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops as soon as both sides can resume later. That is at once, except while an original server
    /// is sending: it would hang forever, so its bytes are read to the end.
    pub fn cancel(&self) {
        self.soft.cancel();
    }

    /// Stops at once, even if an original server then hangs. The received bytes are kept.
    pub fn abort(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether it was used.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// A handle for a part of the work, which stops with the whole or alone.
    pub(crate) fn child(&self) -> Self {
        Self { soft: self.soft.child_token(), hard: self.hard.child_token() }
    }

    /// The token that ends a wait: with `soft` on [`cancel`](Self::cancel), otherwise only on
    /// [`abort`](Self::abort).
    pub(crate) fn token(&self, soft: bool) -> &CancellationToken {
        if soft { &self.soft } else { &self.hard }
    }
}
