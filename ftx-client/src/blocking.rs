//! The client for callers without a runtime.

use std::io;
use std::path::Path;

use ftx_core::RemoteName;
use ftx_io::dedicate_thread;
use tokio::runtime::{Builder, Runtime};

use crate::{Cancel, Config, Observer, ServerAddr, TransferError, Transferred};

/// A [`Client`](crate::Client) whose calls block. Events are told on the calling thread.
///
/// Not to be used inside an async runtime: there the calls panic, as tokio's blocking ones do.
#[derive(Debug)]
pub struct Client {
    client: crate::Client,
    runtime: Runtime,
}

impl Client {
    /// A client of this server. Nothing is connected yet.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub fn new(address: ServerAddr, config: Config) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { client: crate::Client::new(address, config), runtime })
    }

    /// Has `observer` told what happens in the transfers that follow.
    pub fn set_observer(&mut self, observer: Observer) {
        self.client.set_observer(observer);
    }

    /// A handle that stops this client's transfers, from any thread.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.client.cancel()
    }

    /// Uploads a file; see [`Client::upload`](crate::Client::upload).
    ///
    /// # Errors
    /// After the last retry, what went wrong with it.
    pub fn upload(&mut self, path: &Path, name: &RemoteName) -> Result<Transferred, TransferError> {
        dedicate_thread(|| self.runtime.block_on(self.client.upload(path, name)))
    }

    /// Downloads a file; see [`Client::download`](crate::Client::download).
    ///
    /// # Errors
    /// After the last retry, what went wrong with it.
    pub fn download(
        &mut self,
        name: &RemoteName,
        path: &Path,
    ) -> Result<Transferred, TransferError> {
        dedicate_thread(|| self.runtime.block_on(self.client.download(name, path)))
    }
}
