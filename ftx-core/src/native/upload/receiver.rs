//! A server's side of one upload: what it holds, what it takes, and what the file is made of.
//!
//! # Blocks that are sent again
//! A client that loses a stream sends the stream's unanswered blocks on another one, and what was
//! on its way on the first may still arrive, even later. So for each block:
//! - one stream writes it at a time, the one that began last;
//! - once it has arrived, it is only compared: nothing touches it before the commit.
//!
//! # Blocks that are replaced
//! A staging that holds another version of a block must forget it, durably, before a byte of it
//! is overwritten: a crash in between would leave bytes that do not have the chaining value that
//! the journal gives them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Accepted, Completed, Duty, HavePage, Plan, ReceiveError};
use crate::native::blocks::{BlockRange, BlockSet, Cv, Digest, PartialManifest, block_len};
use crate::native::step::{BlockMismatch, StepError, StreamId, existing};
use crate::native::wire::MAX_CV_PAGE;

/// Blocks that are not known in a row, from which on a new page is shorter.
const GAP: u64 = 32;

#[derive(Clone, Copy, Debug)]
struct Arrival {
    index: u64,
    duty: Duty,
    /// All of it has arrived, and it is being written.
    whole: bool,
}

/// A server's side of one upload, from its `Offer` to its `Commit`.
#[derive(Clone, Debug)]
pub struct Receiver {
    staged: PartialManifest,
    published: PartialManifest,
    /// The published version has the size that is offered.
    same_size: bool,
    /// Arrived during this upload.
    arrived: BlockSet,
    /// At most one block for each stream.
    arriving: BTreeMap<StreamId, Arrival>,
    resumed: u64,
    committed: bool,
}

impl Receiver {
    /// An upload that goes on from a staging, which is of the size that is offered, and may take
    /// blocks over from a published version of any size.
    #[must_use]
    pub fn new(staged: PartialManifest, published: Option<&PartialManifest>) -> Self {
        let size = staged.size();
        let resumed = staged.known_from(0).map(|(index, _)| block_len(size, index)).sum();
        Self {
            staged,
            same_size: published.is_some_and(|published| published.size() == size),
            published: published
                .map_or(PartialManifest::new(size), |published| published.resized(size)),
            arrived: BlockSet::new(),
            arriving: BTreeMap::new(),
            resumed,
            committed: false,
        }
    }

