//! A walk through a tree in order, with bounded memory.

mod names;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, Metadata};
use ftx_core::native::wire::{Entry, EntryKind, Listed, Obstacle, Untransferable};
use ftx_core::{RawName, RemoteName};
use ftx_store::{Root, StoreError, meta_of};

pub(super) use self::names::NameMemory;
use self::names::{MemoryShare, SortedNames};

/// The cost of a directory on the path of a walk, without its names.
const LEVEL_BYTES: usize = 128;

/// A walk through a tree: names in byte order, a directory before its entries.
#[derive(Debug)]
pub(super) struct TreeWalk {
    root: Root,
    recursive: bool,
    /// The name of the current directory and a slash; empty for the root.
    prefix: String,
    /// From the top of the walk to the current directory.
    levels: Vec<WalkLevel>,
    /// The current directory, if it is open. The levels above are closed: a tree may be deeper than the
    /// limit of descriptors.
    here: Option<Dir>,
    /// The next result, before any other.
    put_back: Option<Listed>,
    share: MemoryShare,
}

#[derive(Debug)]
struct WalkLevel {
    /// The length of this directory's part of the walk's prefix.
    prefix_len: usize,
    names: SortedNames,
}

impl TreeWalk {
    /// A walk through `name` or the whole root, from the first name after `after`.
    ///
    /// # Errors
    /// `name` is not a directory, or cannot be opened.
    pub(super) fn new(
        root: &Root,
        memory: &NameMemory,
        name: Option<&RemoteName>,
        recursive: bool,
        after: Option<&RawName>,
    ) -> Result<Self, StoreError> {
        let mut walk = Self {
            root: root.clone(),
            recursive,
            prefix: name.map_or_else(String::new, |name| format!("{name}/")),
            levels: Vec::new(),
            here: None,
            put_back: None,
            share: memory.share(),
        };
        let here = walk.open().map_err(|error| failed(walk.directory(), error))?;
        walk.enter(here, None);
        if let Some(after) = after {
            walk.skip_to(after)?;
        }
        Ok(walk)
    }

    /// The next result; `None` at the end. Skips entries that vanish during the walk.
    ///
    /// # Errors
    /// A directory or one of its entries cannot be read: a listing without it would seem complete.
    pub(super) fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        if let Some(listed) = self.put_back.take() {
            return Ok(Some(listed));
        }
        while !self.levels.is_empty() {
            let here = match self.here.take() {
                Some(dir) => Some(dir),
                None => unless_gone(self.directory(), self.open())?,
            };
            let part = match &here {
                Some(dir) => self.next_name(dir)?,
                None => None,
            };
            let (Some(dir), Some(part)) = (here, part) else {
                self.leave();
                continue;
            };
            let found = self.look_at(&dir, &part)?;
            let below = match found.as_ref().and_then(Listed::entry) {
                Some(entry) if self.recursive && entry.kind == EntryKind::Directory => {
                    let opened = dir.open_dir_nofollow(Path::new(&*part));
                    unless_gone(entry.name.as_str(), opened)?
                }
                _ => None,
            };
            match (below, part.to_str()) {
                (Some(below), Some(part)) => {
                    self.prefix.push_str(part);
                    self.prefix.push('/');
                    self.enter(below, None);
                }
                _ => self.here = Some(dir),
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Makes this the next result again.
    pub(super) fn put_back(&mut self, listed: Listed) {
        self.put_back = Some(listed);
    }

    /// Suspends the walk without any descriptor, within the shared memory; `None` if too little memory is
    /// left.
    pub(super) fn suspend(mut self) -> Option<Self> {
        self.here = None;
        for level in &mut self.levels {
            level.names.shrink();
        }
        let names: usize = self.levels.iter().map(|level| level.names.bytes()).sum();
        let next = self.put_back.as_ref().map_or(0, Listed::record_len);
        let bytes = names + next + self.prefix.capacity() + self.levels.len() * LEVEL_BYTES;
        self.share.shrink(bytes);
        self.share.reach(bytes).then_some(self)
    }

    /// The name of the current directory, for errors.
    fn directory(&self) -> &str {
        match self.prefix.strip_suffix('/') {
            Some(directory) => directory,
            None => ".",
        }
    }

    fn open(&self) -> io::Result<Dir> {
        self.root.open_dir(Path::new(self.prefix.strip_suffix('/').unwrap_or_default()))
    }

    /// Descends into a directory, whose name is in the prefix already.
    fn enter(&mut self, dir: Dir, after: Option<Vec<u8>>) {
        self.levels
            .push(WalkLevel { prefix_len: self.prefix.len(), names: SortedNames::behind(after) });
        self.here = Some(dir);
    }

    /// Ascends.
    fn leave(&mut self) {
        self.here = None;
        self.levels.pop();
        self.prefix.truncate(self.levels.last().map_or(0, |level| level.prefix_len));
    }

    fn next_name(&mut self, dir: &Dir) -> Result<Option<Box<OsStr>>, StoreError> {
        let Some((level, above)) = self.levels.split_last_mut() else { return Ok(None) };
        if level.names.must_read() {
            let others = above.iter().map(|level| level.names.bytes()).sum();
            let (prefix, end) = (&self.prefix, level.prefix_len);
            let forget = || {
                let mut end = end;
                for level in above.iter_mut().rev() {
                    // The path to the current directory is the last name that was taken of each level.
                    let part = prefix.get(level.prefix_len..end).unwrap_or_default();
                    level.names.forget(part.trim_end_matches('/').as_bytes());
                    end = level.prefix_len;
                }
            };
            let read = level.names.read(dir, &mut self.share, others, forget);
            unless_gone(self.directory(), read)?;
        }
        Ok(self.levels.last_mut().and_then(|level| level.names.pop()))
    }

    /// Moves to the position after `after`, which need not exist.
    fn skip_to(&mut self, after: &RawName) -> Result<(), StoreError> {
        let directory = after.directory().map_or("", RemoteName::as_str);
        let parts = directory.split('/').filter(|part| !part.is_empty());
        let below = match self.prefix.strip_suffix('/') {
            None => parts.collect::<Vec<_>>(),
            Some(top) => match directory.strip_prefix(top) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                    parts.skip(top.split('/').count()).collect()
                }
                // The client made the name up.
                _ => return Ok(()),
            },
        };
        for part in below {
            if !self.skip_into(part)? {
                return Ok(());
            }
        }
        match std::str::from_utf8(after.part()) {
            // The entries of the directory follow its name.
            Ok(part) if after.to_remote().is_some() => self.skip_into(part).map(|_| ()),
            _ => {
                self.skip_behind(after.part());
                Ok(())
            }
        }
    }

