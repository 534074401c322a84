//! The client: it finds out what its server speaks, and brings files there and back.

mod ask;

use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::wire::{Overwrite, Token};
use ftx_store::{ManifestCache, ManifestLimits, StoreError};
use tracing::debug;

use crate::connect::connect;
use crate::legacy::connection::Connection;
use crate::legacy::{Legacy, Tries};
use crate::native::{Channel, DownloadJob, Greeted, Link, Native, Session, UploadJob};
use crate::{Cancel, Config, Dialect, LocalPath, Observer, ServerAddr, TransferError, Watch};

/// A client of one server.
///
/// It connects when the first transfer needs it, keeps the connection for the next one, and tries
/// again by itself what failed for a reason that may pass; each try goes on from where the last
/// one ended, as far as the server allows.
///
/// ```no_run
/// use ftx_client::{Client, Config, RemoteName};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::new("files.example".parse()?, Config::default());
/// let name = RemoteName::parse("reports/2026.pdf")?;
/// client.upload("2026.pdf".as_ref(), &name).await?;
/// client.download(&name, "copy.pdf".as_ref()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    address: ServerAddr,
    config: Config,
    observer: Observer,
    cancel: Cancel,
    spoken: Spoken,
    /// What is known of local files, so that it need not be found out again.
    manifests: Arc<ManifestCache>,
}

/// What the server is known to speak, and the connection that idles, if one does.
#[derive(Debug)]
enum Spoken {
    Unknown,
    Native(Link),
    Legacy { connection: Option<Connection> },
}

/// A local file to upload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The local file.
    pub path: LocalPath,
    /// The name that it is to have on the server.
    pub name: RemoteName,
}

/// A file to download.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Download {
    /// Its name on the server.
    pub name: RemoteName,
    /// Where it goes.
    pub path: LocalPath,
    /// Its bytes, as far as they are known from a [listing](Client::list): small files are faster
    /// then. What the server says when it sends the file counts.
    pub size: Option<u64>,
}

/// How a transfer ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// Bytes of the file that were moved by the try that ended it.
    pub moved: u64,
    /// Both sides had the same file, and nothing was moved.
    pub already_there: bool,
}

impl Client {
    /// A client of this server. Nothing is connected yet.
    #[must_use]
    pub fn new(address: ServerAddr, config: Config) -> Self {
        let spoken = Spoken::Unknown;
        let (observer, cancel) = (Observer::default(), Cancel::new());
        let manifests = Arc::new(open_cache(config.cache.as_deref()));
        Self { address, config, observer, cancel, spoken, manifests }
    }

    /// Has `observer` told what happens in the transfers that follow.
    pub fn set_observer(&mut self, observer: Observer) {
        self.observer = observer;
    }

    /// A handle that stops this client's transfers, from any thread. Once it was used, transfers
    /// end with [`TransferError::cancelled()`].
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Has `cancel` stop the transfers that follow, in place of the handle before: so each can be
    /// stopped alone, and the client be used again afterwards.
    pub fn set_cancel(&mut self, cancel: Cancel) {
        match &mut self.spoken {
            Spoken::Native(Link { channel: Some(channel), .. }) => channel.set_cancel(&cancel),
            Spoken::Legacy { connection: Some(connection) } => connection.set_cancel(&cancel),
            Spoken::Native(_) | Spoken::Legacy { .. } | Spoken::Unknown => {}
        }
        self.cancel = cancel;
    }

    /// How often a file is tried again in the transfers that follow; see [`Config::retries`].
    pub fn set_retries(&mut self, retries: u32) {
        self.config.retries = retries;
    }

    /// What may become of files that the uploads that follow find; see [`Config::overwrite`].
    pub fn set_overwrite(&mut self, overwrite: Overwrite) {
        self.config.overwrite = overwrite;
    }

    /// Uploads the local file `path` as `name`. Returns when the server has said that the whole
    /// file is stored; to an original server, whose word is not good for that, the file is
    /// compared by size and MD5.
    ///
    /// # Errors
    /// After the last retry, what went wrong with it.
    pub async fn upload(
        &mut self,
        path: &Path,
        name: &RemoteName,
    ) -> Result<Transferred, TransferError> {
        let file = Upload { path: path.into(), name: name.clone() };
        let mut single = Single { observer: self.observer.clone(), result: None };
        self.upload_all(&[file], false, &mut single).await?;
        single.result.unwrap_or(Err(TransferError::closed()))
    }

    /// Downloads `name` to the local file `path`, whose directory is made if it is not there. The
    /// file appears under its name when it is whole; until then it grows in `path` + `.ftxpart`, with a
    /// shorter name if it has more than 239 bytes.
    ///
    /// # Errors
    /// After the last retry, what went wrong with it. What arrived is kept.
    pub async fn download(
        &mut self,
        name: &RemoteName,
        path: &Path,
    ) -> Result<Transferred, TransferError> {
        let file = Download { name: name.clone(), path: path.into(), size: None };
        let mut single = Single { observer: self.observer.clone(), result: None };
        self.download_all(&[file], false, &mut single).await?;
        single.result.unwrap_or(Err(TransferError::closed()))
    }

