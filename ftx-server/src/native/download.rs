//! Downloads, block by block.

use ftx_core::native::Reason;
use ftx_core::native::blocks::{BlockHasher, BlockRange, Cv, block_count, block_len, block_offset};
use ftx_core::native::wire::{BlockHead, FileHead, MAX_CV_PAGE, Reply, Version, What};
use ftx_io::{CHUNK, Frames};
use tracing::info;

use super::NativeError;
use super::conversation::Conversation;
use crate::store::{BlockFile, BlockStore, Progress, Refusal};

/// How a request ended: for the client to hear, or with the connection.
type Outcome = Result<Result<(), Refusal>, NativeError>;

/// Files of so many bytes are sent in one frame.
const WHOLE: u64 = CHUNK as u64;

impl<S: BlockStore> Conversation<S> {
    pub(super) async fn get(
        &mut self,
        frames: &mut Frames,
        request: u32,
        name: &str,
        version: Option<Version>,
        what: What,
    ) -> Result<(), NativeError> {
        self.check_new(request)?;
        let file = match self.open(name, version).await {
            Ok(file) => file,
            Err(refusal) => return self.refuse(frames, request, &refusal),
        };
        let sent = match what {
            What::Whole if file.size() <= WHOLE => self.send_small(frames, request, &file).await,
            What::Whole => self.send_whole(frames, request, &file).await,
            What::Manifest => self.send_manifest(frames, request, &file).await,
            What::Blocks(ranges) => self.send_ranges(frames, request, &file, &ranges).await,
        };
        match sent? {
            Ok(()) => {
                // The name was parsed when the file was opened.
                if let Ok(name) = Self::name(name) {
                    self.file = Some((name, file));
                }
                Ok(())
            }
            Err(refusal) => self.refuse(frames, request, &refusal),
        }
    }

    /// The file, in the version that is asked for.
    async fn open(&mut self, name: &str, version: Option<Version>) -> Result<S::File, Refusal> {
        let name = Self::name(name)?;
        if let Some((last, file)) = self.file.take()
            && last == name
            && version == Some(file.version())
        {
            return Ok(file);
        }
        let file = self.context.store.open_file(&name).await?;
        match version {
            Some(version) if version != file.version() => {
                let message = format!("{name:?} has changed; ask for the present version");
                Err(Refusal::new(Reason::Changed, message))
            }
            _ => Ok(file),
        }
    }

    fn found(&self, frames: &mut Frames, request: u32, file: &S::File) -> Result<(), NativeError> {
        let (size, meta, version) = (file.size(), file.meta(), file.version());
        self.reply(frames, request, &Reply::Found { size, meta, version })
    }

