//! Bytes as frames. A block arrives in parts, as drivers see it.

use std::collections::VecDeque;

use ftx_core::native::blocks::{Cv, Digest};
use ftx_core::native::wire::{
    BLOCK_HEAD_BYTES, BlockHead, FILE_PREFIX_BYTES, FileHead, FileLayout, FrameHeader, FrameKind,
    HASH_BYTES, HEADER_BYTES, next_frame,
};

use super::{Bytes, Piece};

/// A frame, or a part of a block.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    /// A message, to be decoded as a `Request` or a `Reply`.
    Control { header: FrameHeader, payload: Vec<u8> },
    /// A block begins.
    BlockHead { request: u32, head: BlockHead },
    /// The next `len` bytes of the block; all are `content`.
    BlockBytes { content: u8, len: u64 },
    /// The end of the block.
    BlockEnd { claimed: Cv },
    /// A whole file.
    File { request: u32, head: FileHead, bytes: Vec<u8>, claimed: Digest },
}

/// The frame of a block whose bytes are all `content`.
pub(crate) fn block_frame(request: u32, head: BlockHead, content: u8, cv: Cv) -> Bytes {
    let mut bytes = Bytes::from(head.encode(request).unwrap().to_vec());
    bytes.push(Piece::Run { byte: content, len: head.len });
    bytes.push(Piece::Plain(cv.0.to_vec()));
    bytes
}

/// The frame of a small file whose bytes are all `content`.
pub(crate) fn file_frame(
    request: u32,
    head: &FileHead,
    len: u64,
    content: u8,
    digest: Digest,
) -> Bytes {
    let mut bytes = Bytes::from(head.encode(request, len).unwrap());
    bytes.push(Piece::Run { byte: content, len });
    bytes.push(Piece::Plain(digest.0.to_vec()));
    bytes
}

/// Cuts the bytes of one direction into frames.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    input: Bytes,
    header: Option<FrameHeader>,
    /// Bytes of the current block that are still to come.
    block: Option<u64>,
    found: VecDeque<Incoming>,
}

impl FrameReader {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.input.append(bytes);
    }

    /// The next frame or part of a block, once all of it is there.
    pub(crate) fn next(&mut self) -> Option<Incoming> {
        if self.found.is_empty() {
            self.read()?;
        }
        self.found.pop_front()
    }

    fn read(&mut self) -> Option<()> {
        if let Some(left) = self.block {
            return self.read_block(left);
        }
        if self.header.is_none() {
            let header = self.input.take_plain(HEADER_BYTES)?;
            self.header = next_frame(&header).unwrap();
        }
        let header = self.header?;
        match header.kind {
            FrameKind::Control => {
                let payload = self.input.take_plain(header.len as usize)?;
                self.found.push_back(Incoming::Control { header, payload });
            }
            FrameKind::Block => {
                let head: [u8; BLOCK_HEAD_BYTES] =
                    self.input.take_plain(BLOCK_HEAD_BYTES)?.try_into().unwrap();
                let head = BlockHead::decode(&header, head).unwrap();
                self.block = Some(head.len);
                self.found.push_back(Incoming::BlockHead { request: header.request, head });
            }
            FrameKind::File => self.read_file(header)?,
            FrameKind::Compressed => panic!("nobody compresses here"),
        }
        self.header = None;
        Some(())
    }

    fn read_block(&mut self, left: u64) -> Option<()> {
        if left > 0 {
            let (content, len) = match self.input.take_piece(left)? {
                Piece::Run { byte, len } => (byte, len),
                Piece::Plain(bytes) => panic!("{} bytes within a block", bytes.len()),
            };
            self.block = Some(left - len);
            self.found.push_back(Incoming::BlockBytes { content, len });
            return Some(());
        }
        let claimed: [u8; HASH_BYTES] = self.input.take_plain(HASH_BYTES)?.try_into().unwrap();
        self.block = None;
        self.found.push_back(Incoming::BlockEnd { claimed: Cv(claimed) });
        Some(())
    }

    fn read_file(&mut self, header: FrameHeader) -> Option<()> {
        if self.input.len() < u64::from(header.len) {
            return None;
        }
        let prefix: [u8; FILE_PREFIX_BYTES] =
            self.input.take_plain(FILE_PREFIX_BYTES)?.try_into().unwrap();
        let layout = FileLayout::decode(&header, prefix).unwrap();
        let head = FileHead::decode(&self.input.take_plain(layout.head_len)?).unwrap();
        let bytes = self.input.take_plain(layout.data_len as usize)?;
        let claimed: [u8; HASH_BYTES] = self.input.take_plain(HASH_BYTES)?.try_into().unwrap();
        let (request, claimed) = (header.request, Digest(claimed));
        self.found.push_back(Incoming::File { request, head, bytes, claimed });
        Some(())
    }
}
