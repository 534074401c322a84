//! A file's access attributes: owner, group, mode and access control list.

mod acl;
mod read;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use ftx_core::native::wire::{Meta, Readers};
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};
use rustix::process::{getegid, geteuid};

use self::acl::AccessList;
#[cfg(test)]
pub(crate) use self::acl::tests::bytes as acl_bytes;
use crate::sys::permissions::{Umask, Writers, writers_by};

const SETGID_BIT: u32 = 0o2000;

/// The access attributes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `None`: the user who creates it.
    owner: Option<u32>,
    group: u32,
    /// The permission bits.
    mode: u32,
    list: AclState,
    /// They come from a file to be replaced, which already has users.
    is_replaced: bool,
}

/// An access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AclState {
    None,
    Some(AccessList),
    /// There may be one, but it cannot be read.
    Unknown,
}

impl Attributes {
    /// Returns those of an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Ok(Self::new(&Metadata::from_file(file)?, read::of_file(file)))
    }

    /// Returns those of the file `name` in `dir`, a single component and no link, whose inspection
    /// gave `metadata`.
    pub(crate) fn of_existing(dir: &Dir, name: &Path, metadata: &Metadata) -> Self {
        Self { is_replaced: true, ..Self::new(metadata, read::of_name(dir, name)) }
    }

    /// Returns those of a new file in `dir`, given `umask`.
    pub(crate) fn of_new(dir: &Dir, umask: Umask) -> io::Result<Self> {
        let metadata = dir.dir_metadata()?;
        let default = read::default_of(dir);
        let own_group = getegid().as_raw();
        let mode = 0o666 & !umask.bits();
        let plain =
            Self { owner: None, group: own_group, mode, list: AclState::None, is_replaced: false };
        let has_setgid = metadata.mode() & SETGID_BIT != 0;
        if default == AclState::None && !has_setgid && metadata.gid() == own_group {
            return Ok(plain);
        }
        // The kernel decides: mounts differ in the group of new files.
        if let Some(probe) = read::probe(dir)
            && let Ok(made) = Self::of(&probe)
        {
            return Ok(Self { owner: None, ..made });
        }
        let group = if has_setgid { metadata.gid() } else { own_group };
        Ok(match default {
            AclState::Some(mut list) => {
                let mode = list.inherit(0o666);
                Self { group, mode, list: AclState::Some(list), ..plain }
            }
            AclState::None | AclState::Unknown => Self { group, ..plain },
        })
    }

    /// Returns the mode to create a file with that will get `wanted`, where new files have `self`,
    /// and the attributes it has then. With `exclusive` no other user can reach the file; otherwise it
    /// is created for this user exclusive.
    pub(crate) fn created_for(&self, wanted: &Self, umask: Umask, exclusive: bool) -> (u32, Self) {
        let is_plain = [self, wanted].iter().all(|attributes| attributes.list == AclState::None);
        let fits = exclusive && is_plain && wanted.group == self.group && wanted.is_ours();
        let mode = if fits { wanted.mode } else { 0o600 };
        let list = if self.list == AclState::None { AclState::None } else { AclState::Unknown };
        (mode, Self { mode: mode & !umask.bits(), list, ..self.clone() })
    }

    fn is_ours(&self) -> bool {
        self.owner.is_none_or(|owner| owner == geteuid().as_raw())
    }

    /// Adapts these to a file with `meta` that takes them over. Without `meta` a replaced file
    /// keeps its execute bits.
    pub(crate) fn with(mut self, meta: Option<&Meta>) -> Self {
        let executable = meta.map(|meta| meta.executable);
        if !self.is_replaced {
            self.mode &= !match meta.map(|meta| meta.readers).unwrap_or_default() {
                Readers::All => 0,
                Readers::Group => 0o007,
                Readers::Owner => 0o077,
            };
        }
        match executable {
            Some(true) => self.mode = self.mode & 0o666 | (self.mode & 0o444) >> 2,
            Some(false) => self.mode &= 0o666,
            None => {}
        }
        self
    }

    /// Whether other users, outside this user's own group, may write to such a file.
    pub(crate) fn let_others_write(&self) -> bool {
        let owner = self.owner.unwrap_or_else(|| geteuid().as_raw());
        writers_by(owner, self.group, self.mode) == Writers::Others
    }

    /// Gives these to `file`, which has `current` and holds only this user's data. At no moment is
    /// the file open to users to whom it is closed in the end; attributes that cannot be kept are
    /// narrowed. Returns whether anything changed.
    ///
    /// # Errors
    /// The file would stay open to users for whom it should be closed. Access that is lost is only
    /// logged, with `path`.
    pub(crate) fn apply_to(&self, file: &File, current: &Self, path: &Path) -> io::Result<bool> {
        let mut wanted = self.clone();
        let is_others = wanted
            .owner
            .is_some_and(|owner| owner != current.owner.unwrap_or_else(|| geteuid().as_raw()));
        let moves = is_others || wanted.group != current.group;
        let relists = wanted.list != current.list || wanted.list == AclState::Unknown;
        let mut mode = current.mode;
        if (moves || relists) && mode & 0o077 != 0 {
            mode &= 0o700;
            set_mode(file, mode)?;
        }
        if moves && !chown(file, wanted.owner, wanted.group) {
            tracing::debug!(?path, "the group cannot be kept, so the file is closed to it");
            wanted.lose_group();
        }
        // Setting a list changes bits of the mode.
        if relists {
            wanted.set_list(file, current, path);
        } else if mode == wanted.mode {
            return Ok(moves || mode != current.mode);
        }
        match set_mode(file, wanted.mode) {
            Err(error) if mode & !wanted.mode & 0o666 != 0 => return Err(error),
            Err(error) => tracing::warn!(%error, ?path, "the mode cannot be set"),
            Ok(()) => {}
        }
        Ok(true)
    }

    /// Closes a file that was [given](Self::apply_to) another file's attributes and was not
    /// published.
    pub(crate) fn revoke(file: &File) {
        let _ = set_mode(file, 0o600);
        let _ = fchown(file, Some(geteuid()), Some(getegid()));
    }

    fn new(metadata: &Metadata, list: AclState) -> Self {
        let (owner, group) = (Some(metadata.uid()), metadata.gid());
        Self { owner, group, mode: metadata.mode() & 0o777, list, is_replaced: false }
    }

    /// Sets the list, or removes an existing one. The mode must be set afterwards.
    fn set_list(&mut self, file: &File, current: &Self, path: &Path) {
        let set = match &self.list {
            AclState::Some(list) => read::set(file, &list.to_bytes()),
            AclState::None | AclState::Unknown if current.list == AclState::None => Ok(()),
            AclState::None | AclState::Unknown => read::remove(file),
        };
        if let Err(error) = &set {
            tracing::warn!(%error, ?path, "the access control list cannot be kept, so the file is closed");
        }
        if set.is_err() || self.list == AclState::Unknown {
            self.mode &= 0o700;
        }
    }

    /// The file stays with another group. So members of the intended group now count as all other
    /// users, and members of the present group get no more rights than these.
    fn lose_group(&mut self) {
        if let AclState::Some(list) = &mut self.list {
            let others = list.lose_group();
            // With a list, the group bits of the mode are the mask.
            self.mode = self.mode & 0o770 | (self.mode & u32::from(others));
        } else {
            let both = self.mode >> 3 & self.mode & 7;
            self.mode = self.mode & 0o700 | both << 3 | both;
        }
    }
}

/// Whether the file has this group now, and the owner if permitted.
fn chown(file: &File, owner: Option<u32>, group: u32) -> bool {
    let (owner, group) = (owner.map(Uid::from_raw), Some(Gid::from_raw(group)));
    fchown(file, owner, group).or_else(|_| fchown(file, None, group)).is_ok()
}

#[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    // Some systems have fewer mode bits.
    let mode = mode.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(fchmod(file, Mode::from_raw_mode(mode))?)
}
