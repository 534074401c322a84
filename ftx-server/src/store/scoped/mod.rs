//! A store as one principal may use it: rights, limits, and nothing told beyond them.
//!
//! [`ScopedStore`] wraps any store. Each call looks up the rights that are in force now, so a new policy acts
//! at the next request. A right that is missing is noticed before the inner store is asked at all.
//!
//! | call | needs |
//! |---|---|
//! | `open` (download, digest), `open_download` | *read* |
//! | `stat` | *list* or *read* |
//! | `list` | *list*; directories above a grant with *list* show the way down and nothing else |
//! | `offer`, `put`, `begin`, `offer_prefix` | *create* for a new file, *replace* for one that exists |
//! | … that may replace only a certain version | *replace* and *read* |
//! | `confirm`, and `put` without bytes | *read*, else the file counts as different; *replace* to set time and mode |
//! | `make_directory` | *create* |
//! | `remove` | *delete*, and *list* or *read* |
//!
//! - A name with neither *list* nor *read* does not exist: it is `NOT_FOUND`. One that is seen, but on which
//!   the right is missing, is `FORBIDDEN`, whether it exists or not. So is every name where nothing may be
//!   stored.
//! - *Create* without *replace* replaces nothing, even between two uploads at once: the inner store holds
//!   [`Overwrite::Fail`](ftx_core::native::wire::Overwrite::Fail).
//! - *Create* without *list* and *read* is a drop box. Its files get the first free name
//!   ([`Naming::FirstFree`](super::Naming::FirstFree)), so neither an error nor a success tells what is there.
//! - Without *read*, no reply tells about the bytes that were there before: no chaining values, no
//!   "unchanged", no prefix of a published file.
//! - The directory of a grant always exists: it lists as empty until it is made, and no file takes its name.
//!
//! Limits of the server on names, sizes and open uploads hold for everybody, and are checked with the rights.
//!
//! Rights go by names. A link inside the root is a second name of what it leads to.

mod file;
mod file_change;
mod legacy;
mod listing;
mod open_uploads;
mod permit;
mod quota;
mod refusals;
mod small;
#[cfg(test)]
mod tests;
mod upload;
mod view;

use ftx_core::RemoteName;
use ftx_core::native::wire::{Entry, EntryKind};
use ftx_core::native::{Granule, Reason};
use ftx_io::Executor;

pub use self::file::ScopedFile;
use self::file_change::Quotas;
pub use self::legacy::{ScopedLegacyUpload, ScopedOffer};
pub use self::listing::ScopedCursor;
use self::open_uploads::OpenUploads;
use self::permit::WriteTarget;
use self::quota::QuotaReservation;
use self::refusals::{forbidden, name_too_long, not_found};
pub use self::upload::ScopedStaging;
use self::view::{ScopeView, Sight, directory_entry};
use super::{
    ExpectedVersion, ListPage, ListRequest, OpenedUpload, PutOutcome, Refusal, SmallFile, Store,
    UploadOffer, WorkProgress,
};
use crate::access::{Access, Rights};
use crate::auth::Principal;
use crate::limits::{Limit, StoreLimits};

/// A store as one principal may use it; clones share the files and the quotas. A principal of its own comes
/// with [`for_principal`](Store::for_principal): before, nobody may do anything.
#[derive(Clone, Debug)]
pub struct ScopedStore<S> {
    inner: S,
    access: Access,
    principal: Option<Principal>,
    quotas: Quotas,
    limits: StoreLimits,
    open_uploads: OpenUploads,
}

impl<S> ScopedStore<S> {
    /// The store within the rights of `access`.
    #[must_use]
    pub fn new(inner: S, access: Access) -> Self {
        Self {
            inner,
            access,
            principal: None,
            quotas: Quotas::default(),
            limits: StoreLimits::default(),
            open_uploads: OpenUploads::default(),
        }
    }

    /// With other limits on files and uploads than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: StoreLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Fails if no file or directory may have a name of this length.
    fn check_name(&self, name: &RemoteName) -> Result<(), Refusal> {
        let (parts, bytes) = (name.parts().count(), name.as_str().len());
        if parts > self.limits.name_parts {
            return Err(name_too_long(name, Limit::NameParts, self.limits.name_parts, "parts"));
        }
        if bytes > self.limits.name_bytes {
            return Err(name_too_long(name, Limit::NameBytes, self.limits.name_bytes, "bytes"));
        }
        Ok(())
    }

    /// The rights in force now.
    fn view(&self) -> ScopeView<'_> {
        ScopeView::of(&self.access, self.principal.as_ref())
    }
}

impl<S: Store> Store for ScopedStore<S> {
    type Staging = ScopedStaging<S>;
    type File = ScopedFile<S::File>;
    type Cursor = ScopedCursor<S::Cursor>;

    fn for_principal(&self, principal: &Principal) -> Self {
        Self {
            inner: self.inner.for_principal(principal),
            access: self.access.clone(),
            principal: Some(principal.clone()),
            quotas: self.quotas.clone(),
            limits: self.limits,
            open_uploads: self.open_uploads.clone(),
        }
    }

    fn granule(&self) -> Granule {
        self.inner.granule()
    }

    async fn offer(
        &self,
        executor: &Executor,
        offer: UploadOffer,
        progress: WorkProgress,
    ) -> Result<OpenedUpload<ScopedStaging<S>>, Refusal> {
        upload::open(self, executor, offer, progress).await
    }

    async fn put(
        &self,
        executor: &Executor,
        files: Vec<SmallFile>,
    ) -> Vec<Result<PutOutcome, Refusal>> {
        small::put(self, executor, files).await
    }

