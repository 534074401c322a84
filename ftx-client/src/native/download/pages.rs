//! The pages of listings, which the first connection requests.

use ftx_core::native::wire::Reply;

use super::stream::DownloadStream;
use crate::TransferError;
use crate::native::channel::out_of_step;
use crate::native::decode::refused;

impl DownloadStream {
    /// Requests the next page of a listing, if there is one. The first connection does.
    pub(super) fn request_page(&mut self) -> Result<(), TransferError> {
        let queue = &self.shared.queue;
        if self.stream != 0 || self.listing.is_some() || !queue.seeks_more() {
            return Ok(());
        }
        let Some(request) = queue.feed.request() else { return Ok(()) };
        let id = self.shared.attempt.new_request();
        self.channel.queue(id, &request)?;
        self.listing = Some(id);
        // At once: the server reads the directory while the files of the last page are looked at here.
        self.channel.try_flush()
    }

    /// Whether a reply answers the request for a page.
    pub(super) fn is_page(&self, request: u32) -> bool {
        self.listing == Some(request)
    }

    /// Takes the answer to the request for a page.
    pub(super) fn on_page(&mut self, reply: Reply) -> Result<(), TransferError> {
        let queue = &self.shared.queue;
        match reply {
            Reply::Working { .. } => return Ok(()),
            Reply::Entries { entries, more } => queue.feed.take_page(entries, more)?,
            Reply::Failed { reason, message } => {
                let error = refused(reason, &message);
                if error.is_transient() {
                    return Err(error);
                }
                queue.feed.refuse(error);
            }
            _ => return Err(out_of_step("another answer than entries")),
        }
        queue.gain();
        (self.listing, self.has_page) = (None, true);
        self.request_page()
    }
}
