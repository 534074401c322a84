//! Frames as bytes.

use ftx_core::native::blocks::{Cv, Digest};
use ftx_core::native::wire::{
    BlockHead, FileHead, FileLayout, FrameHeader, FrameKind, HEADER_BYTES, Meta, Overwrite, Reply,
    next_frame,
};

use crate::{block, cv, digest};

/// A message from the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Reply(u32, Reply),
    Block { request: u32, index: u64, bytes: Vec<u8>, cv: Cv },
    File { request: u32, head: FileHead, bytes: Vec<u8>, digest: Digest },
}

/// The first frame of `received`, and how many bytes it has, once it is there.
pub(crate) fn first_of(received: &[u8]) -> Option<(Frame, usize)> {
    let header = next_frame(received).unwrap()?;
    let end = HEADER_BYTES + header.len as usize;
    let payload = received.get(HEADER_BYTES..end)?;
    Some((decode(&header, payload), end))
}

fn decode(header: &FrameHeader, payload: &[u8]) -> Frame {
    let request = header.request;
    match header.kind {
        FrameKind::Control => Frame::Reply(request, Reply::decode(header, payload).unwrap()),
        FrameKind::Block => {
            let (head, rest) = payload.split_first_chunk().unwrap();
            let BlockHead { index, len } = BlockHead::decode(header, *head).unwrap();
            let (bytes, cv) = rest.split_last_chunk().unwrap();
            assert_eq!(bytes.len() as u64, len);
            Frame::Block { request, index, bytes: bytes.to_vec(), cv: Cv(*cv) }
        }
        FrameKind::File => {
            let (prefix, rest) = payload.split_first_chunk().unwrap();
            let FileLayout { head_len, data_len } = FileLayout::decode(header, *prefix).unwrap();
            let (head, rest) = rest.split_at(head_len);
            let (bytes, digest) = rest.split_last_chunk().unwrap();
            assert_eq!(bytes.len() as u64, data_len);
            let head = FileHead::decode(head).unwrap();
            Frame::File { request, head, bytes: bytes.to_vec(), digest: Digest(*digest) }
        }
        FrameKind::Compressed => panic!("the client has not named the feature"),
    }
}

/// A frame with a block of `file`.
pub(crate) fn block_frame(request: u32, file: &[u8], index: u64) -> Vec<u8> {
    raw_block(request, index, block(file, index), cv(file, index))
}

/// A frame with anything for a block.
pub(crate) fn raw_block(request: u32, index: u64, bytes: &[u8], cv: Cv) -> Vec<u8> {
    let head = BlockHead { index, len: bytes.len() as u64 }.encode(request).unwrap();
    [&head, bytes, &cv.0].concat()
}

/// A frame with a whole file that replaces the file of that name.
pub(crate) fn put_frame(request: u32, name: &str, bytes: &[u8]) -> Vec<u8> {
    put_frame_if(request, name, bytes, Overwrite::Replace)
}

pub(crate) fn put_frame_if(
    request: u32,
    name: &str,
    bytes: &[u8],
    overwrite: Overwrite,
) -> Vec<u8> {
    raw_put(request, name, Meta::default(), overwrite, bytes, digest(bytes))
}

pub(crate) fn raw_put(
    request: u32,
    name: &str,
    meta: Meta,
    overwrite: Overwrite,
    bytes: &[u8],
    digest: Digest,
) -> Vec<u8> {
    let head = FileHead::Put { name: name.to_owned(), meta, overwrite };
    let head = head.encode(request, bytes.len() as u64).unwrap();
    [&head, bytes, &digest.0].concat()
}
