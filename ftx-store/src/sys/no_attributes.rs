//! Owner, mode and access control list on a system without them: files inherit from their
//! directory.

use std::fs::File;
use std::io;
use std::path::Path;

use cap_std::fs::{Dir, Metadata};
use ftx_core::native::wire::Meta;

use super::Umask;

/// The access attributes of a file: none on this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes;

impl Attributes {
    pub(crate) fn of(_: &File) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn of_existing(_: &Dir, _: &Path, _: &Metadata) -> Self {
        Self
    }

    pub(crate) fn of_new(_: &Dir, _: Umask) -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn created_for(&self, _: &Self, _: Umask, _: bool) -> (u32, Self) {
        (0o666, Self)
    }

    pub(crate) fn with(self, _: Option<&Meta>) -> Self {
        self
    }

    pub(crate) fn let_others_write(&self) -> bool {
        false
    }

    pub(crate) fn apply_to(&self, _: &File, _: &Self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    pub(crate) fn revoke(_: &File) {}
}
