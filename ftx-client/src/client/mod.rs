//! The client: detects the dialect of its server, and transfers files in it.

mod metadata;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::wire::Token;
use ftx_io::Executor;
use ftx_store::{ManifestCache, ManifestLimits, StoreError};
use tracing::debug;

use crate::activity::Activity;
use crate::connect::Endpoint;
use crate::legacy::LegacyClient;
use crate::legacy::connection::IdleLegacyConnection;
use crate::native::{
    DownloadJob, Handshake, IdleConnection, NativeClient, SessionRequest, TransferSize, UploadJob,
    greet,
};
use crate::retry::Retries;
use crate::{
    Cancel, ClientConfig, DialectChoice, Event, LocalPath, Observer, ServerAddr, TransferError,
    TreeWatch, Watch,
};

/// A client of one server.
///
/// It connects with the first transfer and keeps the connection for the next one. Between calls that
/// connection belongs to no runtime: the next call may run in another one. Transient failures
/// are retried automatically; each attempt resumes where the last one ended, as far as the server
/// allows.
///
/// ```no_run
/// use ftx_client::{Client, ClientConfig, RemoteName};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::new("files.example".parse()?, ClientConfig::default());
/// let name = RemoteName::parse("reports/2026.pdf")?;
/// client.upload("2026.pdf".as_ref(), &name).await?;
/// client.download(&name, "copy.pdf".as_ref()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    config: ClientConfig,
    observer: Observer,
    cancel: Cancel,
    server: ServerDialect,
    /// The thread that polls this client serves nothing else.
    has_own_thread: bool,
    /// The chaining values of local files, so that unchanged files need not be read again.
    manifests: Arc<ManifestCache>,
}

/// The dialect of the server, and the idle connection, if there is one.
#[derive(Debug)]
enum ServerDialect {
    Unknown,
    Native(IdleConnection),
    Legacy { connection: Option<IdleLegacyConnection> },
}

/// A local file to upload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileUpload {
    /// The local file.
    pub path: LocalPath,
    /// Its name on the server.
    pub name: RemoteName,
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileDownload {
    /// Its name on the server.
    pub name: RemoteName,
    /// Its local path.
    pub path: LocalPath,
    /// Its size in bytes, if a [listing](Client::list) gave it: this makes small files faster. The size
    /// that the server sends with the file counts.
    pub size: Option<u64>,
}

/// The result of a successful transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes of the file that the last attempt transferred.
    pub moved: u64,
    /// The file was up to date, so nothing was transferred.
    pub already_there: bool,
}

impl Client {
    /// A client of this server. It connects later.
    #[must_use]
    pub fn new(address: ServerAddr, config: ClientConfig) -> Self {
        let server = ServerDialect::Unknown;
        let (observer, cancel) = (Observer::default(), Cancel::new());
        let manifests = Arc::new(open_cache(config.cache.as_deref()));
        let endpoint = Endpoint::new(address);
        Self { endpoint, config, observer, cancel, server, has_own_thread: false, manifests }
    }

    /// Lets the client block the thread that polls it. Disk work then needs no other thread, which makes
    /// small files faster; other tasks of that thread wait meanwhile.
    #[must_use]
    pub fn on_own_thread(mut self) -> Self {
        self.has_own_thread = true;
        self
    }

    /// Sets the observer of the following transfers.
    pub fn set_observer(&mut self, observer: Observer) {
        self.observer = observer;
    }

    /// A handle that stops this client's transfers, from any thread. Once it was used, transfers
    /// end with [`TransferError::cancelled()`].
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Replaces the handle that stops the following transfers: each can then be stopped alone, and the
    /// client can be used afterwards.
    pub fn set_cancel(&mut self, cancel: Cancel) {
        self.cancel = cancel;
    }

    /// Replaces the settings, for the following transfers. The idle connection keeps those with which it
    /// was opened, and the cache stays. Another limit on the rate closes that connection, so that the limit
    /// holds from the next transfer on.
    pub fn set_config(&mut self, config: ClientConfig) {
        if config.limit_rate != self.config.limit_rate {
            match &mut self.server {
                ServerDialect::Native(idle) => idle.channel = None,
                ServerDialect::Legacy { connection } => *connection = None,
                ServerDialect::Unknown => {}
            }
        }
        self.config = config;
    }

