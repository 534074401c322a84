//! Bytes of files, and the files that they make.

use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, Cv, Digest, block_len, block_offset};
use ftx_core::native::download::FetchError;
use ftx_core::native::wire::{BlockHead, FileHead};
use ftx_io::{CHUNK_BYTES, blocking};

use super::{Asked, DownloadStream, Fetching, lock};
use crate::native::channel::out_of_step;
use crate::native::run::Note;
use crate::{TransferError, Transferred};

impl DownloadStream {
    pub(super) async fn block(
        &mut self,
        request: u32,
        head: BlockHead,
    ) -> Result<(), TransferError> {
        let BlockHead { index, len } = head;
        let fetching = match self.asked.get(&request) {
            Some(Asked::Blocks(fetching)) => Arc::clone(fetching),
            Some(Asked::Start { .. } | Asked::Unless(_) | Asked::Compare(_)) => {
                return Err(out_of_step("a block before its file"));
            }
            Some(Asked::Nothing) | None => return self.drain(len).await,
        };
        if len != block_len(fetching.found.size, index) {
            return Err(out_of_step("a block of another length"));
        }
        // It failed here while this was on its way.
        let Some(staging) = lock(&fetching.staging).clone() else { return self.drain(len).await };
        if lock(&fetching.fetch).expects(self.stream) != Some(index) {
            return Err(out_of_step("a block that was not asked for"));
        }
        let mut hasher = BlockHasher::new(fetching.found.size, index);
        let mut offset = block_offset(index);
        let end = offset + len;
        let mut trouble = None;
        while offset < end {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece =
                usize::try_from(end - offset).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            self.channel.read_exact(&mut chunk, piece).await?;
            let staging = Arc::clone(&staging);
            let written = blocking(fetching.place.path(), move || {
                hasher.update(&chunk);
                let written = staging.write_at(offset, &chunk);
                Ok((chunk, hasher, written))
            });
            let (chunk, back, written) = written.await?;
            (self.spare, hasher) = (chunk, back);
            offset += piece as u64;
            trouble = trouble.or(written.err());
        }
        let claimed = Cv(self.channel.read_hash().await?);
        let computed = hasher.finish().map_err(|_| out_of_step("half a block"))?;
        if trouble.is_none() && computed == claimed {
            trouble = blocking(fetching.place.path(), move || Ok(staging.stored(index, claimed)))
                .await?
                .err();
        } else {
            drop(staging);
        }
        let arrived = match trouble {
            Some(error) => Err(TransferError::from(error)),
            None => match lock(&fetching.fetch).block(self.stream, index, computed, claimed) {
                Err(FetchError::Step(error)) => return Err(error.into()),
                arrived => arrived.map_err(TransferError::from),
            },
        };
        if let Err(error) = arrived {
            if error.reason() == Reason::BlockMismatch {
                self.shared.mismatched(fetching.job);
            }
            // What has arrived stays on the disk.
            lock(&fetching.staging).take();
            self.shared.close(&fetching);
            self.shared.finish(fetching.job, Err(error));
            return Ok(());
        }
        let done = lock(&fetching.fetch).progress().done;
        self.shared.run.gain();
        self.shared.run.note(fetching.job, Note::Progress { done, size: fetching.found.size });
        Ok(())
    }

    pub(super) async fn drain(&mut self, mut left: u64) -> Result<(), TransferError> {
        while left > 0 {
            let mut chunk = std::mem::take(&mut self.spare);
            chunk.clear();
            let piece = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            self.channel.read_exact(&mut chunk, piece).await?;
            left -= piece as u64;
            self.spare = chunk;
        }
        self.channel.read_hash().await?;
        Ok(())
    }

    /// A request for blocks is answered.
    pub(super) async fn end(&mut self, fetching: &Arc<Fetching>) -> Result<(), TransferError> {
        if lock(&fetching.staging).is_some() {
            lock(&fetching.fetch).range_end(self.stream)?;
        }
        self.publish_if_whole(fetching).await
    }

    pub(super) async fn publish_if_whole(
        &mut self,
        fetching: &Arc<Fetching>,
    ) -> Result<(), TransferError> {
        if !lock(&fetching.fetch).is_finished() {
            return Ok(());
        }
        // Whoever takes it publishes it.
        let Some(staging) = lock(&fetching.staging).take() else { return Ok(()) };
        let moved = lock(&fetching.fetch).progress().moved;
        let Some(staging) = Arc::into_inner(staging) else {
            return Err(out_of_step("a block after the last one"));
        };
        let published = fetching.place.publish(staging, fetching.found.meta).await;
        self.shared.close(fetching);
        let result = published.map(|()| Transferred { moved, already_there: false });
        self.shared.finish(fetching.job, result);
        Ok(())
    }

    /// A whole small file.
    pub(super) async fn small(
        &mut self,
        request: u32,
        head: FileHead,
        len: u64,
    ) -> Result<(), TransferError> {
        let (job, place) = match self.answered(request) {
            Some(Asked::Start { job, place, .. }) => (job, place),
            Some(Asked::Unless(unless)) => (unless.job, unless.place),
            Some(Asked::Nothing) | None => return self.drain(len).await,
            Some(_) => return Err(out_of_step("a file that was not asked for")),
        };
        let FileHead::Got { meta, .. } = head else {
            return Err(out_of_step("a file to be stored"));
        };
        let mut data = self.batch.buffer();
        self.channel.read_exact(&mut data, usize::try_from(len).unwrap_or(0)).await?;
        let claimed = self.channel.read_hash().await?;
        if Digest::of(&data).0 != claimed {
            let name = place.path().display().to_string();
            self.shared.mismatched(job);
            self.shared.finish(job, Err(TransferError::damaged(&name)));
            return Ok(());
        }
        self.shared.run.note(job, Note::Started { from: 0, size: len });
        self.batch.push(job, place, data, meta);
        Ok(())
    }

    pub(super) async fn put_batch(&mut self) -> Result<(), TransferError> {
        for (job, result) in self.batch.publish().await {
            self.shared.finish(job, result);
        }
        Ok(())
    }
}
