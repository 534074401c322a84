//! What a principal may see and do at one moment. Nothing here asks a store.

use std::sync::{Arc, LazyLock};

use arc_swap::Guard;
use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Entry, EntryKind, Meta};

use super::refusals::{forbidden, is_a_directory, not_found};
use crate::access::{Access, AccessPolicy, GrantPath, Grants, Rights, Scope};
use crate::auth::Principal;
use crate::store::Refusal;

/// Either shows that a name exists.
const SEES: Rights = Rights::LIST.union(Rights::READ);

/// The scope of an unknown principal.
static NOTHING: LazyLock<Scope> = LazyLock::new(Scope::default);

/// The scope of a principal in the policy that was in force when a call began.
pub(super) struct ScopeView<'a> {
    policy: Arc<AccessPolicy>,
    principal: Option<&'a Principal>,
}

/// What `stat` may answer about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Only a directory, which the grants lead through.
    WayDown,
    /// An entry of the store. A file or a directory is hidden where its field is not set.
    Stored { file: bool, directory: bool },
}

impl<'a> ScopeView<'a> {
    pub(super) fn of(access: &Access, principal: Option<&'a Principal>) -> Self {
        Self { policy: Guard::into_inner(access.current()), principal }
    }

    pub(super) fn scope(&self) -> &Scope {
        let scope = self.principal.and_then(|principal| self.policy.scope(principal));
        scope.unwrap_or(&NOTHING)
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.scope().grants
    }

    /// Whether the principal may know whether there is a file of this name.
    pub(super) fn sees(&self, name: &RemoteName) -> bool {
        self.grants().rights_on(name).intersects(SEES)
    }

    /// Whether the principal may know about some of the entries that a directory may have.
    pub(super) fn sees_contents(&self, name: &RemoteName) -> bool {
        self.grants().rights_in(Some(name)).intersects(SEES)
    }

    /// Whether the principal may know about a directory of this name.
    fn sees_directory(&self, name: &RemoteName) -> bool {
        self.sees_contents(name) || leads_to_listable(self.grants(), name)
    }

    /// The sight of a name; an error if it does not exist for the principal.
    pub(super) fn sight(&self, name: &RemoteName) -> Result<Sight, Refusal> {
        let file = self.sees(name);
        let contents = self.sees_contents(name);
        let directory = contents || leads_to_listable(self.grants(), name);
        match (file || contents, directory) {
            (true, _) => Ok(Sight::Stored { file, directory }),
            (false, true) => Ok(Sight::WayDown),
            (false, false) => Err(not_found(name)),
        }
    }

    /// Fails unless the file of this name may be read.
    pub(super) fn check_read(&self, name: &RemoteName) -> Result<(), Refusal> {
        let rights = self.grants().rights_on(name);
        if rights.contains(Rights::READ) {
            Ok(())
        } else if rights.contains(Rights::LIST) {
            Err(forbidden("read", name))
        } else if self.sees_directory(name) {
            Err(is_a_directory(name))
        } else {
            Err(not_found(name))
        }
    }

    /// Fails unless the file of this name may be removed.
    pub(super) fn check_remove(&self, name: &RemoteName) -> Result<(), Refusal> {
        let rights = self.grants().rights_on(name);
        if !rights.intersects(SEES) {
            let directory = self.sees_directory(name);
            return Err(if directory { is_a_directory(name) } else { not_found(name) });
        }
        if rights.contains(Rights::DELETE) { Ok(()) } else { Err(forbidden("remove", name)) }
    }

    /// Fails unless a directory of this name may be made.
    pub(super) fn check_make_directory(&self, name: &RemoteName) -> Result<(), Refusal> {
        if self.grants().rights_in(Some(name)).contains(Rights::CREATE) {
            Ok(())
        } else {
            Err(forbidden("create the directory", name))
        }
    }

    /// Fails if a name is that of a directory on the way to a grant, or of one: a file there would be in the
    /// way of the grant. Such a directory stays hidden from a principal that may not know about it.
    pub(super) fn check_no_grant_directory(&self, name: &RemoteName) -> Result<(), Refusal> {
        if !self.grants().iter().any(|grant| grant.path.is_within(Some(name))) {
            Ok(())
        } else if self.sees_directory(name) {
            Err(is_a_directory(name))
        } else {
            Err(forbidden("store", name))
        }
    }

    /// The refusal of a store to open or remove a file, as the principal may get it: a hidden directory does
    /// not exist.
    pub(super) fn hide_directory(&self, name: &RemoteName, refusal: Refusal) -> Refusal {
        match refusal.reason {
            Reason::NotAFile if !self.sees_directory(name) => not_found(name),
            Reason::NotFound => not_found(name),
            _ => refusal,
        }
    }
}

/// Whether a directory is that of a grant that lists, or leads to one.
pub(super) fn leads_to_listable(grants: &Grants, directory: &RemoteName) -> bool {
    let listable = |rights: Rights| rights.contains(Rights::LIST);
    grants.iter().any(|grant| listable(grant.rights) && grant.path.is_within(Some(directory)))
}

/// A directory that the store was not asked about.
pub(super) fn directory_entry(name: RemoteName) -> Entry {
    Entry { name, kind: EntryKind::Directory, size: 0, meta: Meta::default() }
}

/// The largest subtrees of a directory, `None` for the root, at whose top a grant gives one of these rights, in
/// the order of listings.
pub(super) fn outermost(
    grants: &Grants,
    directory: Option<&RemoteName>,
    rights: Rights,
) -> Vec<Option<RemoteName>> {
    if grants.rights_in(directory).intersects(rights) {
        return vec![directory.cloned()];
    }
    let mut tops: Vec<&GrantPath> = Vec::new();
    for grant in grants.iter().filter(|grant| grant.rights.intersects(rights)) {
        // Paths that begin with one follow it directly.
        let is_below = |top: &&GrantPath| grant.path.as_str().starts_with(top.as_str());
        if grant.path.is_within(directory) && !tops.last().is_some_and(is_below) {
            tops.push(&grant.path);
        }
    }
    let mut tops: Vec<_> = tops.into_iter().map(GrantPath::directory).collect();
    tops.sort_by(|one, other| parts(one.as_ref()).cmp(parts(other.as_ref())));
    tops
}

fn parts(directory: Option<&RemoteName>) -> impl Iterator<Item = &str> {
    directory.into_iter().flat_map(RemoteName::parts)
}
