//! The body of a request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The bytes that are handed to the connection at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A body that goes out in pieces, so that it can end early.
///
/// A store may refuse a request before it has read the body. The rest of the body would go out
/// nevertheless, and take the bandwidth from the next attempt.
pub(super) struct UploadBody {
    rest: Bytes,
    is_over: Arc<AtomicBool>,
}

/// Ends the body when it is dropped.
pub(super) struct UploadGuard(Arc<AtomicBool>);

/// The reason of the connection that ends with its body.
#[derive(Debug)]
pub(super) struct UploadOver;

impl UploadBody {
    pub(super) fn new(bytes: Bytes) -> (Self, UploadGuard) {
        let is_over = Arc::new(AtomicBool::new(false));
        (Self { rest: bytes, is_over: Arc::clone(&is_over) }, UploadGuard(is_over))
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl fmt::Display for UploadOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer came before the end of the body")
    }
}

impl std::error::Error for UploadOver {}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = UploadOver;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadOver>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.is_over.load(Ordering::Relaxed) {
            return Poll::Ready(Some(Err(UploadOver)));
        }
        let bytes = self.rest.len().min(CHUNK_BYTES);
        let chunk = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
