//! The part of a directory tree that is certainly on disk, derived from the calls of the process that
//! changes it.
//!
//! Only POSIX guarantees count: a sync of the directory makes a name durable, a sync of the file makes
//! its bytes durable. ext4 and XFS write more than that with a sync, so a power cut does not show a
//! missing sync; the model does not rely on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::strace::Call;

/// Suffixes of a client's unfinished files; these are not promised.
const UNFINISHED: [&str; 2] = [".ftxpart", ".ftxpart.journal"];

/// The server's own directory below its root; nothing in it is promised.
const OWN: &str = ".ftx";

/// The tree below a root. Moments are lines of the record.
#[derive(Debug)]
pub(super) struct Model {
    root: PathBuf,
    /// When a name was made or taken away, and by which call.
    named: BTreeMap<PathBuf, (usize, String)>,
    /// When a name was made by opening it.
    opened: BTreeMap<PathBuf, usize>,
    /// When a file was written to last.
    written: BTreeMap<PathBuf, usize>,
    /// When the latest sync of a file or directory began that succeeded.
    synced: BTreeMap<PathBuf, usize>,
    /// The same of the whole file system.
    all_synced: Option<usize>,
}

impl Model {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            named: BTreeMap::new(),
            opened: BTreeMap::new(),
            written: BTreeMap::new(),
            synced: BTreeMap::new(),
            all_synced: None,
        }
    }

    /// Takes a call into account, at its end.
    pub(super) fn apply(&mut self, call: &Call) {
        if !call.succeeded() {
            return;
        }
        let descriptor = |index| call.descriptor(index);
        match call.name.as_str() {
            "fsync" | "fdatasync" => self.sync(descriptor(0), call.begin),
            "syncfs" if descriptor(0).is_some_and(|path| path.starts_with(&self.root)) => {
                self.all_synced = self.all_synced.max(Some(call.begin));
            }
            "write" | "pwrite64" | "writev" | "pwritev" | "pwritev2" | "ftruncate"
            | "fallocate" | "sendfile" => self.write(descriptor(0), call.end),
            "copy_file_range" | "splice" => self.write(descriptor(2), call.end),
            "truncate" => self.write(call.path(0), call.end),
            "open" | "openat" | "openat2" | "creat" => self.open(call),
            "mkdir" => self.name(absolute(call, 0), call),
            "mkdirat" => self.name(call.path_at(0), call),
            "symlinkat" => self.name(call.path_at(1), call),
            "unlink" | "rmdir" => self.unlink(absolute(call, 0), call),
            "unlinkat" => self.unlink(call.path_at(0), call),
            "rename" => self.rename(absolute(call, 0), absolute(call, 1), call),
            "renameat" | "renameat2" => self.rename(call.path_at(0), call.path_at(2), call),
            "link" => self.link(absolute(call, 0), absolute(call, 1), call),
            "linkat" => self.link(call.path_at(0), call.path_at(2), call),
            _ => {}
        }
    }

    /// All changes so far that are promised but not yet durable.
    pub(super) fn owed(&self) -> Vec<String> {
        let mut owed = Vec::new();
        for (path, (at, how)) in &self.named {
            let dir = path.parent().unwrap_or(path);
            if self.counts(path) && !self.is_synced(dir, *at) {
                owed.push(format!("{how} of {path:?}: its directory is not synced after it"));
            }
        }
        for (path, at) in &self.written {
            if self.counts(path) && !self.is_synced(path, *at) {
                owed.push(format!("{path:?} was written to and is not synced after that"));
            }
        }
        owed
    }

    /// The syncs missing for the file at this path to be durable as a whole.
    pub(super) fn file_owed(&self, path: &Path) -> Vec<String> {
        let mut owed = self.name_owed(path);
        if !self.is_synced(path, self.written.get(path).copied().unwrap_or(0)) {
            owed.push(format!("the bytes of {path:?} were not synced"));
        }
        owed
    }

    /// The syncs missing for this name's presence or absence to be durable: this process must have
    /// synced its directory and those above it up to the root, even if another process made them.
    pub(super) fn name_owed(&self, path: &Path) -> Vec<String> {
        let below = path.ancestors().take_while(|part| *part != self.root);
        let missing = below.filter_map(|part| {
            let dir = part.parent()?;
            let named = self.named.get(part).map_or(0, |(at, _)| *at);
            let at = named.max(self.opened.get(part).copied().unwrap_or(0));
            (!self.is_synced(dir, at)).then(|| {
                format!("the name {part:?}: {dir:?} was not synced after the name was made")
            })
        });
        missing.collect()
    }

    /// The syncs missing for this name's absence to be durable.
    pub(super) fn absence_owed(&self, path: &Path) -> Vec<String> {
        // If its directory is not there either, the next one above.
        let above = path.ancestors().skip(1).take_while(|dir| *dir != self.root);
        let dir = above.into_iter().find(|dir| dir.is_dir()).unwrap_or(&self.root);
        let at = self.named.get(path).map_or(0, |(at, _)| *at);
        let synced = self.is_synced(dir, at);
        (!synced)
            .then(|| format!("{path:?} is gone, and {dir:?} was not synced"))
            .into_iter()
            .collect()
    }

    /// Whether a promise may cover this path.
    fn counts(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.root) else { return false };
        let name = path.to_string_lossy();
        !below.starts_with(OWN) && !UNFINISHED.iter().any(|end| name.ends_with(end))
    }

    fn is_synced(&self, path: &Path, since: usize) -> bool {
        let own = self.synced.get(path).copied();
        own.max(self.all_synced).is_some_and(|begin| begin > since)
    }

    fn sync(&mut self, path: Option<PathBuf>, begin: usize) {
        if let Some(path) = path {
            let latest = self.synced.entry(path).or_default();
            *latest = begin.max(*latest);
        }
    }

    fn write(&mut self, path: Option<PathBuf>, at: usize) {
        if let Some(path) = path {
            self.written.insert(path, at);
        }
    }

    fn open(&mut self, call: &Call) {
        let Some(path) = call.opened.clone() else { return };
        if call.has_flag("O_CREAT") && !self.written.contains_key(&path) {
            self.opened.insert(path.clone(), call.end);
            self.written.insert(path, call.end);
        } else if call.has_flag("O_TRUNC") {
            self.write(Some(path), call.end);
        }
    }

    fn name(&mut self, path: Option<PathBuf>, call: &Call) {
        if let Some(path) = path {
            self.named.insert(path, (call.end, call.name.clone()));
        }
    }

    fn unlink(&mut self, path: Option<PathBuf>, call: &Call) {
        let Some(path) = path else { return };
        self.forget(&path);
        self.name(Some(path), call);
    }

    fn rename(&mut self, from: Option<PathBuf>, to: Option<PathBuf>, call: &Call) {
        let (Some(from), Some(to)) = (from, to) else { return };
        let (written, synced) = (self.written.get(&from).copied(), self.synced.get(&from).copied());
        self.forget(&from);
        self.forget(&to);
        self.written.extend(written.map(|at| (to.clone(), at)));
        self.synced.extend(synced.map(|at| (to.clone(), at)));
        self.name(Some(from), call);
        self.name(Some(to), call);
    }

    fn link(&mut self, from: Option<PathBuf>, to: Option<PathBuf>, call: &Call) {
        let (Some(from), Some(to)) = (from, to) else { return };
        self.written.extend(self.written.get(&from).map(|at| (to.clone(), *at)));
        self.synced.extend(self.synced.get(&from).map(|at| (to.clone(), *at)));
        self.name(Some(to), call);
    }

    /// Forgets the state of the file that had this name.
    fn forget(&mut self, path: &Path) {
        self.written.remove(path);
        self.synced.remove(path);
        self.opened.remove(path);
        self.named.remove(path);
    }
}

/// The path that a call names by itself.
fn absolute(call: &Call, index: usize) -> Option<PathBuf> {
    let path = call.path(index)?;
    assert!(path.is_absolute(), "the record does not say where {path:?} is: {call:?}");
    Some(path)
}
