//! One `Get` and its answer, as section 3.7 of `PROTOCOL.md` draws them.
//!
//! ```text
//!   whole ────────▶ Start ─────── Found ──▶ Opening ── opened ──▶ Blocks
//!   first blocks ─▶   │                        └ ─ not opened ─ ▶ as Abandoned
//!                     └────────── File ─────────────────────────▶ Over: Receive
//!   whole unless ─▶ Conditional ─ Found, large ─▶ Opening
//!                     ├────────── Found, End ───────────────────▶ Over: Keep
//!                     └────────── File ─────────────────────────▶ Over: Receive
//!   manifest ─────▶ Comparing ─── Found, Cvs …, End ────────────▶ Over: Compare
//!                     └────────── Found, abandon ─▶ Abandoned ──▶ Over at its End
//!   blocks ───────▶ Blocks ────── Found, Block …, End ──────────▶ Over: EndBlocks
//! ```
//!
//! `Failed` ends every request, and `Working` changes none. Any other reply is a [`StepError`], after
//! which the connection must be closed.
//!
//! A request owns its driver's data of the file: a `T` as long as the target is not open, then an `F`.

use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::{DownloadStep, FetchError, RemoteVersion, RequestedFile};
use crate::native::blocks::{BLOCK_BYTES, BlockRange, Cv, Digest, Manifest, block_count};
use crate::native::step::StepError;
use crate::native::wire::{BlockHead, FileHead, GetScope, Reply, Version};

/// All blocks of a file whose size is not known yet.
const ALL_BLOCKS: BlockRange = BlockRange { first: 0, count: u64::MAX };

#[derive(Clone, Debug)]
enum RequestState<T, F> {
    /// The file is new here.
    Start { file: T, first: Option<BlockRange> },
    /// The local file has the digest `local`; `remote` once the server has said that its own has, too.
    Conditional { file: T, local: Digest, remote: Option<RemoteVersion> },
    /// The local data is compared with the server's manifest.
    Comparing { file: T, remote: Option<RemoteVersion>, cvs: Vec<Cv> },
    /// The driver opens the target.
    Opening { version: Version, is_whole: bool },
    /// Blocks arrive, once the version has.
    Blocks { file: F, version: Version, is_found: bool, is_whole: bool },
    /// The file has failed on this side. The answer is skipped.
    Abandoned,
    /// The answer has ended.
    Over,
}

type Transition<T, F> = (RequestState<T, F>, Result<DownloadStep<T, F>, StepError>);

/// One `Get` of a client.
#[derive(Clone, Debug)]
pub struct DownloadRequest<T, F> {
    state: RequestState<T, F>,
}

impl<T, F: Clone> DownloadRequest<T, F> {
    /// The first blocks of a file that may be large and is new here.
    #[must_use]
    pub fn first_blocks(file: T, first: BlockRange) -> (Self, GetScope) {
        let state = RequestState::Start { file, first: Some(first) };
        (Self { state }, GetScope::Blocks([first].into()))
    }

    /// A file that is probably small, and new here.
    #[must_use]
    pub const fn whole(file: T) -> (Self, GetScope) {
        (Self { state: RequestState::Start { file, first: None } }, GetScope::Whole)
    }

    /// A file that is probably small, unless the server's file has the digest of the local one.
    #[must_use]
    pub const fn whole_unless(file: T, local: Digest) -> (Self, GetScope) {
        let state = RequestState::Conditional { file, local, remote: None };
        (Self { state }, GetScope::WholeUnless(local))
    }

    /// The manifest of a file with local data. A `fresh` one does not come from the server's cache.
    #[must_use]
    pub const fn manifest(file: T, fresh: bool) -> (Self, GetScope) {
        let state = RequestState::Comparing { file, remote: None, cvs: Vec::new() };
        (Self { state }, if fresh { GetScope::FreshManifest } else { GetScope::Manifest })
    }

    /// The `ranges` that [`Fetch::next`](super::Fetch::next) has returned for an open file.
    #[must_use]
    pub const fn blocks(file: F, version: Version, ranges: Vec<BlockRange>) -> (Self, GetScope) {
        let state = RequestState::Blocks { file, version, is_found: false, is_whole: false };
        (Self { state }, GetScope::Blocks(ranges))
    }

    /// Takes a message of the answer.
    ///
    /// # Errors
    /// The message does not fit the answer. The connection must be closed.
    pub fn on_reply(&mut self, reply: Reply) -> Result<DownloadStep<T, F>, StepError> {
        self.change(|state| match reply {
            Reply::Working { .. } => state.wait(),
            Reply::Found { size, meta, version } => {
                state.on_found(RemoteVersion { size, meta, version })
            }
            Reply::Cvs { first, cvs } => state.on_cvs(first, cvs),
            Reply::End { digest } => state.on_end(digest),
            Reply::Failed { reason, message } => state.on_failed(reason, message),
            Reply::Welcome { .. }
            | Reply::Have { .. }
            | Reply::Ready { .. }
            | Reply::Stored { .. }
            | Reply::Done { .. }
            | Reply::Entry(_)
            | Reply::Entries { .. }
            | Reply::Pong { .. }
            | Reply::Removed
            | Reply::Goodbye { .. }
            | Reply::Wanted
            | Reply::Waiting => state.refuse("an answer to another request"),
        })
    }

