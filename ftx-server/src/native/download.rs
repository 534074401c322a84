//! Downloads, block by block.

use ftx_core::RemoteName;
use ftx_core::dialect::Dialect;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{
    BLOCK_BYTES, BlockHasher, BlockRange, Cv, Digest, Manifest, block_count, block_len,
    block_offset,
};
use ftx_core::native::wire::{BlockHead, FileHead, GetScope, MAX_CV_PAGE_BLOCKS, Reply, Version};
use ftx_io::{CHUNK_BYTES, Executor};

use super::connection::MAX_QUEUED_REPLY_BYTES;
use super::error::{NativeError, RequestError};
use super::metadata::reply_found;
use super::request::RequestContext;
use crate::store::{Refusal, Store, StoredFile, WorkProgress};

/// Up to this many bytes of a file are copied and sent together with the next frame: a system call for
/// each small file takes longer, and wakes the client for each.
const MAX_COPIED_BYTES: usize = 16 * 1024;

pub(super) async fn on_get<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &str,
    version: Option<Version>,
    scope: GetScope,
) -> Result<(), RequestError> {
    cx.connection.check_new(cx.id)?;
    // A client that requests a block twice did not get the announced block the first time.
    let distrusts = match (&scope, version) {
        (GetScope::FreshManifest, _) => true,
        (GetScope::Blocks(ranges), Some(version)) => cx.connection.recent.repeats(version, ranges),
        _ => false,
    };
    if distrusts {
        cx.connection.session.sent_manifest.forget();
    }
    let name = RemoteName::parse(name)?;
    let file = open(cx, &name, version, distrusts).await?;
    // A client that downloads a file in pieces names no version in its first request only.
    let is_counted =
        version.is_none() || matches!(scope, GetScope::Whole | GetScope::WholeUnless(_));
    match scope {
        GetScope::WholeUnless(digest) if file.size() <= BLOCK_BYTES => {
            send_file_unless(cx, &file, digest).await?;
        }
        GetScope::Whole | GetScope::WholeUnless(_) if file.size() <= BLOCK_BYTES => {
            send_file(cx, &file).await?
        }
        GetScope::Whole | GetScope::WholeUnless(_) => send_all_blocks(cx, &file).await?,
        GetScope::Manifest | GetScope::FreshManifest => send_manifest(cx, &file).await?,
        GetScope::Blocks(ranges) => {
            cx.connection.recent.record(file.version(), &ranges);
            send_ranges(cx, &file, &ranges).await?;
        }
    }
    if is_counted {
        cx.connection.context.metrics.downloaded(Dialect::Native);
    }
    cx.connection.file = Some((name, file));
    Ok(())
}

/// Opens the requested version of a file. With `distrusts`, drops the cached chaining values first.
async fn open<S: Store>(
    cx: &mut RequestContext<'_, S>,
    name: &RemoteName,
    version: Option<Version>,
    distrusts: bool,
) -> Result<S::File, Refusal> {
    if let Some((last, file)) = cx.connection.file.take() {
        let is_it = last == *name && version == Some(file.version());
        if is_it && !distrusts && file.is_current(&cx.connection.executor).await {
            return Ok(file);
        }
        cx.connection.file = Some((last, file));
        cx.connection.close_file();
    }
    let (store, executor) = (&cx.connection.store, &cx.connection.executor);
    let mut file = store.open(executor, name).await?;
    if distrusts {
        file.forget(executor).await?;
        file = store.open(executor, name).await?;
    }
    if version.is_some_and(|version| version != file.version()) {
        let message = format!("{name:?} has changed; ask for the present version");
        return Err(Refusal::new(Reason::Changed, message));
    }
    Ok(file)
}

/// Sends a file of at most one block, unless the client has it.
async fn send_file_unless<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
    theirs: Digest,
) -> Result<(), RequestError> {
    let (executor, progress) = (cx.executor(), WorkProgress::default());
    let manifest =
        cx.working(progress.clone(), Box::pin(file.manifest(&executor, progress))).await?;
    let digest = manifest.digest();
    if digest != theirs {
        return send_file(cx, file).await;
    }
    reply_found(cx, file)?;
    Ok(cx.reply(&Reply::End { digest: Some(digest) })?)
}

