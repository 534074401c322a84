//! Listings of the entries that a principal may list, page by page.
//!
//! A listing merges two ordered sequences: the *stored* entries that the inner store lists below the
//! outermost directories with the right, without those that the principal may not list; and the *way down*,
//! directories that come from the grants alone.

use std::iter::{self, Peekable};
use std::vec;

use ftx_core::native::Reason;
use ftx_core::native::wire::{Entry, EntryKind, Listed};
use ftx_core::{RawName, RemoteName};
use ftx_io::Executor;

use super::refusals::{forbidden, not_found};
use super::view::{directory_entry, leads_to_listable, outermost};
use crate::access::{Grants, Rights};
use crate::store::{ListPage, ListRequest, Refusal, Store};

/// Where a listing is between two pages.
#[derive(Debug)]
pub struct ScopedCursor<C> {
    /// The directory that the inner store lists.
    top: Option<RemoteName>,
    /// The last name that the inner store has listed.
    after: RawName,
    inner: C,
    /// That entry, if it is the first of the next page.
    pending: Option<Listed>,
}

type ScopedPage<C> = (ListPage, Option<ScopedCursor<C>>);

/// The next page of a listing.
pub(super) async fn page<S: Store>(
    store: &S,
    executor: &Executor,
    grants: &Grants,
    list: ListRequest,
    cursor: Option<ScopedCursor<S::Cursor>>,
) -> Result<ScopedPage<S::Cursor>, Refusal> {
    let name = list.name.as_ref();
    check(grants, name)?;
    let tops = if list.recursive || may_list(grants, name) {
        outermost(grants, name, Rights::LIST)
    } else {
        Vec::new()
    };
    let ways = way_down(grants, &list);
    let mut merge = Merge {
        source: Source { store, executor, grants, list: &list },
        ways: ways.into_iter().peekable(),
        page: ListPage::default(),
        bytes: 0,
    };
    let mut cursor = cursor;
    for top in tops {
        let position = match cursor.take_if(|cursor| cursor.top == top) {
            Some(cursor) => Position::from(cursor),
            None => match start_of(top.as_ref(), &list) {
                Some(after) => Position { after, inner: None, pending: None },
                None => continue,
            },
        };
        if let Some(cursor) = merge.subtree(top, position).await? {
            return Ok((merge.page, cursor));
        }
    }
    merge.page.more = !merge.add_ways(None);
    Ok((merge.page, None))
}

fn may_list(grants: &Grants, directory: Option<&RemoteName>) -> bool {
    grants.rights_in(directory).contains(Rights::LIST)
}

/// Fails unless a directory may be listed, or leads to one that may. The root is there for everybody.
fn check(grants: &Grants, directory: Option<&RemoteName>) -> Result<(), Refusal> {
    let Some(name) = directory else { return Ok(()) };
    let rights = grants.rights_in(directory);
    if rights.contains(Rights::LIST) || leads_to_listable(grants, name) {
        Ok(())
    } else if rights.contains(Rights::READ) {
        Err(forbidden("list", name))
    } else {
        Err(not_found(name))
    }
}

/// The directories above listable grants that the inner store is not asked about, in order.
fn way_down(grants: &Grants, list: &ListRequest) -> Vec<RemoteName> {
    let top = list.name.as_ref();
    let mut ways = Vec::new();
    for grant in grants.iter().filter(|grant| grant.rights.contains(Rights::LIST)) {
        if !grant.path.is_within(top) {
            continue;
        }
        let steps = iter::successors(grant.path.directory(), parent_of);
        let below = steps.take_while(|step| Some(step) != top);
        ways.extend(below.filter(|step| {
            let parent = parent_of(step);
            let is_stored = may_list(grants, Some(step)) && may_list(grants, parent.as_ref());
            !is_stored && (list.recursive || parent.as_ref() == top)
        }));
    }
    ways.retain(|way| list.after.as_ref().is_none_or(|after| RawName::from(way) > *after));
    ways.sort_by(|one, other| one.parts().cmp(other.parts()));
    ways.dedup();
    ways
}

fn parent_of(name: &RemoteName) -> Option<RemoteName> {
    RemoteName::parse(name.parent()?).ok()
}

