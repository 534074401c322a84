//! Requests without file data.

use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_core::native::listing::Listing;
use ftx_core::native::wire::{Entry, EntryKind, Listed, Reply, Request};

use super::backlog::ExpectedReplies;
use super::channel::{Channel, out_of_step};
use super::decode::refused;
use crate::TransferError;

impl Channel {
    /// Sends a request and returns its final reply.
    async fn request(&mut self, id: u32, request: &Request) -> Result<Reply, TransferError> {
        self.queue(id, request)?;
        self.tainted = true;
        let reply = self.final_reply(id).await?;
        self.tainted = false;
        match reply {
            Reply::Failed { reason, message } => Err(refused(reason, &message)),
            reply => Ok(reply),
        }
    }

    async fn final_reply(&mut self, id: u32) -> Result<Reply, TransferError> {
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
        match self.request(id, &Request::Stat { name: name.clone().into() }).await? {
            Reply::Entry(entry) => named(entry, name),
            _ => Err(out_of_step("another answer than an entry")),
        }
    }

    /// Asks for the entries of all names, with ids from `first` on, before it reads an answer.
    pub(crate) async fn stat_all(
        &mut self,
        first: u32,
        names: &[RemoteName],
    ) -> Result<Vec<Result<Entry, TransferError>>, TransferError> {
        for (id, name) in (first..).zip(names) {
            self.queue(id, &Request::Stat { name: name.clone().into() })?;
        }
        self.tainted = true;
        self.expect(ExpectedReplies { requests: names.len() as u64, ..Default::default() });
        let mut entries = Vec::with_capacity(names.len());
        for (id, name) in (first..).zip(names) {
            entries.push(match self.final_reply(id).await? {
                Reply::Entry(entry) => Ok(named(entry, name)?),
                Reply::Failed { reason, message } => Err(refused(reason, &message)),
                _ => return Err(out_of_step("another answer than an entry")),
            });
        }
        self.expect(ExpectedReplies::default());
        self.tainted = false;
        Ok(entries)
    }

    pub(crate) async fn digest(
        &mut self,
        id: u32,
        name: &RemoteName,
    ) -> Result<Digest, TransferError> {
        match self.request(id, &Request::Digest { name: name.clone().into() }).await? {
            Reply::End { digest: Some(digest) } => Ok(digest),
            _ => Err(out_of_step("another answer than a digest")),
        }
    }

    pub(crate) async fn remove(&mut self, id: u32, name: &RemoteName) -> Result<(), TransferError> {
        match self.request(id, &Request::Remove { name: name.clone().into() }).await? {
            Reply::Removed => Ok(()),
            _ => Err(out_of_step("another answer than a removal")),
        }
    }

    pub(crate) async fn make_directory(
        &mut self,
        id: u32,
        name: &RemoteName,
    ) -> Result<Entry, TransferError> {
        match self.request(id, &Request::MakeDirectory { name: name.clone().into() }).await? {
            Reply::Entry(entry) if entry.kind != EntryKind::Directory => {
                Err(out_of_step("a file in place of a directory"))
            }
            Reply::Entry(entry) => named(entry, name),
            _ => Err(out_of_step("another answer than an entry")),
        }
    }

    /// The next page of a listing, which also records it.
    pub(crate) async fn list(
        &mut self,
        id: u32,
        listing: &mut Listing,
    ) -> Result<Vec<Listed>, TransferError> {
        match self.request(id, &listing.request()).await? {
            Reply::Entries { entries, more } => {
                listing.page(&entries, more)?;
                Ok(entries)
            }
            _ => Err(out_of_step("another answer than entries")),
        }
    }
}

/// The entry, if it has this name.
fn named(entry: Entry, name: &RemoteName) -> Result<Entry, TransferError> {
    if entry.name == *name { Ok(entry) } else { Err(out_of_step("an entry of another name")) }
}
