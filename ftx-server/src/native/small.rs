//! Small files, many at a time.

use std::sync::Arc;

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK, BlockHasher, Cv, Digest, Manifest};
use ftx_core::native::wire::{Meta, Overwrite, Reply};
use ftx_io::{CHUNK_BYTES, Frames};
use tracing::debug;

use super::NativeError;
use super::conversation::Conversation;
use super::life::SignsOfLife;
use crate::store::{
    ExpectedFile, OpenedUpload, PutOutcome, Refusal, SmallData, SmallFile, StagedUpload, Store,
    UploadOffer, WorkProgress,
};

/// Files of more bytes are not kept in memory until they are whole.
const HELD: u64 = CHUNK_BYTES as u64;

/// Files that are stored together at most.
const FILES: usize = 512;

/// Bytes of files that all connections together keep until they are stored.
const TOGETHER: usize = 32 * 1024 * 1024;

/// What a file takes besides its bytes and its name, roughly.
const AROUND: usize = 256;

/// So many bytes of a file that is only read take as long as one of a file that is stored, roughly.
const READ: u64 = 32;

/// Small files that have arrived and are stored together, and those that are asked about.
#[derive(Debug, Default)]
pub(super) struct Batch {
    requests: Vec<u32>,
    files: Vec<SmallFile>,
    bytes: usize,
}

/// A file that is asked about, as it is to be.
pub(super) struct Expected {
    pub(super) size: u64,
    pub(super) meta: Meta,
    pub(super) digest: Digest,
}

impl Batch {
    fn push(&mut self, request: u32, file: SmallFile) {
        let data = match &file.data {
            SmallData::Whole(bytes) => bytes.len(),
            SmallData::Expected(size) => usize::try_from(size / READ).unwrap_or(usize::MAX),
        };
        self.bytes += AROUND + file.name.as_str().len() + data;
        self.requests.push(request);
        self.files.push(file);
    }

    /// Whether to store them now: there are enough of them, or nothing more has arrived.
    pub(super) fn is_due(
        &self,
        frames: &mut Frames,
        connections: usize,
    ) -> Result<bool, NativeError> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let most = (TOGETHER / connections.max(1)).clamp(64 * 1024, 1024 * 1024);
        if self.files.len() >= FILES || self.bytes >= most {
            return Ok(true);
        }
        if !frames.has_complete_frame() {
            frames.try_fill(most / 4)?;
        }
        Ok(!frames.has_complete_frame())
    }
}

impl<S: Store> Conversation<S> {
    pub(super) async fn small_file(
        &mut self,
        frames: &mut Frames,
        request: u32,
        name: String,
        meta: Meta,
        overwrite: Overwrite,
        len: u64,
    ) -> Result<(), NativeError> {
        self.check_new(request)?;
        let name = match Self::name(&name) {
            Ok(name) => name,
            Err(refusal) => {
                self.drain(frames, request, len).await?;
                // Answers keep their order.
                self.put_batch(frames).await?;
                return self.refuse(frames, request, &refusal);
            }
        };
        // To see whether a file is unchanged, all of it may have to be read.
        if len > HELD || matches!(overwrite, Overwrite::IfUnchanged(_)) {
            self.put_batch(frames).await?;
            let offer = UploadOffer { name, size: len, meta, overwrite, owner: None };
            return Box::pin(self.store_apart(frames, request, offer)).await;
        }
        let mut data = Vec::new();
        let wanted = usize::try_from(len).unwrap_or(CHUNK_BYTES);
        self.receive(frames, &mut SignsOfLife::new(request), &mut data, wanted, |_| {}).await?;
        let digest = Digest(frames.reader().read_hash(self.stall()).await?);
        let data = SmallData::Whole(data);
        self.batch.push(request, SmallFile { name, meta, overwrite, data, digest });
        Ok(())
    }

    /// A file is asked about. It is looked at with others that come next to it.
    pub(super) async fn check(
        &mut self,
        frames: &mut Frames,
        request: u32,
        name: &str,
        file: Expected,
    ) -> Result<(), NativeError> {
        self.check_new(request)?;
        let Expected { size, meta, digest } = file;
        match Self::name(name) {
            Ok(name) if size > BLOCK => {
                self.put_batch(frames).await?;
                let expected = ExpectedFile { name, size, meta, digest };
                self.confirm(frames, request, expected).await
            }
            Ok(name) => {
                let (overwrite, data) = (Overwrite::Replace, SmallData::Expected(size));
                self.batch.push(request, SmallFile { name, meta, overwrite, data, digest });
                Ok(())
            }
            Err(refusal) => {
                // Answers keep their order.
                self.put_batch(frames).await?;
                self.refuse(frames, request, &refusal)
            }
        }
    }

