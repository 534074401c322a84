//! Names in memory: which are files, which are directories, and what is in these.

use ftx_core::RemoteName;
use ftx_core::native::Reason;
use ftx_core::native::wire::{Entry, EntryKind, Listed, Meta};

use ftx_store::MAX_NAME_NUMBER;

use super::{MemState, not_a_file, not_found};
use crate::store::{ListPage, ListRequest, Refusal};

impl MemState {
    /// Fails if a file is where a directory above `name` must be.
    pub(super) fn check_parents(&self, name: &RemoteName) -> Result<(), Refusal> {
        match parents(name).find(|parent| self.files.contains_key(parent)) {
            Some(parent) => Err(not_a_file(&parent, "a file, and no directory")),
            None => Ok(()),
        }
    }

    /// Fails if `name` is a directory.
    pub(super) fn check_file(&self, name: &RemoteName) -> Result<(), Refusal> {
        if self.is_directory(name) { Err(not_a_file(name, "a directory")) } else { Ok(()) }
    }

    /// The first free one of the numbered names.
    pub(super) fn first_free(&self, name: &RemoteName) -> Result<RemoteName, Refusal> {
        let numbered = (1..=MAX_NAME_NUMBER).map_while(|number| name.numbered(number));
        let is_free = |name: &RemoteName| self.entry(name).is_none();
        numbered.into_iter().find(is_free).ok_or_else(|| {
            let message = format!("all names like {name:?} are taken; choose another name");
            Refusal::new(Reason::AlreadyExists, message)
        })
    }

    /// The entry of a file or directory.
    pub(super) fn entry(&self, name: &RemoteName) -> Option<Entry> {
        if let Some(version) = self.files.get(name) {
            let (kind, size) = (EntryKind::File, version.manifest.size());
            return Some(Entry { name: name.clone(), kind, size, meta: version.meta });
        }
        let (kind, meta) = (EntryKind::Directory, Meta::default());
        self.is_directory(name).then(|| Entry { name: name.clone(), kind, size: 0, meta })
    }

    /// A page of a listing, in the order of the protocol.
    pub(super) fn page(&self, list: &ListRequest) -> Result<ListPage, Refusal> {
        let ListRequest { name, recursive, after, limit, bytes: most_bytes } = list;
        if let Some(name) = name {
            match self.entry(name) {
                Some(entry) if entry.kind == EntryKind::Directory => {}
                Some(_) => return Err(not_a_file(name, "a file, and no directory")),
                None => return Err(not_found(name)),
            }
        }
        let mut listed: Vec<Listed> = self
            .names()
            .into_iter()
            .filter(|found| is_below(found, name.as_ref(), *recursive))
            .filter_map(|found| self.entry(&found).map(Listed::Entry))
            .filter(|found| after.as_ref().is_none_or(|after| found.raw_name() > *after))
            .collect();
        listed.sort_by_key(Listed::raw_name);
        let mut page = ListPage::default();
        let mut bytes = 0;
        for found in listed {
            bytes += found.record_len();
            if page.entries.len() >= *limit || bytes > *most_bytes {
                page.more = true;
                break;
            }
            page.entries.push(found);
        }
        Ok(page)
    }

    fn is_directory(&self, name: &RemoteName) -> bool {
        self.directories.contains(name)
            || self.files.keys().chain(&self.directories).any(|found| is_within(found, name))
    }

    /// All names of files and directories.
    fn names(&self) -> std::collections::BTreeSet<RemoteName> {
        let own = self.files.keys().chain(&self.directories);
        own.flat_map(|name| parents(name).chain([name.clone()])).collect()
    }
}

/// The directories above a name.
fn parents(name: &RemoteName) -> impl Iterator<Item = RemoteName> {
    let parent = |name: &RemoteName| RemoteName::parse(name.parent()?).ok();
    std::iter::successors(parent(name), parent)
}

/// Whether a name is somewhere in a directory.
fn is_within(name: &RemoteName, directory: &RemoteName) -> bool {
    parents(name).any(|parent| parent == *directory)
}

/// Whether a listing of `directory`, `None` for the root, has this name.
fn is_below(name: &RemoteName, directory: Option<&RemoteName>, recursive: bool) -> bool {
    match directory {
        None => recursive || name.parent().is_none(),
        Some(directory) if recursive => is_within(name, directory),
        Some(directory) => name.parent() == Some(directory.as_str()),
    }
}
