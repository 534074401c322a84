//! Downloads, block by block.

use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK, BlockHasher, BlockRange, Cv, Digest, Manifest, block_count, block_len, block_offset,
};
use ftx_core::native::wire::{BlockHead, FileHead, MAX_CV_PAGE, Reply, Version, What};
use ftx_io::{CHUNK_BYTES, Frames, is_dedicated};

use super::conversation::{ANSWERS, Conversation};
use super::{NativeError, apart};
use crate::store::{Refusal, Store, StoredFile, WorkProgress};

/// So few bytes of a file are copied and sent together with what follows: a system call for each small
/// file takes longer, and wakes the client for each.
const COPIED: usize = 16 * 1024;

/// How a request ended: for the client to hear, or with the connection.
type Outcome = Result<Result<(), Refusal>, NativeError>;

impl<S: Store> Conversation<S> {
    pub(super) async fn get(
        &mut self,
        frames: &mut Frames,
        request: u32,
        name: &str,
        version: Option<Version>,
        what: What,
    ) -> Result<(), NativeError> {
        self.check_new(request)?;
        // A client that asks for a block again has not got the block that was announced.
        let distrusts = match (&what, version) {
            (What::FreshManifest, _) => true,
            (What::Blocks(ranges), Some(version)) => self.recent.repeats(version, ranges),
            _ => false,
        };
        let file = match self.open(name, version, distrusts).await {
            Ok(file) => file,
            Err(refusal) => return self.refuse(frames, request, &refusal),
        };
        // Whoever fetches a file piece by piece names no version with the first of its requests only.
        let counts = version.is_none() || matches!(what, What::Whole | What::WholeUnless(_));
        let sent = match what {
            What::Whole => self.send_all(frames, request, &file).await,
            What::WholeUnless(digest) if file.size() <= BLOCK => {
                self.send_unless(frames, request, &file, digest).await
            }
            What::WholeUnless(_) => self.send_all(frames, request, &file).await,
            What::Manifest | What::FreshManifest => {
                self.send_manifest(frames, request, &file).await
            }
            What::Blocks(ranges) => {
                self.recent.note(file.version(), &ranges);
                self.send_ranges(frames, request, &file, &ranges).await
            }
        };
        match sent? {
            Ok(()) => {
                if counts {
                    self.context.monitor.downloaded();
                }
                // The name was parsed when the file was opened.
                if let Ok(name) = Self::name(name) {
                    self.file = Some((name, file));
                }
                Ok(())
            }
            Err(refusal) => self.refuse(frames, request, &refusal),
        }
    }

    /// The file, in the version that is asked for. With `distrusts`, what is cached of it is dropped.
    async fn open(
        &mut self,
        name: &str,
        version: Option<Version>,
        distrusts: bool,
    ) -> Result<S::File, Refusal> {
        let name = Self::name(name)?;
        if let Some((last, file)) = self.file.take() {
            let is_it = last == name && version == Some(file.version());
            if is_it && !distrusts && file.is_present().await {
                return Ok(file);
            }
            self.file = Some((last, file));
            self.close_file();
        }
        let mut file = self.context.store.open(&name).await?;
        if distrusts {
            file.forget().await?;
            file = self.context.store.open(&name).await?;
        }
        match version {
            Some(version) if version != file.version() => {
                let message = format!("{name:?} has changed; ask for the present version");
                Err(Refusal::new(Reason::Changed, message))
            }
            _ => Ok(file),
        }
    }

    pub(super) fn found(
        &self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
    ) -> Result<(), NativeError> {
        let (size, meta, version) = (file.size(), file.meta(), file.version());
        self.reply(frames, request, &Reply::Found { size, meta, version })
    }

    async fn send_all(&mut self, frames: &mut Frames, request: u32, file: &S::File) -> Outcome {
        if file.size() <= BLOCK {
            self.send_file(frames, request, file).await
        } else {
            self.send_whole(frames, request, file).await
        }
    }

