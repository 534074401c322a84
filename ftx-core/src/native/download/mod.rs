//! A client's side of downloads: it decides what to request, checks every answer, and knows when a file
//! is complete.
//!
//! ```text
//!   frame ─▶ OpenRequests ─▶ DownloadRequest ─▶ DownloadStep ─▶ driver
//!            one a connection   one a `Get`        │ Block, EndBlocks
//!                                                  ▼
//!                                                Fetch   one a file, shared by all connections
//! ```
//!
//! - [`DownloadRequest`]: one `Get` and its answer. Its [`DownloadStep`]s tell the driver what to do.
//! - [`OpenRequests`]: the unanswered requests of a connection, and the room for another one.
//! - [`Fetch`]: the blocks of a large file, which any connection may request.
//!
//! A server needs no machine: it sends the requested frames.
//!
//! # Example
//! A download of two blocks, with all the bytes of both sides:
//!
//! ```
//! use ftx_core::native::blocks::{BLOCK_BYTES, BlockHasher, BlockRange, Cv, block_cv};
//! use ftx_core::native::download::{
//!     ArrivingBlock, DownloadRequest, DownloadStep, Fetch, OpenRequests, INITIAL_WINDOW_BLOCKS,
//! };
//! use ftx_core::native::wire::{
//!     BLOCK_HEAD_BYTES, BlockHead, FrameKind, GetScope, HASH_BYTES, HEADER_BYTES, Meta, Reply, Request,
//!     Version, next_frame,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let source: Vec<u8> = (0..BLOCK_BYTES + 5).map(|at| (at % 251) as u8).collect();
//! let (id, stream) = (1, 0);
//!
//! // The client knows no size, so it asks for the first blocks.
//! let mut requests = OpenRequests::<&str, &str>::new(512);
//! let first = BlockRange { first: 0, count: INITIAL_WINDOW_BLOCKS };
//! let (request, what) = DownloadRequest::first_blocks("target", first);
//! requests.insert(id, request);
//! let sent = Request::Get { name: "f".into(), version: None, what }.encode(id)?;
//!
//! // The server answers with the version, the blocks and the end.
//! let header = next_frame(&sent)?.ok_or("a whole frame")?;
//! let Request::Get { what: GetScope::Blocks(ranges), .. } =
//!     Request::decode(&header, &sent[HEADER_BYTES..])?
//! else {
//!     return Err("another request".into());
//! };
//! assert_eq!(ranges, [first]);
//! let size = source.len() as u64;
//! let found = Reply::Found { size, meta: Meta::default(), version: Version([7; 16]) };
//! let mut answer = found.encode(header.request)?;
//! for (index, block) in (0..).zip(source.chunks(BLOCK_BYTES as usize)) {
//!     let head = BlockHead { index, len: block.len() as u64 };
//!     answer.extend(head.encode(header.request)?);
//!     answer.extend(block);
//!     answer.extend(block_cv(size, index, block)?.0);
//! }
//! answer.extend(Reply::End { digest: None }.encode(header.request)?);
//!
//! // The client's driver does as the machines say.
//! let mut target = Vec::<u8>::new();
//! let mut fetch = None;
//! let mut rest = &answer[..];
//! while let Some(header) = next_frame(rest)? {
//!     let (payload, behind) = rest[HEADER_BYTES..].split_at(header.len as usize);
//!     rest = behind;
//!     let step = if header.kind == FrameKind::Block {
//!         let head = payload.first_chunk::<BLOCK_HEAD_BYTES>().ok_or("a head")?;
//!         requests.on_block(header.request, BlockHead::decode(&header, *head)?)?
//!     } else {
//!         requests.on_reply(header.request, Reply::decode(&header, payload)?)?
//!     };
//!     match (step, &mut fetch) {
//!         (DownloadStep::Open { file, remote, first }, _) => {
//!             fetch = Some(Fetch::begun(remote.size, stream, first));
//!             requests.opened(id, file)?;
//!         }
//!         (DownloadStep::Block { head, .. }, Some(fetch)) => {
//!             assert_eq!(fetch.accept(stream, head)?, ArrivingBlock::Write);
//!             let (bytes, claimed) = payload[BLOCK_HEAD_BYTES..].split_at(head.len as usize);
//!             let mut hasher = BlockHasher::new(size, head.index);
//!             hasher.update(bytes);
//!             target.extend(bytes);
//!             let claimed = Cv(*claimed.first_chunk::<HASH_BYTES>().ok_or("a hash")?);
//!             fetch.block(stream, head.index, hasher.finish()?, claimed)?;
//!         }
//!         (DownloadStep::EndBlocks { digest, .. }, Some(fetch)) => {
//!             fetch.range_end(stream, digest)?;
//!             assert!(fetch.is_finished());
//!         }
//!         (step, _) => panic!("{step:?}"),
//!     }
//! }
//! assert!(requests.is_empty());
//! assert_eq!(target, source);
//! # Ok(())
//! # }
//! ```

mod fetch;
mod request;
mod requests;
mod step;

#[cfg(test)]
mod tests;

pub use fetch::{ArrivingBlock, Fetch, FetchError};
pub use request::DownloadRequest;
pub use requests::{INITIAL_WINDOW_BLOCKS, MAX_OPEN_FILES, MAX_OPENING_FILES, OpenRequests};
pub use step::{DownloadStep, RemoteVersion, RequestedFile};
