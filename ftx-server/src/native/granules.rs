//! Granules of several blocks that have begun to arrive: the memory for each, from its first block until it is
//! durable, or is not going to be.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftx_core::native::StreamId;
use ftx_core::native::blocks::{BlockRange, block_count};
use ftx_io::StreamError;
use tracing::warn;

use super::connection::NativeConnection;
use super::error::{NativeError, RequestError};
use super::heartbeat::Heartbeat;
use super::request::RequestContext;
use super::session::ActiveUpload;
use super::source_lease::SourceLease;
use crate::limits::ReservedMemory;
use crate::store::{StagedUpload as _, Store};

/// The granules of one upload that have begun to arrive: one at most on each connection.
#[derive(Debug, Default)]
pub(super) struct BegunGranules {
    by_stream: Mutex<BTreeMap<StreamId, BegunGranule>>,
}

#[derive(Debug)]
struct BegunGranule {
    range: BlockRange,
    _memory: ReservedMemory,
}

impl BegunGranules {
    /// Locks for one step. Each step leaves the data in order, so a panic elsewhere does no harm.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<StreamId, BegunGranule>> {
        self.by_stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range(&self, stream: StreamId) -> Option<BlockRange> {
        self.lock().get(&stream).map(|granule| granule.range)
    }

    /// Gives back the memory of a granule that has become durable with these blocks.
    pub(super) fn end(&self, durable: BlockRange) {
        if durable.count > 0 {
            self.lock().retain(|_, granule| granule.range.first != durable.first);
        }
    }

    /// Gives back the memory of all granules, once the store has forgotten them.
    pub(super) fn end_all(&self) {
        self.lock().clear();
    }
}

/// Reserves memory for the granule of a block, unless the connection is within that granule. Reads nothing
/// meanwhile, which is not the client's fault.
pub(super) async fn begin<S: Store>(
    cx: &mut RequestContext<'_, S>,
    upload: &ActiveUpload<S::Staging>,
    index: u64,
) -> Result<(), RequestError> {
    let granule = cx.connection.store.granule();
    if granule.is_one() {
        return Ok(());
    }
    let (stream, range) = (cx.connection.stream, granule.around(index, block_count(upload.size)));
    if upload.granules.range(stream) == Some(range) {
        return Ok(());
    }
    // Otherwise the connection could wait for the memory that it has itself.
    give_up(cx.connection).await;
    let at_work = upload.lease.as_ref().map(SourceLease::begin_work);
    let (context, session) = (Arc::clone(&cx.connection.context), &cx.connection.session);
    let reserve = async {
        tokio::select! {
            biased;
            memory = context.granule_memory.reserve(range.count) => Ok(memory),
            () = session.over.cancelled() => Err(NativeError::from(StreamError::Stopped)),
        }
    };
    let mut heartbeat = Heartbeat::new(cx.id);
    let memory = heartbeat.during(cx.frames.writer(), || (0, upload.size), pin!(reserve)).await?;
    drop(at_work);
    upload.granules.lock().insert(stream, BegunGranule { range, _memory: memory });
    Ok(())
}

/// Forgets the granule within which a connection is, in whatever upload, and gives back its memory: the
/// connection has ended, or left that granule incomplete.
pub(super) async fn give_up<S: Store>(connection: &NativeConnection<S>) {
    let stream = connection.stream;
    for upload in connection.session.all_uploads() {
        let Some(range) = upload.granules.range(stream) else { continue };
        // The store first: another connection may write the blocks as soon as the receiver lacks them.
        if let Err(error) = upload.handle.forget(&connection.executor, range).await {
            warn!(%error, name = upload.name.as_str(), "an incomplete granule could not be forgotten");
        }
        upload.receiver().forget(range);
        upload.granules.lock().remove(&stream);
    }
}

/// Whether a granule has begun to arrive on the connection, and is not whole.
pub(super) fn is_within<S: Store>(connection: &NativeConnection<S>) -> bool {
    let uploads = || connection.session.all_uploads();
    !connection.store.granule().is_one()
        && uploads().iter().any(|upload| upload.granules.range(connection.stream).is_some())
}
