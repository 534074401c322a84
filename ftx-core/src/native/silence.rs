//! A client's patience with a silent server.
//!
//! ```text
//!   Owed ──────────────────── limit ───────────▶ Leave
//!   Idle ── half the limit ─▶ Ping ─▶ Owed
//! ```
//!
//! A server that owes an answer sends something within the limit, if only `Working`. One that owes
//! nothing may be silent; a `Ping` then shows whether it is still there.

use core::time::Duration;

/// The action when a silence has lasted for its [`limit`](Silence::limit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum SilenceAction {
    /// Send a `Ping`, and wait on: its `Pong` is owed now.
    Ping,
    /// Leave the server.
    Leave,
}

/// A silence of the server, since its last bytes.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    limit: Duration,
    is_owed: bool,
}

impl Silence {
    /// A silence that begins now. The server owes an answer, or does not.
    #[must_use]
    pub const fn new(limit: Duration, is_owed: bool) -> Self {
        Self { limit, is_owed }
    }

    /// How long to wait for the next bytes.
    #[must_use]
    pub fn limit(&self) -> Duration {
        if self.is_owed { self.limit } else { self.limit / 2 }
    }

    /// The server has been silent for that long.
    pub const fn on_limit(&mut self) -> SilenceAction {
        if self.is_owed {
            return SilenceAction::Leave;
        }
        self.is_owed = true;
        SilenceAction::Ping
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Silence, SilenceAction};

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_server_that_owes_an_answer_is_left_after_the_limit() {
        let mut silence = Silence::new(LIMIT, true);
        assert_eq!(silence.limit(), LIMIT);
        assert_eq!(silence.on_limit(), SilenceAction::Leave);
    }

    #[test]
    fn a_server_that_owes_nothing_is_asked_first() {
        let mut silence = Silence::new(LIMIT, false);
        assert_eq!(silence.limit(), LIMIT / 2);
        assert_eq!(silence.on_limit(), SilenceAction::Ping);
        assert_eq!(silence.limit(), LIMIT);
        assert_eq!(silence.on_limit(), SilenceAction::Leave);
    }
}
