//! Listings, page by page.

use ftx_store::StoreError;

use super::super::StoreInner;
use super::super::walk::TreeWalk;
use crate::store::{ListPage, ListRequest};

/// Where a listing is: names that were read with those of the pages so far. It holds no descriptor.
#[derive(Debug)]
pub struct LocalCursor(TreeWalk);

/// The next page of a listing, and the cursor behind it. Blocks.
pub(super) fn page(
    inner: &StoreInner,
    list: &ListRequest,
    cursor: Option<LocalCursor>,
) -> Result<(ListPage, Option<LocalCursor>), StoreError> {
    let ListRequest { name, recursive, after, limit, bytes: most_bytes } = list;
    let memory = &inner.native.names;
    let mut walk = match cursor {
        Some(LocalCursor(walk)) => walk,
        None => TreeWalk::new(&inner.root, memory, name.as_ref(), *recursive, after.as_ref())?,
    };
    let mut page = ListPage::default();
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