/// Sends a file of at most one block in one frame.
async fn send_file<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
) -> Result<(), RequestError> {
    let size = file.size();
    let head = FileHead::Got { meta: file.meta(), version: file.version() };
    let head = head.encode(cx.id, size)?;
    if size == 0 {
        cx.frames.queue(&head);
        cx.frames.queue(&Manifest::empty().digest().0);
        return Ok(());
    }
    let SentBlock { cv, changed } = send_bytes(cx, &head, file, 0).await?;
    if let Some(Refusal { reason, message, .. }) = changed {
        // Only a hash may follow these bytes, and it would make them a file.
        return Err(NativeError::Cut { reason, message }.into());
    }
    cx.frames.queue(&cv.0);
    Ok(())
}

async fn send_all_blocks<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
) -> Result<(), RequestError> {
    reply_found(cx, file)?;
    let mut cvs = Vec::new();
    for index in 0..block_count(file.size()) {
        cvs.push(send_block(cx, file, index).await?);
    }
    let size = file.size();
    let manifest = move || Manifest::new(size, cvs).map(|manifest| manifest.digest());
    let digest = match cx.connection.executor.run_long(manifest).await? {
        Ok(digest) => Some(digest),
        Err(error) => return Err(RequestError::refused(Reason::Internal, error.to_string())),
    };
    Ok(cx.reply(&Reply::End { digest })?)
}

async fn send_manifest<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
) -> Result<(), RequestError> {
    reply_found(cx, file)?;
    let (executor, progress) = (cx.executor(), WorkProgress::default());
    let manifest =
        cx.working(progress.clone(), Box::pin(file.manifest(&executor, progress))).await?;
    cx.connection.session.sent_manifest.keep(file.version(), &manifest);
    for (page, cvs) in manifest.cvs().chunks(MAX_CV_PAGE_BLOCKS).enumerate() {
        let first = (page * MAX_CV_PAGE_BLOCKS) as u64;
        cx.reply(&Reply::Cvs { first, cvs: cvs.to_vec() })?;
        cx.flush().await?;
    }
    Ok(cx.reply(&Reply::End { digest: Some(manifest.digest()) })?)
}

async fn send_ranges<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
    ranges: &[BlockRange],
) -> Result<(), RequestError> {
    reply_found(cx, file)?;
    for range in ranges {
        // A client may request blocks before it knows the size.
        for index in range.first..range.end().min(block_count(file.size())) {
            send_block(cx, file, index).await?;
        }
    }
    Ok(cx.reply(&Reply::End { digest: None })?)
}

/// Sends a block in one frame. Returns its chaining value.
async fn send_block<S: Store>(
    cx: &mut RequestContext<'_, S>,
    file: &S::File,
    index: u64,
) -> Result<Cv, RequestError> {
    let head = BlockHead { index, len: block_len(file.size(), index) }.encode(cx.id)?;
    let SentBlock { cv, changed } = send_bytes(cx, &head, file, index).await?;
    cx.frames.queue(&cv.0);
    // One request may name thousands of blocks that are too small to be sent at once.
    if cx.frames.queued() >= cx.frames.flush_threshold(MAX_QUEUED_REPLY_BYTES) {
        cx.flush().await?;
    }
    match changed {
        Some(refusal) => Err(refusal.into()),
        None => Ok(cv),
    }
}

/// A block whose bytes were sent, without its hash.
struct SentBlock {
    cv: Cv,
    /// Set if the file changed: the bytes may be of two versions.
    changed: Option<Refusal>,
}

