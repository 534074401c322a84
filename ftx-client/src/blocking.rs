//! The client for callers without a runtime.

use std::io;
use std::path::Path;

use ftx_core::RemoteName;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Cancel, ClientConfig, Digest, Entry, FileDownload, FileUpload, Listed, Observer, ServerAddr,
    TransferError, Transferred, TreeWatch, Watch,
};

/// A [`Client`](crate::Client) whose calls block. Observers run on the calling thread.
///
/// Inside an async runtime the calls panic, as tokio's blocking calls do.
#[derive(Debug)]
pub struct BlockingClient {
    client: crate::Client,
    runtime: Runtime,
}

impl BlockingClient {
    /// A client of this server. It connects later.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub fn new(address: ServerAddr, config: ClientConfig) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = crate::Client::new(address, config).on_own_thread();
        Ok(Self { client, runtime })
    }

    /// Sets the observer of the following transfers.
    pub fn set_observer(&mut self, observer: Observer) {
        self.client.set_observer(observer);
    }

    /// Replaces the settings; see [`Client::set_config`](crate::Client::set_config).
    pub fn set_config(&mut self, config: ClientConfig) {
        self.client.set_config(config);
    }

    /// A handle that stops this client's transfers from any thread.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.client.cancel()
    }

    /// Uploads a file; see [`Client::upload`](crate::Client::upload).
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub fn upload(&mut self, path: &Path, name: &RemoteName) -> Result<Transferred, TransferError> {
        self.runtime.block_on(self.client.upload(path, name))
    }

    /// Downloads a file; see [`Client::download`](crate::Client::download).
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub fn download(
        &mut self,
        name: &RemoteName,
        path: &Path,
    ) -> Result<Transferred, TransferError> {
        self.runtime.block_on(self.client.download(name, path))
    }

    /// Uploads files; see [`Client::upload_all`](crate::Client::upload_all).
    ///
    /// # Errors
    /// The server cannot be reached. `watch` receives the failures of files.
    pub fn upload_all(
        &mut self,
        files: &[FileUpload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.upload_all(files, keep_going, watch).await)
    }

    /// Downloads files; see [`Client::download_all`](crate::Client::download_all).
    ///
    /// # Errors
    /// The server cannot be reached. `watch` receives the failures of files.
    pub fn download_all(
        &mut self,
        files: &[FileDownload],
        keep_going: bool,
        watch: &mut dyn Watch,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.download_all(files, keep_going, watch).await)
    }

    /// Downloads the files and directories that `watch` names; see
    /// [`Client::download_trees`](crate::Client::download_trees).
    ///
    /// # Errors
    /// The server cannot be reached, or is not native. `watch` receives the failures of files and listings.
    pub fn download_trees(
        &mut self,
        keep_going: bool,
        watch: &mut dyn TreeWatch,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.download_trees(keep_going, watch).await)
    }

    /// Returns the entry of a name; see [`Client::stat`](crate::Client::stat).
    ///
    /// # Errors
    /// The server is not native, nothing has that name, or the request failed.
    pub fn stat(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.run(async |client| client.stat(name).await)
    }

    /// Passes the entries of names to `each`; see [`Client::stat_all`](crate::Client::stat_all).
    ///
    /// # Errors
    /// The server is not native, or the requests failed. `each` gets the names that it refused.
    pub fn stat_all(
        &mut self,
        names: &[RemoteName],
        each: impl FnMut(usize, Result<Entry, TransferError>) -> bool,
    ) -> Result<(), TransferError> {
        self.run(async |client| client.stat_all(names, each).await)
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

    /// Passes the entries of a directory to `each`; see [`Client::list`](crate::Client::list).
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
        self.runtime.block_on(work(&mut self.client))
    }
}
