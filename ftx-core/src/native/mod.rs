//! The native dialect, FTX/1. `PROTOCOL.md` section 3 specifies its bytes.
//!
//! A file is cut into blocks of 1 MiB. The hashes of the blocks join to the digest of the file. So
//! every block is verified when it arrives, in any order and over any number of connections, and
//! blocks that both sides hold are not sent.
//!
//! - [`blocks`]: blocks, their chaining values, manifests.
//! - [`wire`]: preface, frames and messages.
//! - [`upload`], [`download`]: the state machines, plain values that several connections of a session
//!   share; they see chaining values and never bytes.
//! - [`listing`]: checks the pages of a listing, so that no name leads out of its directory.
//! - [`Reason`]: the reason of a failure, finer than [`Status`](crate::Status).
//!
//! # Example
//! A whole upload. Two buffers stand in place of a socket, and hold the bytes of `PROTOCOL.md`:
//!
//! ```
//! use ftx_core::native::blocks::{BLOCK_BYTES, Cv, Digest, PartialManifest, block_cv};
//! use ftx_core::native::upload::{
//!     AnsweredUpload, Completed, NextUpload, Receiver, StreamLimits, UploadEnd, UploadRequests,
//!     UploadStep,
//! };
//! use ftx_core::native::wire::{
//!     BlockHead, CLIENT_PREFACE, FrameHeader, FrameKind, HEADER_BYTES, Meta, Overwrite, PREFACE_BYTES,
//!     Reply, Request, Token, VERSION, VERSIONS, check_client_preface, next_frame, server_preface,
//! };
//! use ftx_core::native::Granule;
//! # type Error = Box<dyn std::error::Error>;
//!
//! /// Takes the first bytes out of a buffer.
//! fn take(buffer: &mut Vec<u8>, len: usize) -> Vec<u8> {
//!     buffer.drain(..len).collect()
//! }
//!
//! /// Takes the first frame out of a buffer.
//! fn take_frame(buffer: &mut Vec<u8>) -> Result<(FrameHeader, Vec<u8>), Error> {
//!     let header = next_frame(buffer)?.ok_or("no frame has arrived")?;
//!     take(buffer, HEADER_BYTES);
//!     Ok((header, take(buffer, header.len as usize)))
//! }
//!
//! let (stream, request, file_id) = (0, 1, 0);
//! let file = vec![7; 2 * BLOCK_BYTES as usize + 5];
//! let size = file.len() as u64;
//! let cv_of = |index: u64, bytes: &[u8]| block_cv(size, index, bytes);
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//!
//! // The client's preface and `Hello` go out in one write.
//! let hello = Request::Hello {
//!     versions: VERSIONS.to_vec(),
//!     features: vec![],
//!     agent: "example/1".to_owned(),
//!     session: None,
//!     auth: None,
//!     replaces: None,
//! };
//! to_server.extend([&CLIENT_PREFACE[..], &hello.encode(0)?].concat());
//!
//! // The server answers with its preface and `Welcome`.
//! check_client_preface(take(&mut to_server, PREFACE_BYTES).try_into().unwrap())?;
//! let (header, payload) = take_frame(&mut to_server)?;
//! assert_eq!(Request::decode(&header, &payload)?, hello);
//! let welcome = Reply::Welcome {
//!     version: VERSION,
//!     features: vec![],
//!     agent: "example/1".to_owned(),
//!     session: Token([3; 16]),
//!     window: 8 * BLOCK_BYTES,
//!     requests: 16,
//! };
//! to_client.extend([&server_preface(VERSION)[..], &welcome.encode(0)?].concat());
//!
//! // The client offers the file.
//! take(&mut to_client, PREFACE_BYTES);
//! let (header, payload) = take_frame(&mut to_client)?;
//! let Reply::Welcome { window, requests, .. } = Reply::decode(&header, &payload)? else {
//!     return Err("not welcome".into());
//! };
//! let mut client = UploadRequests::new(Overwrite::Replace);
//! client.connect(stream, StreamLimits { window, max_requests: requests.into() });
//! assert_eq!(client.next(stream), NextUpload::File { probe: false });
//! let offer = Request::Offer {
//!     name: "sevens.bin".to_owned(),
//!     size,
//!     meta: Meta::default(),
//!     overwrite: Overwrite::Replace,
//!     run: Token([4; 16]),
//!     source: None,
//! };
//! to_server.extend(offer.encode(request)?);
//! client.offer(stream, request, file_id, PartialManifest::new(size), None);
//!
//! // The server has block 0 from an interrupted upload, and says so.
//! let mut staging = file[..BLOCK_BYTES as usize].to_vec();
//! staging.resize(file.len(), 0);
//! let (header, payload) = take_frame(&mut to_server)?;
//! assert_eq!(Request::decode(&header, &payload)?, offer);
//! let mut staged = PartialManifest::new(size);
//! assert!(staged.set(0, cv_of(0, &staging[..BLOCK_BYTES as usize])?));
//! let mut server = Receiver::new(staged, None);
//! for page in server.have() {
//!     to_client.extend(Reply::Have { first: page.first, blocks: page.blocks }.encode(request)?);
//! }
//! let (resumed, granule) = (server.resumed(), Granule::ONE);
//! to_client.extend(Reply::Ready { resumed, granule }.encode(request)?);
//!
//! let mut sent = Vec::new();
//! let end = 'upload: loop {
//!     // The client's driver passes each reply to the requests, and does the step.
//!     while !to_client.is_empty() {
//!         let (header, payload) = take_frame(&mut to_client)?;
//!         let reply = Reply::decode(&header, &payload)?;
//!         let answered = client.on_reply(stream, header.request, reply)?;
//!         if let Some(AnsweredUpload { step: UploadStep::Ended(end), .. }) = answered {
//!             break 'upload end;
//!         }
//!     }
//!     // Then it does the next message.
//!     match client.next(stream) {
//!         NextUpload::Block { request, claim, .. } => {
//!             let start = (claim.index * BLOCK_BYTES) as usize;
//!             let bytes = &file[start..][..claim.len as usize];
//!             let cv = cv_of(claim.index, bytes)?;
//!             let equal = claim.theirs.is_some()
//!                 && client.hashed(request, claim.index, cv)?.is_some_and(|hashed| hashed.skips());
//!             if !equal {
//!                 client.sent(request, claim.index, cv)?;
//!                 let head = BlockHead { index: claim.index, len: claim.len }.encode(request)?;
//!                 to_server.extend([&head[..], bytes, &cv.0].concat());
//!                 sent.push(claim.index);
//!             }
//!         }
//!         NextUpload::Commit { request, .. } => {
//!             let digest = client.commit(request).ok_or("the file has changed")?;
//!             to_server.extend(Request::Commit { digest }.encode(request)?);
//!         }
//!         other => assert_eq!(other, NextUpload::File { probe: false }, "there is no other file"),
//!     }
//!
//!     // The server's driver hashes and writes blocks as they arrive, and publishes at the commit.
//!     while !to_server.is_empty() {
//!         let (header, payload) = take_frame(&mut to_server)?;
//!         if header.kind == FrameKind::Block {
//!             let (head, rest) = payload.split_first_chunk().ok_or("no index")?;
//!             let (bytes, cv) = rest.split_last_chunk().ok_or("no chaining value")?;
//!             let BlockHead { index, len } = BlockHead::decode(&header, *head)?;
//!             server.accept(stream, index, len)?;
//!             staging[(index * BLOCK_BYTES) as usize..][..bytes.len()].copy_from_slice(bytes);
//!             let completed = server.complete(stream, cv_of(index, bytes)?, Cv(*cv))?;
//!             // A real driver records the block in its journal here.
//!             assert_eq!(completed, Completed::Journal);
//!             to_client.extend(Reply::Stored { index }.encode(header.request)?);
//!         } else if let Request::Commit { digest } = Request::decode(&header, &payload)? {
//!             server.commit(digest)?;
//!             to_client.extend(Reply::Done { digest, unchanged: false }.encode(header.request)?);
//!         }
//!     }
//! };
//!
//! assert_eq!(end, UploadEnd::Done { moved: BLOCK_BYTES + 5, already_there: false });
//! assert_eq!(sent, [1, 2], "block 0 was there");
//! assert!(staging == file);
//! # Ok::<_, Error>(())
//! ```

pub mod blocks;
pub mod download;
pub mod listing;
pub mod upload;
pub mod wire;

mod access_token;
mod granule;
mod hex;
mod reason;
mod silence;
mod step;
mod window;

pub use access_token::{AccessToken, AccessTokenError, TokenId};
pub use granule::{Granule, GranuleError, MAX_GRANULE_BLOCKS};
pub use hex::ParseHexError;
pub use reason::{Reason, Scope};
pub use silence::{Silence, SilenceAction};
pub use step::{BlockMismatch, StepError, StreamId, TransferProgress};
pub use window::{AdaptiveWindow, INITIAL_WINDOW_BYTES, MAX_SESSION_BYTES, MIN_WINDOW_BYTES};
