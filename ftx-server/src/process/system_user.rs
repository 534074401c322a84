//! The user of the system as which a server runs.
//!
//! The calls are those of the C library, which it makes for all threads of the process; the system itself
//! knows identities of threads alone.

use std::io;

#[cfg(target_os = "linux")]
use super::user_spec::NameOrId;
use super::user_spec::UserSpec;

/// A user of the system that exists, with the groups that a process of it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUser {
    name: String,
    uid: u32,
    gid: u32,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    groups: Vec<u32>,
}

/// Why a server cannot run as a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemUserError {
    /// The system has no such user.
    #[error("this system has no user {0:?}")]
    NoUser(String),
    /// The system has no such group.
    #[error("this system has no group {0:?}")]
    NoGroup(String),
    /// A number without an entry, and so without a group.
    #[error("this system has no user {0}, so a group is needed: write {0}:{0}, or another one")]
    GroupNeeded(u32),
    /// The user is root.
    #[error("a server that runs as root keeps all privileges; name another user")]
    Root,
    /// This process may not change its user.
    #[error("only root can run a server as the user {user:?}; start it as root, or as this user")]
    NotRoot {
        /// The wanted user.
        user: String,
    },
    /// The system refuses a call, or has no such users.
    #[error("cannot {op}")]
    System {
        /// The operation.
        op: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The process could still become another user.
    #[error("privileges are left after the change to the user {user:?}: {left}")]
    Left {
        /// The new user.
        user: String,
        /// The privilege.
        left: &'static str,
    },
}

impl SystemUser {
    /// The name, or the number if the system knows no name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the user.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of its group.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid
    }
}

#[cfg(target_os = "linux")]
impl SystemUser {
    /// Looks a user up. Without a group it has all its groups, and otherwise the given one alone.
    ///
    /// # Errors
    /// There is no such user or group, or the user is root.
    pub fn find(spec: &UserSpec) -> Result<Self, SystemUserError> {
        use nix::unistd::{Gid, Group, Uid, User};

        let failed =
            |op| move |error: nix::Error| SystemUserError::System { op, source: error.into() };
        let entry = match &spec.user {
            NameOrId::Name(name) => User::from_name(name),
            NameOrId::Id(id) => User::from_uid(Uid::from_raw(*id)),
        };
        let entry = entry.map_err(failed("look up the user"))?;
        let group = match &spec.group {
            None => None,
            Some(NameOrId::Id(id)) => Some(*id),
            Some(NameOrId::Name(name)) => {
                let group = Group::from_name(name).map_err(failed("look up the group"))?;
                let gid = group.map(|group| group.gid.as_raw());
                Some(gid.ok_or_else(|| SystemUserError::NoGroup(name.clone()))?)
            }
        };
        let (name, uid, gid) = match (entry, &spec.user) {
            (Some(user), _) => (user.name, user.uid.as_raw(), user.gid.as_raw()),
            (None, NameOrId::Id(id)) => {
                (id.to_string(), *id, group.ok_or(SystemUserError::GroupNeeded(*id))?)
            }
            (None, NameOrId::Name(name)) => return Err(SystemUserError::NoUser(name.clone())),
        };
        if uid == 0 {
            return Err(SystemUserError::Root);
        }
        let groups = match group {
            Some(group) => vec![group],
            None => {
                let owned = std::ffi::CString::new(name.as_str())
                    .map_err(|_| SystemUserError::NoUser(name.clone()))?;
                let groups = nix::unistd::getgrouplist(&owned, Gid::from_raw(gid));
                let groups = groups.map_err(failed("look up the groups of the user"))?;
                groups.into_iter().map(Gid::as_raw).collect()
            }
        };
        Ok(Self { name, uid, gid: group.unwrap_or(gid), groups })
    }

