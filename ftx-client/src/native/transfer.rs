//! The retry loop: runs attempts until every file of a call is done or has failed.

use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::Token;
use ftx_io::Executor;
use ftx_store::ManifestCache;

use super::attempt::{AbortOnDrop, Attempt};
use super::channel::{Channel, Handshake, IdleChannel};
use super::download::{DownloadJob, DownloadWorkload};
use super::extra_stream::ExtraStreams;
use super::hello::{SessionRequest, greet};
use super::queue::{TransferJob, TransferQueue};
use super::stream_count::{LARGE_FILE_BYTES, LARGE_FILE_STREAM_COUNT, StreamCount};
use super::upload::{UploadJob, UploadWorkload};
use super::workload::Workload;
use crate::activity::Activity;
use crate::connect::Endpoint;
use crate::options::MIN_LIMIT_RATE;
use crate::retry::Retries;
use crate::{
    Cancel, ClientConfig, Event, FileDownload, FileUpload, LocalPath, Observer, TransferError,
    TreeWatch, Watch,
};

/// Connections of an attempt, unless the configuration says otherwise.
const NEAR_STREAM_COUNT: usize = 2;
const FAR_STREAM_COUNT: usize = 8;

/// To a distant server they grow while the speed does.
const MAX_FAR_STREAM_COUNT: usize = 32;

/// Small files that justify a connection.
const SMALL_FILES_PER_STREAM: usize = 64;

/// Blocks of a large file that justify a connection.
const BLOCKS_PER_STREAM: u64 = 4;

/// Blocks for which connections are opened when the files' sizes are unknown.
const ASSUMED_BLOCKS: u64 = 64;

/// Reports the events of a queue, on the calling thread.
type Report<'a, J> = dyn FnMut(&TransferQueue<J>) + Send + 'a;

/// A client of a native server.
pub(crate) struct NativeClient<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) config: &'a ClientConfig,
    pub(crate) cancel: &'a Cancel,
    /// Runs the disk work of the calling thread.
    pub(crate) executor: &'a Executor,
    /// The chaining values of local files.
    pub(crate) manifests: &'a Arc<ManifestCache>,
    pub(crate) idle: &'a mut IdleConnection,
}

/// The connection that a client keeps from one call to the next.
#[derive(Debug)]
pub(crate) struct IdleConnection {
    /// `None` while it is in use, and after it was lost.
    pub(crate) channel: Option<Box<IdleChannel>>,
    /// A request id is used once in a session.
    pub(crate) next_request: u32,
    /// The session of the most recent connection.
    pub(crate) last_session: Token,
}

impl IdleConnection {
    pub(crate) fn new(channel: Channel) -> Self {
        let last_session = channel.limits.session;
        Self { channel: channel.detach().map(Box::new), next_request: 1, last_session }
    }

    /// The idle connection, or a new one of a session with `streams` connections.
    ///
    /// # Errors
    /// There is no new one, or the server has become one of the other dialect.
    pub(crate) async fn take_or_connect(
        &mut self,
        endpoint: &Endpoint,
        config: &ClientConfig,
        cancel: &Cancel,
        activity: &Activity,
        streams: usize,
    ) -> Result<Channel, TransferError> {
        let idle = self.channel.take();
        if let Some(channel) = idle.and_then(|idle| idle.attach(cancel, activity)) {
            return Ok(channel);
        }
        let session = SessionRequest::New { replaces: Some(self.last_session), streams };
        let limit = activity.limit(config.timeout);
        match greet(endpoint, config, cancel, session, limit).await? {
            Handshake::Native(mut channel) => {
                channel.set_activity(activity);
                self.last_session = channel.limits.session;
                Ok(*channel)
            }
            Handshake::Legacy(_) => Err(TransferError::not_native()),
        }
    }

    /// Keeps a connection whose requests were answered.
    pub(crate) fn keep(&mut self, mut channel: Channel) {
        if !channel.tainted {
            channel.used = true;
            self.channel = channel.detach().map(Box::new);
        }
    }

    fn is_used(&self) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.used)
    }
}

