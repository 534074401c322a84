//! The client for callers without a runtime.

use std::io;
use std::path::Path;

use ftx_core::RemoteName;
use ftx_io::dedicate_thread;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Cancel, Config, Digest, Download, Entry, Listed, Observer, ServerAddr, TransferError,
    Transferred, Upload, Watch,
};

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

    /// Uploads files; see [`Client::upload_all`](crate::Client::upload_all).
    ///
    /// # Errors
    /// The server cannot be reached. What goes wrong with a file is told to `watch`.
    pub fn upload_all(
        &mut self,
        files: &[Upload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.upload_all(files, keep_going, watch).await)
    }

    /// Downloads files; see [`Client::download_all`](crate::Client::download_all).
    ///
    /// # Errors
    /// The server cannot be reached. What goes wrong with a file is told to `watch`.
    pub fn download_all(
        &mut self,
        files: &[Download],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.download_all(files, keep_going, watch).await)
    }

    /// What a name stands for; see [`Client::stat`](crate::Client::stat).
    ///
    /// # Errors
    /// There is nothing of that name, or what went wrong.
    pub fn stat(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.run(async |client| client.stat(name).await)
    }

    /// Makes a directory on the server; see [`Client::make_directory`](crate::Client::make_directory).
    ///
    /// # Errors
    /// As [`stat`](Self::stat); there is a file of that name.
    pub fn make_directory(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.run(async |client| client.make_directory(name).await)
    }

    /// The digest of a file on the server; see [`Client::digest`](crate::Client::digest).
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn digest(&mut self, name: &RemoteName) -> Result<Digest, TransferError> {
        self.run(async |client| client.digest(name).await)
    }

    /// Removes a file on the server; see [`Client::remove`](crate::Client::remove).
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn remove(&mut self, name: &RemoteName) -> Result<(), TransferError> {
        self.run(async |client| client.remove(name).await)
    }

    /// Shows what is in a directory to `each`; see [`Client::list`](crate::Client::list).
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub fn list(
        &mut self,
        name: Option<&RemoteName>,
        recursive: bool,
        each: impl FnMut(Listed),
    ) -> Result<(), TransferError> {
        self.run(async |client| client.list(name, recursive, each).await)
    }

    fn run<T>(&mut self, work: impl AsyncFnOnce(&mut crate::Client) -> T) -> T {
        dedicate_thread(|| self.runtime.block_on(work(&mut self.client)))
    }
}