    /// What is held, as pages for `Have`: of the staging, else of the published version.
    pub fn have(&self) -> impl Iterator<Item = HavePage> + '_ {
        let mut next = 0;
        core::iter::from_fn(move || {
            let page = self.page(next)?;
            next = page.first.saturating_add(page.blocks.len() as u64);
            Some(page)
        })
    }

    /// For `Ready`: bytes of the staging that it began with.
    #[must_use]
    pub const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// Takes note that the frame of a block begins on a stream.
    ///
    /// # Errors
    /// There is no such block, it has another length, or the stream is in another block.
    pub fn accept(
        &mut self,
        stream: StreamId,
        index: u64,
        len: u64,
    ) -> Result<Accepted, StepError> {
        let expected = existing(self.staged.size(), index)?;
        if len != expected {
            return Err(StepError::WrongLength { index, expected, got: len });
        }
        if self.arriving.contains_key(&stream) {
            return Err(StepError::OutOfStep { what: "a block within a block" });
        }
        let duty = if self.committed {
            Duty::Drop
        } else if self.arrived.contains(index) {
            Duty::Compare
        } else if self.writer(index).is_some() {
            Duty::Hold
        } else {
            Duty::Write
        };
        self.arriving.insert(stream, Arrival { index, duty, whole: false });
        let forget = duty == Duty::Write && self.staged.forget(index).is_some();
        Ok(Accepted { duty, forget })
    }

    /// What to do with bytes that arrive on a stream; look before each write, since another stream
    /// may have brought the block meanwhile.
    #[must_use]
    pub fn duty(&self, stream: StreamId) -> Duty {
        self.arriving.get(&stream).map_or(Duty::Drop, |arrival| arrival.duty)
    }

    /// Takes note that all bytes of a block are there, and what was to be written is written.
    ///
    /// # Errors
    /// It is not as it was sent, not as it was sent before, or nobody has kept it. The upload has
    /// failed.
    pub fn complete(
        &mut self,
        stream: StreamId,
        computed: Cv,
        claimed: Cv,
    ) -> Result<Completed, ReceiveError> {
        let Some(Arrival { index, duty, .. }) = self.arriving.remove(&stream) else {
            return Err(StepError::OutOfStep { what: "the end of no block" }.into());
        };
        match (duty, self.writer(index)) {
            (Duty::Drop, _) => Ok(Completed::Dropped),
            _ if computed != claimed => Err(BlockMismatch { index, computed, claimed }.into()),
            _ if self.arrived.contains(index) => {
                let same = self.staged.get(index) == Some(computed);
                if same { Ok(Completed::Known) } else { Err(ReceiveError::Changed { index }) }
            }
            (Duty::Write, _) => {
                self.staged.note(index, Some(computed));
                self.arrived.insert(BlockRange { first: index, count: 1 });
                Ok(Completed::Journal)
            }
            (Duty::Hold | Duty::Compare, Some((_, Arrival { whole: true, .. })))
            | (Duty::Compare, Some(_)) => {
                self.arriving.insert(stream, Arrival { index, duty, whole: false });
                Ok(Completed::Wait)
            }
            (Duty::Hold, writer) => {
                let supersedes = writer.map(|(writer, arrival)| {
                    self.arriving.insert(writer, Arrival { duty: Duty::Compare, ..arrival });
                    writer
                });
                let arrival = Arrival { index, duty: Duty::Write, whole: true };
                self.arriving.insert(stream, arrival);
                Ok(Completed::WriteHeld { supersedes })
            }
            (Duty::Compare, None) => Err(ReceiveError::Interrupted { index }),
        }
    }

    /// Takes note that a stream is no more: its block is not going to arrive on it. Tell it when
    /// the write that the stream is in, if any, has ended: another stream may write next.
    pub fn lost(&mut self, stream: StreamId) {
        self.arriving.remove(&stream);
    }

    /// Takes a `Commit`: what to copy, and to publish. Blocks that arrive later are dropped.
    ///
    /// # Errors
    /// The file is not whole, or not the one that the client means. The upload has failed; what
    /// is staged stays good.
    pub fn commit(&mut self, digest: Digest) -> Result<Plan, ReceiveError> {
        if self.committed {
            return Err(StepError::OutOfStep { what: "a second Commit" }.into());
        }
        if self.arriving.values().any(|arrival| arrival.duty == Duty::Write) {
            return Err(StepError::OutOfStep { what: "a Commit within a block" }.into());
        }
        let mut whole = self.staged.clone();
        let mut copy = BlockSet::new();
        for range in self.staged.missing().ranges() {
            let taken = self.published.known_from(range.first);
            for (index, cv) in taken.take_while(|(index, _)| *index < range.end()) {
                whole.note(index, Some(cv));
                copy.insert(BlockRange { first: index, count: 1 });
            }
        }
        let Some(manifest) = whole.complete() else {
            let BlockRange { first, count } = whole.missing().ranges().next().unwrap_or_default();
            return Err(ReceiveError::Missing { first, count });
        };
        if manifest.digest() != digest {
            let computed = manifest.digest();
            return Err(ReceiveError::DigestMismatch { computed, claimed: digest });
        }
        self.committed = true;
        self.arriving.values_mut().for_each(|arrival| arrival.duty = Duty::Drop);
        let unchanged = self.same_size && self.published.complete().as_ref() == Some(&manifest);
        Ok(Plan { manifest, copy: copy.ranges().collect(), unchanged })
    }

    /// What the staging holds.
    #[must_use]
    pub const fn staged(&self) -> &PartialManifest {
        &self.staged
    }

    /// The stream that is writing a block, if one is.
    fn writer(&self, index: u64) -> Option<(StreamId, Arrival)> {
        let mut writers = self.arriving.iter();
        let writer =
            writers.find(|(_, arrival)| arrival.index == index && arrival.duty == Duty::Write)?;
        Some((*writer.0, *writer.1))
    }

    fn held_from(&self, first: u64) -> Option<(u64, Cv)> {
        let staged = self.staged.known_from(first).next();
        let published = self.published.known_from(first).next();
        match (staged, published) {
            (Some(staged), Some(published)) if published.0 < staged.0 => Some(published),
            (Some(staged), _) => Some(staged),
            (None, published) => published,
        }
    }

    fn page(&self, from: u64) -> Option<HavePage> {
        let (first, cv) = self.held_from(from)?;
        let mut blocks = Vec::from([Some(cv)]);
        let mut next = first + 1;
        while let Some((index, cv)) = self.held_from(next) {
            if index - next > GAP || index - first >= MAX_CV_PAGE as u64 {
                break;
            }
            blocks.extend((next..index).map(|_| None));
            blocks.push(Some(cv));
            next = index + 1;
        }
        Some(HavePage { first, blocks })
    }
}
