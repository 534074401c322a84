//! Requests about files that move none.

use ftx_core::native::Reason;
use ftx_core::native::wire::{Reply, Request};
use ftx_io::Frames;

use super::NativeError;
use super::conversation::Conversation;
use super::list::Asked;
use crate::store::{Refusal, Store, StoredFile, WorkProgress};

impl<S: Store> Conversation<S> {
    pub(super) async fn ask(
        &mut self,
        frames: &mut Frames,
        id: u32,
        request: Request,
    ) -> Result<(), NativeError> {
        if let Request::Digest { name } = request {
            return self.digest(frames, id, &name).await;
        }
        // Any other request ends a listing.
        let paused = self.paused.take();
        // A disk may take its time for any of them.
        let answer = match request {
            Request::List { name, recursive, after, limit } => {
                let work = self.list(Asked { name, recursive, after, limit }, paused);
                let listed = self.working(frames, id, WorkProgress::default(), work).await?;
                listed.map(|(reply, paused)| {
                    self.paused = paused;
                    reply
                })
            }
            other => self.working(frames, id, WorkProgress::default(), self.answer(other)).await?,
        };
        match answer {
            Ok(reply) => self.reply(frames, id, &reply),
            Err(refusal) => self.refuse(frames, id, &refusal),
        }
    }

    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Stat { name } => self.stat(&name).await,
            Request::Remove { name } => self.remove(&name).await,
            Request::MakeDirectory { name } => self.make_directory(&name).await,
            _ => Err(Refusal::new(Reason::Unsupported, "this server does not do that")),
        }
    }

    async fn stat(&self, name: &str) -> Result<Reply, Refusal> {
        Ok(Reply::Entry(self.context.store.stat(&Self::name(name)?).await?))
    }

    async fn remove(&self, name: &str) -> Result<Reply, Refusal> {
        self.context.store.remove(&Self::name(name)?).await?;
        Ok(Reply::Removed)
    }

    async fn make_directory(&self, name: &str) -> Result<Reply, Refusal> {
        Ok(Reply::Entry(self.context.store.make_directory(&Self::name(name)?).await?))
    }

    async fn digest(&self, frames: &mut Frames, id: u32, name: &str) -> Result<(), NativeError> {
        let opened = match Self::name(name) {
            Ok(name) => self.context.store.open(&name).await,
            Err(refusal) => Err(refusal),
        };
        let file = match opened {
            Ok(file) => file,
            Err(refusal) => return self.refuse(frames, id, &refusal),
        };
        self.found(frames, id, &file)?;
        let progress = WorkProgress::default();
        let work = file.manifest(progress.clone());
        match self.working(frames, id, progress, work).await? {
            Ok(manifest) => self.reply(frames, id, &Reply::End { digest: Some(manifest.digest()) }),
            Err(refusal) => self.refuse(frames, id, &refusal),
        }
    }
}