    /// Uploads the local file `path` as `name`. Returns when the server has confirmed that the whole file
    /// is stored. An original server confirms too much, so its file is compared by size and MD5.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub async fn upload(
        &mut self,
        path: &Path,
        name: &RemoteName,
    ) -> Result<Transferred, TransferError> {
        let file = FileUpload { path: path.into(), name: name.clone() };
        let mut single = SingleWatch { observer: self.observer.clone(), result: None };
        self.upload_all(&[file], false, &mut single).await?;
        single.result.unwrap_or(Err(TransferError::closed()))
    }

    /// Downloads `name` to the local file `path`, whose directory is created if it is missing. The file
    /// appears under its name when it is whole; until then it grows in `path` + `.ftxpart`, with a
    /// shorter name if it has more than 239 bytes.
    ///
    /// # Errors
    /// The failure of the last attempt. The received bytes are kept.
    pub async fn download(
        &mut self,
        name: &RemoteName,
        path: &Path,
    ) -> Result<Transferred, TransferError> {
        let file = FileDownload { name: name.clone(), path: path.into(), size: None };
        let mut single = SingleWatch { observer: self.observer.clone(), result: None };
        self.download_all(&[file], false, &mut single).await?;
        single.result.unwrap_or(Err(TransferError::closed()))
    }

    /// Uploads files, and reports each to `watch`. When one fails, no further file begins, unless
    /// `keep_going` is set.
    ///
    /// In the native dialect many files are under way at once; in the legacy dialect each begins when
    /// the one before has ended.
    ///
    /// # Errors
    /// The server cannot be reached. `watch` receives the failures of files.
    pub async fn upload_all(
        &mut self,
        files: &[FileUpload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        let executor = &self.executor();
        let size = TransferSize::of_uploads(executor, files).await;
        self.negotiate(size.early_streams(&self.config)).await?;
        let Self { endpoint, config, cancel, manifests, .. } = self;
        match &mut self.server {
            ServerDialect::Native(idle) => {
                let mut jobs = Vec::with_capacity(files.len());
                for FileUpload { path, name } in files {
                    let (path, name, run) = (path.clone(), name.clone(), random_token()?);
                    jobs.push(UploadJob::new(path, name, run));
                }
                let mut native =
                    NativeClient { endpoint, config, cancel, executor, manifests, idle };
                native.upload(jobs, size, keep_going, watch).await;
            }
            ServerDialect::Legacy { connection } => {
                let activity = &Activity::new();
                let mut legacy =
                    LegacyClient { endpoint, config, cancel, activity, executor, connection };
                for (index, file) in files.iter().enumerate() {
                    let observer = watch.begin(index);
                    let result = legacy.upload(&file.path, &file.name, &observer).await;
                    let stop = stops(&result, keep_going);
                    watch.end(index, result);
                    if stop {
                        break;
                    }
                }
            }
            ServerDialect::Unknown => {}
        }
        Ok(())
    }

    /// Downloads files, and reports each to `watch`; otherwise as [`upload_all`](Self::upload_all).
    ///
    /// # Errors
    /// The server cannot be reached. `watch` receives the failures of files.
    pub async fn download_all(
        &mut self,
        files: &[FileDownload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        let size = TransferSize::of_downloads(files);
        self.negotiate(size.early_streams(&self.config)).await?;
        let executor = &self.executor();
        let Self { endpoint, config, cancel, manifests, .. } = self;
        match &mut self.server {
            ServerDialect::Native(idle) => {
                let jobs = files.iter().cloned().map(DownloadJob::named).collect();
                let mut native =
                    NativeClient { endpoint, config, cancel, executor, manifests, idle };
                native.download(jobs, size, keep_going, watch).await;
            }
            ServerDialect::Legacy { connection } => {
                let activity = &Activity::new();
                let mut legacy =
                    LegacyClient { endpoint, config, cancel, activity, executor, connection };
                for (index, file) in files.iter().enumerate() {
                    let observer = watch.begin(index);
                    let result = legacy.download(&file.name, &file.path, &observer).await;
                    let stop = stops(&result, keep_going);
                    watch.end(index, result);
                    if stop {
                        break;
                    }
                }
            }
            ServerDialect::Unknown => {}
        }
        Ok(())
    }

    /// Downloads the files and directories that `watch` names. The files of a directory begin while it is
    /// listed. When one fails, no further file begins, unless `keep_going` is set. Native servers only.
    ///
    /// # Errors
    /// The server cannot be reached, or is not native. `watch` receives the failures of files and listings.
    pub async fn download_trees(
        &mut self,
        keep_going: bool,
        watch: &mut dyn TreeWatch,
    ) -> Result<(), TransferError> {
        self.negotiate(TransferSize::UNKNOWN.early_streams(&self.config)).await?;
        let executor = &self.executor();
        let Self { endpoint, config, cancel, manifests, observer, .. } = self;
        let ServerDialect::Native(idle) = &mut self.server else {
            return Err(TransferError::not_native());
        };
        let mut native = NativeClient { endpoint, config, cancel, executor, manifests, idle };
        native.download_trees(keep_going, observer, watch).await;
        Ok(())
    }

    /// Whether the server speaks the native dialect.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn is_native(&mut self) -> Result<bool, TransferError> {
        self.negotiate(1).await?;
        Ok(matches!(self.server, ServerDialect::Native(_)))
    }

    /// The executor of the thread that polls this call.
    fn executor(&self) -> Executor {
        if self.has_own_thread { Executor::inline() } else { Executor::pool() }
    }

    /// Detects the dialect of the server, unless it is known. `streams` is the number of connections that the
    /// call has use for, if the server is native and distant.
    async fn negotiate(&mut self, mut streams: usize) -> Result<(), TransferError> {
        if !matches!(self.server, ServerDialect::Unknown) {
            return Ok(());
        }
        if self.config.dialect == DialectChoice::Legacy {
            self.server = ServerDialect::Legacy { connection: None };
            return Ok(());
        }
        let activity = Activity::new();
        let mut retries = Retries::new(&self.config, &activity, false);
        self.server = loop {
            match self.handshake(self.config.timeout, streams).await {
                Ok(server) => break server,
                Err(error) => {
                    let tell = |event: &Event<'_>| self.observer.tell(event);
                    retries.pause(error, 0, tell, &self.cancel).await?;
                    // A server that is full gets no more than one at a time.
                    streams = 1;
                }
            }
        };
        Ok(())
    }

    /// Connects and detects the dialect, both within `limit`.
    async fn handshake(
        &self,
        limit: Duration,
        streams: usize,
    ) -> Result<ServerDialect, TransferError> {
        let Self { endpoint, config, cancel, .. } = self;
        let replaces = match &self.server {
            ServerDialect::Native(idle) => Some(idle.last_session),
            ServerDialect::Legacy { .. } | ServerDialect::Unknown => None,
        };
        let session = SessionRequest::New { replaces, streams };
        match greet(endpoint, config, cancel, session, limit).await? {
            Handshake::Native(channel) => Ok(ServerDialect::Native(IdleConnection::new(*channel))),
            Handshake::Legacy(_) if config.dialect == DialectChoice::Native => {
                Err(TransferError::not_native())
            }
            // Encryption was required so that the server learns who the client is.
            Handshake::Legacy(stream)
                if config.token.is_some() && stream.transport().is_encrypted() =>
            {
                Err(TransferError::token_unused())
            }
            Handshake::Legacy(stream) => {
                let connection = IdleLegacyConnection::new(stream, config.timeout);
                Ok(ServerDialect::Legacy { connection })
            }
        }
    }
}

