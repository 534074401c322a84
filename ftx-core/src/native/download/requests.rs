//! The unanswered requests of one connection, and the room for another one.

use alloc::collections::BTreeMap;

use super::{DownloadRequest, DownloadStep};
use crate::native::blocks::BLOCK_BYTES;
use crate::native::step::StepError;
use crate::native::window::INITIAL_WINDOW_BYTES;
use crate::native::wire::{BlockHead, FileHead, Reply};

/// Blocks that a connection requests of a file before it knows the file and the line.
pub const INITIAL_WINDOW_BLOCKS: u64 = INITIAL_WINDOW_BYTES / BLOCK_BYTES;

/// Files that one connection has opened for blocks. Each takes descriptors of both sides.
pub const MAX_OPEN_FILES: usize = 4;

/// Requests of one connection whose files may turn out to be large.
pub const MAX_OPENING_FILES: usize = 16;

/// The unanswered requests of one connection, by their ids.
#[derive(Clone, Debug)]
pub struct OpenRequests<T, F> {
    requests: BTreeMap<u32, DownloadRequest<T, F>>,
    /// The requests that may open a file.
    opening: usize,
    /// The most unanswered requests.
    limit: usize,
}

impl<T, F: Clone> OpenRequests<T, F> {
    /// No requests yet, and at most `limit`: the `requests` of the server's `Welcome`, or fewer.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { requests: BTreeMap::new(), opening: 0, limit }
    }

    /// Whether the connection may request a further file, if it has opened `open` files.
    #[must_use]
    pub fn may_begin(&self, open: usize) -> bool {
        open < MAX_OPEN_FILES
            && self.opening < MAX_OPENING_FILES
            && self.requests.len() < self.limit
    }

    /// Whether the server owes no answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The number of unanswered requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Adds a request. The session must not have used its id before.
    pub fn insert(&mut self, id: u32, request: DownloadRequest<T, F>) {
        self.opening += usize::from(request.may_open());
        self.requests.insert(id, request);
    }

    /// Takes a message.
    ///
    /// # Errors
    /// It does not fit the request, or there is no such request. The connection must be closed.
    pub fn on_reply(&mut self, id: u32, reply: Reply) -> Result<DownloadStep<T, F>, StepError> {
        self.change(id, |request| request.on_reply(reply))
    }

    /// Takes the head of a block.
    ///
    /// # Errors
    /// It does not fit the request, or there is no such request. The connection must be closed.
    pub fn on_block(&mut self, id: u32, head: BlockHead) -> Result<DownloadStep<T, F>, StepError> {
        self.change(id, |request| request.on_block(head))
    }

    /// Takes the head of a file of `len` bytes.
    ///
    /// # Errors
    /// It does not fit the request, or there is no such request. The connection must be closed.
    pub fn on_file(
        &mut self,
        id: u32,
        head: &FileHead,
        len: u64,
    ) -> Result<DownloadStep<T, F>, StepError> {
        self.change(id, |request| request.on_file(head, len))
    }

    /// The driver has opened the target of a request.
    ///
    /// # Errors
    /// The request has no target to be opened.
    pub fn opened(&mut self, id: u32, file: F) -> Result<(), StepError> {
        self.change(id, |request| request.opened(file))
    }

    /// Gives a file up, and returns it if its target is not open. The rest of the answer is skipped.
    pub fn abandon(&mut self, id: u32) -> Option<T> {
        self.change(id, |request| Ok(request.abandon())).ok().flatten()
    }

    /// The file of a request, as long as its target is not open.
    #[must_use]
    pub fn unopened(&self, id: u32) -> Option<&T> {
        self.requests.get(&id)?.unopened()
    }

    fn change<R>(
        &mut self,
        id: u32,
        change: impl FnOnce(&mut DownloadRequest<T, F>) -> Result<R, StepError>,
    ) -> Result<R, StepError> {
        let Some(request) = self.requests.get_mut(&id) else {
            return Err(StepError::OutOfStep { what: "an answer to no request" });
        };
        let before = usize::from(request.may_open());
        let changed = change(request);
        self.opening = (self.opening + usize::from(request.may_open())).saturating_sub(before);
        if request.is_over() {
            self.requests.remove(&id);
        }
        changed
    }
}
