//! The permit to store a file.

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::Overwrite;

use super::refusals::{cannot_be_stored, forbidden, is_there_already, too_large};
use super::view::ScopeView;
use crate::access::Rights;
use crate::store::{Naming, Refusal};

/// What may become of a file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteTarget {
    /// What the client asks for.
    AsAsked,
    /// A new file; the client would have replaced an older one.
    NewOnly,
    /// A new version of a file that exists.
    ExistingOnly,
    /// A new file under the first free name. Its principal learns nothing about the names.
    FirstFree,
}

/// The permit to store a file of some name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WritePermit {
    pub(super) target: WriteTarget,
    /// For the store, in place of what the client asks for.
    pub(super) overwrite: Overwrite,
    /// The principal may know whether there is a file.
    pub(super) sees: bool,
    /// The principal may know what is in it.
    pub(super) reads: bool,
}

impl ScopeView<'_> {
    /// The permit to store a file; the same answer for each name, whatever exists.
    pub(super) fn write_permit(
        &self,
        name: &RemoteName,
        asked: Overwrite,
    ) -> Result<WritePermit, Refusal> {
        let rights = self.grants().rights_on(name);
        let (creates, replaces) =
            (rights.contains(Rights::CREATE), rights.contains(Rights::REPLACE));
        let (sees, reads) = (self.sees(name), rights.contains(Rights::READ));
        if !creates && !replaces {
            return Err(forbidden("store", name));
        }
        self.check_no_grant_directory(name)?;
        let target = match (asked, creates, replaces) {
            // Whether this succeeds tells about the bytes of the file.
            (Overwrite::IfUnchanged(_), _, true) if reads => WriteTarget::AsAsked,
            (Overwrite::IfUnchanged(_), ..) => return Err(forbidden("compare and replace", name)),
            (Overwrite::Fail, true, _) if sees => WriteTarget::AsAsked,
            (Overwrite::Replace, true, true) => WriteTarget::AsAsked,
            (Overwrite::Replace, true, false) if sees => WriteTarget::NewOnly,
            (Overwrite::Replace, false, true) if sees => WriteTarget::ExistingOnly,
            (Overwrite::Fail | Overwrite::Replace, true, _) => WriteTarget::FirstFree,
            (Overwrite::Fail | Overwrite::Replace, false, _) => {
                return Err(forbidden("store", name));
            }
        };
        let overwrite = match target {
            WriteTarget::AsAsked => asked,
            WriteTarget::ExistingOnly => Overwrite::Replace,
            WriteTarget::NewOnly | WriteTarget::FirstFree => Overwrite::Fail,
        };
        Ok(WritePermit { target, overwrite, sees, reads })
    }

    /// Fails if the principal may store no file of this size.
    pub(super) fn check_size(&self, name: &RemoteName, size: u64) -> Result<(), Refusal> {
        match self.scope().max_file_bytes {
            Some(most) if size > most => Err(too_large(name, size, most)),
            _ => Ok(()),
        }
    }
}

impl WritePermit {
    /// The name that the file gets.
    pub(super) fn naming(&self, asked: Naming) -> Naming {
        if self.target == WriteTarget::FirstFree { Naming::FirstFree } else { asked }
    }

    /// Whether the file gets the name that the client asks for.
    pub(super) fn keeps_name(&self) -> bool {
        self.target != WriteTarget::FirstFree
    }

    /// Whether a file may be replaced, so that its bytes become free.
    pub(super) fn replaces(&self) -> bool {
        !matches!(self.overwrite, Overwrite::Fail)
    }

    /// A store's refusal to store the file, as its principal may get it.
    pub(super) fn refusal(&self, name: &RemoteName, refusal: Refusal) -> Refusal {
        match refusal.reason {
            Reason::AlreadyExists if self.target == WriteTarget::NewOnly => is_there_already(name),
            // Something else has the name, or that of a directory above.
            Reason::AlreadyExists
            | Reason::NotAFile
            | Reason::NotFound
            | Reason::PermissionDenied
            | Reason::PreconditionFailed
                if !self.sees =>
            {
                cannot_be_stored(name)
            }
            _ => refusal,
        }
    }
}
