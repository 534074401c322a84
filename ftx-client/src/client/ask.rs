//! What a client can ask of a native server besides transfers.

use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::Entry;

use super::{Client, Spoken};
use crate::TransferError;
use crate::native::Channel;

impl Client {
    /// What `name` stands for on the server. Native servers only.
    ///
    /// # Errors
    /// [`TransferError::NotNative`]; there is nothing of that name, or what went wrong.
    pub async fn stat(&mut self, name: &RemoteName) -> Result<Entry, TransferError> {
        let (mut channel, id) = self.idle().await?;
        let answer = channel.stat(id, name).await;
        self.put_back(channel, &answer);
        answer
    }

    /// The digest of a file on the server, as `b3sum` prints it. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn digest(&mut self, name: &RemoteName) -> Result<Digest, TransferError> {
        let (mut channel, id) = self.idle().await?;
        let answer = channel.digest(id, name).await;
        self.put_back(channel, &answer);
        answer
    }

    /// Removes a file on the server. Native servers only.
    ///
    /// # Errors
    /// As [`stat`](Self::stat).
    pub async fn remove(&mut self, name: &RemoteName) -> Result<(), TransferError> {
        let (mut channel, id) = self.idle().await?;
        let answer = channel.remove(id, name).await;
        self.put_back(channel, &answer);
        answer
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
            let (mut channel, id) = self.idle().await?;
            let answer = channel.list(id, name, recursive, after.take()).await;
            self.put_back(channel, &answer);
            let (entries, more) = answer?;
            after = entries.last().map(|entry| entry.name.clone());
            entries.into_iter().for_each(&mut each);
            if !more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// A native connection that idles, and an id for a request.
    async fn idle(&mut self) -> Result<(Box<Channel>, u32), TransferError> {
        self.find_out().await?;
        let (channel, id) = match &mut self.spoken {
            Spoken::Native { channel, next_request } => {
                let id = *next_request;
                *next_request += 1;
                (channel.take(), id)
            }
            Spoken::Legacy { .. } | Spoken::Unknown => return Err(TransferError::NotNative),
        };
        if let Some(channel) = channel {
            return Ok((channel, id));
        }
        match self.greet().await? {
            Spoken::Native { channel: Some(channel), .. } => Ok((channel, id)),
            _ => Err(TransferError::NotNative),
        }
    }

    /// Keeps a connection whose request was answered.
    fn put_back<T>(&mut self, mut idle: Box<Channel>, answer: &Result<T, TransferError>) {
        let answered = matches!(answer, Ok(_) | Err(TransferError::Refused { .. }));
        if let Spoken::Native { channel, .. } = &mut self.spoken
            && answered
        {
            idle.used = true;
            *channel = Some(idle);
        }
    }
}
