//! Entries of a tree that cannot be transferred. They are named and counted, and the rest is
//! transferred.

use std::fmt;
use std::path::Path;

use ftx_client::{Obstacle, Untransferable};
use ftx_core::escaped_bytes;
use walkdir::DirEntry;

use super::job::{Direction, JobRefusal, name_of};

/// An entry that is left out.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) direction: Direction,
    /// The name on the server for a download, the local path for an upload. Backslashes and bytes that are
    /// not UTF-8 are escaped.
    pub(crate) name: String,
    pub(crate) why: SkipReason,
}

/// The reason for leaving an entry out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SkipReason {
    Obstacle(Obstacle),
    /// A followed link that is dangling or part of a cycle.
    LeadsNowhere,
    /// It was listed, then removed.
    Vanished,
}

impl Skipped {
    pub(crate) fn listed(found: &Untransferable) -> Self {
        let (direction, why) = (Direction::Download, SkipReason::Obstacle(found.obstacle));
        Self { direction, name: found.name.to_string(), why }
    }

    pub(crate) fn local(path: &Path, why: SkipReason) -> Self {
        let name = escaped_bytes(path.as_os_str().as_encoded_bytes()).to_string();
        Self { direction: Direction::Upload, name, why }
    }

    /// The reason, for people.
    pub(crate) fn reason(&self) -> String {
        match (self.why, self.direction) {
            (SkipReason::Obstacle(Obstacle::Link), Direction::Upload) => {
                "it is a symbolic link; say --follow to upload what it points to".to_owned()
            }
            (why, _) => why.to_string(),
        }
    }
}

impl SkipReason {
    /// The identifier in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Obstacle(obstacle) => obstacle.name(),
            Self::LeadsNowhere => Obstacle::Link.name(),
            Self::Vanished => "vanished",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Obstacle(obstacle) => obstacle.fmt(f),
            Self::LeadsNowhere => f.write_str("it is a symbolic link that leads nowhere"),
            Self::Vanished => f.write_str("it vanished while it was looked at"),
        }
    }
}

/// The obstacle to uploading an entry of a local tree, if there is one. `below` is its path in the tree,
/// which is named `base`.
pub(crate) fn obstacle(entry: &DirEntry, base: &str, below: &Path) -> Option<Obstacle> {
    let kind = entry.file_type();
    match name_of(base, below) {
        Err(JobRefusal::Name(_, error)) => Some(Obstacle::from(&error)),
        Err(_) => Some(Obstacle::NotUtf8),
        Ok(_) if kind.is_symlink() => Some(Obstacle::Link),
        Ok(_) if kind.is_dir() || kind.is_file() => None,
        Ok(_) => Some(Obstacle::Special),
    }
}

/// The reason to skip a path that the walk could not read, or `None` if that is a failure.
pub(crate) fn not_looked_at(error: &walkdir::Error) -> Option<SkipReason> {
    if error.loop_ancestor().is_some() {
        return Some(SkipReason::LeadsNowhere);
    }
    let is_missing = error.io_error()?.kind() == std::io::ErrorKind::NotFound && error.depth() > 0;
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    is_missing.then(|| match error.path() {
        Some(path) if is_link(path) => SkipReason::LeadsNowhere,
        _ => SkipReason::Vanished,
    })
}