    /// Takes the head of a block of the answer.
    ///
    /// # Errors
    /// The answer has no block here. The connection must be closed.
    pub fn on_block(&mut self, head: BlockHead) -> Result<DownloadStep<T, F>, StepError> {
        self.change(|state| match state {
            RequestState::Blocks { ref file, is_found: true, .. } => {
                let step = DownloadStep::Block { file: file.clone(), head };
                (state, Ok(step))
            }
            RequestState::Opening { .. } | RequestState::Abandoned => {
                (state, Ok(DownloadStep::Skip { len: head.len }))
            }
            RequestState::Start { .. }
            | RequestState::Conditional { .. }
            | RequestState::Comparing { .. }
            | RequestState::Blocks { is_found: false, .. } => {
                state.refuse("a block before its file")
            }
            RequestState::Over => state.refuse("a block after the answer"),
        })
    }

    /// Takes the head of a file of `len` bytes.
    ///
    /// # Errors
    /// The request has not asked for it. The connection must be closed.
    pub fn on_file(&mut self, head: &FileHead, len: u64) -> Result<DownloadStep<T, F>, StepError> {
        let FileHead::Got { meta, .. } = *head else {
            return Err(StepError::OutOfStep { what: "a file to be stored" });
        };
        self.change(|state| match state {
            RequestState::Start { file, first: None }
            | RequestState::Conditional { file, remote: None, .. } => {
                (RequestState::Over, Ok(DownloadStep::Receive { file, meta, len }))
            }
            RequestState::Abandoned => (RequestState::Over, Ok(DownloadStep::Skip { len })),
            RequestState::Start { first: Some(_), .. }
            | RequestState::Conditional { remote: Some(_), .. }
            | RequestState::Comparing { .. }
            | RequestState::Opening { .. }
            | RequestState::Blocks { .. }
            | RequestState::Over => state.refuse("a file that was not asked for"),
        })
    }

    /// The driver has opened the target, as [`DownloadStep::Open`] says.
    ///
    /// # Errors
    /// No target was to be opened.
    pub fn opened(&mut self, file: F) -> Result<(), StepError> {
        match self.state {
            RequestState::Opening { version, is_whole } => {
                self.state = RequestState::Blocks { file, version, is_found: true, is_whole };
                Ok(())
            }
            RequestState::Start { .. }
            | RequestState::Conditional { .. }
            | RequestState::Comparing { .. }
            | RequestState::Blocks { .. }
            | RequestState::Abandoned
            | RequestState::Over => Err(StepError::OutOfStep { what: "an opened target" }),
        }
    }

    /// Gives the file up and returns it, if its target is not open. The rest of the answer is skipped.
    pub fn abandon(&mut self) -> Option<T> {
        match mem::replace(&mut self.state, RequestState::Abandoned) {
            RequestState::Start { file, .. }
            | RequestState::Conditional { file, .. }
            | RequestState::Comparing { file, .. } => Some(file),
            RequestState::Opening { .. }
            | RequestState::Blocks { .. }
            | RequestState::Abandoned => None,
            RequestState::Over => {
                self.state = RequestState::Over;
                None
            }
        }
    }

    /// The file, as long as its target is not open.
    #[must_use]
    pub const fn unopened(&self) -> Option<&T> {
        match &self.state {
            RequestState::Start { file, .. }
            | RequestState::Conditional { file, .. }
            | RequestState::Comparing { file, .. } => Some(file),
            RequestState::Opening { .. }
            | RequestState::Blocks { .. }
            | RequestState::Abandoned
            | RequestState::Over => None,
        }
    }

    /// Whether the answer has ended.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, RequestState::Over)
    }

    /// Whether the answer may open a file for blocks.
    pub(super) const fn may_open(&self) -> bool {
        matches!(
            self.state,
            RequestState::Start { first: Some(_), .. } | RequestState::Comparing { .. }
        )
    }

    fn change(
        &mut self,
        transition: impl FnOnce(RequestState<T, F>) -> Transition<T, F>,
    ) -> Result<DownloadStep<T, F>, StepError> {
        let (state, step) = transition(mem::replace(&mut self.state, RequestState::Over));
        self.state = state;
        step
    }
}

impl<T, F> RequestState<T, F> {
    fn wait(self) -> Transition<T, F> {
        (self, Ok(DownloadStep::Wait))
    }

