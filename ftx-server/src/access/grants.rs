//! Grants: rights by directory, of which the longest path decides.

use std::fmt;

use bitflags::bitflags;
use ftx_core::{NameError, RemoteName};

bitflags! {
    /// What a principal may do with the files of a directory.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Rights: u8 {
        /// See the names, sizes and times of files.
        const LIST = 1;
        /// Read files, and learn their digests.
        const READ = 1 << 1;
        /// Store files under new names.
        const CREATE = 1 << 2;
        /// Replace files.
        const REPLACE = 1 << 3;
        /// Remove files.
        const DELETE = 1 << 4;
    }
}

/// A directory on the server and everything below it: empty for the root, and otherwise a remote name and a
/// slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantPath(String);

/// The text is not a path of a grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantPathError {
    /// The slash at the end is missing.
    #[error("rights are given on directories: write {0:?}")]
    NoSlash(String),
    /// The name is not one that a file can have.
    #[error("{0}")]
    Name(#[from] NameError),
}

/// Rights on the files of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The directory.
    pub path: GrantPath,
    /// The rights.
    pub rights: Rights,
}

/// The grants of one principal. The longest path that contains a name decides about it alone; without one
/// there is no right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// In ascending order of their paths.
    sorted: Vec<Grant>,
}

impl Rights {
    /// The rights by the names that a configuration has for them.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("list", Self::LIST),
        ("read", Self::READ),
        ("create", Self::CREATE),
        ("replace", Self::REPLACE),
        ("delete", Self::DELETE),
    ];

    /// The right of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, right)| right)
    }
}

impl GrantPath {
    /// All files.
    pub const ROOT: Self = Self(String::new());

    /// Parses the path of a grant: `reports/`, or nothing for the root.
    ///
    /// # Errors
    /// See [`GrantPathError`].
    pub fn parse(text: &str) -> Result<Self, GrantPathError> {
        if text.is_empty() {
            return Ok(Self::ROOT);
        }
        let Some(name) = text.strip_suffix('/') else {
            return Err(GrantPathError::NoSlash(format!("{text}/")));
        };
        RemoteName::parse(name)?;
        Ok(Self(text.to_owned()))
    }

    /// Whether a file of this name lies below.
    #[must_use]
    pub fn contains(&self, name: &RemoteName) -> bool {
        name.as_str().starts_with(&self.0)
    }

    /// Whether this is the directory, or lies below it; `None` is the root.
    #[must_use]
    pub fn is_within(&self, directory: Option<&RemoteName>) -> bool {
        let Some(directory) = directory else { return true };
        let rest = self.0.strip_prefix(directory.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether this contains the directory and everything below it; `None` is the root.
    #[must_use]
    pub fn covers(&self, directory: Option<&RemoteName>) -> bool {
        match directory {
            None => self.0.is_empty(),
            Some(directory) => {
                self.contains(directory) || self.0.strip_suffix('/') == Some(directory.as_str())
            }
        }
    }

    /// The directory; `None` is the root.
    #[must_use]
    pub fn directory(&self) -> Option<RemoteName> {
        RemoteName::parse(self.0.strip_suffix('/')?).ok()
    }

    /// The text: empty, or with a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GrantPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Grants {
    /// These grants. Of two with the same path, the later one counts.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut sorted: Vec<Grant> = Vec::new();
        for grant in grants {
            match sorted.binary_search_by(|known| known.path.cmp(&grant.path)) {
                Ok(index) => sorted.splice(index..=index, [grant]).for_each(drop),
                Err(index) => sorted.insert(index, grant),
            }
        }
        Self { sorted }
    }

    /// The grants in ascending order of their paths.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Grant> {
        self.sorted.iter()
    }

    /// The rights on a file.
    #[must_use]
    pub fn rights_on(&self, name: &RemoteName) -> Rights {
        rights_of(self.longest(|path| path.contains(name)))
    }

    /// The rights on the entries of a directory; `None` is the root.
    #[must_use]
    pub fn rights_in(&self, directory: Option<&RemoteName>) -> Rights {
        rights_of(self.grant_in(directory))
    }

    /// The grant that decides about the entries of a directory; `None` is the root.
    #[must_use]
    pub fn grant_in(&self, directory: Option<&RemoteName>) -> Option<&Grant> {
        self.longest(|path| path.covers(directory))
    }

    /// Paths that contain one name are prefixes of each other, so the longest is the last in order.
    fn longest(&self, contains: impl Fn(&GrantPath) -> bool) -> Option<&Grant> {
        self.sorted.iter().rev().find(|grant| contains(&grant.path))
    }
}

fn rights_of(grant: Option<&Grant>) -> Rights {
    grant.map_or(Rights::empty(), |grant| grant.rights)
}
