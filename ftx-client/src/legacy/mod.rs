//! Transfers in the legacy dialect: one file after another, each in tries that go on where the last
//! one ended.

pub(crate) mod connection;
mod download;
mod source;
mod target;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use ftx_core::RemoteName;

use crate::connect::connect;
use crate::legacy::connection::Connection;
use crate::legacy::target::Target;
use crate::{Cancel, Config, Event, LocalPath, Observer, ServerAddr, TransferError, Transferred};

/// A client of a server that speaks the legacy dialect.
pub(crate) struct Legacy<'a> {
    pub(crate) address: &'a ServerAddr,
    pub(crate) config: &'a Config,
    pub(crate) cancel: &'a Cancel,
    /// A connection that idles.
    pub(crate) connection: &'a mut Option<Connection>,
}

impl Legacy<'_> {
    pub(crate) async fn upload(
        &mut self,
        path: &LocalPath,
        name: &RemoteName,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        let mut tries = Tries::new(self.config, observer, self.connection.is_some());
        loop {
            let result = self.upload_once(path, name, &tries.observer).await;
            match tries.again(result, self.cancel).await? {
                Some(outcome) => return Ok(outcome),
                None => *self.connection = None,
            }
        }
    }

    pub(crate) async fn download(
        &mut self,
        name: &RemoteName,
        path: &LocalPath,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        let mut tries = Tries::new(self.config, observer, self.connection.is_some());
        loop {
            let result = self.download_once(name, path, &tries.observer).await;
            match tries.again(result, self.cancel).await? {
                Some(outcome) => return Ok(outcome),
                None => *self.connection = None,
            }
        }
    }

    async fn upload_once(
        &mut self,
        path: &LocalPath,
        name: &RemoteName,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        let mut connection = self.connect().await?;
        let outcome = upload::run(&mut connection, path, name, observer, self.cancel).await?;
        if outcome.reusable {
            *self.connection = Some(connection);
        }
        Ok(Transferred { moved: outcome.sent, already_there: outcome.already_there })
    }

    async fn download_once(
        &mut self,
        name: &RemoteName,
        path: &LocalPath,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        // What is here may take long to hash, and a server does not wait long for a first request.
        let target = Target::open(path, self.config.durability, observer, self.cancel).await?;
        let mut connection = self.connect().await?;
        let transfer = download::run(&mut connection, name, target, observer, self.cancel);
        let outcome = transfer.await?;
        *self.connection = Some(connection);
        Ok(Transferred { moved: outcome.received, already_there: outcome.already_there })
    }

    /// The idle connection, or a new one. It is put back only after a transfer that ended well, so
    /// nothing is ever left over on it.
    async fn connect(&mut self) -> Result<Connection, TransferError> {
        if self.cancel.is_cancelled() {
            return Err(TransferError::cancelled());
        }
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let wire = connect(self.address, self.config.timeout, self.cancel).await?;
        Ok(Connection::new(wire, self.config.timeout, self.cancel))
    }
}

/// The tries of one transfer.
pub(crate) struct Tries {
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
    pub(crate) fn new(config: &Config, observer: &Observer, reused: bool) -> Self {
        let furthest = Arc::new(AtomicU64::new(0));
        let observer = Observer::new({
            let (furthest, observer) = (Arc::clone(&furthest), observer.clone());
            move |event| {
                if let Event::Progress { done, .. } = event {
                    furthest.fetch_max(*done, Relaxed);
                }
                observer.tell(event);
            }
        });
        let backoff = ExponentialBuilder::default()
            .with_min_delay(config.min_backoff)
            .with_max_delay(config.max_backoff)
            .with_max_times(config.retries as usize)
            .with_jitter();
        let pauses = backoff.build();
        Self { observer, furthest, before: 0, backoff, pauses, attempt: 0, reused }
    }

    /// The result if it is final; `None`, after a pause, if there is to be another try.
    pub(crate) async fn again<T>(
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
        () = cancel.token(true).cancelled() => Err(TransferError::cancelled()),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}
