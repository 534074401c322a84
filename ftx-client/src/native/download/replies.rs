//! Handles the replies to downloads.

use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, block_count};
use ftx_core::native::download::{Fetch, FetchError};
use ftx_core::native::wire::Reply;
use ftx_io::Incoming;
use ftx_store::{BlockStaging, Durability};

use super::stream::DownloadStream;
use super::target::DownloadTarget;
use super::{
    Comparison, ConditionalGet, OpenDownload, PendingGet, RemoteVersion, WINDOW_BLOCKS, lock,
};
use crate::native::channel::{decode, out_of_step, refused};
use crate::native::queue::QueueEvent;
use crate::{TransferError, Transferred};

/// The size from which a local file takes long to hash and copy. The connection is not read meanwhile,
/// so no reply may be outstanding then.
const LARGE_LOCAL_BYTES: u64 = 64 * BLOCK_BYTES;

impl Comparison {
    /// Whether a page of `count` chaining values from block `first` on comes next.
    fn takes(&self, first: u64, count: usize) -> bool {
        let blocks = self.remote.map_or(0, |remote| block_count(remote.size));
        first == self.cvs.len() as u64 && first + count as u64 <= blocks
    }
}

impl DownloadStream {
    pub(super) async fn on_reply(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        match incoming {
            Incoming::Block { request, head } => self.on_block(request, head).await,
            Incoming::File { request, head, len } => self.on_file(request, head, len).await,
            Incoming::Control { header, payload } => {
                let (request, reply) = decode(&header, &payload)?;
                match reply {
                    Reply::Working { .. } | Reply::Pong { .. } => Ok(()),
                    Reply::Found { size, meta, version } => {
                        Box::pin(self.on_found(request, RemoteVersion { size, meta, version }))
                            .await
                    }
                    Reply::Cvs { first, cvs } => self.on_cvs(request, first, cvs),
                    Reply::End { digest } => match self.remove(request) {
                        Some(PendingGet::Blocks(open)) => self.on_end(&open).await,
                        Some(PendingGet::Compare(comparison)) => match digest {
                            Some(digest) if comparison.local.bytes() < LARGE_LOCAL_BYTES => {
                                Box::pin(self.compare(*comparison, digest)).await
                            }
                            Some(digest) => {
                                self.comparisons.push((comparison, digest));
                                Ok(())
                            }
                            None => Err(out_of_step("a manifest without a digest")),
                        },
                        Some(PendingGet::Conditional(get)) => self.on_unchanged(*get, digest),
                        Some(PendingGet::Abandoned) => Ok(()),
                        Some(PendingGet::Start { .. }) | None => {
                            Err(out_of_step("an end of nothing"))
                        }
                    },
                    Reply::Failed { reason, message } => {
                        self.on_failed(request, refused(reason, &message));
                        Ok(())
                    }
                    _ => Err(out_of_step("an answer to another request")),
                }
            }
        }
    }

