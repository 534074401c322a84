//! Stores within rights: what a principal gets, and what the inner store is asked.

mod asked;
mod counted;
mod drop_box;
mod limits;
mod listing;
mod quota;
mod writing;

use ftx_core::RemoteName;
use ftx_core::native::blocks::Digest;
use ftx_core::native::wire::{Meta, Overwrite};
use ftx_io::Executor;

use super::*;
use crate::access::{AccessPolicy, Grant, GrantPath, Grants, Scope, UserPolicy};
use crate::store::memory::MemStore;
use crate::store::{Naming, SmallData};

fn name(text: &str) -> RemoteName {
    RemoteName::parse(text).unwrap()
}

fn pool() -> Executor {
    Executor::pool()
}

fn grants(all: &[(&str, Rights)]) -> Grants {
    let grant = |&(path, rights)| Grant { path: GrantPath::parse(path).unwrap(), rights };
    Grants::new(all.iter().map(grant))
}

/// A policy with one user, alice.
fn policy(scope: Scope) -> AccessPolicy {
    let mut policy = AccessPolicy::default();
    policy.users.insert("alice".into(), UserPolicy { scope, ..UserPolicy::default() });
    policy
}

/// A store as alice sees it.
fn scoped<S: Store>(inner: S, scope: Scope) -> ScopedStore<S> {
    let access = Access::new(policy(scope));
    ScopedStore::new(inner, access).for_principal(&Principal::user("alice"))
}

fn scope(all: &[(&str, Rights)]) -> Scope {
    Scope { grants: grants(all), ..Scope::default() }
}

fn small(file: &str, bytes: &[u8]) -> SmallFile {
    SmallFile {
        name: name(file),
        meta: Meta::default(),
        overwrite: Overwrite::Replace,
        naming: Naming::Exact,
        data: SmallData::Whole(bytes.to_vec()),
        digest: Digest::of(bytes),
    }
}

async fn put<S: Store>(store: &S, file: &str, bytes: &[u8]) -> Result<PutOutcome, Refusal> {
    store.put(&pool(), vec![small(file, bytes)]).await.pop().unwrap()
}
