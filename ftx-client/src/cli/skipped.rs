//! What is found in a tree and cannot be transferred: it is told by name and counted, and the rest is
//! transferred.

use std::fmt;
use std::path::Path;

use ftx_client::{Obstacle, Untransferable};
use ftx_core::escaped_bytes;
use walkdir::DirEntry;

use super::jobs::{Direction, Refused, name_of};

/// Something that is left out.
#[derive(Debug)]
pub(crate) struct Skipped {
    pub(crate) direction: Direction,
    /// Its name, bytes that are no UTF-8 and backslashes escaped: on the server for a download, the local
    /// path for an upload.
    pub(crate) name: String,
    pub(crate) why: Why,
}

/// Why something is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    Obstacle(Obstacle),
    /// A link that leads to nothing or back to where it is, although links are to be followed.
    LeadsNowhere,
    /// It was there when its directory was read.
    Vanished,
}

impl Skipped {
    pub(crate) fn listed(found: &Untransferable) -> Self {
        let (direction, why) = (Direction::Download, Why::Obstacle(found.obstacle));
        Self { direction, name: found.name.to_string(), why }
    }

    pub(crate) fn local(path: &Path, why: Why) -> Self {
        let name = escaped_bytes(path.as_os_str().as_encoded_bytes()).to_string();
        Self { direction: Direction::Upload, name, why }
    }

    /// Why, for people.
    pub(crate) fn reason(&self) -> String {
        match (self.why, self.direction) {
            (Why::Obstacle(Obstacle::Link), Direction::Upload) => {
                "it is a symbolic link; say --follow to upload what it points to".to_owned()
            }
            (why, _) => why.to_string(),
        }
    }
}

impl Why {
    /// The word for it in output for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Obstacle(obstacle) => obstacle.name(),
            Self::LeadsNowhere => Obstacle::Link.name(),
            Self::Vanished => "vanished",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Obstacle(obstacle) => obstacle.fmt(f),
            Self::LeadsNowhere => f.write_str("it is a symbolic link that leads nowhere"),
            Self::Vanished => f.write_str("it vanished while it was looked at"),
        }
    }
}

/// Why something that was found in a local tree cannot be uploaded, if it cannot. `below` is its path in the
/// tree, which has the name `base`.
pub(crate) fn obstacle(entry: &DirEntry, base: &str, below: &Path) -> Option<Obstacle> {
    let kind = entry.file_type();
    match name_of(base, below) {
        Err(Refused::Name(_, error)) => Some(Obstacle::from(&error)),
        Err(_) => Some(Obstacle::NotUtf8),
        Ok(_) if kind.is_symlink() => Some(Obstacle::Link),
        Ok(_) if kind.is_dir() || kind.is_file() => None,
        Ok(_) => Some(Obstacle::Special),
    }
}

/// Why the walk through a tree could not look at a path, unless that is a failure.
pub(crate) fn not_looked_at(error: &walkdir::Error) -> Option<Why> {
    if error.loop_ancestor().is_some() {
        return Some(Why::LeadsNowhere);
    }
    let is_missing = error.io_error()?.kind() == std::io::ErrorKind::NotFound && error.depth() > 0;
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    is_missing.then(|| match error.path() {
        Some(path) if is_link(path) => Why::LeadsNowhere,
        _ => Why::Vanished,
    })
}
