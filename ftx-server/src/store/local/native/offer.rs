//! The answer to an offer: a staging, and the blocks that are stored already.

use std::path::Path;
use std::sync::{Arc, Weak};

use cap_std::fs::Dir;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::blocks::{BLOCK_BYTES, BlockRange, block_count};
use ftx_core::native::wire::Overwrite;
use ftx_io::Executor;
use ftx_store::{BlockStaging, BootId, FileIdentity, Recovered, StoreError};

use super::super::permits::SlowJob;
use super::super::{DescriptorUse, LocalStore, SHORT_HASH_BYTES, StoreInner};
use super::block_map::{FileRef, all_blocks, block_map_of, manifest_of, unread_bytes};
use super::upload::{Basis, BlockLease, BlockWriter, LeasedStaging, LocalBlockUpload, WriterParts};
use crate::store::local::latch::Latch;
use crate::store::local::recovery::StagingId;
use crate::store::local::staging_index::{Access, Claimant, StagingKey};
use crate::store::{Naming, OpenedUpload, Refusal, UploadOffer, WorkProgress};

/// Why a staging is not opened now.
enum OpenError {
    /// Much has to be read first, for which there are only so many at a time.
    TakesLong,
    /// An earlier upload of the client's own is ending.
    Wait(Latch),
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for OpenError {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Opens a staging for the file. Waits for an earlier upload of this client that is just ending.
pub(super) async fn open(
    store: &LocalStore,
    executor: &Executor,
    offer: UploadOffer,
    progress: WorkProgress,
) -> Result<OpenedUpload<LocalBlockUpload>, Refusal> {
    let inner = &store.inner;
    let key = Arc::new(StagingKey::new(&offer.name, &store.principal));
    let share = inner.share(&offer.name, DescriptorUse::Upload)?;
    let mut slow = SlowJob::Write;
    loop {
        let (store, key) = (Arc::clone(inner), Arc::clone(&key));
        let (offer, progress) = (offer.clone(), progress.clone());
        let has_time = slow == SlowJob::Hash;
        let open = move || {
            let opening =
                Opening { inner: &store, key: &key, offer: &offer, progress: &progress, has_time };
            opening.open(&store)
        };
        let opened = inner.permits.run_long(executor, slow, open);
        slow = SlowJob::Write;
        match opened.await {
            Ok(offered) => {
                offered.upload.holds(share);
                return Ok(offered);
            }
            Err(OpenError::Refused(refusal)) => return Err(refusal),
            Err(OpenError::TakesLong) => slow = SlowJob::Hash,
            Err(OpenError::Wait(latch)) => latch.ended().await,
        }
    }
}

/// A staging, and the access to it that an offer has.
type StagingAccess = (StagingId, Access<Weak<BlockWriter>>);

/// A file that is offered.
#[derive(Clone, Copy)]
struct Opening<'a> {
    inner: &'a StoreInner,
    /// The key of the stagings that it may use.
    key: &'a StagingKey,
    offer: &'a UploadOffer,
    progress: &'a WorkProgress,
    /// Whether there is time to read any number of bytes.
    has_time: bool,
}

/// The file that has the name now.
struct PublishedFile {
    file: std::fs::File,
    identity: FileIdentity,
}

impl Opening<'_> {
    fn open(self, shared: &Arc<StoreInner>) -> Result<OpenedUpload<LocalBlockUpload>, OpenError> {
        let Self { inner, offer, .. } = self;
        let path = Path::new(offer.name.as_str());
        inner.sweep();
        // While no staging is in lease: this may take long, and fail.
        let basis = match offer.naming {
            Naming::Exact => self.check_published()?,
            Naming::FirstFree => {
                inner.root.check_parents(path)?;
                None
            }
        };
        let LeasedStaging { staging, lease } = match self.claim()? {
            Some(found) => found,
            None => self.create()?,
        };
        let staging = staging.with_durability(inner.root.durability());
        let staged = staging.block_map();
        // Blocks copied from the published file take space, too.
        let missing = offer.size.saturating_sub(staged.known().saturating_mul(BLOCK_BYTES));
        let reserved = match inner.native.ledger.reserve(inner.root.dir(), path, missing) {
            Ok(reserved) => reserved,
            Err(error) => {
                suspend(LeasedStaging { staging, lease });
                return Err(error.into());
            }
        };
        let published = basis.as_ref().map(|basis| basis.known.clone());
        let staging = LeasedStaging { staging, lease };
        let beginning = WriterParts { staging, basis, reserved };
        let upload = LocalBlockUpload::new(Arc::clone(shared), offer.clone(), beginning);
        Ok(OpenedUpload { upload, staged, published })
    }

