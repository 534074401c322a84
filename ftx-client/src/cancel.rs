//! Stopping a transfer from outside.

use tokio_util::sync::CancellationToken;

/// Stops transfers; clones stop the same ones.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Cancel {
    /// A handle on which nothing was stopped yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops as soon as both sides can go on from there later. That is at once, except while an
    /// original server is sending: it would hang for good, so its bytes are read to the end.
    pub fn cancel(&self) {
        self.soft.cancel();
    }

    /// Stops at once, whatever that does to an original server. What was received is kept.
    pub fn abort(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// A handle of its own for a part of the work: it is stopped with the whole, or alone.
    pub(crate) fn child(&self) -> Self {
        Self { soft: self.soft.child_token(), hard: self.hard.child_token() }
    }

    /// What ends a wait: with `soft` a mere cancel, otherwise only an abort.
    pub(crate) fn token(&self, soft: bool) -> &CancellationToken {
        if soft { &self.soft } else { &self.hard }
    }
}