impl NativeClient<'_> {
    /// Uploads files, and reports each to `watch`.
    pub(crate) async fn upload(
        &mut self,
        jobs: Vec<UploadJob>,
        size: TransferSize,
        keep_going: bool,
        watch: &mut dyn Watch,
    ) {
        let queue = TransferQueue::new(jobs, keep_going, Activity::new());
        let report: &mut Report<'_, UploadJob> = &mut |queue| queue.report(watch);
        self.transfer::<UploadWorkload>(queue, size, report).await;
    }

    /// Downloads files, and reports each to `watch`.
    pub(crate) async fn download(
        &mut self,
        jobs: Vec<DownloadJob>,
        size: TransferSize,
        keep_going: bool,
        watch: &mut dyn Watch,
    ) {
        let queue = TransferQueue::new(jobs, keep_going, Activity::new());
        let report: &mut Report<'_, DownloadJob> = &mut |queue| queue.report(watch);
        self.transfer::<DownloadWorkload>(queue, size, report).await;
    }

    /// Downloads the files that `watch` names, and reports each to it. `observer` hears of failed attempts
    /// while no file is under way.
    pub(crate) async fn download_trees(
        &mut self,
        keep_going: bool,
        observer: &Observer,
        watch: &mut dyn TreeWatch,
    ) {
        let queue = TransferQueue::growing(keep_going, Activity::new(), observer.clone());
        let report: &mut Report<'_, DownloadJob> = &mut |queue| {
            queue.feed.advance(queue, watch);
            queue.report(watch);
        };
        report(&queue);
        self.transfer::<DownloadWorkload>(queue, TransferSize::UNKNOWN, report).await;
    }

    /// Runs attempts until all files have ended, and calls `report` from time to time.
    async fn transfer<T: Workload>(
        &mut self,
        queue: TransferQueue<T::Job>,
        size: TransferSize,
        report: &mut Report<'_, T::Job>,
    ) {
        let (activity, queue) = (queue.activity().clone(), Arc::new(queue));
        let mut retries = Retries::new(self.config, &activity, self.idle.is_used());
        let mut early_streams = size.early_streams(self.config);
        loop {
            let attempt = Attempt::new(self.idle.next_request, self.cancel, &activity);
            let attempt = Arc::new(attempt);
            let workload =
                T::new(Arc::clone(&queue), Arc::clone(&attempt), self.config, self.manifests);
            let workload = Arc::new(workload);
            let tell = &mut || report(&queue);
            let result = self.attempt(&workload, size, early_streams, tell).await;
            // A server that is full gets no more than one at a time.
            early_streams = 1;
            workload.end(self.executor).await;
            if !self.should_retry(&queue, &attempt, result, &mut retries, report).await {
                return;
            }
        }
    }

    /// Whether another attempt follows, after its pause.
    async fn should_retry<J: TransferJob>(
        &mut self,
        queue: &TransferQueue<J>,
        attempt: &Attempt,
        result: Result<(), TransferError>,
        retries: &mut Retries,
        report: &mut Report<'_, J>,
    ) -> bool {
        let (error, next_request) = attempt.end();
        self.idle.next_request = next_request;
        report(queue);
        let error = match error.map_or(result, Err) {
            Err(error) if !queue.is_over() => error,
            // When all files have ended, a connection that fails does not matter.
            _ => match queue.take_postponed() {
                Some(error) => error,
                None => return false,
            },
        };
        let tell = |event: &Event<'_>| queue.tell_all(event);
        match retries.pause(error, queue.gained(), tell, self.cancel).await {
            Ok(()) => {
                queue.put_all_back();
                true
            }
            Err(error) => {
                queue.fail_rest(&error);
                report(queue);
                false
            }
        }
    }

    /// One attempt, over as many connections as are useful.
    async fn attempt<T: Workload>(
        &mut self,
        workload: &Arc<T>,
        size: TransferSize,
        early_streams: usize,
        report: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        let activity = workload.attempt().activity();
        let Self { endpoint, config, cancel, idle, .. } = self;
        let channel =
            idle.take_or_connect(endpoint, config, cancel, activity, early_streams).await?;
        let _early = endpoint.early_guard();
        let streams = size.stream_count(config, channel.limits.is_far());
        endpoint.keep_early(streams.start().saturating_sub(1));
        let round_trip = channel.limits.round_trip;
        let abort = AbortOnDrop::new(workload.attempt());
        let session = channel.limits.session;
        let mut extra = ExtraStreams::new(self.endpoint, self.config, session, workload);
        extra.set_count(*streams.start());
        let streams = StreamCount::new(*streams.start(), *streams.end(), round_trip, size.bytes);
        let work = Arc::clone(workload).work(channel, 0, self.executor.clone(), report);
        let result = tokio::select! {
            biased;
            result = work => result,
            never = extra.adapt(streams) => match never {},
        };
        let channel = match result {
            Ok(channel) => {
                // Streams that are still connecting have nothing left to do.
                workload.attempt().cancel().cancel();
                Some(channel)
            }
            Err(error) => {
                workload.attempt().fail(error);
                None
            }
        };
        // When this returns, no stream works on a file any more.
        extra.ended().await;
        abort.disarm();
        if let Some(channel) = channel {
            self.idle.keep(channel);
        }
        Ok(())
    }
}