/// The name after which the inner listing of `top` begins; `None` if all of it was listed before.
fn start_of(top: Option<&RemoteName>, list: &ListRequest) -> Option<Option<RawName>> {
    let (Some(name), Some(after)) = (top, &list.after) else { return Some(list.after.clone()) };
    if top == list.name.as_ref() || is_in(after, name) {
        return Some(Some(after.clone()));
    }
    (*after <= RawName::from(name)).then_some(None)
}

/// Whether an entry is somewhere in a directory.
fn is_in(entry: &RawName, directory: &RemoteName) -> bool {
    let parents = iter::successors(entry.directory().cloned(), parent_of);
    parents.into_iter().any(|parent| parent == *directory)
}

/// The position of an inner listing.
struct Position<C> {
    after: Option<RawName>,
    inner: Option<C>,
    pending: Option<Listed>,
}

impl<C> Position<C> {
    /// The cursor behind the last entry, of which this one was listed and did not fit the page.
    fn cursor(self, top: Option<RemoteName>, next: Listed) -> Option<ScopedCursor<C>> {
        let (after, inner) = (self.after?, self.inner?);
        Some(ScopedCursor { top, after, inner, pending: Some(next) })
    }
}

impl<C> From<ScopedCursor<C>> for Position<C> {
    fn from(cursor: ScopedCursor<C>) -> Self {
        let ScopedCursor { after, inner, pending, .. } = cursor;
        Self { after: Some(after), inner: Some(inner), pending }
    }
}

/// The inner store, and the listing that its entries are for.
struct Source<'a, S> {
    store: &'a S,
    executor: &'a Executor,
    grants: &'a Grants,
    list: &'a ListRequest,
}

impl<S: Store> Source<'_, S> {
    /// A page of the inner listing of `top`.
    async fn page(
        &self,
        top: Option<&RemoteName>,
        position: &mut Position<S::Cursor>,
        limit: usize,
        bytes: usize,
    ) -> Result<ListPage, Refusal> {
        let (after, recursive) = (position.after.clone(), self.list.recursive);
        let list = ListRequest { name: top.cloned(), recursive, after, limit, bytes };
        let refusal = match self.store.list(self.executor, list, position.inner.take()).await {
            Ok((page, inner)) => {
                position.inner = inner;
                return Ok(page);
            }
            Err(refusal) => refusal,
        };
        let is_promised = top.is_some_and(|top| leads_to_listable(self.grants, top));
        match refusal.reason {
            // The directory of the grant has not been made yet.
            Reason::NotFound | Reason::NotAFile if is_promised => Ok(ListPage::default()),
            Reason::NotFound => Err(top.map_or(refusal, not_found)),
            // The store may name a directory that the principal does not see.
            _ if self.hides_something(top) => {
                let name = top.map_or("the root".to_owned(), |top| format!("{top:?}"));
                let message = format!("a part of {name} cannot be listed; ask the administrator");
                Err(Refusal::new(refusal.reason, message))
            }
            _ => Err(refusal),
        }
    }

    /// Whether a directory may have entries that the principal may not list.
    fn hides_something(&self, directory: Option<&RemoteName>) -> bool {
        let mut grants = self.grants.iter().filter(|grant| grant.path.is_within(directory));
        grants.any(|grant| !grant.rights.contains(Rights::LIST))
    }

    fn may_list(&self, directory: Option<&RemoteName>) -> bool {
        may_list(self.grants, directory)
    }

    fn shows(&self, listed: &Listed) -> bool {
        match listed {
            Listed::Entry(Entry { name, kind, .. }) => {
                self.may_list(parent_of(name).as_ref())
                    && (*kind == EntryKind::File || self.may_list(Some(name)))
            }
            Listed::Untransferable(other) => self.may_list(other.name.directory()),
        }
    }

    /// The name to continue after when a recursive listing has come to a hidden directory, which may be large:
    /// the next listable one in it, or its end.
    fn behind_hidden(&self, last: &Listed) -> Option<RawName> {
        if !self.list.recursive {
            return None;
        }
        let name = last.raw_name();
        let directory = match last {
            Listed::Entry(Entry { name, kind: EntryKind::Directory, .. }) => Some(name),
            _ => name.directory(),
        };
        let hidden = directory.filter(|directory| !self.may_list(Some(directory)))?;
        let hidden = self.grants.grant_in(Some(hidden))?.path.directory()?;
        let inside = self.grants.iter().filter(|grant| grant.rights.contains(Rights::LIST));
        let inside = inside.filter(|grant| grant.path.is_within(Some(&hidden)));
        let next = inside.filter_map(|grant| grant.path.directory());
        let next = next.map(|name| RawName::from(&name)).filter(|next| *next > name).min();
        // No name of an entry comes after this one.
        next.or_else(|| RawName::new(Some(hidden), &[0xff; RawName::MAX_PART_BYTES]).ok())
    }
}

