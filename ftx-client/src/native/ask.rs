//! Questions about files on the server.

use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Entry, Reply, Request};

use super::channel::{Channel, out_of_step, refused};
use crate::TransferError;

/// Entries that one answer is asked for.
const PAGE: u32 = 32 * 1024;

impl Channel {
    /// Asks, and waits for the answer that ends it.
    async fn ask(&mut self, id: u32, request: &Request) -> Result<Reply, TransferError> {
        self.queue(id, request)?;
        self.unheard = true;
        let reply = self.answer(id).await?;
        self.unheard = false;
        match reply {
            Reply::Failed { reason, message } => Err(refused(reason, message)),
            reply => Ok(reply),
        }
    }

    async fn answer(&mut self, id: u32) -> Result<Reply, TransferError> {
        loop {
            match self.reply().await? {
                (_, Reply::Working { .. } | Reply::Found { .. }) => {}
                (answered, _) if answered != id => {
                    return Err(out_of_step("an answer to another request"));
                }
                (_, reply) => return Ok(reply),
            }
        }
    }

    pub(crate) async fn stat(
        &mut self,
        id: u32,
        name: &RemoteName,
    ) -> Result<Entry, TransferError> {
        match self.ask(id, &Request::Stat { name: name.clone().into() }).await? {
            Reply::Entry(entry) => Ok(entry),
            _ => Err(out_of_step("another answer than an entry")),
        }
    }

    pub(crate) async fn digest(
        &mut self,
        id: u32,
        name: &RemoteName,
    ) -> Result<Digest, TransferError> {
        match self.ask(id, &Request::Digest { name: name.clone().into() }).await? {
            Reply::End { digest: Some(digest) } => Ok(digest),
            _ => Err(out_of_step("another answer than a digest")),
        }
    }

    pub(crate) async fn remove(&mut self, id: u32, name: &RemoteName) -> Result<(), TransferError> {
        match self.ask(id, &Request::Remove { name: name.clone().into() }).await? {
            Reply::Removed => Ok(()),
            _ => Err(out_of_step("another answer than a removal")),
        }
    }

    pub(crate) async fn make_directory(
        &mut self,
        id: u32,
        name: &RemoteName,
    ) -> Result<Entry, TransferError> {
        match self.ask(id, &Request::MakeDirectory { name: name.clone().into() }).await? {
            Reply::Entry(entry) => Ok(entry),
            _ => Err(out_of_step("another answer than an entry")),
        }
    }

    /// Some entries behind `after`, and whether there are more.
    pub(crate) async fn list(
        &mut self,
        id: u32,
        name: Option<&RemoteName>,
        recursive: bool,
        after: Option<String>,
    ) -> Result<(Vec<Entry>, bool), TransferError> {
        let name = name.map(|name| name.as_str().to_owned()).unwrap_or_default();
        let list = Request::List { name, recursive, after, limit: PAGE };
        match self.ask(id, &list).await? {
            Reply::Entries { entries, more } => Ok((entries, more)),
            _ => Err(out_of_step("another answer than entries")),
        }
    }
}
