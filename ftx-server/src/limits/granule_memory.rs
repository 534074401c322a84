//! The memory of granules that are not durable yet.
//!
//! A store may keep the blocks of a granule in memory until it has all of them. So a connection reserves that
//! memory before it reads the first block, and otherwise does not read on. A client sends a granule completely
//! before it begins another one on the same connection, so a connection with a reservation waits for no other
//! one, and the memory comes back.

use std::sync::Arc;

use ftx_core::native::Granule;
use ftx_core::native::blocks::BLOCK_BYTES;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limit;
use crate::metrics::{GranuleBytes, Metrics};

/// The memory of all granules of a server.
#[derive(Debug)]
pub(crate) struct GranuleMemory {
    /// One permit a block.
    blocks: Arc<Semaphore>,
    metrics: Metrics,
}

/// Memory for the blocks of one granule, until it is dropped.
#[derive(Debug)]
pub(crate) struct ReservedMemory {
    _permit: Option<OwnedSemaphorePermit>,
    _bytes: GranuleBytes,
}

impl GranuleMemory {
    /// Memory of this many bytes, rounded down to blocks, but of at least one granule.
    pub(crate) fn new(bytes: u64, granule: Granule, metrics: Metrics) -> Self {
        let blocks = (bytes / BLOCK_BYTES).max(granule.blocks());
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { blocks: Arc::new(Semaphore::new(blocks)), metrics }
    }

    /// Reserves memory for the blocks of one granule. Waits until there is enough, in turn.
    pub(crate) async fn reserve(&self, blocks: u64) -> ReservedMemory {
        let permits = u32::try_from(blocks).unwrap_or(u32::MAX);
        let permit = match Arc::clone(&self.blocks).try_acquire_many_owned(permits) {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.metrics.limited(Limit::GranuleMemory);
                // Fails only if the semaphore was closed, which never happens.
                Arc::clone(&self.blocks).acquire_many_owned(permits).await.ok()
            }
        };
        let bytes = blocks.saturating_mul(BLOCK_BYTES);
        ReservedMemory { _permit: permit, _bytes: self.metrics.granule_bytes(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use super::*;

    fn memory(bytes: u64, granule: u32) -> GranuleMemory {
        GranuleMemory::new(bytes, Granule::new(granule).unwrap(), Metrics::default())
    }

    fn is_ready(reserve: impl Future<Output = ReservedMemory>) -> bool {
        std::pin::pin!(reserve).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn dropped_memory_comes_back_and_is_counted() {
        let memory = memory(16 * BLOCK_BYTES + 5, 8);
        let bytes = || memory.metrics.snapshot(Vec::new()).granule_bytes;
        let first = memory.reserve(8).await;
        let second = memory.reserve(8).await;
        assert_eq!(bytes(), 16 * BLOCK_BYTES);
        assert!(!is_ready(memory.reserve(1)));
        assert_eq!(memory.metrics.snapshot(Vec::new()).limits, [(Limit::GranuleMemory, 1)]);
        drop(first);
        assert_eq!(bytes(), 8 * BLOCK_BYTES);
        assert!(is_ready(memory.reserve(8)));
        drop(second);
        assert_eq!(bytes(), 0);
        let _all = memory.reserve(16).await;
    }

    #[tokio::test]
    async fn one_granule_fits_in_any_case() {
        let memory = memory(0, 8);
        let _one = memory.reserve(8).await;
        assert!(!is_ready(memory.reserve(1)));
    }
}
