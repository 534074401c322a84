//! What a client can ask of a native server besides transfers.

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::listing::Listing;
use ftx_core::native::wire::{Entry, Listed};

use super::{Client, Spoken};
use crate::TransferError;
use crate::native::{Channel, Link};

/// Entries that one answer is asked for.
const PAGE_ENTRIES: u32 = 32 * 1024;

impl Client {
    /// What `name` stands for on the server. Native servers only.
    ///
    /// # Errors
    /// The server is not native, nothing has that name, or the request failed.
    pub async fn stat(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.asked(async |channel, id, _| channel.stat(id, name).await).await
    }

    /// The digest of a file on the server, as `b3sum` prints it. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn digest(&mut self, name: &RemoteName) -> Result<Digest, TransferError> {
        self.asked(async |channel, id, _| channel.digest(id, name).await).await
    }

    /// Removes a file on the server. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn remove(&mut self, name: &RemoteName) -> Result<(), TransferError> {
        let removed = async |channel: &mut Channel, id, again| match channel.remove(id, name).await
        {
            // It was removed, and the answer was lost.
            Err(error) if again && error.reason() == Reason::NotFound => Ok(()),
            removed => removed,
        };
        self.asked(removed).await
    }

    /// Makes a directory on the server, and those above it, unless it is there. Those that uploads need
    /// are made with them. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); there is a file of that name.
    pub async fn make_directory(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        self.asked(async |channel, id, _| channel.make_directory(id, name).await).await
    }

    /// Shows what is in a directory of the server, `None` for the root, to `each`, in a fixed order;
    /// with `recursive` all that is below, too. All of them are below the directory, and each comes
    /// once: also what cannot be transferred, by its raw name. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat); the server lists what is not in that directory, or in another order.
    /// Of the page in which it does nothing is shown.
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
            let (taken, entries) = self.asked(page).await?;
            listing = taken;
            entries.into_iter().for_each(&mut each);
        }
        Ok(())
    }

    /// Asks on a connection that idles, and `again` on a new one if that fails: the server may have
    /// closed it meanwhile, which says nothing of what is asked.
    async fn asked<T>(
        &mut self,
        ask: impl AsyncFn(&mut Channel, u32, bool) -> Result<T, TransferError>,
    ) -> Result<T, TransferError> {
        let (mut channel, id) = self.idle().await?;
        let was_used = channel.used;
        let answer = ask(&mut channel, id, false).await;
        let broken = answer.as_ref().is_err_and(TransferError::is_about_protocol);
        let stale = was_used && channel.unheard && !broken && !self.cancel.is_cancelled();
        // Nothing else that comes on it could be believed.
        channel.unheard |= broken;
        self.put_back(channel);
        if answer.is_ok() || !stale {
            return answer;
        }
        let (mut channel, id) = self.idle().await?;
        let answer = ask(&mut channel, id, true).await;
        channel.unheard |= answer.as_ref().is_err_and(TransferError::is_about_protocol);
        self.put_back(channel);
        answer
    }

    /// A native connection that idles, and an id for a request.
    async fn idle(&mut self) -> Result<(Box<Channel>, u32), TransferError> {
        self.find_out().await?;
        let (channel, id) = match &mut self.spoken {
            Spoken::Native(link) => {
                let id = link.next_request;
                link.next_request += 1;
                (link.channel.take(), id)
            }
            Spoken::Legacy { .. } | Spoken::Unknown => return Err(TransferError::not_native()),
        };
        if let Some(channel) = channel {
            return Ok((channel, id));
        }
        match self.greet().await? {
            Spoken::Native(Link { channel: Some(channel), .. }) => {
                if let Spoken::Native(link) = &mut self.spoken {
                    link.last_session = channel.terms.session;
                }
                Ok((channel, id))
            }
            _ => Err(TransferError::not_native()),
        }
    }

    /// Keeps a connection whose request was answered.
    fn put_back(&mut self, mut idle: Box<Channel>) {
        if let Spoken::Native(link) = &mut self.spoken
            && !idle.unheard
        {
            idle.used = true;
            link.channel = Some(idle);
        }
    }
}