    /// Moves past a name, and into it if it is a directory; `false` if it is not.
    fn skip_into(&mut self, part: &str) -> Result<bool, StoreError> {
        self.skip_behind(part.as_bytes());
        let Some(dir) = self.here.as_ref().filter(|_| self.recursive) else { return Ok(false) };
        let path = format!("{}{part}", self.prefix);
        if self.root.is_private(Path::new(&path)) {
            return Ok(false);
        }
        let metadata = match dir.symlink_metadata(part) {
            // The client made the name up.
            Err(error) if error.kind() == ErrorKind::InvalidFilename => None,
            metadata => unless_gone(&path, metadata)?,
        };
        if !metadata.is_some_and(|metadata| metadata.is_dir()) {
            return Ok(false);
        }
        let Some(below) = unless_gone(&path, dir.open_dir_nofollow(part))? else {
            return Ok(false);
        };
        self.prefix = path + "/";
        self.enter(below, None);
        Ok(true)
    }

    fn skip_behind(&mut self, part: &[u8]) {
        if let Some(level) = self.levels.last_mut() {
            level.names = SortedNames::behind(Some(part.to_owned()));
        }
    }

    /// The entry of this name in `dir`; `None` if it has vanished, or belongs to the server.
    fn look_at(&self, dir: &Dir, part: &OsStr) -> Result<Option<Listed>, StoreError> {
        let told = format!("{}{}", self.prefix, part.display());
        // Every directory on the path has a valid name.
        let impossible = || failed(&told, ErrorKind::InvalidFilename.into());
        let directory = self.prefix.strip_suffix('/').map(RemoteName::parse).transpose();
        let directory = directory.map_err(|_| impossible())?;
        let name = RawName::new(directory, part.as_encoded_bytes()).map_err(|_| impossible())?;
        // A link may have led the walk to the root, where names do not begin with the private directory.
        let is_private = self.root.is_private(Path::new(&told));
        if is_private && part == OsStr::new(super::PRIVATE_DIR) {
            return Ok(None);
        }
        let Some(metadata) = unless_gone(&told, dir.symlink_metadata(Path::new(part)))? else {
            return Ok(None);
        };
        let obstacle = match name.check_remote() {
            // On a case-sensitive file system it belongs to a user, but no request leads there.
            Ok(Ok(_)) if is_private => Obstacle::NameRefused,
            Ok(Ok(remote)) => match entry(remote, &metadata) {
                Ok(entry) => return Ok(Some(Listed::Entry(entry))),
                Err(obstacle) => obstacle,
            },
            Ok(Err(error)) => Obstacle::from(&error),
            Err(_) => Obstacle::NotUtf8,
        };
        let size = if metadata.is_file() { metadata.len() } else { 0 };
        let meta = meta_of(&metadata);
        Ok(Some(Listed::Untransferable(Untransferable { name, obstacle, size, meta })))
    }
}

/// The entry of a listing, or the obstacle to a transfer.
pub(super) fn entry(name: RemoteName, metadata: &Metadata) -> Result<Entry, Obstacle> {
    let (kind, size) = if metadata.is_dir() {
        (EntryKind::Directory, 0)
    } else if metadata.is_file() {
        (EntryKind::File, metadata.len())
    } else if metadata.is_symlink() {
        return Err(Obstacle::Link);
    } else {
        return Err(Obstacle::Special);
    };
    Ok(Entry { name, kind, size, meta: meta_of(metadata) })
}

/// The result of a lookup; `None` if the name has vanished, or stands for something else by now. Other
/// failures do not prove that the name is gone.
fn unless_gone<T>(name: &str, looked: io::Result<T>) -> Result<Option<T>, StoreError> {
    match looked {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        looked => looked.map(Some).map_err(|error| failed(name, error)),
    }
}

fn failed(name: &str, error: io::Error) -> StoreError {
    StoreError::io("list", name, error)
}
