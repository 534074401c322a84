//! Keys of stagings: the file's name, and the principal who uploads it.

use std::fmt;

use ftx_core::RemoteName;
use ftx_store::StagingPurpose;

use crate::auth::Principal;
use crate::store::unproven_twin;

/// The principal of the legacy dialect, as a journal names it.
const LEGACY: &str = "legacy";

/// The beginning of a user's name in a journal.
const USER_PREFIX: &str = "user:";

/// The name of a file, and the principal who uploads it. Only that principal gets its stagings.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::store::local) struct StagingKey {
    name: RemoteName,
    principal: Principal,
}

impl StagingKey {
    pub(in crate::store::local) fn new(name: &RemoteName, principal: &Principal) -> Self {
        Self { name: name.clone(), principal: principal.clone() }
    }

    /// The principal who uploads the file.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The key of a staging of the legacy dialect, which has one principal.
    pub(in crate::store::local) fn legacy(name: &RemoteName) -> Self {
        Self::new(name, &Principal::Legacy)
    }

    /// The name of the file.
    pub(in crate::store::local) fn name(&self) -> &RemoteName {
        &self.name
    }

    /// The key of the same name and the other one of the principals that have proved nothing: an anonymous
    /// client that publishes ends the stagings of legacy clients too, and the other way round. `None` for
    /// a user.
    ///
    /// Where everybody is served, both are the same people with one client or the other, and a staging
    /// that stayed would only take space. Neither gets the other's stagings.
    pub(in crate::store::local) fn unproven_twin(&self) -> Option<Self> {
        let twin = unproven_twin(&self.principal)?;
        Some(Self { name: self.name.clone(), principal: twin })
    }

    /// The key as a journal keeps it. The form is part of the journal's format: it never changes.
    pub(in crate::store::local) fn to_purpose(&self) -> StagingPurpose {
        let principal = match &self.principal {
            Principal::Anonymous => None,
            Principal::Legacy => Some(LEGACY.to_owned()),
            Principal::User(name) => Some(format!("{USER_PREFIX}{name}")),
        };
        StagingPurpose { name: self.name.as_str().to_owned(), principal }
    }

    /// Reads a journal's form; `None` if there is no such name or principal. A journal without a principal
    /// is one of an anonymous client, as those of earlier versions are.
    pub(in crate::store::local) fn from_purpose(purpose: &StagingPurpose) -> Option<Self> {
        let principal = match purpose.principal.as_deref() {
            None => Principal::Anonymous,
            Some(LEGACY) => Principal::Legacy,
            Some(other) => Principal::user(other.strip_prefix(USER_PREFIX)?),
        };
        Some(Self { name: RemoteName::parse(&purpose.name).ok()?, principal })
    }
}

impl fmt::Debug for StagingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.name, self.principal)
    }
}

#[cfg(test)]
mod tests {
    use super::{Principal, RemoteName, StagingKey, StagingPurpose};

    /// A change of these forms would give the stagings of one principal to another.
    #[test]
    fn a_key_has_a_fixed_form_in_a_journal() {
        let name = RemoteName::parse("d/a").unwrap();
        for (principal, written) in [
            (Principal::Anonymous, None),
            (Principal::Legacy, Some("legacy")),
            (Principal::user("alice"), Some("user:alice")),
            (Principal::user("legacy"), Some("user:legacy")),
            (Principal::user("user:x"), Some("user:user:x")),
            (Principal::user(""), Some("user:")),
        ] {
            let key = StagingKey::new(&name, &principal);
            let purpose = key.to_purpose();
            assert_eq!((purpose.name.as_str(), purpose.principal.as_deref()), ("d/a", written));
            assert_eq!(StagingKey::from_purpose(&purpose), Some(key));
        }
    }

    #[test]
    fn an_unknown_form_is_nobodys() {
        for (name, principal) in [("d/a", Some("group:x")), ("d/a", Some("")), ("../a", None)] {
            let (name, principal) = (name.to_owned(), principal.map(str::to_owned));
            assert_eq!(StagingKey::from_purpose(&StagingPurpose { name, principal }), None);
        }
    }
}
