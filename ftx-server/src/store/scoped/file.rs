//! Files that a principal reads. Only the question whether a handle may be used again concerns its rights.

use std::sync::Arc;

use ftx_core::RemoteName;
use ftx_core::native::blocks::{Cv, Manifest};
use ftx_core::native::wire::{Meta, Version};
use ftx_io::{Executor, SendSource};

use super::view::ScopeView;
use crate::access::Access;
use crate::auth::Principal;
use crate::store::{Refusal, StoredFile, WorkProgress};

/// A version of a file that its principal was allowed to read when it was opened.
#[derive(Debug)]
pub struct ScopedFile<F> {
    inner: F,
    name: RemoteName,
    access: Access,
    principal: Option<Principal>,
}

impl<F> ScopedFile<F> {
    pub(super) fn new(
        inner: F,
        name: &RemoteName,
        access: &Access,
        principal: Option<&Principal>,
    ) -> Self {
        let (name, access, principal) = (name.clone(), access.clone(), principal.cloned());
        Self { inner, name, access, principal }
    }
}

impl<F: StoredFile> StoredFile for ScopedFile<F> {
    fn size(&self) -> u64 {
        self.inner.size()
    }

    fn meta(&self) -> Meta {
        self.inner.meta()
    }

    fn version(&self) -> Version {
        self.inner.version()
    }

    fn known_cv(&self, index: u64) -> Option<Cv> {
        self.inner.known_cv(index)
    }

    fn send_source(&self) -> Option<SendSource<'_>> {
        self.inner.send_source()
    }

    fn learn(
        &self,
        executor: &Executor,
        index: u64,
        cv: Cv,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.inner.learn(executor, index, cv)
    }

    fn forget(&self, executor: &Executor) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.inner.forget(executor)
    }

    fn read(
        &self,
        executor: &Executor,
        offset: u64,
        len: usize,
        spare: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refusal>> + Send {
        self.inner.read(executor, offset, len, spare)
    }

    fn manifest(
        &self,
        executor: &Executor,
        progress: WorkProgress,
    ) -> impl Future<Output = Result<Arc<Manifest>, Refusal>> + Send {
        self.inner.manifest(executor, progress)
    }

    fn unchanged(&self, executor: &Executor) -> impl Future<Output = Result<(), Refusal>> + Send {
        self.inner.unchanged(executor)
    }

    /// A handle that is kept between two requests must not outlive the right to read.
    async fn is_current(&self, executor: &Executor) -> bool {
        let view = ScopeView::of(&self.access, self.principal.as_ref());
        view.check_read(&self.name).is_ok() && self.inner.is_current(executor).await
    }
}