    /// The server has the file.
    pub(super) async fn on_found(
        &mut self,
        request: u32,
        remote: RemoteVersion,
    ) -> Result<(), TransferError> {
        match self.remove(request) {
            Some(PendingGet::Compare(mut comparison)) => {
                // The manifest grows with the file, so it is skipped if the file has no room.
                let local_bytes = comparison.local.all_bytes();
                if let Err(error) =
                    comparison.target.check_room(&self.executor, remote.size, local_bytes).await
                {
                    self.insert(request, PendingGet::Abandoned);
                    self.shared.finish(comparison.job, Err(error));
                    return Ok(());
                }
                comparison.remote = Some(remote);
                self.insert(request, PendingGet::Compare(comparison));
            }
            Some(PendingGet::Conditional(mut get)) if remote.size <= BLOCK_BYTES => {
                get.remote = Some(remote);
                self.insert(request, PendingGet::Conditional(get));
            }
            Some(PendingGet::Conditional(get)) => {
                // It has grown since it was listed.
                let ConditionalGet { job, name, target, .. } = *get;
                self.insert(request, PendingGet::Start { job, name, target, first: None });
                return Box::pin(self.on_found(request, remote)).await;
            }
            Some(PendingGet::Start { job, name, target, first }) => {
                let size = remote.size;
                self.shared.queue.push_event(job, QueueEvent::Started { from: 0, size });
                let staging = match target.create(&self.executor, size).await {
                    Ok(staging) => staging,
                    Err(error) => {
                        // The replies to this request are read and dropped.
                        self.insert(request, PendingGet::Abandoned);
                        self.shared.finish(job, Err(error));
                        return Ok(());
                    }
                };
                let first = first.unwrap_or(BlockRange { first: 0, count: u64::MAX });
                let fetch = Fetch::begun(size, self.stream, first, WINDOW_BLOCKS);
                let open = self.open(job, name, target, remote, fetch, staging);
                self.insert(request, PendingGet::Blocks(open));
            }
            Some(get @ (PendingGet::Blocks(_) | PendingGet::Abandoned)) => {
                let is_other = matches!(&get, PendingGet::Blocks(open) if open.remote.version != remote.version);
                self.insert(request, get);
                if is_other {
                    return Err(out_of_step("a version that was not asked for"));
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The server has the same small file.
    fn on_unchanged(
        &mut self,
        get: ConditionalGet,
        digest: Option<Digest>,
    ) -> Result<(), TransferError> {
        let ConditionalGet { job, target, existing, remote, .. } = get;
        match remote {
            Some(RemoteVersion { size, meta, .. }) if digest == Some(existing.digest) => {
                self.shared.queue.push_event(job, QueueEvent::Started { from: size, size });
                if existing.meta == meta && self.shared.durability == Durability::None {
                    let done = Transferred { moved: 0, already_there: true };
                    self.shared.finish(job, Ok(done));
                } else {
                    self.batch.push_existing(job, target, existing.identity, meta);
                }
                Ok(())
            }
            _ => Err(out_of_step("the digest of another file")),
        }
    }

    /// Opens a file for all connections.
    fn open(
        &self,
        job: usize,
        name: RemoteName,
        target: DownloadTarget,
        remote: RemoteVersion,
        fetch: Fetch,
        staging: BlockStaging,
    ) -> Arc<OpenDownload> {
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

    pub(super) fn on_cvs(
        &mut self,
        request: u32,
        first: u64,
        page: Vec<Cv>,
    ) -> Result<(), TransferError> {
        match self.pending.get_mut(&request) {
            Some(PendingGet::Compare(comparison)) if comparison.takes(first, page.len()) => {
                comparison.cvs.extend(page);
                Ok(())
            }
            Some(PendingGet::Abandoned) | None => Ok(()),
            Some(_) => Err(out_of_step("a page of a manifest")),
        }
    }

    /// Compares the local data with the manifest of the server.
    pub(super) async fn compare(
        &mut self,
        comparison: Comparison,
        digest: Digest,
    ) -> Result<(), TransferError> {
        let Comparison { job, name, target, local, remote, cvs } = comparison;
        let remote = remote.ok_or_else(|| out_of_step("a manifest of no file"))?;
        let size = remote.size;
        let manifest = Manifest::new(size, cvs).map_err(|_| out_of_step("half a manifest"))?;
        let queue = Arc::clone(&self.shared.queue);
        let prepare =
            local.prepare(&self.executor, &target, &manifest, remote.meta, self.on_hashed(job));
        let prepared = prepare.await;
        let (staging, known) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                // The target is up to date.
                queue.push_event(job, QueueEvent::Started { from: size, size });
                queue.gain();
                let done = Transferred { moved: 0, already_there: true };
                self.shared.finish(job, Ok(done));
                return Ok(());
            }
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        let mut fetch = Fetch::new(size, &known, WINDOW_BLOCKS);
        for (page, cvs) in manifest.cvs().chunks(1024).enumerate() {
            fetch.cvs(page as u64 * 1024, cvs)?;
        }
        match fetch.manifest(digest) {
            Ok(()) => {}
            Err(FetchError::Step(error)) => return Err(error.into()),
            Err(error) => {
                self.shared.finish(job, Err(error.into()));
                return Ok(());
            }
        }
        queue.push_event(job, QueueEvent::Started { from: fetch.progress().done, size });
        let open = self.open(job, name, target, remote, fetch, staging);
        self.publish_if_whole(&open).await
    }

    pub(super) fn on_failed(&mut self, request: u32, error: TransferError) {
        match self.remove(request) {
            Some(PendingGet::Start { job, .. }) => self.shared.finish(job, Err(error)),
            Some(PendingGet::Conditional(get)) => self.shared.finish(get.job, Err(error)),
            Some(PendingGet::Compare(comparison)) => self.shared.finish(comparison.job, Err(error)),
            Some(PendingGet::Blocks(open)) => {
                self.fail_open(&open, error);
            }
            Some(PendingGet::Abandoned) | None => {}
        }
    }
}
