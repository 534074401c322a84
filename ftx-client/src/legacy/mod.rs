//! Transfers in the legacy dialect: one file after another, each in attempts that resume where the last
//! one ended.

pub(crate) mod connection;
mod download;
mod error;
mod source;
mod target;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ftx_core::RemoteName;
use ftx_io::Executor;

use crate::activity::Activity;
use crate::connect::{Endpoint, Place};
use crate::legacy::connection::{IdleLegacyConnection, LegacyConnection};
use crate::legacy::target::Target;
use crate::retry::Retries;
use crate::{Cancel, ClientConfig, Event, LocalPath, Observer, TransferError, Transferred};

/// A client of a server that speaks the legacy dialect.
pub(crate) struct LegacyClient<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) config: &'a ClientConfig,
    pub(crate) cancel: &'a Cancel,
    /// The signs of life of the call.
    pub(crate) activity: &'a Activity,
    /// Runs the disk work of the calling thread.
    pub(crate) executor: &'a Executor,
    /// The connection that is kept from one call to the next.
    pub(crate) connection: &'a mut Option<IdleLegacyConnection>,
}

impl LegacyClient<'_> {
    pub(crate) async fn upload(
        &mut self,
        path: &LocalPath,
        name: &RemoteName,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        let mut retries = LegacyRetries::new(self, observer);
        loop {
            let result = self.upload_once(path, name, &retries.observer).await;
            match retries.after(result, self.cancel).await? {
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
        let mut retries = LegacyRetries::new(self, observer);
        loop {
            let result = self.download_once(name, path, &retries.observer).await;
            match retries.after(result, self.cancel).await? {
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
        let upload = upload::run(&mut connection, self.executor, path, name, observer, self.cancel);
        let outcome = upload.await?;
        if outcome.reusable {
            *self.connection = connection.detach();
        }
        Ok(Transferred { moved: outcome.sent, already_there: outcome.already_there })
    }

    async fn download_once(
        &mut self,
        name: &RemoteName,
        path: &LocalPath,
        observer: &Observer,
    ) -> Result<Transferred, TransferError> {
        // Hashed before connecting: it may take long, and a server does not wait long for a first request.
        let durability = self.config.durability;
        let target = Target::open(self.executor, path, durability, observer, self.cancel).await?;
        let mut connection = self.connect().await?;
        let transfer =
            download::run(&mut connection, self.executor, name, target, observer, self.cancel);
        let outcome = transfer.await?;
        *self.connection = connection.detach();
        Ok(Transferred { moved: outcome.received, already_there: outcome.already_there })
    }

    /// The idle connection, or a new one. Only a transfer that succeeded puts it back, so no stale reply
    /// is ever left on it.
    async fn connect(&mut self) -> Result<LegacyConnection, TransferError> {
        if self.cancel.is_cancelled() {
            return Err(TransferError::cancelled());
        }
        let idle = self.connection.take();
        if let Some(connection) = idle.and_then(|idle| idle.attach(self.cancel, self.activity)) {
            return Ok(connection);
        }
        let limit = self.activity.limit(self.config.timeout);
        let stream = self
            .endpoint
            .connect(Place::First { streams: 1 }, self.config, limit, self.cancel)
            .await?;
        Ok(LegacyConnection::new(stream, self.config.timeout, self.cancel, self.activity))
    }
}

/// The retries of one file.
struct LegacyRetries {
    /// Passes events on, and notes the progress.
    observer: Observer,
    /// The furthest position in the file that any attempt has reached.
    furthest: Arc<AtomicU64>,
    retries: Retries,
}

impl LegacyRetries {
    fn new(client: &LegacyClient<'_>, observer: &Observer) -> Self {
        let furthest = Arc::new(AtomicU64::new(0));
        let observer = Observer::new({
            let (furthest, observer) = (Arc::clone(&furthest), observer.clone());
            let activity = client.activity.clone();
            move |event| {
                match event {
                    Event::Progress { done, .. } => {
                        furthest.fetch_max(*done, Relaxed);
                    }
                    Event::Hashing { .. } => activity.touch(),
                    _ => {}
                }
                observer.tell(event);
            }
        });
        let is_reused = client.connection.is_some();
        Self {
            observer,
            furthest,
            retries: Retries::new(client.config, client.activity, is_reused),
        }
    }

    /// The result if it is final; `None`, after a pause, if another attempt follows.
    async fn after<T>(
        &mut self,
        result: Result<T, TransferError>,
        cancel: &Cancel,
    ) -> Result<Option<T>, TransferError> {
        let error = match result {
            Ok(outcome) => return Ok(Some(outcome)),
            Err(error) => error,
        };
        let furthest = self.furthest.load(Relaxed);
        let tell = |event: &Event<'_>| self.observer.tell(event);
        self.retries.pause(error, furthest, tell, cancel).await?;
        Ok(None)
    }
}