    /// Sends a file in one frame.
    async fn send_small(&mut self, frames: &mut Frames, request: u32, file: &S::File) -> Outcome {
        let size = file.size();
        let (data, digest) = if size == 0 {
            (Vec::new(), ftx_core::native::blocks::Manifest::empty().digest().0)
        } else {
            let hasher = BlockHasher::new(size, 0);
            let len = usize::try_from(size).unwrap_or(CHUNK);
            let spare = std::mem::take(&mut self.spare);
            let (data, hasher) = match file.read(0, len, spare, Some(hasher)).await {
                Ok(read) => read,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let cv = hasher.and_then(|hasher| hasher.finish().ok());
            let Some(cv) = cv else { return Ok(Err(changed())) };
            (data, cv.0)
        };
        if let Err(refusal) = file.unchanged().await {
            return Ok(Err(refusal));
        }
        let head = FileHead::Got { meta: file.meta(), version: file.version() };
        frames.queue(&head.encode(request, size)?);
        frames.queue(&data);
        frames.queue(&digest);
        self.spare = data;
        self.context.monitor.sent(usize::try_from(size).unwrap_or(0));
        self.context.monitor.downloaded();
        Ok(Ok(()))
    }

    async fn send_whole(&mut self, frames: &mut Frames, request: u32, file: &S::File) -> Outcome {
        self.found(frames, request, file)?;
        let all = BlockRange { first: 0, count: block_count(file.size()) };
        if let Err(refusal) = self.send_blocks(frames, request, file, all).await? {
            return Ok(Err(refusal));
        }
        self.end_with_manifest(frames, request, file, false).await
    }

    async fn send_manifest(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
    ) -> Outcome {
        self.found(frames, request, file)?;
        self.end_with_manifest(frames, request, file, true).await
    }

    async fn end_with_manifest(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        pages: bool,
    ) -> Outcome {
        let progress = Progress::default();
        let work = file.manifest(progress.clone());
        let manifest = match self.working(frames, request, &progress, work).await? {
            Ok(manifest) => manifest,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if pages {
            for (page, cvs) in manifest.cvs().chunks(MAX_CV_PAGE).enumerate() {
                let first = (page * MAX_CV_PAGE) as u64;
                self.reply(frames, request, &Reply::Cvs { first, cvs: cvs.to_vec() })?;
                frames.writer().flush(self.context.stall()).await?;
            }
        } else {
            if let Err(refusal) = file.unchanged().await {
                return Ok(Err(refusal));
            }
            self.context.monitor.downloaded();
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
        for &range in ranges {
            // A client may ask before it knows the size.
            let count = block_count(file.size()).min(range.end()).saturating_sub(range.first);
            let range = BlockRange { first: range.first, count };
            if let Err(refusal) = self.send_blocks(frames, request, file, range).await? {
                return Ok(Err(refusal));
            }
        }
        if let Err(refusal) = file.unchanged().await {
            return Ok(Err(refusal));
        }
        self.reply(frames, request, &Reply::End { digest: None })?;
        Ok(Ok(()))
    }

    async fn send_blocks(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        range: BlockRange,
    ) -> Outcome {
        for index in range.first..range.end() {
            if let Err(refusal) = self.send_block(frames, request, file, index).await? {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(()))
    }

    async fn send_block(
        &mut self,
        frames: &mut Frames,
        request: u32,
        file: &S::File,
        index: u64,
    ) -> Outcome {
        let len = block_len(file.size(), index);
        let known = file.known(index);
        let mut hasher = known.is_none().then(|| BlockHasher::new(file.size(), index));
        let mut offset = block_offset(index);
        let end = offset + len;
        // Read before the frame begins: after that, only its bytes can follow.
        let mut piece = match self.read_piece(file, offset, end, hasher).await {
            Ok(piece) => piece,
            Err(refusal) => return Ok(Err(refusal)),
        };
        frames.queue(&BlockHead { index, len }.encode(request)?);
        loop {
            let (chunk, back) = piece;
            hasher = back;
            offset += chunk.len() as u64;
            frames.writer().send(&chunk, self.context.stall()).await?;
            self.context.monitor.sent(chunk.len());
            self.spare = chunk;
            if offset == end {
                break;
            }
            piece = match self.read_piece(file, offset, end, hasher).await {
                Ok(piece) => piece,
                Err(Refusal { reason, message }) => {
                    // In the middle of a frame there is no way to say it.
                    return Err(NativeError::Cut { reason, message });
                }
            };
        }
        let cv = match (known, hasher.map(|hasher| hasher.finish())) {
            (Some(cv), _) => cv,
            (None, Some(Ok(cv))) => {
                file.learn(index, cv);
                cv
            }
            (None, _) => Cv([0; 32]),
        };
        frames.queue(&cv.0);
        Ok(Ok(()))
    }

    async fn read_piece(
        &mut self,
        file: &S::File,
        offset: u64,
        end: u64,
        hasher: Option<BlockHasher>,
    ) -> Result<(Vec<u8>, Option<BlockHasher>), Refusal> {
        let len = usize::try_from(end - offset).map_or(CHUNK, |left| left.min(CHUNK));
        file.read(offset, len, std::mem::take(&mut self.spare), hasher).await
    }
}

fn changed() -> Refusal {
    info!("a file changed while it was read");
    Refusal::new(Reason::Changed, "the file changed while it was read; ask again")
}
