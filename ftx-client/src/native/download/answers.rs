//! What the server answers.

use std::sync::{Arc, Mutex};

use ftx_core::RemoteName;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, block_count};
use ftx_core::native::download::{Fetch, FetchError};
use ftx_core::native::wire::Reply;
use ftx_io::Incoming;
use ftx_store::{BlockStaging, Durability};

use super::{Asked, Compare, DownloadStream, Fetching, Found, LONG, Unless, WINDOW, lock};
use crate::native::channel::{decode, out_of_step, refused};
use crate::native::place::Place;
use crate::native::run::Note;
use crate::{TransferError, Transferred};

impl Compare {
    /// Whether so many chaining values from this block on are what is to come next.
    fn takes(&self, first: u64, count: usize) -> bool {
        let blocks = self.found.map_or(0, |found| block_count(found.size));
        first == self.cvs.len() as u64 && first + count as u64 <= blocks
    }
}

impl DownloadStream {
    pub(super) async fn take(&mut self, incoming: Incoming) -> Result<(), TransferError> {
        match incoming {
            Incoming::Block { request, head } => self.block(request, head).await,
            Incoming::File { request, head, len } => self.small(request, head, len).await,
            Incoming::Control { header, payload } => {
                let (request, reply) = decode(&header, &payload)?;
                match reply {
                    Reply::Working { .. } | Reply::Pong { .. } => Ok(()),
                    Reply::Found { size, meta, version } => {
                        Box::pin(self.found(request, Found { size, meta, version })).await
                    }
                    Reply::Cvs { first, cvs } => self.cvs(request, first, cvs),
                    Reply::End { digest } => match self.answered(request) {
                        Some(Asked::Blocks(fetching)) => self.end(&fetching).await,
                        Some(Asked::Compare(compare)) => match digest {
                            Some(digest) if compare.local.bytes() < LONG => {
                                Box::pin(self.compare(*compare, digest)).await
                            }
                            Some(digest) => {
                                self.compares.push((compare, digest));
                                Ok(())
                            }
                            None => Err(out_of_step("a manifest without a digest")),
                        },
                        Some(Asked::Unless(unless)) => self.is_here(*unless, digest),
                        Some(Asked::Nothing) => Ok(()),
                        Some(Asked::Start { .. }) | None => Err(out_of_step("an end of nothing")),
                    },
                    Reply::Failed { reason, message } => {
                        self.failed(request, refused(reason, &message));
                        Ok(())
                    }
                    _ => Err(out_of_step("an answer to another request")),
                }
            }
        }
    }

