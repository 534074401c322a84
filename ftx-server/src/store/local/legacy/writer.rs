//! The writer of a staging that grows byte by byte.

use std::sync::Arc;
use std::time::Duration;

use ftx_io::{StagingGuard, StagingHandle};
use ftx_store::PrefixHasher;

use crate::store::local::latch::LastWrite;
use crate::store::local::staging_index::{StagingLease, WriterHandle};
use crate::store::local::{DescriptorShare, StoreInner};

/// The right to touch the files of a staging.
pub(super) type PrefixLease = StagingLease<PrefixWriter>;

/// An upload that writes to a staging, as other connections see it.
#[derive(Clone, Debug)]
pub(in crate::store::local) struct PrefixWriter {
    pub(super) handle: StagingHandle<PrefixGuard>,
    pub(super) last_write: LastWrite,
}

/// The companion of an open staging.
#[derive(Debug)]
pub(in crate::store::local) struct PrefixGuard {
    pub(super) lease: PrefixLease,
    /// Of the descriptors; `None` while the staging has no writer.
    pub(super) _share: Option<DescriptorShare>,
    /// No other server may open the store while the staging is open.
    pub(super) _store: Arc<StoreInner>,
}

impl WriterHandle for PrefixWriter {
    /// The MD5 state at its end.
    type Known = Option<PrefixHasher>;

    fn silence(&self) -> Duration {
        self.last_write.silence()
    }
}

impl StagingGuard for PrefixGuard {
    fn removed(self) {
        self.lease.remove();
    }
}