    /// Checks whether the file may get its very name. Returns the published one as a basis.
    fn check_published(self) -> Result<Option<Basis>, OpenError> {
        let Self { inner, offer, .. } = self;
        let path = Path::new(offer.name.as_str());
        let published = self.published()?;
        self.check_overwrite(published.as_ref())?;
        let before = published.as_ref().map(|published| published.identity);
        let basis = match published {
            Some(published) => self.basis(published)?,
            None => None,
        };
        // Reports an error before bytes are sent in vain. The check at the end may find another one.
        inner.root.check_target(path)?;
        // Unless it may be the very file, which stays as it is.
        if before.is_none_or(|before| before.size != offer.size) {
            inner.root.check_not_mounted(path)?;
        }
        Ok(basis)
    }

    /// The published file, if there is one. An error where there can be none.
    fn published(self) -> Result<Option<PublishedFile>, StoreError> {
        match self.inner.root.open_regular(Path::new(self.offer.name.as_str())) {
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
            Ok((file, metadata)) => {
                let identity = FileIdentity::of(&metadata);
                Ok(Some(PublishedFile { file: file.into_std(), identity }))
            }
        }
    }

    fn check_overwrite(self, published: Option<&PublishedFile>) -> Result<(), OpenError> {
        let name = &self.offer.name;
        match (self.offer.overwrite, published) {
            (Overwrite::Replace, _) | (Overwrite::Fail, None) => Ok(()),
            (Overwrite::Fail, Some(_)) => {
                let message = format!("{name:?} is there already and is not to be replaced");
                Err(Refusal::new(Reason::AlreadyExists, message).into())
            }
            (Overwrite::IfUnchanged(_), None) => {
                let message = format!("{name:?} is not there any more");
                Err(Refusal::new(Reason::PreconditionFailed, message).into())
            }
            (Overwrite::IfUnchanged(expected), Some(published)) => {
                self.may_read(published, all_blocks(&published.identity))?;
                let file_ref = published.file_ref(name);
                let manifest = manifest_of(self.inner, file_ref, self.progress)?;
                if manifest.digest() == expected {
                    return Ok(());
                }
                let message = format!("{name:?} has changed: its digest is {}", manifest.digest());
                Err(Refusal::new(Reason::PreconditionFailed, message).into())
            }
        }
    }