    /// The server has the file.
    pub(super) async fn found(&mut self, request: u32, found: Found) -> Result<(), TransferError> {
        match self.answered(request) {
            Some(Asked::Compare(mut compare)) => {
                // The manifest grows with the size, so what no room is for is not listened to.
                let here = compare.local.all_bytes();
                if let Err(error) = compare.place.check_room(found.size, here).await {
                    self.ask(request, Asked::Nothing);
                    self.shared.finish(compare.job, Err(error));
                    return Ok(());
                }
                compare.found = Some(found);
                self.ask(request, Asked::Compare(compare));
            }
            Some(Asked::Unless(mut unless)) if found.size <= BLOCK_BYTES => {
                unless.found = Some(found);
                self.ask(request, Asked::Unless(unless));
            }
            Some(Asked::Unless(unless)) => {
                // It has grown since it was listed.
                let Unless { job, name, place, .. } = *unless;
                self.ask(request, Asked::Start { job, name, place, first: None });
                return Box::pin(self.found(request, found)).await;
            }
            Some(Asked::Start { job, name, place, first }) => {
                let size = found.size;
                self.shared.run.note(job, Note::Started { from: 0, size });
                let staging = match place.create(size).await {
                    Ok(staging) => staging,
                    Err(error) => {
                        // What comes for this request is read and dropped.
                        self.ask(request, Asked::Nothing);
                        self.shared.finish(job, Err(error));
                        return Ok(());
                    }
                };
                let first = first.unwrap_or(BlockRange { first: 0, count: u64::MAX });
                let fetch = Fetch::begun(size, self.stream, first, WINDOW);
                let fetching = self.open(job, name, place, found, fetch, staging);
                self.ask(request, Asked::Blocks(fetching));
            }
            Some(asked @ (Asked::Blocks(_) | Asked::Nothing)) => {
                let other = matches!(&asked, Asked::Blocks(f) if f.found.version != found.version);
                self.ask(request, asked);
                if other {
                    return Err(out_of_step("a version that was not asked for"));
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The server has just the small file that is here.
    fn is_here(&mut self, unless: Unless, digest: Option<Digest>) -> Result<(), TransferError> {
        let Unless { job, place, here, found, .. } = unless;
        match found {
            Some(Found { size, meta, .. }) if digest == Some(here.digest) => {
                self.shared.run.note(job, Note::Started { from: size, size });
                if here.meta == meta && self.shared.durability == Durability::None {
                    let done = Transferred { moved: 0, already_there: true };
                    self.shared.finish(job, Ok(done));
                } else {
                    self.batch.push_here(job, place, here.identity, meta);
                }
                Ok(())
            }
            _ => Err(out_of_step("the digest of another file")),
        }
    }

    /// Shares a file with the other connections.
    fn open(
        &self,
        job: usize,
        name: RemoteName,
        place: Place,
        found: Found,
        fetch: Fetch,
        staging: BlockStaging,
    ) -> Arc<Fetching> {
        let fetching = Arc::new(Fetching {
            job,
            name,
            place,
            found,
            fetch: Mutex::new(fetch),
            staging: Mutex::new(Some(Arc::new(staging))),
            stream: self.stream,
        });
        lock(&self.shared.open).push(Arc::clone(&fetching));
        self.shared.crew.changed.notify_waiters();
        fetching
    }

    pub(super) fn cvs(
        &mut self,
        request: u32,
        first: u64,
        page: Vec<Cv>,
    ) -> Result<(), TransferError> {
        match self.asked.get_mut(&request) {
            Some(Asked::Compare(compare)) if compare.takes(first, page.len()) => {
                compare.cvs.extend(page);
                Ok(())
            }
            Some(Asked::Nothing) | None => Ok(()),
            Some(_) => Err(out_of_step("a page of a manifest")),
        }
    }

    /// Compares what is here with what the server has.
    pub(super) async fn compare(
        &mut self,
        compare: Compare,
        digest: Digest,
    ) -> Result<(), TransferError> {
        let Compare { job, name, place, local, found, cvs } = compare;
        let found = found.ok_or_else(|| out_of_step("a manifest of no file"))?;
        let size = found.size;
        let manifest = Manifest::new(size, cvs).map_err(|_| out_of_step("half a manifest"))?;
        let run = Arc::clone(&self.shared.run);
        let prepared = local.prepare(&place, &manifest, found.meta, self.go_on(job)).await;
        let (staging, known) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => {
                // The target is just this file.
                run.note(job, Note::Started { from: size, size });
                run.gain();
                let done = Transferred { moved: 0, already_there: true };
                self.shared.finish(job, Ok(done));
                return Ok(());
            }
            Err(error) => {
                self.shared.finish(job, Err(error));
                return Ok(());
            }
        };
        let mut fetch = Fetch::new(size, &known, WINDOW);
        for (page, cvs) in manifest.cvs().chunks(1024).enumerate() {
            fetch.cvs(page as u64 * 1024, cvs)?;
        }
        match fetch.manifest(digest) {
            Ok(()) => {}
            Err(FetchError::Step(error)) => return Err(error.into()),
            Err(error) => {
                self.shared.finish(job, Err(error.into()));
                return Ok(());
            }
        }
        run.note(job, Note::Started { from: fetch.progress().done, size });
        let fetching = self.open(job, name, place, found, fetch, staging);
        self.publish_if_whole(&fetching).await
    }

    pub(super) fn failed(&mut self, request: u32, error: TransferError) {
        match self.answered(request) {
            Some(Asked::Start { job, .. }) => self.shared.finish(job, Err(error)),
            Some(Asked::Unless(unless)) => self.shared.finish(unless.job, Err(error)),
            Some(Asked::Compare(compare)) => self.shared.finish(compare.job, Err(error)),
            Some(Asked::Blocks(fetching)) => {
                lock(&fetching.staging).take();
                self.shared.close(&fetching);
                self.shared.finish(fetching.job, Err(error));
            }
            Some(Asked::Nothing) | None => {}
        }
    }
}
