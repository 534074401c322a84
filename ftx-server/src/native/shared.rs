//! The state that all native connections of a server share.

use std::time::Duration;

use super::session::Sessions;
use super::source_lease::SourceLeases;

/// The state that all native connections of a server share. `U` is the store's staging.
pub(crate) struct NativeShared<U> {
    pub(super) sessions: Sessions<U>,
    pub(super) leases: SourceLeases,
}

impl<U> NativeShared<U> {
    /// An upload that makes no progress for `stall` loses its lease.
    pub(crate) fn new(stall: Duration) -> Self {
        Self { sessions: Sessions::default(), leases: SourceLeases::new(stall) }
    }
}
