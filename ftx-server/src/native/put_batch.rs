//! The batch of small files that a connection has received and not yet stored.

use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Overwrite;
use ftx_io::Frames;

use super::error::NativeError;
use crate::store::{ExpectedVersion, Naming, SmallData, SmallFile};

/// The largest batch, in files.
const MAX_PUT_BATCH_FILES: usize = 512;

/// The largest batch of a connection that is alone, in bytes.
const MAX_PUT_BATCH_BYTES: usize = 1024 * 1024;

/// The size up to which a batch may grow however many connections there are.
const MIN_PUT_BATCH_BYTES: usize = 64 * 1024;

/// Bytes of all connections' batches together.
const ALL_PUT_BATCHES_BYTES: usize = 32 * 1024 * 1024;

/// The cost of a file in a batch besides its bytes and its name, roughly.
const FILE_OVERHEAD_BYTES: usize = 256;

/// To read and compare this many bytes of a file takes as long as to store one, roughly.
const READ_BYTES_PER_STORED: u64 = 32;

/// Small files to store together, and files to compare with the published ones.
#[derive(Debug, Default)]
pub(super) struct PutBatch {
    /// One for each file, in their order.
    pub(super) requests: Vec<PutRequest>,
    pub(super) files: Vec<SmallFile>,
    pub(super) bytes: usize,
}

/// The request of a file in a batch, for its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct PutRequest {
    pub(super) id: u32,
    pub(super) digest: Digest,
}

impl PutBatch {
    /// Adds a file that has arrived, or one to compare.
    pub(super) fn push(&mut self, request: u32, file: SmallFile) {
        let data = match &file.data {
            SmallData::Whole(bytes) => bytes.len(),
            SmallData::Expected(size) => {
                usize::try_from(size / READ_BYTES_PER_STORED).unwrap_or(usize::MAX)
            }
        };
        self.bytes += FILE_OVERHEAD_BYTES + file.name.as_str().len() + data;
        self.requests.push(PutRequest { id: request, digest: file.digest });
        self.files.push(file);
    }

    /// Adds a file to compare with the published one.
    pub(super) fn push_check(&mut self, request: u32, expected: ExpectedVersion) {
        let ExpectedVersion { name, size, meta, digest } = expected;
        let (overwrite, data) = (Overwrite::Replace, SmallData::Expected(size));
        let naming = Naming::Exact;
        self.push(request, SmallFile { name, meta, overwrite, naming, data, digest });
    }

    /// Whether to store the batch now: it is large enough, or nothing more has arrived.
    pub(super) fn is_due(
        &self,
        frames: &mut Frames,
        connections: usize,
    ) -> Result<bool, NativeError> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let most = (ALL_PUT_BATCHES_BYTES / connections.max(1))
            .clamp(MIN_PUT_BATCH_BYTES, MAX_PUT_BATCH_BYTES);
        if self.files.len() >= MAX_PUT_BATCH_FILES || self.bytes >= most {
            return Ok(true);
        }
        if !frames.has_complete_frame() {
            frames.try_fill(most / 4)?;
        }
        Ok(!frames.has_complete_frame())
    }
}