/// The page is full. This stored entry is not on it.
struct Full(Listed);

/// A page that grows from the two sequences.
struct Merge<'a, S> {
    source: Source<'a, S>,
    ways: Peekable<vec::IntoIter<RemoteName>>,
    page: ListPage,
    bytes: usize,
}

impl<S: Store> Merge<'_, S> {
    /// Adds the stored entries of a subtree, and the ways before them. When the page is full, returns the
    /// cursor of the next page.
    async fn subtree(
        &mut self,
        top: Option<RemoteName>,
        mut position: Position<S::Cursor>,
    ) -> Result<Option<Option<ScopedCursor<S::Cursor>>>, Refusal> {
        let filters = self.source.hides_something(top.as_ref());
        let mut entries: Vec<_> = position.pending.take().into_iter().collect();
        let mut more = true;
        loop {
            let last = entries.last().filter(|_| filters);
            let jump = last.and_then(|last| self.source.behind_hidden(last));
            let mut rest = entries.into_iter();
            while let Some(listed) = rest.next() {
                if let Err(Full(next)) = self.stored(listed, filters) {
                    self.page.more = true;
                    // The inner cursor is behind all of these entries.
                    let cursor = position.cursor(top, next);
                    return Ok(Some(cursor.filter(|_| rest.next().is_none())));
                }
            }
            if !more {
                return Ok(None);
            }
            if let Some(after) = jump {
                position = Position { after: Some(after), inner: None, pending: None };
            }
            let found = self.next_entries(top.as_ref(), &mut position).await?;
            more = found.more && !found.entries.is_empty();
            entries = found.entries;
        }
    }

    /// The next stored entries: one more than the page has room for, to know whether another page follows.
    async fn next_entries(
        &self,
        top: Option<&RemoteName>,
        position: &mut Position<S::Cursor>,
    ) -> Result<ListPage, Refusal> {
        let list = self.source.list;
        let limit = list.limit.saturating_sub(self.page.entries.len()).saturating_add(1);
        let bytes = list.bytes.saturating_sub(self.bytes);
        let mut found = self.source.page(top, position, limit, bytes).await?;
        if found.more && found.entries.is_empty() {
            // It has more bytes than are left, and perhaps it is hidden.
            found = self.source.page(top, position, 1, list.bytes).await?;
        }
        if let Some(last) = found.entries.last() {
            position.after = Some(last.raw_name());
        }
        Ok(found)
    }

    /// Adds a stored entry that the principal may list, and the ways before it.
    fn stored(&mut self, listed: Listed, filters: bool) -> Result<(), Full> {
        if filters && !self.source.shows(&listed) {
            return Ok(());
        }
        if self.ways.peek().is_some() {
            let name = listed.raw_name();
            if !self.add_ways(Some(&name)) {
                return Err(Full(listed));
            }
            // The grants know better what it is.
            if self.ways.peek().is_some_and(|way| RawName::from(way) == name) {
                return Ok(());
            }
        }
        self.add(listed)
    }

    /// Adds the ways before this name, or all of them; `false` if the page is full.
    fn add_ways(&mut self, before: Option<&RawName>) -> bool {
        let is_next = |way: &RemoteName| before.is_none_or(|name| RawName::from(way) < *name);
        while let Some(way) = self.ways.next_if(is_next) {
            if self.add(Listed::Entry(directory_entry(way))).is_err() {
                return false;
            }
        }
        true
    }

    fn add(&mut self, listed: Listed) -> Result<(), Full> {
        let bytes = self.bytes + listed.record_len();
        if self.page.entries.len() >= self.source.list.limit || bytes > self.source.list.bytes {
            return Err(Full(listed));
        }
        self.bytes = bytes;
        self.page.entries.push(listed);
        Ok(())
    }
}