    async fn confirm(
        &self,
        executor: &Executor,
        expected: ExpectedVersion,
        progress: WorkProgress,
    ) -> Result<bool, Refusal> {
        match self.may_confirm(executor, expected).await? {
            Some(expected) => self.inner.confirm(executor, expected, progress).await,
            None => Ok(false),
        }
    }

    async fn open(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<ScopedFile<S::File>, Refusal> {
        let view = self.view();
        view.check_read(name)?;
        let opened = self.inner.open(executor, name).await;
        let file = opened.map_err(|refusal| view.hide_directory(name, refusal))?;
        Ok(ScopedFile::new(file, name, &self.access, self.principal.as_ref()))
    }

    async fn stat(&self, executor: &Executor, name: &RemoteName) -> Result<Entry, Refusal> {
        let view = self.view();
        let (file, directory) = match view.sight(name)? {
            Sight::WayDown => return Ok(directory_entry(name.clone())),
            Sight::Stored { file, directory } => (file, directory),
        };
        let is_promised = view::leads_to_listable(view.grants(), name);
        match self.inner.stat(executor, name).await {
            Ok(entry) => match entry.kind {
                EntryKind::File if file => Ok(entry),
                EntryKind::Directory if directory => Ok(entry),
                _ if is_promised => Ok(directory_entry(name.clone())),
                _ => Err(not_found(name)),
            },
            Err(refusal) if matches!(refusal.reason, Reason::NotFound | Reason::NotAFile) => {
                match (is_promised, refusal.reason) {
                    (true, _) => Ok(directory_entry(name.clone())),
                    (false, Reason::NotAFile) if file => Err(refusal),
                    (false, _) => Err(not_found(name)),
                }
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn list(
        &self,
        executor: &Executor,
        list: ListRequest,
        cursor: Option<Self::Cursor>,
    ) -> Result<(ListPage, Option<Self::Cursor>), Refusal> {
        listing::page(&self.inner, executor, self.view().grants(), list, cursor).await
    }

    async fn make_directory(
        &self,
        executor: &Executor,
        name: &RemoteName,
    ) -> Result<Entry, Refusal> {
        let view = self.view();
        view.check_make_directory(name)?;
        self.check_name(name)?;
        let made = self.inner.make_directory(executor, name).await;
        if view.sees_contents(name) {
            return made;
        }
        match made {
            // It may have been there before, with a time of its own, or something else may be.
            Ok(_) => Ok(directory_entry(name.clone())),
            Err(refusal) if matches!(refusal.reason, Reason::NotAFile | Reason::AlreadyExists) => {
                Ok(directory_entry(name.clone()))
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn remove(&self, executor: &Executor, name: &RemoteName) -> Result<(), Refusal> {
        let view = self.view();
        view.check_remove(name)?;
        let mut change = self.change(executor, name).await;
        let removed = self.inner.remove(executor, name).await;
        removed.map_err(|refusal| view.hide_directory(name, refusal))?;
        change.removed();
        Ok(())
    }
}

impl<S: Store> ScopedStore<S> {
    /// The version to confirm; `None` if the principal may not know whether it is there. Without the right
    /// to replace a file, its time and mode stay as they are.
    async fn may_confirm(
        &self,
        executor: &Executor,
        expected: ExpectedVersion,
    ) -> Result<Option<ExpectedVersion>, Refusal> {
        let rights = self.view().grants().rights_on(&expected.name);
        if !rights.contains(Rights::READ) {
            return Ok(None);
        }
        if rights.contains(Rights::REPLACE) {
            return Ok(Some(expected));
        }
        match self.inner.stat(executor, &expected.name).await {
            Ok(entry) if entry.kind == EntryKind::File => {
                Ok(Some(ExpectedVersion { meta: entry.meta, ..expected }))
            }
            Ok(_) => Ok(None),
            Err(refusal) if matches!(refusal.reason, Reason::NotFound | Reason::NotAFile) => {
                Ok(None)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Fails unless a principal that may create nothing has a file here to replace.
    async fn check_target(
        &self,
        executor: &Executor,
        name: &RemoteName,
        target: WriteTarget,
    ) -> Result<(), Refusal> {
        if target != WriteTarget::ExistingOnly {
            return Ok(());
        }
        match self.inner.stat(executor, name).await {
            Err(refusal) if refusal.reason == Reason::NotFound => Err(forbidden("create", name)),
            looked => looked.map(drop),
        }
    }

    /// The size of the published file; 0 without one.
    async fn published_size(&self, executor: &Executor, name: &RemoteName) -> u64 {
        self.inner.stat(executor, name).await.map_or(0, |entry| entry.size)
    }

    /// Counts the files of the principal's quota, unless that was done lately or there is none.
    async fn count(&self, executor: &Executor, name: &RemoteName) -> Result<(), Refusal> {
        let view = self.view();
        match self.usage(&view, name) {
            Some(usage) => usage.count(&self.inner, executor, view.grants()).await,
            None => Ok(()),
        }
    }

    /// Reserves room in the quota of the principal for a file of `size` bytes that takes the place of `old`
    /// ones. `None` if there is no quota.
    async fn reserve(
        &self,
        executor: &Executor,
        name: &RemoteName,
        size: u64,
        old: u64,
    ) -> Result<Option<QuotaReservation>, Refusal> {
        let view = self.view();
        let (Some(limit), Some(usage)) = (view.scope().quota_bytes, self.usage(&view, name)) else {
            return Ok(None);
        };
        usage.count(&self.inner, executor, view.grants()).await?;
        let reserved = usage.reserve(size.saturating_sub(old), limit);
        let tells = view.grants().rights_on(name).contains(Rights::LIST);
        reserved.map(Some).map_err(|full| full.refusal(name, size, tells))
    }
}
