//! Tries: the connections of one, and when there is another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ftx_core::native::blocks::BLOCK_BYTES;
use ftx_core::native::wire::Token;
use ftx_core::native::{Reason, StreamId};
use ftx_io::{blocking, dedicate_thread, panic_text};
use ftx_store::ManifestCache;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tracing::debug;

use super::channel::{Channel, Greeted, Session};
use super::download::{DownloadJob, Downloads};
use super::run::{Crew, Run};
use super::task::Task;
use super::upload::{UploadJob, Uploads};
use crate::connect::connect;
use crate::{Cancel, Config, Event, LocalPath, ServerAddr, TransferError, Watch};

/// Connections that are opened by themselves.
const NEAR_STREAMS: usize = 2;
const FAR_STREAMS: usize = 8;

/// Small files that are worth a connection of their own.
const FILES_A_STREAM: usize = 64;

/// A client of a native server.
pub(crate) struct Native<'a> {
    pub(crate) address: &'a ServerAddr,
    pub(crate) config: &'a Config,
    pub(crate) cancel: &'a Cancel,
    /// What is known of local files.
    pub(crate) manifests: &'a Arc<ManifestCache>,
    pub(crate) link: &'a mut Link,
}

/// What stays of a client's connections from one transfer to the next.
#[derive(Debug)]
pub(crate) struct Link {
    /// A connection that idles.
    pub(crate) channel: Option<Box<Channel>>,
    /// Ids of requests are used once in a session.
    pub(crate) next_request: u32,
    /// The session of the connection that was made last.
    pub(crate) last_session: Token,
}

impl Link {
    pub(crate) fn new(channel: Box<Channel>) -> Self {
        let last_session = channel.terms.session;
        Self { channel: Some(channel), next_request: 1, last_session }
    }
}

impl Native<'_> {
    /// Uploads files, and tells `watch` of each.
    pub(crate) async fn upload(
        &mut self,
        jobs: Vec<UploadJob>,
        keep_going: bool,
        watch: &mut dyn Watch,
    ) {
        let single = match jobs.as_slice() {
            [one] => Some(size_of(&one.path).await),
            _ => None,
        };
        self.transfer::<Uploads>(jobs, single, keep_going, watch).await;
    }

    /// Downloads files, and tells `watch` of each.
    pub(crate) async fn download(
        &mut self,
        jobs: Vec<DownloadJob>,
        keep_going: bool,
        watch: &mut dyn Watch,
    ) {
        let single = match jobs.as_slice() {
            [one] => Some(one.size.unwrap_or(u64::MAX)),
            _ => None,
        };
        self.transfer::<Downloads>(jobs, single, keep_going, watch).await;
    }

    /// Tries until the files are done or given up. `single` is the size of the file if it is but one.
    async fn transfer<T: Task>(
        &mut self,
        jobs: Vec<T::Job>,
        single: Option<u64>,
        keep_going: bool,
        watch: &mut dyn Watch,
    ) {
        let wanted = match single {
            Some(size) => streams_for(size),
            None => jobs.len().div_ceil(FILES_A_STREAM).max(streams_for(BLOCK_BYTES * 64)),
        };
        let run = Arc::new(Run::new(jobs, keep_going));
        let mut tries = Tries::new(self.config, self.is_used());
        loop {
            let crew = Arc::new(Crew::new(self.link.next_request, self.cancel));
            let task = T::new(Arc::clone(&run), Arc::clone(&crew), self.config, self.manifests);
            let task = Arc::new(task);
            let result = self.attempt(&task, wanted, &mut || run.tell(watch)).await;
            task.end().await;
            if !self.again(&run, &crew, result, &mut tries, watch).await {
                return;
            }
        }
    }

    /// Whether there is to be another try, after a pause.
    async fn again<J>(
        &mut self,
        run: &Run<J>,
        crew: &Crew,
        result: Result<(), TransferError>,
        tries: &mut Tries,
        watch: &mut dyn Watch,
    ) -> bool {
        let (error, next_request) = crew.end();
        self.link.next_request = next_request;
        run.tell(watch);
        let error = match error.map_or(result, Err) {
            Err(error) if !run.is_over() => error,
            // What becomes of connections does not matter then.
            _ => match run.take_postponed() {
                Some(error) => error,
                None => return false,
            },
        };
        let pause = if error.is_transient() && !self.cancel.is_cancelled() {
            tries.pause(run.gained(), &error)
        } else {
            None
        };
        let Some((attempt, pause)) = pause else {
            run.give_up(&error);
            run.tell(watch);
            return false;
        };
        if attempt > 0 {
            run.tell_all(&Event::Retrying { attempt, pause, error: &error });
        }
        run.put_all_back();
        tokio::select! {
            () = self.cancel.token(true).cancelled() => {
                run.give_up(&TransferError::cancelled());
                run.tell(watch);
                false
            }
            () = tokio::time::sleep(pause) => true,
        }
    }

    /// One try, over as many connections as are worth it.
    async fn attempt<T: Task>(
        &mut self,
        task: &Arc<T>,
        wanted: usize,
        tell: &mut (dyn FnMut() + Send),
    ) -> Result<(), TransferError> {
        let channel = match self.link.channel.take() {
            Some(channel) => *channel,
            None => self.connect().await?,
        };
        self.link.last_session = channel.terms.session;
        let most = match self.config.streams {
            Some(streams) => streams.get(),
            None if channel.terms.is_far() => FAR_STREAMS,
            None => NEAR_STREAMS,
        };
        let leaving = Leaving(Some(task.crew()));
        let helpers = wanted.min(most).saturating_sub(1);
        let mut ended = Vec::new();
        for stream in (1..).take(helpers) {
            let (end, has_ended) = oneshot::channel::<()>();
            let helper = Helper {
                address: self.address.clone(),
                config: self.config.clone(),
                session: channel.terms.session,
                stream,
                task: Arc::clone(task),
            };
            let thread = std::thread::Builder::new().name(format!("ftx-stream-{stream}"));
            let spawned = thread.spawn(move || {
                let _end = end;
                helper.run();
            });
            match spawned {
                Ok(_) => ended.push(has_ended),
                // With fewer connections it takes longer.
                Err(error) => debug!(%error, "no thread for another connection"),
            }
        }
        let result = Arc::clone(task).work(channel, 0, tell).await;
        let channel = match result {
            Ok(channel) => {
                // There is nothing left to do for those that are not connected yet.
                task.crew().cancel().cancel();
                Some(channel)
            }
            Err(error) => {
                task.crew().fail(error);
                None
            }
        };
        // Nobody is at a file any more when this returns.
        for has_ended in ended {
            let _ = has_ended.await;
        }
        leaving.stay();
        if let Some(mut channel) = channel.filter(|channel| !channel.unheard) {
            channel.used = true;
            self.link.channel = Some(Box::new(channel));
        }
        Ok(())
    }

    fn is_used(&self) -> bool {
        self.link.channel.as_ref().is_some_and(|channel| channel.used)
    }

    async fn connect(&self) -> Result<Channel, TransferError> {
        let wire = connect(self.address, self.config.timeout, self.cancel).await?;
        match Channel::greet(
            wire,
            self.config,
            self.cancel,
            Session::New { replaces: Some(self.link.last_session) },
        )
        .await?
        {
            Greeted::Native(channel) => Ok(*channel),
            Greeted::Legacy(_) => Err(TransferError::not_native()),
        }
    }
}

