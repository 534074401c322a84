//! The request that a connection handles, and the rest of its body.

use std::future::Future;
use std::pin::pin;

use ftx_core::dialect::Dialect;
use ftx_core::native::blocks::Cv;
use ftx_core::native::wire::{FrameHeader, Reply, Request};
use ftx_io::{Executor, Frames, StreamError};
use tracing::debug;

use super::connection::NativeConnection;
use super::error::{NativeError, RequestError};
use super::heartbeat::Heartbeat;
use crate::store::{Store, WorkProgress};

/// One request of a connection, as long as it is handled.
pub(super) struct RequestContext<'a, S: Store> {
    pub(super) connection: &'a mut NativeConnection<S>,
    pub(super) frames: &'a mut Frames,
    /// The request's id, which its replies carry.
    pub(super) id: u32,
    /// The unread part of the request's body; `None` when its hash has been read, or it has no body.
    body: Option<UnreadBody>,
}

/// The unread part of a file or block that a request carries: bytes, and a hash behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnreadBody {
    pub(super) bytes: u64,
}

impl<'a, S: Store> RequestContext<'a, S> {
    pub(super) fn new(
        connection: &'a mut NativeConnection<S>,
        frames: &'a mut Frames,
        id: u32,
        body: Option<UnreadBody>,
    ) -> Self {
        Self { connection, frames, id, body }
    }

    /// The store as the connection's principal sees it.
    pub(super) fn store(&self) -> S {
        self.connection.store.clone()
    }

    /// The executor of the thread that serves the connection, for the calls of this request.
    pub(super) fn executor(&self) -> Executor {
        self.connection.executor.clone()
    }

    /// Queues a reply to the request.
    pub(super) fn reply(&mut self, reply: &Reply) -> Result<(), NativeError> {
        self.connection.reply(self.frames, self.id, reply)
    }

    /// Sends the queued replies.
    pub(super) async fn flush(&mut self) -> Result<(), NativeError> {
        Ok(self.frames.writer().flush(self.connection.stall()).await?)
    }

    /// Waits for `work` of the store and sends heartbeats meanwhile. Stops the work if the connection ends
    /// before it. The work is boxed: otherwise the task of each connection would have room for the largest one.
    pub(super) async fn working<T, E: Into<RequestError>>(
        &mut self,
        progress: WorkProgress,
        mut work: impl Future<Output = Result<T, E>> + Unpin,
    ) -> Result<T, RequestError> {
        let progress = StopOnDrop(progress);
        let (session, context) = (&self.connection.session, &self.connection.context);
        let work = async {
            let over = async {
                session.over.cancelled().await;
                progress.0.stop();
                // A session that replaces this one waits for the work to end.
                context.abort.cancelled().await;
            };
            tokio::select! {
                biased;
                done = &mut work => done.map_err(Into::into),
                () = over => Err(StreamError::Stopped.into()),
            }
        };
        let mut heartbeat = Heartbeat::new(self.id);
        heartbeat.during(self.frames.writer(), || progress.0.get(), pin!(work)).await
    }

    /// The unread bytes of the body.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body.map_or(0, |body| body.bytes)
    }

    /// Reads the next piece of the body, and reports its bytes to `arrived` as they come in.
    pub(super) async fn read_piece(
        &mut self,
        heartbeat: &mut Heartbeat,
        arrived: impl Fn(u64) + Send,
    ) -> Result<Vec<u8>, NativeError> {
        let active = self.connection.context.monitor.active();
        let most = ftx_io::receive_chunk_bytes(active).min(ftx_io::CHUNK_BYTES);
        self.read_up_to(heartbeat, most, arrived).await
    }

    /// Reads all of a small body.
    pub(super) async fn read_whole(&mut self) -> Result<Vec<u8>, NativeError> {
        let mut heartbeat = Heartbeat::new(self.id);
        // The caller keeps these bytes, so they do not go into the spare buffer.
        let spare = std::mem::take(&mut self.connection.spare);
        let body = self.read_up_to(&mut heartbeat, usize::MAX, |_| {}).await?;
        self.connection.spare = spare;
        Ok(body)
    }

    /// Reads `most` bytes of the body, or the rest of it. On a slow line that takes long, and the client,
    /// whose system has buffered all of them, learns from heartbeats that they still arrive.
    async fn read_up_to(
        &mut self,
        heartbeat: &mut Heartbeat,
        most: usize,
        arrived: impl Fn(u64) + Send,
    ) -> Result<Vec<u8>, NativeError> {
        let len = usize::try_from(self.body_bytes()).map_or(most, |left| left.min(most));
        let mut chunk = std::mem::take(&mut self.connection.spare);
        chunk.clear();
        let (mut reader, writer) = self.frames.split();
        let limits = self.connection.stall();
        let read = async {
            while chunk.len() < len {
                let before = chunk.len();
                reader.read_data(&mut chunk, len - before, limits).await?;
                arrived((chunk.len() - before) as u64);
            }
            Ok::<_, NativeError>(())
        };
        heartbeat.during(writer, || (0, len as u64), pin!(read)).await?;
        if let Some(body) = &mut self.body {
            body.bytes -= len as u64;
        }
        self.connection.context.metrics.received(Dialect::Native, len);
        Ok(chunk)
    }

    /// Reads the hash behind the body.
    pub(super) async fn read_hash(&mut self) -> Result<[u8; 32], NativeError> {
        let hash = self.frames.reader().read_hash(self.connection.stall()).await?;
        self.body = None;
        Ok(hash)
    }

    /// Reads the rest of the body and drops it. Returns the hash behind it.
    pub(super) async fn discard_body(&mut self) -> Result<Cv, NativeError> {
        let mut heartbeat = Heartbeat::new(self.id);
        while self.body_bytes() > 0 {
            self.connection.spare = self.read_piece(&mut heartbeat, |_| {}).await?;
        }
        Ok(Cv(self.read_hash().await?))
    }

    /// Drops the part of the body that the handler of the request did not read, if any.
    pub(super) async fn discard_unread(&mut self) -> Result<(), NativeError> {
        if self.body.is_some() {
            self.discard_body().await?;
        }
        Ok(())
    }
}

/// Decodes a request without a body.
pub(super) fn decode(header: &FrameHeader, payload: &[u8]) -> Result<Request, NativeError> {
    let request = Request::decode(header, payload)?;
    debug!(id = header.request, ?request, "received");
    Ok(request)
}

/// Stops the work when its client no longer waits for it.
struct StopOnDrop(WorkProgress);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
