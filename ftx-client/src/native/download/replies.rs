//! Passes the server's frames to the requests of a connection, and does as these say.

use std::sync::{Arc, Mutex};

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange};
use ftx_core::native::download::{DownloadStep, Fetch, RemoteVersion, RequestedFile};
use ftx_core::native::wire::Reply;
use ftx_io::Incoming;
use ftx_store::{BlockStaging, Durability, StoreError};

use super::stream::DownloadStream;
use super::{Comparison, GetStep, LocalCopy, OpenDownload, PendingFile, lock};
use crate::native::decode::{decode, refused};
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

/// The size from which a local file takes long to hash and copy. The connection is not read meanwhile,
/// so no reply may be outstanding then.
const LARGE_LOCAL_BYTES: u64 = 64 * BLOCK_BYTES;

impl DownloadStream {
    pub(super) async fn on_incoming(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        let open = self.requests.len();
        let (request, step) = match incoming {
            Incoming::Block { request, head } => (request, self.requests.on_block(request, head)?),
            Incoming::File { request, head, len } => {
                (request, self.requests.on_file(request, &head, len)?)
            }
            Incoming::Control { header, payload } => match decode(&header, &payload)? {
                (_, Reply::Pong { .. }) => return Ok(()),
                (request, reply) if self.is_page(request) => return self.on_page(reply),
                (request, reply) => (request, self.requests.on_reply(request, reply)?),
            },
        };
        (self.requests.len()..open).for_each(|_| self.window.arrived());
        self.act(request, step).await
    }

    async fn act(&mut self, request: u32, step: GetStep) -> Result<(), TransferError> {
        match step {
            DownloadStep::Wait => Ok(()),
            DownloadStep::CheckRoom(remote) => {
                self.check_room(request, remote).await;
                Ok(())
            }
            DownloadStep::Open { file, remote, first } => {
                self.open_target(request, *file, remote, first).await
            }
            DownloadStep::Compare { file, remote, manifest } => {
                let comparison = Comparison { file, remote, manifest };
                if comparison.file.local.bytes() < LARGE_LOCAL_BYTES {
                    return self.compare(comparison).await;
                }
                self.comparisons.push(comparison);
                Ok(())
            }
            DownloadStep::Keep { file, remote } => {
                self.line.ended(request);
                self.keep(*file, remote);
                Ok(())
            }
            DownloadStep::Receive { file, meta, len } => {
                let received = self.receive_file(*file, meta, len).await;
                self.line.delivered(&self.shared.attempt, request, 0);
                received
            }
            DownloadStep::Block { file, head } => {
                let received = self.on_block(&file, head).await;
                self.line.delivered(&self.shared.attempt, request, head.index);
                received
            }
            DownloadStep::Skip { len } => self.skip(len).await,
            DownloadStep::EndBlocks { file, digest } => {
                self.line.ended(request);
                self.end_blocks(&file, digest).await
            }
            DownloadStep::Mismatched { file, error } => {
                self.shared.finish(file.job, Err(error.into()));
                Ok(())
            }
            DownloadStep::Refused { file, reason, message } => {
                self.line.ended(request);
                let error = refused(reason, &message);
                match file {
                    RequestedFile::Unopened(file) => self.shared.finish(file.job, Err(error)),
                    RequestedFile::Open(open) => self.fail_open(&open, error),
                }
                Ok(())
            }
        }
    }

    /// Skips the manifest of a file for which there is no room: a manifest grows with its file.
    async fn check_room(&mut self, request: u32, remote: RemoteVersion) {
        let Some(file) = self.requests.unopened(request) else { return };
        let local_bytes = file.local.all_bytes();
        let checked = file.target.check_room(&self.executor, remote.size, local_bytes).await;
        if let Err(error) = checked
            && let Some(file) = self.requests.abandon(request)
        {
            self.shared.finish(file.job, Err(error));
        }
    }

    /// Opens an empty target for the blocks that `request` has asked for.
    async fn open_target(
        &mut self,
        request: u32,
        file: PendingFile,
        remote: RemoteVersion,
        first: BlockRange,
    ) -> Result<(), TransferError> {
        let size = remote.size;
        self.shared.queue.push_event(file.job, QueueEvent::Started { from: 0, size });
        match file.target.create(&self.executor, size).await {
            Ok(staging) => {
                let fetch = Fetch::begun(size, self.stream, first);
                let open = self.open(file, remote, fetch, staging);
                Ok(self.requests.opened(request, open)?)
            }
            Err(error) => {
                self.shared.finish(file.job, Err(error));
                Ok(())
            }
        }
    }

    /// The server has the same small file.
    fn keep(&mut self, file: PendingFile, remote: RemoteVersion) {
        let PendingFile { job, target, local, .. } = file;
        let LocalCopy::Small(existing) = local else {
            let path = target.path().to_owned();
            return self.shared.finish(job, Err(StoreError::Changed { path }.into()));
        };
        let RemoteVersion { size, meta, .. } = remote;
        self.shared.queue.push_event(job, QueueEvent::Started { from: size, size });
        if existing.meta == meta && self.shared.durability == Durability::None {
            self.shared.finish(job, Ok(Transferred { moved: 0, already_there: true }));
        } else {
            self.batch.push_existing(job, target, existing.identity, meta);
        }
    }

    /// Opens a file for all connections.
    fn open(
        &self,
        file: PendingFile,
        remote: RemoteVersion,
        fetch: Fetch,
        staging: BlockStaging,
    ) -> Arc<OpenDownload> {
        self.shared.attempt.moves_blocks(remote.size);
        let PendingFile { job, name, target, .. } = file;
        let open = Arc::new(OpenDownload {
            job,
            name,
            target,
            remote,
            fetch: Mutex::new(fetch),
            staging: Mutex::new(Some(Arc::new(staging))),
            stream: self.stream,
        });
        lock(&self.shared.open).push(Arc::clone(&open));
        self.shared.attempt.changed.notify_waiters();
        open
    }

    /// Compares the local data with the manifest of the server.
    pub(super) async fn compare(&mut self, comparison: Comparison) -> Result<(), TransferError> {
        let Comparison { mut file, remote, manifest } = comparison;
        let (job, size) = (file.job, remote.size);
        let on_hashed = self.on_hashed(job);
        let local = file.take_local();
        let prepare =
            local.prepare(&self.executor, &file.target, &manifest, remote.meta, on_hashed);
        match prepare.await {
            Ok(Some((staging, known))) => {
                let fetch = Fetch::resumed(&manifest, &known);
                let from = fetch.progress().done;
                self.shared.queue.push_event(job, QueueEvent::Started { from, size });
                let open = self.open(*file, remote, fetch, staging);
                self.publish_if_whole(&open).await
            }
            Ok(None) => {
                // The target is up to date.
                self.shared.queue.push_event(job, QueueEvent::Started { from: size, size });
                self.shared.queue.gain();
                self.shared.finish(job, Ok(Transferred { moved: 0, already_there: true }));
                Ok(())
            }
            Err(error) => {
                self.shared.finish(job, Err(error));
                Ok(())
            }
        }
    }

    /// Fails a file that is fetched in blocks. Its staging stays on the disk.
    pub(super) fn fail_open(&self, open: &Arc<OpenDownload>, error: TransferError) {
        if matches!(error.reason(), Reason::BlockMismatch | Reason::DigestMismatch) {
            self.shared.mismatched(open.job);
        }
        lock(&open.fetch).fail();
        lock(&open.staging).take();
        self.shared.close(open);
        self.shared.finish(open.job, Err(error));
    }
}