/// The manifests of local files. Without a usable directory they last as long as the client.
fn open_cache(dir: Option<&Path>) -> ManifestCache {
    let limits = ManifestLimits::default();
    let Some(dir) = dir else { return ManifestCache::in_memory(limits) };
    let opened = std::fs::create_dir_all(dir)
        .and_then(|()| Dir::open_ambient_dir(dir, ambient_authority()))
        .map_err(|error| StoreError::io("open", dir, error))
        .and_then(|dir| ManifestCache::in_dir(&dir, limits));
    opened.unwrap_or_else(|error| {
        debug!(error = %ftx_io::ErrorChain(&error), "the manifest cache cannot be used; manifests are kept in memory");
        ManifestCache::in_memory(limits)
    })
}

fn stops<T>(result: &Result<T, TransferError>, keep_going: bool) -> bool {
    match result {
        Ok(_) => false,
        Err(error) => error.is_cancelled() || !keep_going,
    }
}

fn random_token() -> Result<Token, TransferError> {
    let mut token = [0; 16];
    getrandom::fill(&mut token)
        .map_err(|error| TransferError::connection(std::io::Error::other(error)))?;
    Ok(Token(token))
}

/// Watches a single file.
struct SingleWatch {
    observer: Observer,
    result: Option<Result<Transferred, TransferError>>,
}

impl Watch for SingleWatch {
    fn begin(&mut self, _: usize) -> Observer {
        self.observer.clone()
    }

    fn end(&mut self, _: usize, result: Result<Transferred, TransferError>) {
        self.result = Some(result);
    }
}
