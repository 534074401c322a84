//! What a client can ask of a native server besides transfers.

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Entry;

use super::{Client, Spoken};
use crate::TransferError;
use crate::native::{Channel, Link};

impl Client {
    /// What `name` stands for on the server. Native servers only.
    ///
    /// # Errors
    /// [`TransferError::NotNative`]; there is nothing of that name, or what went wrong.
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
    /// with `recursive` all that is below, too. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn list(
        &mut self,
        name: Option<&RemoteName>,
        recursive: bool,
        mut each: impl FnMut(Entry),
    ) -> Result<(), TransferError> {
        let mut after = None;
        loop {
            let page = async |channel: &mut Channel, id, _| {
                channel.list(id, name, recursive, after.clone()).await
            };
            let (entries, more) = self.asked(page).await?;
            after = entries.last().map(|entry| entry.name.clone());
            entries.into_iter().for_each(&mut each);
            if !more || after.is_none() {
                return Ok(());
            }
        }
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
        let stale = was_used && channel.unheard && !self.cancel.is_cancelled();
        self.put_back(channel);
        if answer.is_ok() || !stale {
            return answer;
        }
        let (mut channel, id) = self.idle().await?;
        let answer = ask(&mut channel, id, true).await;
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
            Spoken::Legacy { .. } | Spoken::Unknown => return Err(TransferError::NotNative),
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
            _ => Err(TransferError::NotNative),
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
