//! Listings, page by page.

use ftx_core::native::wire::{Listed, Reply};
use ftx_core::{RawName, RemoteName};
use ftx_io::Executor;

use crate::store::{ListRequest, Refusal, Store};

/// Entries of one reply.
const MAX_PAGE_ENTRIES: u32 = 32 * 1024;

/// Bytes of the entries of one reply: they fit a message with room to spare.
const MAX_PAGE_BYTES: usize = 960 * 1024;

/// A listing request of a client.
pub(super) struct ListQuery {
    pub(super) name: String,
    pub(super) recursive: bool,
    pub(super) after: Option<String>,
    pub(super) limit: u32,
}

/// A listing between two pages. With it the directory need not be read again for the next page.
pub(super) struct PausedListing<C> {
    name: Option<RemoteName>,
    recursive: bool,
    /// The last name of the page before.
    last: RawName,
    cursor: C,
}

impl<C> PausedListing<C> {
    /// The cursor for this page, if it is the next one.
    fn cursor_for(self, list: &ListRequest) -> Option<C> {
        let ListRequest { name, recursive, after, .. } = list;
        let is_next = *name == self.name
            && *recursive == self.recursive
            && after.as_ref().is_some_and(|after| *after == self.last);
        is_next.then_some(self.cursor)
    }
}

/// A page of a listing, and its continuation.
pub(super) async fn list<S: Store>(
    store: &S,
    executor: &Executor,
    query: ListQuery,
    paused: Option<PausedListing<S::Cursor>>,
) -> Result<(Reply, Option<PausedListing<S::Cursor>>), Refusal> {
    let ListQuery { name, recursive, after, limit } = query;
    let name = if name.is_empty() { None } else { Some(RemoteName::parse(&name)?) };
    let after = after.as_deref().map(RawName::parse).transpose()?;
    let limit = usize::try_from(limit.clamp(1, MAX_PAGE_ENTRIES)).unwrap_or(1);
    let list = ListRequest { name, recursive, after, limit, bytes: MAX_PAGE_BYTES };
    let cursor = paused.and_then(|paused| paused.cursor_for(&list));
    let (page, cursor) = store.list(executor, list.clone(), cursor).await?;
    let last = page.entries.last().map(Listed::raw_name);
    let paused = cursor.zip(last).map(|(cursor, last)| {
        let ListRequest { name, recursive, .. } = list;
        PausedListing { name, recursive, last, cursor }
    });
    Ok((Reply::Entries { entries: page.entries, more: page.more }, paused))
}