/// Sends the head of a frame and the bytes of a block, so that only the hash is missing. If the bytes
/// cannot be read, or the file is seen to have changed before the first byte, sends nothing.
async fn send_bytes<S: Store>(
    cx: &mut RequestContext<'_, S>,
    head: &[u8],
    file: &S::File,
    index: u64,
) -> Result<SentBlock, RequestError> {
    let sent = || cx.connection.session.sent_manifest.cv(file.version(), index);
    let known = file.known_cv(index).or_else(sent);
    let (start, len) = (block_offset(index), block_len(file.size(), index));
    let mut block = BlockReader {
        index,
        offset: start,
        end: start + len,
        known,
        hasher: None,
        is_begun: false,
    };
    if let Some(cv) = known {
        send_unread(cx, head, file, &mut block).await?;
        if block.offset == block.end {
            return Ok(SentBlock {
                cv,
                changed: file.unchanged(&cx.connection.executor).await.err(),
            });
        }
    } else {
        block.hasher = Some(BlockHasher::new(file.size(), index));
    }
    loop {
        let spare = std::mem::take(&mut cx.connection.spare);
        let (chunk, sent) = block.read(&cx.connection.executor, file, spare).await?;
        if !block.is_begun {
            cx.frames.queue(head);
            block.is_begun = true;
        }
        if chunk.len() <= MAX_COPIED_BYTES {
            cx.frames.queue_data(&chunk);
        } else {
            cx.frames.writer().send(&chunk, cx.connection.stall()).await?;
        }
        cx.connection.context.metrics.sent(Dialect::Native, chunk.len());
        cx.connection.spare = chunk;
        if let Some(sent) = sent {
            return Ok(sent);
        }
    }
}

/// Has the system send the bytes of a block, as far as it does. The server need not see bytes whose
/// chaining value is known: the client verifies them.
async fn send_unread<S: Store>(
    cx: &mut RequestContext<'_, S>,
    head: &[u8],
    file: &S::File,
    block: &mut BlockReader,
) -> Result<(), RequestError> {
    let BlockReader { offset, end, .. } = *block;
    let Some(source) = file.send_source() else { return Ok(()) };
    if cx.frames.is_compressing() {
        return Ok(());
    }
    if !cx.connection.executor.is_inline() || end - offset <= MAX_COPIED_BYTES as u64 {
        return Ok(());
    }
    cx.frames.queue(head);
    block.is_begun = true;
    let limits = cx.connection.stall();
    let sent = cx.frames.writer().send_file(source.file(), offset, end - offset, limits).await?;
    cx.connection
        .context
        .metrics
        .sent(Dialect::Native, usize::try_from(sent).unwrap_or(usize::MAX));
    block.offset += sent;
    Ok(())
}

/// Reads a block in pieces.
struct BlockReader {
    index: u64,
    offset: u64,
    end: u64,
    known: Option<Cv>,
    /// Unless the chaining value is known.
    hasher: Option<BlockHasher>,
    /// The head of the frame has been queued. From then on the protocol has no room for a failure.
    is_begun: bool,
}

impl BlockReader {
    /// Reads the next piece; with the last one, checks that the file has not changed.
    async fn read<F: StoredFile>(
        &mut self,
        executor: &Executor,
        file: &F,
        spare: Vec<u8>,
    ) -> Result<(Vec<u8>, Option<SentBlock>), RequestError> {
        let left = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let len = left.min(CHUNK_BYTES);
        let read = file.read(executor, self.offset, len, spare).await;
        let chunk = read.map_err(|refusal| self.failed(refusal))?;
        // While they are in the processor's cache: they are sent next.
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&chunk);
        }
        self.offset += len as u64;
        if self.offset < self.end {
            return Ok((chunk, None));
        }
        let finished = self.hasher.as_ref().map(BlockHasher::finish).transpose();
        let (cv, checked) = match (self.known, finished) {
            (Some(cv), _) => (cv, file.unchanged(executor).await),
            (None, Ok(Some(cv))) => (cv, file.learn(executor, self.index, cv).await),
            (None, _) => (Cv([0; 32]), Err(changed())),
        };
        match checked {
            Err(refusal) if !self.is_begun => Err(refusal.into()),
            checked => Ok((chunk, Some(SentBlock { cv, changed: checked.err() }))),
        }
    }

    fn failed(&self, refusal: Refusal) -> RequestError {
        if self.is_begun {
            let Refusal { reason, message, .. } = refusal;
            return NativeError::Cut { reason, message }.into();
        }
        refusal.into()
    }
}

fn changed() -> Refusal {
    Refusal::new(Reason::Changed, "the file changed while it was read; ask again")
}
