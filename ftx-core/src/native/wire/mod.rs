//! The bytes of FTX/1 and not their order in time: `PROTOCOL.md` section 3 specifies every byte.
//!
//! | file | contents |
//! | --- | --- |
//! | `preface` | the first 12 bytes each way |
//! | `header` | the 12 bytes before every payload |
//! | `block`, `file` | payloads with bytes of files, which never pass through the record codec |
//! | `compressed` | payloads with bytes of other frames |
//! | `cursor` | where frames begin and end in a stream |
//! | `request`, `reply` | payloads that are records |
//! | `record`, `entry` | parts of these records |
//!
//! All integers are little-endian. Decoding borrows its input and allocates no more than the peer has
//! sent. Any deviation is an error, after which the connection is closed.

mod block;
mod compressed;
mod cursor;
mod entry;
mod error;
mod file;
mod header;
mod preface;
mod record;
mod reply;
mod request;

pub use block::{BLOCK_HEAD_BYTES, BlockHead};
pub use compressed::{COMPRESSED_HEAD_BYTES, CompressedHead, MAX_DECODED_BYTES, MAX_ZSTD_BYTES};
pub use cursor::FrameCursor;
pub use entry::{Entry, EntryKind, Listed, Obstacle, Untransferable};
pub use error::FrameError;
pub use file::{FILE_PREFIX_BYTES, FileHead, FileLayout};
pub use header::{FrameHeader, FrameKind, HEADER_BYTES, next_frame};
pub use preface::{
    CLIENT_PREFACE, PREFACE_BYTES, ServerPreface, VERSION, VERSIONS, check_client_preface,
    common_version, server_preface,
};
pub use record::{
    GetScope, MAX_CV_PAGE_BLOCKS, MAX_GET_RANGES, Meta, Mtime, Overwrite, Readers, Token, Version,
};
pub use reply::Reply;
pub use request::{MAX_REQUEST_BYTES, Request};

/// The feature of clients that understand [`Reply::Waiting`].
pub const WAITING: &str = "waiting";

/// The feature of peers that read compressed frames.
pub const ZSTD: &str = "zstd";

/// The feature of clients that want every download compressed, however fast the line is.
pub const ZSTD_ALWAYS: &str = "zstd-always";

/// Bytes of the chaining value behind a block, and of the digest behind a small file.
pub const HASH_BYTES: usize = 32;
