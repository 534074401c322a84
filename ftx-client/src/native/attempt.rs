//! One attempt: the connections that work on the queue together, and fail together.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use ftx_core::native::StreamId;
use tokio::sync::Notify;

use super::queue::{TransferJob, TransferQueue, lock};
use super::stream_count::LARGE_FILE_BYTES;
use crate::activity::Activity;
use crate::{Cancel, TransferError, Transferred};

/// The state that the connections of one attempt share.
pub(super) struct Attempt {
    /// Wakes the connections that wait for one another.
    pub(super) changed: Notify,
    is_over: AtomicBool,
    error: Mutex<Option<TransferError>>,
    next_request: AtomicU32,
    /// The connections that have work. Those with higher numbers end theirs, and leave.
    stream_count: AtomicUsize,
    /// Whether a large file has begun.
    has_large_file: AtomicBool,
    /// A large file has begun, the first one.
    large_file: Notify,
    /// Bytes of files that have arrived.
    delivered_bytes: AtomicU64,
    /// The extra connections that work, or connect in order to.
    extra_count: AtomicUsize,
    /// Ends the waits of the extra connections.
    cancel: Cancel,
    /// The signs of life of the call.
    activity: Activity,
}

impl Attempt {
    pub(super) fn new(first_request: u32, cancel: &Cancel, activity: &Activity) -> Self {
        Self {
            cancel: cancel.child(),
            activity: activity.clone(),
            changed: Notify::new(),
            is_over: AtomicBool::new(false),
            error: Mutex::default(),
            next_request: AtomicU32::new(first_request),
            stream_count: AtomicUsize::new(1),
            has_large_file: AtomicBool::new(false),
            large_file: Notify::new(),
            delivered_bytes: AtomicU64::new(0),
            extra_count: AtomicUsize::new(0),
        }
    }

    /// Records how a file ended. An error that does not concern the file ends the attempt instead, and
    /// the next attempt resumes the file.
    pub(super) fn finish<J: TransferJob>(
        &self,
        queue: &TransferQueue<J>,
        job: usize,
        result: Result<Transferred, TransferError>,
    ) {
        match result {
            Err(error) if error.is_about_connection() || error.is_cancelled() => self.fail(error),
            Err(error) if error.is_transient() => queue.postpone(job, error),
            result => queue.finish(job, result),
        }
        if queue.is_over() {
            self.changed.notify_waiters();
        }
    }

    /// A new request id.
    pub(super) fn new_request(&self) -> u32 {
        self.next_request.fetch_add(1, Relaxed)
    }

    /// Sets the number of connections that have work.
    pub(super) fn set_stream_count(&self, count: usize) {
        if self.stream_count.swap(count, Relaxed) > count {
            self.changed.notify_waiters();
        }
    }

    /// The number of connections that have work.
    pub(super) fn stream_count(&self) -> usize {
        self.stream_count.load(Relaxed)
    }

    /// Whether a connection is to end its work, and to leave.
    pub(super) fn is_surplus(&self, stream: StreamId) -> bool {
        usize::try_from(stream).is_ok_and(|stream| stream >= self.stream_count())
    }

    /// Blocks of a file of `size` bytes move, or are about to.
    pub(super) fn moves_blocks(&self, size: u64) {
        if size >= LARGE_FILE_BYTES && !self.has_large_file.swap(true, Relaxed) {
            self.large_file.notify_one();
        }
    }

    /// Returns once, when the first large file has begun.
    pub(super) async fn large_file(&self) {
        self.large_file.notified().await;
    }

    /// Records bytes of files that have arrived: on the server, or here.
    pub(super) fn delivered(&self, bytes: u64) {
        self.delivered_bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn delivered_bytes(&self) -> u64 {
        self.delivered_bytes.load(Relaxed)
    }

    /// An extra connection begins.
    pub(super) fn extra_begins(&self) {
        self.extra_count.fetch_add(1, Relaxed);
    }

    /// An extra connection has ended, or there is none.
    pub(super) fn extra_ends(&self) {
        self.extra_count.fetch_sub(1, Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether extra connections work, or connect in order to.
    pub(super) fn has_extra(&self) -> bool {
        self.extra_count.load(Relaxed) > 0
    }

    /// Ends the attempt on all connections. The first error counts.
    pub(super) fn fail(&self, error: TransferError) {
        lock(&self.error).get_or_insert(error);
        self.is_over.store(true, Relaxed);
        self.cancel.cancel();
        self.changed.notify_waiters();
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    /// # Errors
    /// The attempt is over, or the caller stopped it.
    pub(super) fn check(&self) -> Result<(), TransferError> {
        // In this order: the end of an attempt also cancels its extra connections.
        if self.is_over.load(Relaxed) {
            return Err(TransferError::closed());
        }
        if self.cancel.is_cancelled() {
            return Err(TransferError::cancelled());
        }
        Ok(())
    }

    /// The error that ended the attempt, if one did, and the next request id.
    pub(super) fn end(&self) -> (Option<TransferError>, u32) {
        let error = lock(&self.error).take();
        (error, self.next_request.load(Relaxed))
    }
}

/// Fails the attempt when its future is dropped halfway, so that no extra connection outlives it.
pub(super) struct AbortOnDrop<'a>(Option<&'a Attempt>);

impl<'a> AbortOnDrop<'a> {
    pub(super) fn new(attempt: &'a Attempt) -> Self {
        Self(Some(attempt))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AbortOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(attempt) = self.0 {
            attempt.fail(TransferError::cancelled());
        }
    }
}