/// Ends a try that is left before its end, so that its further connections do not go on by themselves.
struct Leaving<'a>(Option<&'a Crew>);

impl Leaving<'_> {
    fn stay(mut self) {
        self.0 = None;
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(crew) = self.0 {
            crew.fail(TransferError::cancelled());
        }
    }
}

/// A further connection, on a thread of its own.
struct Helper<T> {
    address: ServerAddr,
    config: Config,
    session: Token,
    stream: StreamId,
    task: Arc<T>,
}

impl<T: Task> Helper<T> {
    fn run(self) {
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                debug!(%error, "no runtime for another connection");
                return;
            }
        };
        let task = Arc::clone(&self.task);
        let helped = catch_unwind(AssertUnwindSafe(|| {
            dedicate_thread(|| runtime.block_on(self.help()));
        }));
        if let Err(panic) = helped {
            // The files that it was at stay taken as long as the try goes on.
            task.crew().fail(TransferError::internal(panic_text(&*panic)));
        }
    }

    async fn help(self) {
        let Self { address, config, session, stream, task } = self;
        let cancel = task.crew().cancel().clone();
        let joined = async {
            let wire = connect(&address, config.timeout, &cancel).await?;
            Channel::greet(wire, &config, &cancel, Session::Joined(session)).await
        };
        let channel = match joined.await {
            Ok(Greeted::Native(channel)) => *channel,
            Ok(Greeted::Legacy(_)) => return,
            // The others do without it.
            Err(error) => {
                debug!(%error, "no further connection");
                return;
            }
        };
        if let Err(error) = Arc::clone(&task).work(channel, stream, &mut || {}).await {
            task.crew().fail(error);
        }
    }
}

/// Bytes of a local file, 0 if it cannot be opened: the upload tells why.
async fn size_of(path: &LocalPath) -> u64 {
    let owned = path.clone();
    let size = move || Ok(owned.open_regular().map_or(0, |(_, metadata)| metadata.len()));
    blocking(path.path(), size).await.unwrap_or(0)
}

/// Connections that are worth it for a file of this size.
fn streams_for(size: u64) -> usize {
    usize::try_from(size / (4 * BLOCK_BYTES)).unwrap_or(usize::MAX).max(1)
}

/// When there is another try.
struct Tries {
    backoff: ExponentialBuilder,
    pauses: <ExponentialBuilder as BackoffBuilder>::Backoff,
    attempt: u32,
    gained: u64,
    /// The connection had been used before, and the server may have closed it meanwhile: failing on
    /// it says nothing about the server.
    reused: bool,
}

impl Tries {
    fn new(config: &Config, reused: bool) -> Self {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(config.min_backoff)
            .with_max_delay(config.max_backoff)
            .with_max_times(config.retries as usize)
            .with_jitter();
        Self { backoff, pauses: backoff.build(), attempt: 0, gained: 0, reused }
    }

    /// The number of the next try, and the pause before it. Tries that get further are not counted,
    /// unless what ends them is neither the connection nor another run: a file that changes all the time
    /// is given up.
    fn pause(&mut self, gained: u64, error: &TransferError) -> Option<(u32, Duration)> {
        let got_on = gained > std::mem::replace(&mut self.gained, gained);
        if std::mem::replace(&mut self.reused, false) && !got_on {
            return Some((self.attempt, Duration::ZERO));
        }
        if got_on && (error.is_about_connection() || error.reason() == Reason::TakenOver) {
            self.attempt = 0;
            self.pauses = self.backoff.build();
        }
        let pause = self.pauses.next()?;
        self.attempt += 1;
        Some((self.attempt, pause))
    }
}
