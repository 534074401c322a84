//! The listings of directories whose files a call downloads, page by page, while files of earlier pages are
//! under way.
//!
//! ```text
//!   connection 0                              calling thread
//!   request ─▶ server ─▶ take_page ─▶ pages ─▶ advance ─▶ TreeWatch::listed ─▶ TransferQueue
//! ```

use std::collections::VecDeque;
use std::sync::Mutex;

use ftx_core::native::StepError;
use ftx_core::native::listing::Listing;
use ftx_core::native::wire::{Listed, Request};

use super::download::DownloadJob;
use super::queue::{TransferQueue, lock};
use crate::{DownloadSource, TransferError, TreeWatch};

/// Entries of the first page and of the largest one. Each page is twice as long as the one before: about what a
/// new connection over a long line carries in the next round trip.
const FIRST_PAGE_ENTRIES: u32 = 256;
const MAX_PAGE_ENTRIES: u32 = 32 * 1024;

/// The directories that are listed for a queue.
#[derive(Debug, Default)]
pub(super) struct ListingFeed {
    state: Mutex<FeedState>,
}

#[derive(Debug, Default)]
struct FeedState {
    /// The directory that is being listed.
    listing: Option<Listing>,
    /// Pages that have arrived and were not passed on.
    pages: VecDeque<Vec<Listed>>,
    /// Why the directory cannot be listed.
    refused: Option<TransferError>,
}

impl ListingFeed {
    /// The request for the next page; `None` if there is no directory to list.
    pub(super) fn request(&self) -> Option<Request> {
        let state = lock(&self.state);
        let listing = state.listing.as_ref().filter(|listing| !listing.is_ended());
        listing.filter(|_| state.refused.is_none()).map(Listing::request)
    }

    /// Takes the page that was requested last.
    ///
    /// # Errors
    /// It does not fit the listing. None of its entries is passed on.
    pub(super) fn take_page(&self, entries: Vec<Listed>, more: bool) -> Result<(), StepError> {
        let mut state = lock(&self.state);
        let Some(listing) = &mut state.listing else {
            return Err(StepError::OutOfStep { what: "a page of no listing" });
        };
        listing.page(&entries, more)?;
        state.pages.push_back(entries);
        Ok(())
    }

    /// Gives the directory up.
    pub(super) fn refuse(&self, error: TransferError) {
        lock(&self.state).refused.get_or_insert(error);
    }

    /// Passes everything that has arrived to `watch`, and the files of its choice to `queue`.
    pub(super) fn advance(&self, queue: &TransferQueue<DownloadJob>, watch: &mut dyn TreeWatch) {
        while !queue.is_complete() {
            // Outside the lock, because `watch` may take its time.
            let page = lock(&self.state).pages.pop_front();
            if let Some(entries) = page {
                let files = entries.into_iter().filter_map(|entry| watch.listed(entry));
                queue.add(files.map(DownloadJob::listed).collect());
                continue;
            }
            let refused = lock(&self.state).refused.take();
            if let Some(error) = refused {
                let is_over = queue.stop_unless_kept_going() || error.is_cancelled();
                watch.listing_failed(&error);
                if is_over {
                    queue.complete();
                }
                lock(&self.state).listing = None;
                continue;
            }
            if self.request().is_some() {
                return;
            }
            match watch.next_source() {
                Some(DownloadSource::File(file)) => queue.add(vec![DownloadJob::named(file)]),
                Some(DownloadSource::Directory(name)) => {
                    let listing = Listing::new(name, true, FIRST_PAGE_ENTRIES);
                    lock(&self.state).listing = Some(listing.growing(MAX_PAGE_ENTRIES));
                }
                None => queue.complete(),
            }
        }
    }
}
