//! Listings, page by page.

use ftx_store::StoreError;

use super::super::Inner;
use super::super::walk::Walk;
use crate::store::{Listing, Page};

/// Where a listing is: names that were read with those of the pages so far. It holds no descriptor.
#[derive(Debug)]
pub struct LocalCursor(Walk);

/// The next page of a listing, and where it goes on. Blocks.
pub(super) fn page(
    inner: &Inner,
    list: &Listing,
    cursor: Option<LocalCursor>,
) -> Result<(Page, Option<LocalCursor>), StoreError> {
    let Listing { name, recursive, after, limit, bytes: most_bytes } = list;
    let memory = &inner.native.names;
    let mut walk = match cursor {
        Some(LocalCursor(walk)) => walk,
        None => Walk::new(&inner.root, memory, name.as_ref(), *recursive, after.as_ref())?,
    };
    let mut page = Page::default();
    let mut bytes = 0;
    while let Some(listed) = walk.next()? {
        bytes += listed.record_len();
        if page.entries.len() >= *limit || bytes > *most_bytes {
            walk.put_back(listed);
            page.more = true;
            return Ok((page, walk.suspend().map(LocalCursor)));
        }
        page.entries.push(listed);
    }
    Ok((page, None))
}