    fn refuse(self, what: &'static str) -> Transition<T, F> {
        (self, Err(StepError::OutOfStep { what }))
    }

    fn on_found(self, remote: RemoteVersion) -> Transition<T, F> {
        let version = remote.version;
        match self {
            Self::Start { file, first } => {
                let is_whole = first.is_none();
                let first = first.unwrap_or(ALL_BLOCKS);
                let step = DownloadStep::Open { file, remote, first };
                (Self::Opening { version, is_whole }, Ok(step))
            }
            Self::Conditional { file, local, remote: None } if remote.size <= BLOCK_BYTES => {
                Self::Conditional { file, local, remote: Some(remote) }.wait()
            }
            // The file has grown since its size was listed.
            Self::Conditional { file, remote: None, .. } => {
                Self::Start { file, first: None }.on_found(remote)
            }
            Self::Comparing { file, remote: None, cvs } => (
                Self::Comparing { file, remote: Some(remote), cvs },
                Ok(DownloadStep::CheckRoom(remote)),
            ),
            Self::Blocks { file, version: asked, is_found: false, is_whole }
                if asked == version =>
            {
                Self::Blocks { file, version, is_found: true, is_whole }.wait()
            }
            Self::Blocks { is_found: false, .. } => self.refuse("a version that was not asked for"),
            Self::Abandoned => self.wait(),
            Self::Conditional { remote: Some(_), .. }
            | Self::Comparing { remote: Some(_), .. }
            | Self::Opening { .. }
            | Self::Blocks { is_found: true, .. } => self.refuse("a second file"),
            Self::Over => self.refuse("a file after the answer"),
        }
    }

    fn on_cvs(mut self, first: u64, page: Vec<Cv>) -> Transition<T, F> {
        match &mut self {
            Self::Comparing { remote: Some(remote), cvs, .. }
                if first == cvs.len() as u64
                    && first.saturating_add(page.len() as u64) <= block_count(remote.size) =>
            {
                cvs.extend(page);
                self.wait()
            }
            Self::Abandoned => self.wait(),
            Self::Start { .. }
            | Self::Conditional { .. }
            | Self::Comparing { .. }
            | Self::Opening { .. }
            | Self::Blocks { .. }
            | Self::Over => self.refuse("a page of a manifest"),
        }
    }

    fn on_end(self, digest: Option<Digest>) -> Transition<T, F> {
        match self {
            Self::Blocks { file, is_found: true, is_whole, .. } if is_whole == digest.is_some() => {
                (Self::Over, Ok(DownloadStep::EndBlocks { file, digest }))
            }
            Self::Conditional { file, local, remote: Some(remote) } if digest == Some(local) => {
                (Self::Over, Ok(DownloadStep::Keep { file, remote }))
            }
            Self::Comparing { file, remote: Some(remote), cvs } => match digest {
                Some(digest) => (Self::Over, compare(file, remote, cvs, digest)),
                None => Self::Comparing { file, remote: Some(remote), cvs }
                    .refuse("a manifest without a digest"),
            },
            Self::Opening { .. } | Self::Abandoned => (Self::Over, Ok(DownloadStep::Wait)),
            Self::Conditional { remote: Some(_), .. } => self.refuse("the digest of another file"),
            Self::Blocks { is_found: true, .. } => {
                self.refuse("a digest of a part, or a whole without one,")
            }
            Self::Start { .. }
            | Self::Conditional { remote: None, .. }
            | Self::Comparing { remote: None, .. }
            | Self::Blocks { is_found: false, .. }
            | Self::Over => self.refuse("an end of nothing"),
        }
    }

    fn on_failed(self, reason: i32, message: String) -> Transition<T, F> {
        let file = match self {
            Self::Start { file, .. }
            | Self::Conditional { file, .. }
            | Self::Comparing { file, .. } => RequestedFile::Unopened(file),
            Self::Blocks { file, .. } => RequestedFile::Open(file),
            Self::Opening { .. } | Self::Abandoned => {
                return (Self::Over, Ok(DownloadStep::Wait));
            }
            Self::Over => return self.refuse("a failure after the answer"),
        };
        (Self::Over, Ok(DownloadStep::Refused { file, reason, message }))
    }
}

/// Verifies a manifest that has ended with this digest.
fn compare<T, F>(
    file: T,
    remote: RemoteVersion,
    cvs: Vec<Cv>,
    claimed: Digest,
) -> Result<DownloadStep<T, F>, StepError> {
    let manifest = Manifest::new(remote.size, cvs)
        .map_err(|_| StepError::OutOfStep { what: "half a manifest" })?;
    let computed = manifest.digest();
    if computed != claimed {
        let error = FetchError::DigestMismatch { computed, claimed };
        return Ok(DownloadStep::Mismatched { file, error });
    }
    Ok(DownloadStep::Compare { file, remote, manifest })
}