    /// Uploads files, and tells `watch` what becomes of each. When one fails, those that are not
    /// begun by then are left alone, unless `keep_going` says otherwise.
    ///
    /// In the native dialect many are under way at the same time; in the legacy dialect each begins
    /// when the one before has ended.
    ///
    /// # Errors
    /// The server cannot be reached. What goes wrong with a file is told to `watch`.
    pub async fn upload_all(
        &mut self,
        files: &[Upload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.find_out().await?;
        let Self { address, config, cancel, manifests, .. } = self;
        match &mut self.spoken {
            Spoken::Native(link) => {
                let mut jobs = Vec::with_capacity(files.len());
                for Upload { path, name } in files {
                    let (path, name, run) = (path.clone(), name.clone(), random_token()?);
                    jobs.push(UploadJob::new(path, name, run));
                }
                let mut native = Native { address, config, cancel, manifests, link };
                native.upload(jobs, keep_going, watch).await;
            }
            Spoken::Legacy { connection } => {
                let mut legacy = Legacy { address, config, cancel, connection };
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
            Spoken::Unknown => {}
        }
        Ok(())
    }

    /// Downloads files, and tells `watch` what becomes of each; otherwise as
    /// [`upload_all`](Self::upload_all).
    ///
    /// # Errors
    /// The server cannot be reached. What goes wrong with a file is told to `watch`.
    pub async fn download_all(
        &mut self,
        files: &[Download],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.find_out().await?;
        let Self { address, config, cancel, manifests, .. } = self;
        match &mut self.spoken {
            Spoken::Native(link) => {
                let jobs = files.iter().map(|Download { name, path, size }| DownloadJob {
                    name: name.clone(),
                    path: path.clone(),
                    size: *size,
                    mismatched: Arc::default(),
                });
                let jobs = jobs.collect();
                let mut native = Native { address, config, cancel, manifests, link };
                native.download(jobs, keep_going, watch).await;
            }
            Spoken::Legacy { connection } => {
                let mut legacy = Legacy { address, config, cancel, connection };
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
            Spoken::Unknown => {}
        }
        Ok(())
    }

    /// Whether the server speaks the native dialect.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn is_native(&mut self) -> Result<bool, TransferError> {
        self.find_out().await?;
        Ok(matches!(self.spoken, Spoken::Native(_)))
    }

    /// Finds out what the server speaks, unless that is known.
    async fn find_out(&mut self) -> Result<(), TransferError> {
        if !matches!(self.spoken, Spoken::Unknown) {
            return Ok(());
        }
        if self.config.dialect == Dialect::Legacy {
            self.spoken = Spoken::Legacy { connection: None };
            return Ok(());
        }
        let mut tries = Tries::new(&self.config, &self.observer, false);
        self.spoken = loop {
            let greeted = self.greet().await;
            if let Some(spoken) = tries.again(greeted, &self.cancel).await? {
                break spoken;
            }
        };
        Ok(())
    }

    async fn greet(&self) -> Result<Spoken, TransferError> {
        let Self { address, config, cancel, .. } = self;
        let wire = connect(address, config.timeout, cancel).await?;
        let replaces = match &self.spoken {
            Spoken::Native(link) => Some(link.last_session),
            Spoken::Legacy { .. } | Spoken::Unknown => None,
        };
        match Channel::greet(wire, config, cancel, Session::New { replaces }).await? {
            Greeted::Native(channel) => Ok(Spoken::Native(Link::new(channel))),
            Greeted::Legacy(_) if config.dialect == Dialect::Native => {
                Err(TransferError::not_native())
            }
            Greeted::Legacy(wire) => {
                let connection = Connection::new(wire, config.timeout, cancel);
                Ok(Spoken::Legacy { connection: Some(connection) })
            }
        }
    }
}

/// What is known of local files; without a directory, or one that can be used, only as long as the
/// client lives.
fn open_cache(dir: Option<&Path>) -> ManifestCache {
    let limits = ManifestLimits::default();
    let Some(dir) = dir else { return ManifestCache::in_memory(limits) };
    let opened = std::fs::create_dir_all(dir)
        .and_then(|()| Dir::open_ambient_dir(dir, ambient_authority()))
        .map_err(|error| StoreError::io("open", dir, error))
        .and_then(|dir| ManifestCache::in_dir(&dir, limits));
    opened.unwrap_or_else(|error| {
        debug!(error = %ftx_io::ErrorChain(&error), "files are hashed anew each time");
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

/// Watches over a single file.
struct Single {
    observer: Observer,
    result: Option<Result<Transferred, TransferError>>,
}

impl Watch for Single {
    fn begin(&mut self, _: usize) -> Observer {
        self.observer.clone()
    }

    fn end(&mut self, _: usize, result: Result<Transferred, TransferError>) {
        self.result = Some(result);
    }
}