    /// The published file as a basis. `None` if it has no blocks to copy.
    fn basis(self, published: PublishedFile) -> Result<Option<Basis>, OpenError> {
        let size = self.offer.size.min(published.identity.size);
        // Of a file that is longer than the new one, only so much can be of use.
        let useful = BlockRange { first: 0, count: block_count(size) };
        if useful.count == 0 {
            return Ok(None);
        }
        self.may_read(&published, useful)?;
        match block_map_of(self.inner, published.file_ref(&self.offer.name), useful, self.progress)
        {
            Ok(known) => {
                let PublishedFile { file, identity } = published;
                Ok(Some(Basis { file, identity, known }))
            }
            // A file that is changing is no basis. It will be replaced.
            Err(StoreError::Changed { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether these blocks may be read now.
    fn may_read(self, published: &PublishedFile, wanted: BlockRange) -> Result<(), OpenError> {
        if self.has_time
            || unread_bytes(self.inner, &published.identity, wanted) <= SHORT_HASH_BYTES
        {
            return Ok(());
        }
        Err(OpenError::TakesLong)
    }

    /// The staging to resume: the client's own, or an idle one; the one with the most
    /// blocks.
    fn claim(self) -> Result<Option<LeasedStaging>, OpenError> {
        let found = self.found()?;
        let size = self.offer.size;
        let known = |found: &LeasedStaging| found.staging.block_map().known();
        let (mut fitting, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.staging.size() == size);
        fitting.sort_by_key(known);
        let best = fitting.pop();
        fitting.into_iter().chain(others).for_each(suspend);
        Ok(best)
    }

    /// The stagings that the client may resume.
    fn found(self) -> Result<Vec<LeasedStaging>, OpenError> {
        let Self { inner, key, offer, .. } = self;
        let stagings = &inner.native.stagings;
        let mut found = Vec::new();
        for (id, access) in self.accesses()? {
            match access {
                Access::Reclaim { from, changed } => {
                    let reclaimed = from.upgrade().and_then(|writer| writer.take_over());
                    found.push(reclaimed.ok_or(OpenError::Wait(changed))?);
                }
                Access::TakeOver { from } => {
                    let writer = from.upgrade().filter(|writer| writer.is_of_use(offer.size));
                    found.extend(writer.and_then(|writer| writer.take_over()));
                }
                Access::Lease => {
                    let lease = stagings.lease(key, id, offer.owner);
                    found.extend(lease.map(|lease| self.recover(lease)).transpose()?.flatten());
                    continue;
                }
                Access::Wait(_) | Access::Alive | Access::Leased => continue,
            }
            if let Some(LeasedStaging { lease, .. }) = found.last_mut() {
                lease.hold(offer.owner);
            }
        }
        Ok(found)
    }

    /// The stagings of the name, unless the client must wait for one of them.
    fn accesses(self) -> Result<Vec<StagingAccess>, OpenError> {
        let Self { inner, key, offer, .. } = self;
        let claimant = Claimant { owner: offer.owner, takeover_after: inner.native.silent };
        let entries = inner.native.stagings.of(key).into_iter();
        let access = entries.map(|entry| match (entry.id, entry.access(&claimant)) {
            (_, Access::Wait(changed)) => Err(OpenError::Wait(changed)),
            access => Ok(access),
        });
        access.collect()
    }

    /// Reads an idle staging; `None` if there is nothing, or it cannot be read now.
    fn recover(self, lease: BlockLease) -> Result<Option<LeasedStaging>, OpenError> {
        let Self { offer, progress, has_time, .. } = self;
        let mut go_on =
            |done| (has_time || done <= SHORT_HASH_BYTES) && progress.set(done, offer.size);
        let dir = lease.dir().get();
        match BlockStaging::recover_with(&dir, lease.files(), BootId::current(), &mut go_on) {
            Ok(Recovered::Staging(staging)) => Ok(Some(LeasedStaging { staging: *staging, lease })),
            Ok(Recovered::Nothing | Recovered::OtherKind) => {
                lease.remove();
                Ok(None)
            }
            Err(StoreError::Cancelled { .. }) if !has_time => Err(OpenError::TakesLong),
            Err(error @ StoreError::Cancelled { .. }) => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = %ftx_io::ErrorChain(&error), "an interrupted upload stays unread");
                Ok(None)
            }
        }
    }

    fn create(self) -> Result<LeasedStaging, OpenError> {
        let Self { inner, key, offer, .. } = self;
        inner.native.stagings.check_room(key)?;
        let lease = inner.native.stagings.create(key, offer.owner);
        let create =
            |dir: &Dir| BlockStaging::create_for(dir, lease.files(), key.to_purpose(), offer.size);
        match lease.dir().make(create) {
            Ok(staging) => Ok(LeasedStaging { staging, lease }),
            Err(error) => {
                lease.remove();
                Err(error.with_path(offer.name.as_str()).into())
            }
        }
    }
}

impl PublishedFile {
    fn file_ref<'a>(&'a self, name: &'a RemoteName) -> FileRef<'a> {
        FileRef { name, file: &self.file, identity: &self.identity }
    }
}

/// Leaves a staging for later.
fn suspend(LeasedStaging { staging, lease }: LeasedStaging) {
    let is_empty = staging.block_map().known() == 0;
    if let Err(error) = staging.suspend() {
        tracing::warn!(error = %ftx_io::ErrorChain(&error), "an upload's state could not be recorded");
    }
    if is_empty {
        lease.remove();
    }
}