/// The size of a transfer, as far as it is known before the first connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransferSize {
    /// Bytes of all files.
    bytes: Option<u64>,
    /// Connections that the files justify.
    useful_streams: usize,
    /// Connections at the beginning, if the server is distant.
    far_streams: usize,
}

impl TransferSize {
    /// Of a directory that was not listed, or of a file whose size the server has not told.
    pub(crate) const UNKNOWN: Self =
        Self { bytes: None, useful_streams: usize::MAX, far_streams: FAR_STREAM_COUNT };

    /// Of these local files.
    pub(crate) async fn of_uploads(executor: &Executor, files: &[FileUpload]) -> Self {
        let [one] = files else { return Self::of_several(files.len(), None) };
        Self::of_one(size_of(executor, &one.path).await)
    }

    /// Of these files of the server.
    pub(crate) fn of_downloads(files: &[FileDownload]) -> Self {
        match files {
            [FileDownload { size: Some(size), .. }] => Self::of_one(*size),
            [_] => Self::UNKNOWN,
            _ => Self::of_several(files.len(), files.iter().map(|file| file.size).sum()),
        }
    }

    fn of_one(bytes: u64) -> Self {
        let is_large = bytes >= LARGE_FILE_BYTES;
        let far_streams = if is_large { LARGE_FILE_STREAM_COUNT } else { FAR_STREAM_COUNT };
        Self { bytes: Some(bytes), useful_streams: streams_for(bytes), far_streams }
    }

    fn of_several(files: usize, bytes: Option<u64>) -> Self {
        let for_files = files.div_ceil(SMALL_FILES_PER_STREAM);
        let useful_streams = for_files.max(streams_for(BLOCK_BYTES * ASSUMED_BLOCKS));
        Self { bytes, useful_streams, far_streams: FAR_STREAM_COUNT }
    }

    /// The connections of an attempt at its beginning, if the server is distant.
    pub(crate) fn early_streams(self, config: &ClientConfig) -> usize {
        *self.stream_count(config, true).start()
    }

    /// The connections of an attempt at its beginning, and the most to which they may grow.
    fn stream_count(self, config: &ClientConfig, is_far: bool) -> RangeInclusive<usize> {
        let (start, max) = match config.streams {
            Some(streams) => (streams.get(), streams.get()),
            None if is_far => (self.far_streams, MAX_FAR_STREAM_COUNT),
            None => (NEAR_STREAM_COUNT, NEAR_STREAM_COUNT),
        };
        // A limit makes the rate, and more connections would not change it.
        let max = if config.limit_rate.is_some() { start } else { max };
        let most = self.useful_streams.min(streams_within(config.limit_rate));
        start.min(most)..=max.min(most)
    }
}

/// Bytes of a local file; 0 if it cannot be opened, which the upload itself reports.
async fn size_of(executor: &Executor, path: &LocalPath) -> u64 {
    let path = path.clone();
    let size = move || path.open_regular().map_or(0, |(_, metadata)| metadata.len());
    executor.run(size).await.unwrap_or(0)
}

/// Connections among which a limit on the rate can be shared: a slower one might look stalled.
fn streams_within(rate: Option<NonZeroU64>) -> usize {
    let Some(rate) = rate else { return usize::MAX };
    usize::try_from(rate.get() / MIN_LIMIT_RATE).unwrap_or(usize::MAX).max(1)
}

/// Connections that a file of `size` bytes justifies.
fn streams_for(size: u64) -> usize {
    usize::try_from(size / (BLOCKS_PER_STREAM * BLOCK_BYTES)).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_a_distant_server_follow_the_size() {
        let count =
            |size: TransferSize, is_far| size.stream_count(&ClientConfig::default(), is_far);
        let sizes = [0, 16, 32, 63, 64, 1024].map(|mib| TransferSize::of_one(mib << 20));
        let far = [1..=1, 4..=4, 8..=8, 8..=15, 16..=16, 16..=32];
        assert_eq!(sizes.map(|size| count(size, true)), far);
        assert_eq!(
            sizes.map(|size| count(size, false)),
            [1..=1, 2..=2, 2..=2, 2..=2, 2..=2, 2..=2]
        );
        assert_eq!(count(TransferSize::UNKNOWN, true), 8..=32);
        assert_eq!(count(TransferSize::of_several(2, None), true), 8..=16);
    }

    #[test]
    fn each_connection_has_at_least_the_least_rate() {
        let most = |rate| streams_within(NonZeroU64::new(rate));
        assert_eq!(most(0), usize::MAX);
        let rates = [MIN_LIMIT_RATE, 2 * MIN_LIMIT_RATE - 1, 2 * MIN_LIMIT_RATE, 1 << 20];
        assert_eq!(rates.map(most), [1, 1, 2, 128]);
    }
}