    /// Sends a file of at most a block, unless the client has it.
    async fn send_unless(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        theirs: Digest,
    ) -> Outcome {
        let progress = WorkProgress::default();
        let work = file.manifest(progress.clone());
        let digest = match self.working(frames, request, progress, work).await? {
            Ok(manifest) => manifest.digest(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if digest != theirs {
            return self.send_file(frames, request, file).await;
        }
        self.found(frames, request, file)?;
        self.reply(frames, request, &Reply::End { digest: Some(digest) })?;
        Ok(Ok(()))
    }

    /// Sends a file of at most a block in one frame.
    async fn send_file(&mut self, frames: &mut Frames, request: u32, file: &S::File) -> Outcome {
        let size = file.size();
        let head = FileHead::Got { meta: file.meta(), version: file.version() };
        let head = head.encode(request, size)?;
        if size == 0 {
            frames.queue(&head);
            frames.queue(&Manifest::empty().digest().0);
        } else {
            match self.send_bytes(frames, &head, file, 0).await? {
                Ok(Sent { cv, changed: None }) => frames.queue(&cv.0),
                Ok(Sent { changed: Some(Refusal { reason, message, .. }), .. }) => {
                    // Nothing can follow these bytes but a hash that makes them a file.
                    return Err(NativeError::Cut { reason, message });
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(()))
    }

    async fn send_whole(&mut self, frames: &mut Frames, request: u32, file: &S::File) -> Outcome {
        self.found(frames, request, file)?;
        let mut cvs = Vec::new();
        for index in 0..block_count(file.size()) {
            match self.send_block(frames, request, file, index).await? {
                Ok(cv) => cvs.push(cv),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let size = file.size();
        let digest = apart(move || Manifest::new(size, cvs).map(|manifest| manifest.digest()));
        match digest.await? {
            Ok(digest) => {
                self.reply(frames, request, &Reply::End { digest: Some(digest) })?;
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(Refusal::new(Reason::Internal, error.to_string()))),
        }
    }

    async fn send_manifest(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
    ) -> Outcome {
        self.found(frames, request, file)?;
        let progress = WorkProgress::default();
        let work = file.manifest(progress.clone());
        let manifest = match self.working(frames, request, progress, work).await? {
            Ok(manifest) => manifest,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for (page, cvs) in manifest.cvs().chunks(MAX_CV_PAGE).enumerate() {
            let first = (page * MAX_CV_PAGE) as u64;
            self.reply(frames, request, &Reply::Cvs { first, cvs: cvs.to_vec() })?;
            frames.writer().flush(self.stall()).await?;
        }
        self.reply(frames, request, &Reply::End { digest: Some(manifest.digest()) })?;
        Ok(Ok(()))
    }

    async fn send_ranges(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        ranges: &[BlockRange],
    ) -> Outcome {
        self.found(frames, request, file)?;
        for range in ranges {
            // A client may ask before it knows the size.
            for index in range.first..range.end().min(block_count(file.size())) {
                if let Err(refusal) = self.send_block(frames, request, file, index).await? {
                    return Ok(Err(refusal));
                }
            }
        }
        self.reply(frames, request, &Reply::End { digest: None })?;
        Ok(Ok(()))
    }

    async fn send_block(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        index: u64,
    ) -> Result<Result<Cv, Refusal>, NativeError> {
        let head = BlockHead { index, len: block_len(file.size(), index) }.encode(request)?;
        match self.send_bytes(frames, &head, file, index).await? {
            Ok(Sent { cv, changed }) => {
                frames.queue(&cv.0);
                // One request may ask for thousands of blocks that are too small to be sent at once.
                if frames.queued() >= ANSWERS {
                    frames.writer().flush(self.stall()).await?;
                }
                Ok(changed.map_or(Ok(cv), Err))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// Sends the head of a frame and the bytes of a block behind it; only its hash is missing then.
    /// If they cannot be read, or are known to be a mix before any was sent, nothing is.
    async fn send_bytes(
        &mut self,
        frames: &mut Frames,
        head: &[u8],
        file: &S::File,
        index: u64,
    ) -> Result<Result<Sent, Refusal>, NativeError> {
        let known = file.known(index);
        let mut hasher = known.is_none().then(|| BlockHasher::new(file.size(), index));
        let mut offset = block_offset(index);
        let start = offset;
        let end = offset + block_len(file.size(), index);
        let mut begun = false;
        // Nothing has to see bytes whose hash is known but the client, who verifies them.
        if let (Some(cv), Some(local)) = (known, file.local())
            && is_dedicated()
            && end - start > COPIED as u64
        {
            frames.queue(head);
            begun = true;
            let sent = frames.writer().send_file(local, start, end - start, self.stall()).await?;
            self.context.monitor.sent(usize::try_from(sent).unwrap_or(usize::MAX));
            offset += sent;
            if offset == end {
                let changed = file.unchanged().await.err();
                return Ok(Ok(Sent { cv, changed }));
            }
        }
        loop {
            let len =
                usize::try_from(end - offset).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            let spare = std::mem::take(&mut self.spare);
            let (chunk, back) = match file.read(offset, len, spare, hasher).await {
                Ok(read) => read,
                Err(refusal) if !begun => return Ok(Err(refusal)),
                Err(Refusal { reason, message, .. }) => {
                    // In the middle of a frame there is no way to say it.
                    return Err(NativeError::Cut { reason, message });
                }
            };
            hasher = back;
            let mut sent = None;
            if offset + len as u64 == end {
                let finished = hasher.as_ref().map(BlockHasher::finish).transpose();
                let (cv, checked) = match (known, finished) {
                    (Some(cv), _) => (cv, file.unchanged().await),
                    (None, Ok(Some(cv))) => (cv, file.learn(index, cv).await),
                    (None, _) => (Cv([0; 32]), Err(changed())),
                };
                match checked {
                    Err(refusal) if !begun => return Ok(Err(refusal)),
                    checked => sent = Some(Sent { cv, changed: checked.err() }),
                }
            }
            if !begun {
                frames.queue(head);
                begun = true;
            }
            if chunk.len() <= COPIED {
                frames.queue(&chunk);
            } else {
                frames.writer().send(&chunk, self.stall()).await?;
            }
            self.context.monitor.sent(chunk.len());
            offset += len as u64;
            self.spare = chunk;
            if let Some(sent) = sent {
                return Ok(Ok(sent));
            }
        }
    }
}

/// What became of a block whose bytes were sent.
struct Sent {
    cv: Cv,
    /// Set if the file is not what it was: the bytes may be a mix.
    changed: Option<Refusal>,
}

fn changed() -> Refusal {
    Refusal::new(Reason::Changed, "the file changed while it was read; ask again")
}
