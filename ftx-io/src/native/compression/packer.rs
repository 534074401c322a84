//! Outgoing frames that are collected and compressed.
//!
//! The bytes of frames are collected up to the bound of a compressed frame, whatever their requests, and
//! compressed together. A frame that has begun inside compressed frames ends there, and one that has begun
//! outside of them ends outside.

use std::io;

use bytes::BytesMut;
use ftx_core::native::wire::{CompressedHead, FrameCursor, MAX_DECODED_BYTES};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use super::policy::{LineHint, Policy};
use super::{Compression, zstd};
use crate::{Executor, WorkPanicked};

/// Fewer bytes, such as those of a reply, are not worth it, and tell nothing of those that follow.
const MIN_PACKED_BYTES: usize = 1024;

/// Collects and compresses the outgoing frames of a connection.
#[derive(Debug)]
pub(crate) struct Packer {
    policy: Policy,
    /// The connection's thread compresses; otherwise the blocking threads of its runtime do. No [`Executor`] is
    /// kept, since it would keep the runtime of a connection that waits for its next call.
    is_inline: bool,
    /// Bytes that wait to be compressed.
    plain: BytesMut,
    /// The frames in progress, if any, are to be compressed.
    is_collecting: bool,
    /// The end of the collected bytes in the stream of frames.
    end: FrameCursor,
    /// Their beginning.
    start: FrameCursor,
    /// Bytes that another thread compresses. Kept here, so that a flush that is cancelled loses nothing.
    job: Option<Job>,
}

#[derive(Debug)]
struct Job {
    bytes: usize,
    result: JoinHandle<Packed>,
}

/// Compressed bytes.
#[derive(Debug)]
struct Packed {
    plain: BytesMut,
    zstd: Vec<u8>,
    zstd_len: Option<usize>,
    took: Duration,
}

impl Packer {
    /// A packer for a connection that is between two frames. It compresses on other threads.
    pub(crate) fn new(compression: Compression, hint: LineHint) -> Self {
        Self {
            policy: Policy::new(compression, hint),
            is_inline: false,
            plain: BytesMut::new(),
            is_collecting: false,
            end: FrameCursor::default(),
            start: FrameCursor::default(),
            job: None,
        }
    }

    pub(crate) fn policy(&mut self) -> &mut Policy {
        &mut self.policy
    }

    /// The plain bytes to compress together.
    pub(crate) fn piece_bytes(&self) -> usize {
        self.policy.piece_bytes()
    }

    pub(crate) fn set_inline(&mut self, is_inline: bool) {
        self.is_inline = is_inline;
    }

    /// Whether the next bytes are to be collected. If they begin a frame, the policy decides, and collected
    /// bytes that they cannot join go to `out`.
    ///
    /// # Errors
    /// See [`pack`](Self::pack).
    pub(crate) fn collects(&mut self, out: &mut BytesMut) -> io::Result<bool> {
        if self.end.is_between_frames() && self.is_collecting != self.policy.is_on() {
            while self.is_collecting && self.job.is_none() && !self.plain.is_empty() {
                self.pack_here(MAX_DECODED_BYTES, out)?;
            }
            if self.job.is_none() {
                self.is_collecting = self.policy.is_on();
            }
        }
        Ok(self.is_collecting)
    }

    /// Collects the next bytes of the stream of frames.
    pub(crate) fn collect(&mut self, bytes: &[u8]) {
        self.plain.extend_from_slice(bytes);
        self.end.advance(bytes);
    }

