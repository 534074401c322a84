//! The uploads of one connection: its limits, and the replies that the server owes.

use alloc::vec::Vec;

use super::step::FileId;

/// The limits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// The most unanswered bytes of files, from the server's `Welcome`.
    pub window: u64,
    /// The most unanswered requests: as many as the server allows, or fewer.
    pub max_requests: u64,
}

/// The replies that a server owes on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwedReplies {
    /// Requests without the reply that ends them.
    pub requests: u64,
    /// Blocks of offered files that no `Have` has covered.
    pub unspoken: u64,
    /// Blocks that were sent without a `Stored`.
    pub sent: u64,
}

impl OwedReplies {
    /// Whether the server owes nothing.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.requests == 0 && self.sent == 0
    }
}

/// The state of one connection, besides its offers.
#[derive(Clone, Debug)]
pub(super) struct UploadStreamState {
    limits: StreamLimits,
    /// The part of the window that is used.
    window: u64,
    /// Its own granules and requests end; it begins no other ones.
    pub(super) is_surplus: bool,
    /// `Put` and `Check` without a reply.
    small_requests: u64,
    /// Bytes of small files without a reply.
    unanswered_small: u64,
    /// Probed files that the server wants.
    pub(super) wanted: Vec<FileId>,
    /// Offers of this connection whose `Abandon` has not been sent.
    pub(super) abandons: Vec<u32>,
    /// Late replies may arrive.
    pub(super) is_tainted: bool,
}

impl UploadStreamState {
    pub(super) const fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            window: limits.window,
            is_surplus: false,
            small_requests: 0,
            unanswered_small: 0,
            wanted: Vec::new(),
            abandons: Vec::new(),
            is_tainted: false,
        }
    }

    pub(super) const fn begin_small(&mut self, unanswered: u64) {
        self.small_requests += 1;
        self.unanswered_small = self.unanswered_small.saturating_add(unanswered);
    }

    pub(super) const fn end_small(&mut self, unanswered: u64) {
        self.small_requests = self.small_requests.saturating_sub(1);
        self.unanswered_small = self.unanswered_small.saturating_sub(unanswered);
    }

    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// The server's window, of which a part may be used.
    pub(super) const fn max_window(&self) -> u64 {
        self.limits.window
    }

    pub(super) fn set_window(&mut self, bytes: u64) {
        self.window = bytes.min(self.limits.window);
    }

    pub(super) const fn max_requests(&self) -> u64 {
        self.limits.max_requests
    }

    pub(super) const fn small_requests(&self) -> u64 {
        self.small_requests
    }

    pub(super) const fn unanswered_small(&self) -> u64 {
        self.unanswered_small
    }
}