    /// Whether this process runs as the user already, and could become no other one by its identities.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let ids = nix::unistd::getresuid().map(|ids| [ids.real, ids.effective, ids.saved]);
        let groups = nix::unistd::getresgid().map(|ids| [ids.real, ids.effective, ids.saved]);
        ids.is_ok_and(|ids| ids.iter().all(|id| id.as_raw() == self.uid))
            && groups.is_ok_and(|ids| ids.iter().all(|id| id.as_raw() == self.gid))
    }

    /// Makes the whole process one of this user, without capabilities, and for ever. Threads that exist keep
    /// their capabilities in the sets that a change of user leaves alone, so there should be none.
    ///
    /// # Errors
    /// The process is not root's, the system refuses, or privileges are left; the process should end then.
    pub fn become_for_ever(&self) -> Result<(), SystemUserError> {
        use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};

        let failed =
            |op| move |error: nix::Error| SystemUserError::System { op, source: error.into() };
        if !self.is_current() {
            if !geteuid().is_root() {
                return Err(SystemUserError::NotRoot { user: self.name.clone() });
            }
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            let groups: Vec<_> = self.groups.iter().copied().map(Gid::from_raw).collect();
            // In this order: each call needs the privilege that a later one takes away.
            setgroups(&groups).map_err(failed("change the groups"))?;
            setresgid(gid, gid, gid).map_err(failed("change the group"))?;
            setresuid(uid, uid, uid).map_err(failed("change the user"))?;
        }
        drop_capabilities().map_err(|error| SystemUserError::System {
            op: "drop the capabilities",
            source: error,
        })?;
        self.verify()
    }

    /// Checks by trying that there is no way back.
    fn verify(&self) -> Result<(), SystemUserError> {
        use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

        let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
        let left = if !self.is_current() {
            "the former user"
        } else if setresuid(root, root, root).is_ok() {
            "the user root"
        } else if self.gid != 0 && setresgid(group, group, group).is_ok() {
            "the group root"
        } else if setgroups(&[group]).is_ok() {
            "other groups"
        } else {
            return Ok(());
        };
        Err(SystemUserError::Left { user: self.name.clone(), left })
    }
}

/// Drops the capabilities of this thread, also those that a program would inherit.
#[cfg(target_os = "linux")]
fn drop_capabilities() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets};

    let none = CapabilitySet::empty();
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, none)?)
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::missing_errors_doc, reason = "always fails")]
impl SystemUser {
    /// Fails: users are looked up on Linux alone.
    pub fn find(_: &UserSpec) -> Result<Self, SystemUserError> {
        let source = io::ErrorKind::Unsupported.into();
        Err(SystemUserError::System { op: "run as another user on this system", source })
    }

    /// Whether this process runs as the user already.
    #[must_use]
    pub fn is_current(&self) -> bool {
        false
    }

    /// Fails: users are changed on Linux alone.
    pub fn become_for_ever(&self) -> Result<(), SystemUserError> {
        Err(SystemUserError::NotRoot { user: self.name.clone() })
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::{SystemUser, SystemUserError};

    fn find(spec: &str) -> Result<SystemUser, SystemUserError> {
        SystemUser::find(&spec.parse().unwrap())
    }

    #[test]
    fn a_user_has_its_groups_or_the_given_one() {
        let nobody = find("nobody").unwrap();
        assert_eq!(nobody.name(), "nobody");
        assert_ne!(nobody.uid(), 0);
        assert!(nobody.groups.contains(&nobody.gid()));
        assert_eq!(find(&nobody.uid().to_string()).unwrap(), nobody);
        let with_group = find("nobody:4242").unwrap();
        assert_eq!((with_group.gid(), &*with_group.groups), (4242, &[4242][..]));
        let by_number = find("4243:4244").unwrap();
        assert_eq!((by_number.uid(), by_number.gid(), by_number.name()), (4243, 4244, "4243"));
    }

    #[test]
    fn there_is_an_error_for_each_user_that_cannot_be() {
        for (spec, said) in [
            ("no-such-user", "no user \"no-such-user\""),
            ("nobody:no-such-group", "no group \"no-such-group\""),
            ("4243", "write 4243:4243"),
            ("root", "keeps all privileges"),
            ("0:4242", "keeps all privileges"),
        ] {
            let error = find(spec).unwrap_err().to_string();
            assert!(error.contains(said), "{spec}: {error}");
        }
    }

    #[test]
    fn another_user_is_not_the_current_one() {
        assert!(!find("4243:4244").unwrap().is_current());
    }
}