    /// The next bytes of the stream of frames go out raw.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.end.advance(bytes);
        self.start.advance(bytes);
    }

    /// The next bytes of the present frame go out raw.
    pub(crate) fn pass_unseen(&mut self, len: u64) {
        self.end.skip(len);
        self.start.skip(len);
    }

    /// Bytes that are collected and not yet compressed.
    pub(crate) fn collected(&self) -> usize {
        self.plain.len() + self.job.as_ref().map_or(0, |job| job.bytes)
    }

    /// Frees the memory of collected bytes.
    pub(crate) fn shrink(&mut self) {
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
    }

    /// Compresses up to `most` of the collected bytes, and appends the result to `out`. Returns its length.
    /// Cancelling the wait loses nothing.
    ///
    /// # Errors
    /// The work panicked, or there is no memory for it. The connection can send no more.
    pub(crate) async fn pack(&mut self, most: usize, out: &mut BytesMut) -> io::Result<usize> {
        if self.is_inline {
            return self.pack_here(most, out);
        }
        if self.job.is_none() {
            let Some(plain) = self.next_piece(most, out) else { return Ok(0) };
            let (bytes, level) = (plain.len(), self.policy.level());
            let result = Executor::pool().spawn(move || Packed::new(plain, level));
            self.job = Some(Job { bytes, result });
        }
        let Some(job) = &mut self.job else { return Ok(0) };
        let packed = (&mut job.result).await;
        self.job = None;
        self.finish(packed.map_err(WorkPanicked::from)?, out)
    }

    /// As [`pack`](Self::pack), on this thread.
    pub(crate) fn pack_here(&mut self, most: usize, out: &mut BytesMut) -> io::Result<usize> {
        let Some(plain) = self.next_piece(most, out) else { return Ok(0) };
        let packed = Packed::new(plain, self.policy.level());
        self.finish(packed, out)
    }

    /// Appends all collected bytes to `out` as they are, if they begin with a frame. Returns whether none are
    /// left.
    pub(crate) fn pass_all(&mut self, out: &mut BytesMut) -> bool {
        if self.job.is_none() && self.start.is_between_frames() {
            self.give_up(out);
        }
        self.collected() == 0
    }

    /// Whether compression never waits for another thread.
    pub(crate) fn is_inline(&self) -> bool {
        self.is_inline && self.job.is_none()
    }

    /// The next bytes to compress. Few bytes that begin with a frame go to `out` at once.
    fn next_piece(&mut self, most: usize, out: &mut BytesMut) -> Option<BytesMut> {
        if self.plain.len() < MIN_PACKED_BYTES && self.start.is_between_frames() {
            self.give_up(out);
        }
        let len = self.plain.len().min(most).min(MAX_DECODED_BYTES);
        (len > 0).then(|| self.plain.split_to(len))
    }

    /// Sends the collected bytes, and the rest of their last frame, as they are.
    fn give_up(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.plain);
        self.plain.clear();
        self.start = self.end.clone();
        self.is_collecting = false;
    }

    fn finish(&mut self, packed: Packed, out: &mut BytesMut) -> io::Result<usize> {
        let Packed { plain, zstd, zstd_len, took } = packed;
        let before = out.len();
        let starts_between = self.start.is_between_frames();
        self.start.advance(&plain);
        let is_typical = plain.len() >= MIN_PACKED_BYTES;
        match zstd_len {
            Some(len) if !starts_between || is_worth_it(plain.len(), len) => {
                let head = CompressedHead { decoded_len: plain.len() }.encode(len);
                out.extend_from_slice(&head.map_err(io::Error::other)?);
                out.extend_from_slice(zstd.get(..len).unwrap_or_default());
                if is_typical {
                    self.policy.packed(plain.len(), took);
                }
            }
            None if !starts_between => return Err(io::ErrorKind::OutOfMemory.into()),
            _ => {
                if is_typical {
                    self.policy.incompressible();
                }
                out.extend_from_slice(&plain);
                self.give_up(out);
            }
        }
        Ok(out.len() - before)
    }
}

impl Packed {
    fn new(plain: BytesMut, level: i32) -> Self {
        let (mut zstd, start) = (Vec::new(), Instant::now());
        let zstd_len = zstd::compress(&plain, level, &mut zstd);
        Self { plain, zstd, zstd_len, took: start.elapsed() }
    }
}

/// Whether compressed bytes are at least 5 % smaller.
fn is_worth_it(plain: usize, compressed: usize) -> bool {
    compressed.saturating_mul(20) <= plain.saturating_mul(19)
}
