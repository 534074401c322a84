//! Drives one upload in the legacy dialect.

use ftx_core::RemoteName;
use ftx_core::legacy::Want;
use ftx_core::legacy::upload::{UploadAction, UploadMachine, UploadOutcome};
use ftx_io::Executor;
use ftx_store::PrefixHasher;

use crate::legacy::connection::LegacyConnection;
use crate::legacy::error::{out_of_step, read_failed};
use crate::legacy::source::LegacySource;
use crate::{Cancel, Event, LocalPath, Observer, TransferError};

/// Uploads a local file over an idle connection.
pub(crate) async fn run(
    connection: &mut LegacyConnection,
    executor: &Executor,
    path: &LocalPath,
    name: &RemoteName,
    observer: &Observer,
    cancel: &Cancel,
) -> Result<UploadOutcome, TransferError> {
    let source = LegacySource::open(executor, path).await?;
    let machine = UploadMachine::new(name, source.size());
    UploadDriver { connection, executor, source, machine, observer, cancel }.run().await
}

struct UploadDriver<'a> {
    connection: &'a mut LegacyConnection,
    executor: &'a Executor,
    source: LegacySource,
    machine: UploadMachine,
    observer: &'a Observer,
    cancel: &'a Cancel,
}

impl UploadDriver<'_> {
    async fn run(mut self) -> Result<UploadOutcome, TransferError> {
        loop {
            while let Some(action) = self.machine.poll() {
                match action {
                    UploadAction::Send(request) => self.connection.send(&request).await?,
                    UploadAction::HashPrefix { len } => {
                        let md5 = self
                            .source
                            .hash(self.executor, len, self.observer, self.cancel)
                            .await?;
                        // The server may publish its bytes without another one.
                        self.source.unchanged()?;
                        self.machine.hashed(md5)?;
                    }
                    UploadAction::SendBody { offset, len, hash } => {
                        self.send(offset, len, hash).await?
                    }
                    UploadAction::Finish(outcome) => {
                        self.source.unchanged()?;
                        return Ok(outcome);
                    }
                }
            }
            match self.machine.want() {
                Want::Message => {
                    let reply = self.connection.receive().await?;
                    self.machine.message(reply)?;
                }
                Want::Body { .. } | Want::Discard { .. } | Want::Fact | Want::Nothing => {
                    return Err(out_of_step());
                }
            }
        }
    }

    async fn send(&mut self, offset: u64, len: u64, hash: bool) -> Result<(), TransferError> {
        let size = self.source.size();
        self.observer.tell(&Event::Started { from: offset, size });
        if offset == 0
            && let Some(head) = self.source.take_head().filter(|head| head.len() as u64 == len)
        {
            self.source.unchanged()?;
            self.connection.write_body(&head).await?;
            self.observer.tell(&Event::Progress { done: len, size, moved: len });
            let md5 = hash.then(|| PrefixHasher::of(&head).digest());
            return Ok(self.machine.sent(md5)?);
        }
        let mut reader = self.source.reader(offset, len, hash)?;
        let mut done = offset;
        let mut spare = Vec::new();
        loop {
            let chunk = reader.next(self.executor, spare).await;
            let chunk = chunk.map_err(|error| read_failed(self.source.path(), error))?;
            if chunk.is_empty() {
                break;
            }
            done += chunk.len() as u64;
            // The last byte makes the server publish the file, so it must be of the same version.
            if done == offset + len {
                self.source.unchanged()?;
            }
            self.connection.write_body(&chunk).await?;
            self.observer.tell(&Event::Progress { done, size, moved: done - offset });
            spare = chunk;
        }
        let md5 = reader.into_parts().and_then(|(_, hasher)| hasher).map(|hasher| hasher.digest());
        Ok(self.machine.sent(md5)?)
    }
}
