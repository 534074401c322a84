//! The client: a connection that is made when it is needed, and tries that go on where the last one
//! ended.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ftx_core::RemoteName;

use crate::connection::Connection;
use crate::target::Target;
use crate::{Cancel, Config, Event, Observer, ServerAddr, TransferError, download, upload};

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
    connection: Option<Connection>,
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
        Self {
            address,
            config,
            observer: Observer::default(),
            cancel: Cancel::new(),
            connection: None,
        }
    }

    /// Has `observer` told what happens in the transfers that follow.
    pub fn set_observer(&mut self, observer: Observer) {
        self.observer = observer;
    }

    /// A handle that stops this client's transfers, from any thread. Once it was used, transfers
    /// end with [`TransferError::Cancelled`].
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
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
        let mut tries = Tries::new(self);
        loop {
            let result = self.upload_once(path, name, &tries.observer).await;
            match tries.again(result, &self.cancel).await? {
                Some(outcome) => return Ok(outcome),
                None => self.connection = None,
            }
        }
    }

    /// Downloads `name` to the local file `path`, whose directory is made if it is not there. The
    /// file appears under its name when it is whole; until then it grows in `path` + `.ftxpart`.
    ///
    /// # Errors
    /// After the last retry, what went wrong with it. What arrived is kept.
    pub async fn download(
        &mut self,
        name: &RemoteName,
        path: &Path,
    ) -> Result<Transferred, TransferError> {
        let mut tries = Tries::new(self);
        loop {
            let result = self.download_once(name, path, &tries.observer).await;
            match tries.again(result, &self.cancel).await? {
                Some(outcome) => return Ok(outcome),
                None => self.connection = None,
            }
        }
    }

    async fn upload_once(
        &mut self,
        path: &Path,
        name: &RemoteName,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        let mut connection = self.connect().await?;
        let outcome = upload::run(&mut connection, path, name, observer, &self.cancel).await?;
        if outcome.reusable {
            self.connection = Some(connection);
        }
        Ok(Transferred { moved: outcome.sent, already_there: outcome.already_there })
    }

    async fn download_once(
        &mut self,
        name: &RemoteName,
        path: &Path,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        // What is here may take long to hash, and a server does not wait long for a first request.
        let target = Target::open(path, self.config.durability, observer, &self.cancel).await?;
        let mut connection = self.connect().await?;
        let transfer = download::run(&mut connection, name, target, observer, &self.cancel);
        let outcome = transfer.await?;
        self.connection = Some(connection);
        Ok(Transferred { moved: outcome.received, already_there: outcome.already_there })
    }

    /// The idle connection, or a new one. It is put back only after a transfer that ended well, so
    /// nothing is ever left over on it.
    async fn connect(&mut self) -> Result<Connection, TransferError> {
        if self.cancel.is_cancelled() {
            return Err(TransferError::Cancelled);
        }
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.address, self.config.timeout, &self.cancel).await,
        }
    }
}

/// The tries of one transfer.
struct Tries {
    observer: Observer,
    /// How far into the file any try has got.
    furthest: Arc<AtomicU64>,
    /// The same, when the last try that failed ended.
    before: u64,
    backoff: ExponentialBuilder,
    pauses: <ExponentialBuilder as BackoffBuilder>::Backoff,
    attempt: u32,
    /// The connection had been used before, and the server may have closed it meanwhile: failing
    /// on it says nothing about the server.
    reused: bool,
}

impl Tries {
    fn new(client: &Client) -> Self {
        let furthest = Arc::new(AtomicU64::new(0));
        let observer = Observer::new({
            let (furthest, observer) = (Arc::clone(&furthest), client.observer.clone());
            move |event| {
                if let Event::Progress { done, .. } = event {
                    furthest.fetch_max(*done, Relaxed);
                }
                observer.tell(event);
            }
        });
        let backoff = ExponentialBuilder::default()
            .with_min_delay(client.config.min_backoff)
            .with_max_delay(client.config.max_backoff)
            .with_max_times(client.config.retries as usize)
            .with_jitter();
        let reused = client.connection.is_some();
        let pauses = backoff.build();
        Self { observer, furthest, before: 0, backoff, pauses, attempt: 0, reused }
    }

    /// The result if it is final; `None`, after a pause, if there is to be another try.
    async fn again<T>(
        &mut self,
        result: Result<T, TransferError>,
        cancel: &Cancel,
    ) -> Result<Option<T>, TransferError> {
        let error = match result {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(error) if error.is_transient() => error,
            Err(error) => return Err(error),
        };
        let furthest = self.furthest.load(Relaxed);
        let gained = furthest > std::mem::replace(&mut self.before, furthest);
        if std::mem::replace(&mut self.reused, false) && !gained {
            return Ok(None);
        }
        if gained {
            self.attempt = 0;
            self.pauses = self.backoff.build();
        }
        let Some(pause) = self.pauses.next() else { return Err(error) };
        self.attempt += 1;
        self.observer.tell(&Event::Retrying { attempt: self.attempt, pause, error: &error });
        pause_unless(cancel, pause).await?;
        Ok(None)
    }
}

async fn pause_unless(cancel: &Cancel, pause: Duration) -> Result<(), TransferError> {
    tokio::select! {
        () = cancel.token(true).cancelled() => Err(TransferError::Cancelled),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}
