//! Requests to a native server besides transfers.

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::listing::Listing;
use ftx_core::native::wire::{Entry, Listed};

use super::{Client, ServerDialect};
use crate::TransferError;
use crate::activity::Activity;
use crate::native::Channel;

/// Entries of one page.
const PAGE_ENTRIES: u32 = 32 * 1024;

/// Names that are asked about at once.
const PAGE_NAMES: usize = 512;

impl Client {
    /// Returns the entry of `name` on the server. Native servers only.
    ///
    /// # Errors
    /// The server is not native, nothing has that name, or the request failed.
    pub async fn stat(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.request(async |channel, id, _| channel.stat(id, name).await).await
    }

    /// Passes the entry of each name to `each`, or why there is none, in the order of the names, until
    /// `each` returns false. Many names take few round trips. Native servers only.
    ///
    /// # Errors
    /// The server is not native, or the requests failed. `each` gets the names that it refused.
    pub async fn stat_all(
        &mut self,
        names: &[RemoteName],
        mut each: impl FnMut(usize, Result<Entry, TransferError>) -> bool,
    ) -> Result<(), TransferError> {
        let mut index = 0;
        for page in names.chunks(PAGE_NAMES) {
            let entries =
                self.request(async |channel, id, _| channel.stat_all(id, page).await).await?;
            self.use_requests(page.len());
            for entry in entries {
                if !each(index, entry) {
                    return Ok(());
                }
                index += 1;
            }
        }
        Ok(())
    }

    /// The digest of a file on the server, as `b3sum` prints it. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn digest(&mut self, name: &RemoteName) -> Result<Digest, TransferError> {
        self.request(async |channel, id, _| channel.digest(id, name).await).await
    }

    /// Removes a file on the server. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn remove(&mut self, name: &RemoteName) -> Result<(), TransferError> {
        let removed =
            async |channel: &mut Channel, id, is_repeated| match channel.remove(id, name).await {
                // It was removed, but the reply was lost.
                Err(error) if is_repeated && error.reason() == Reason::NotFound => Ok(()),
                removed => removed,
            };
        self.request(removed).await
    }

    /// Creates a directory on the server with its missing parents. Uploads create theirs automatically.
    /// Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); there is a file of that name.
    pub async fn make_directory(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.request(async |channel, id, _| channel.make_directory(id, name).await).await
    }

    /// Passes the entries of a directory of the server, `None` for the root, to `each` in a fixed order;
    /// with `recursive` all entries below it. Each entry lies below the directory and comes once, those
    /// that cannot be transferred by their raw names. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); or the server lists an entry from elsewhere, or in another order. No
    /// entry of that page is passed on.
    pub async fn list(
        &mut self,
        name: Option<&RemoteName>,
        recursive: bool,
        mut each: impl FnMut(Listed),
    ) -> Result<(), TransferError> {
        let mut listing = Listing::new(name.cloned(), recursive, PAGE_ENTRIES);
        while !listing.is_ended() {
            let page = async |channel: &mut Channel, id, _| {
                let mut listing = listing.clone();
                let entries = channel.list(id, &mut listing).await?;
                Ok((listing, entries))
            };
            let (taken, entries) = self.request(page).await?;
            listing = taken;
            entries.into_iter().for_each(&mut each);
        }
        Ok(())
    }

    /// Sends a request on the idle connection, and once more on a new one if it was stale: the server may
    /// have closed it meanwhile, which does not concern the request. `send` gets the channel, the request
    /// id, and whether this is the second time.
    async fn request<T>(
        &mut self,
        send: impl AsyncFn(&mut Channel, u32, bool) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let activity = Activity::new();
        let (mut channel, id) = self.connection(&activity).await?;
        let was_used = channel.used;
        let reply = send(&mut channel, id, false).await;
        let is_broken = reply.as_ref().is_err_and(TransferError::is_about_protocol);
        let is_stale = was_used && channel.tainted && !is_broken && !self.cancel.is_cancelled();
        // No further reply on it could be trusted.
        channel.tainted |= is_broken;
        self.keep_idle(channel);
        if reply.is_ok() || !is_stale {
            return reply;
        }
        // Both connections share one timeout.
        activity.expect_within(self.config.timeout);
        let (mut channel, id) = self.connection(&activity).await?;
        let reply = send(&mut channel, id, true).await;
        channel.tainted |= reply.as_ref().is_err_and(TransferError::is_about_protocol);
        self.keep_idle(channel);
        reply
    }

    /// The idle connection or a new one, and an id for a request.
    async fn connection(&mut self, activity: &Activity) -> Result<(Channel, u32), TransferError> {
        self.negotiate(1).await?;
        let ServerDialect::Native(idle) = &mut self.server else {
            return Err(TransferError::not_native());
        };
        let id = idle.next_request;
        idle.next_request += 1;
        let Self { endpoint, config, cancel, .. } = self;
        let channel = idle.take_or_connect(endpoint, config, cancel, activity, 1).await?;
        Ok((channel, id))
    }

    /// Passes over the ids of requests that followed the first one.
    fn use_requests(&mut self, count: usize) {
        if let ServerDialect::Native(idle) = &mut self.server {
            let following = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
            idle.next_request = idle.next_request.saturating_add(following);
        }
    }

    /// Keeps a connection whose request was answered.
    fn keep_idle(&mut self, channel: Channel) {
        if let ServerDialect::Native(idle) = &mut self.server {
            idle.keep(channel);
        }
    }
}