    /// Answers whether a large file is up to date.
    async fn confirm(
        &mut self,
        frames: &mut Frames,
        request: u32,
        expected: ExpectedFile,
    ) -> Result<(), NativeError> {
        let (context, digest) = (Arc::clone(&self.context), expected.digest);
        let progress = WorkProgress::default();
        let work = context.store.confirm(expected, progress.clone());
        match self.working(frames, request, progress, work).await? {
            Ok(true) => {
                self.context.monitor.uploaded();
                self.reply(frames, request, &Reply::Done { digest, unchanged: true })
            }
            Ok(false) => self.reply(frames, request, &Reply::Wanted),
            Err(refusal) => self.refuse(frames, request, &refusal),
        }
    }

    /// Stores the files that have arrived, and answers for each.
    pub(super) async fn put_batch(&mut self, frames: &mut Frames) -> Result<(), NativeError> {
        if self.batch.files.is_empty() {
            return Ok(());
        }
        let Batch { requests, files, bytes } = std::mem::take(&mut self.batch);
        debug!(files = files.len(), bytes, "stores small files");
        let digests: Vec<Digest> = files.iter().map(|file| file.digest).collect();
        let mut signs = SignsOfLife::new(requests.first().copied().unwrap_or_default());
        let put = self.context.store.put(files);
        let results = signs.during(frames.writer(), || (0, bytes as u64), put).await?;
        for ((request, digest), result) in requests.into_iter().zip(digests).zip(results) {
            match result {
                Ok(PutOutcome::Wanted) => self.reply(frames, request, &Reply::Wanted)?,
                Ok(outcome) => {
                    self.context.monitor.uploaded();
                    let unchanged = outcome == PutOutcome::Unchanged;
                    self.reply(frames, request, &Reply::Done { digest, unchanged })?;
                }
                Err(refusal) => self.refuse(frames, request, &refusal)?,
            }
        }
        Ok(())
    }

    /// Stores a file of at most one block by itself.
    async fn store_apart(
        &mut self,
        frames: &mut Frames,
        request: u32,
        offer: UploadOffer,
    ) -> Result<(), NativeError> {
        let size = offer.size;
        let context = Arc::clone(&self.context);
        let progress = WorkProgress::default();
        let work = context.store.offer(offer, progress.clone());
        let upload = match self.working(frames, request, progress, work).await? {
            Ok(OpenedUpload { upload, .. }) => upload,
            Err(refusal) => {
                self.drain(frames, request, size).await?;
                return self.refuse(frames, request, &refusal);
            }
        };
        let received = match self.receive_apart(frames, request, &upload, size).await {
            Ok(received) => received,
            Err(error) => {
                // So little is sent again.
                let _ = upload.end(true).await;
                return Err(error);
            }
        };
        let result = match received {
            Ok(digest) => {
                let progress = WorkProgress::default();
                let work = upload.publish(Vec::new(), digest, progress.clone());
                let published = self.working(frames, request, progress, work).await?;
                published.map(|unchanged| Reply::Done { digest, unchanged })
            }
            Err(refusal) => Err(refusal),
        };
        match result {
            Ok(done) => {
                self.context.monitor.uploaded();
                self.reply(frames, request, &done)
            }
            Err(refusal) => {
                let _ = upload.end(true).await;
                self.refuse(frames, request, &refusal)
            }
        }
    }

    async fn receive_apart(
        &mut self,
        frames: &mut Frames,
        request: u32,
        upload: &S::Staging,
        size: u64,
    ) -> Result<Result<Digest, Refusal>, NativeError> {
        let mut signs = SignsOfLife::new(request);
        let mut hasher = BlockHasher::new(size, 0);
        let mut offset = 0;
        while offset < size {
            let (chunk, len) = self.piece_of(frames, &mut signs, size - offset, |_| {}).await?;
            offset += len;
            match upload.write(offset - len, chunk, hasher).await {
                Ok((chunk, back)) => (self.spare, hasher) = (chunk, back),
                Err(refusal) => {
                    self.drain(frames, request, size - offset).await?;
                    return Ok(Err(refusal));
                }
            }
        }
        let claimed = frames.reader().read_hash(self.stall()).await?;
        let computed = match hasher.finish() {
            Ok(cv) => Digest(cv.0),
            Err(_) => Manifest::empty().digest(),
        };
        if computed.0 != claimed {
            let message = "the file did not arrive as it was sent; send it again";
            return Ok(Err(Refusal::new(Reason::DigestMismatch, message)));
        }
        let noted = if size > 0 { upload.stored(0, Cv(claimed)).await } else { Ok(()) };
        Ok(noted.map(|()| computed))
    }
}
